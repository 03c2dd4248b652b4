"""All benchmarks, one after the other, and one table of what they measured."""

from __future__ import annotations

import subprocess
import sys

import bench

SCRIPTS = ("pages", "polling", "listing", "memory", "liveness", "first_run", "telling", "gain")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def figures(printed: str) -> list[list[str]]:
    """The rows of the table of figures that a benchmark printed last."""
    lines = [cells(line) for line in printed.splitlines() if line.startswith("|")]
    heads = [place for place, line in enumerate(lines) if tuple(line) == bench.COLUMNS]
    return lines[heads[-1] + 2 :] if heads else []


def main() -> None:
    found, wrong = [], False
    for name in SCRIPTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        script = bench.ROOT / "benchmarks" / f"{name}.py"
        done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        wrong |= done.returncode != 0
        rows = figures(done.stdout) or [["it broke", f"exit status {done.returncode}", "", "MISSED"]]
        found += [("" if number else f"{name}.py", *row) for number, row in enumerate(rows)]
    print(f"On {bench.machine()}\n")
    print(bench.table(("benchmark", *bench.COLUMNS), found))
    sys.exit(wrong)


if __name__ == "__main__":
    main()

"""All benchmarks, one after the other, and one table of what they measured."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import bench

SCRIPTS = (
    "pages", "polling", "listing", "memory", "liveness", "first_run", "telling", "gain", "importing", "photographs",
    "whole_run", "speed", "race", "scaling", "advising", "estimating",
)  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def figures(printed: str) -> list[list[str]]:
    """The rows of the table of figures that a benchmark printed last."""
    lines = [cells(line) for line in printed.splitlines() if line.startswith("|")]
    heads = [place for place, line in enumerate(lines) if tuple(line) == bench.COLUMNS]
    return lines[heads[-1] + 2 :] if heads else []


def measured(name: str, *options: str) -> tuple[list[list[str]], bool]:
    """What one benchmark found, and whether it met its bars."""
    print(f"{name} …", file=sys.stderr, flush=True)
    script = bench.ROOT / "benchmarks" / f"{name}.py"
    done = subprocess.run([sys.executable, str(script), *options], stdout=subprocess.PIPE, text=True)
    rows = figures(done.stdout) or [["it broke", f"exit status {done.returncode}", "", "MISSED"]]
    return [[*row, f"{name}.py"] for row in rows], done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these; the others' figures stay")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there, for docs/tables.py")
    parser.add_argument("--figure", type=Path, metavar="PATH", help="draw the figure of scaling.py there (SVG)")
    arguments = parser.parse_args()
    names, path = arguments.names or SCRIPTS, arguments.json
    kept = json.loads(path.read_text()) if path and path.exists() else {"figures": [], "gain": [], "photographs": {}}
    found, met = list[list[str]](), True
    with tempfile.TemporaryDirectory() as folder:
        more = {name: Path(folder) / f"{name}.json" for name in ("gain", "photographs")}
        for name in names:
            options = ["--json", str(more[name])] if name in more else []
            options += ["--all"] if name == "gain" else []
            options += ["--figure", str(arguments.figure)] if name == "scaling" and arguments.figure else []
            rows, own = measured(name, *options)
            found, met = found + rows, met and own
        gain = json.loads(more["gain"].read_text())["rows"] if more["gain"].exists() else kept["gain"]
        photographs = more["photographs"]
        seen = json.loads(photographs.read_text()) if photographs.exists() else kept.get("photographs", {})
    print(f"On {bench.machine()}\n")
    print(bench.table((*bench.COLUMNS, "benchmark"), found))
    if path:
        new = [
            [what, value, f"{bar}: missed" if verdict == "MISSED" else bar, script]
            for what, value, bar, verdict, script in found
        ]
        old = [row for row in kept["figures"] if row[3].removesuffix(".py") not in names]
        rows = sorted(old + new, key=lambda row: SCRIPTS.index(row[3].removesuffix(".py")))
        path.write_text(
            json.dumps({"machine": bench.machine(), "figures": rows, "gain": gain, "photographs": seen}, indent=1)
            + "\n"
        )
    sys.exit(not met)


if __name__ == "__main__":
    main()

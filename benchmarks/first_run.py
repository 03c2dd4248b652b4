"""The first minutes: ``python -m tlcore run``, the source trained on the way; then once more, with its control."""

from __future__ import annotations

import subprocess
import sys

import bench
from bench import Figure, at_most

from tests.browser import end_engines
from tlcore import runs

FIRST, SECOND = 120.0, 45.0


def run_once(*arguments: str) -> float:
    """Seconds of one command, its start and the engine's included."""

    def command() -> None:
        done = subprocess.run([sys.executable, "-m", "tlcore", "run", *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"tlcore run ended with {done.returncode}: {done.stderr or done.stdout}")

    return bench.seconds(command)


def main() -> None:
    with bench.fresh_home() as home:
        first = run_once()
        trained = [run.label for run in runs.all_runs(runs.SOURCE)]
        end_engines(home)  # the second one pays for a cold engine too
        second = run_once()
        newest = runs.all_runs()[0]
        control = bool(newest.result and newest.result["control"])
    bench.report(
        [
            at_most(f"first `tlcore run`, its source trained on the way ({', '.join(trained)})", first, FIRST, "s"),
            at_most("second `tlcore run`, engine cold, with its control", second, SECOND, "s"),
            Figure("one source trained, and the second run has its control", str(control), "True",
                   control and len(trained) == 1),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()

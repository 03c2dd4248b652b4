"""Each page cold: a fresh Python process, AppTest with its usual timeout, and nothing of Keras loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import bench
from bench import Figure
from listing import finished_runs

PAGES = ("dataset", "strategy", "training", "results", "runs")
TIMEOUT = 3.0
"""AppTest's own default, in seconds: a page that needs longer raises."""

LOOK = """
import json, sys, time
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(sys.argv[1])
began = time.perf_counter()
app.run()
taken = time.perf_counter() - began
heavy = [name for name in ("keras", "tensorflow") if name in sys.modules]
wrong = [error.message for error in app.exception]
print(json.dumps({"seconds": taken, "wrong": wrong, "heavy": heavy, "titles": len(app.title)}))
"""


def look(page: str, about: str) -> Figure:
    """Open one page in a process of its own."""
    done = subprocess.run([sys.executable, "-c", LOOK, f"pages/{page}.py"], capture_output=True, text=True)
    bar = f"≤ {TIMEOUT:g} s, no error, no Keras"
    if done.returncode != 0:
        return Figure(f"pages/{page}.py, {about}", done.stderr.strip().split("\n")[-1][:90], bar, False)
    told = json.loads(done.stdout.strip().split("\n")[-1])
    wrong = [*told["wrong"], *(f"{name} is loaded" for name in told["heavy"])] + ["no title"] * (told["titles"] != 1)
    measured = f"{told['seconds']:.2f} s" + (f", {'; '.join(wrong)[:90]}" if wrong else "")
    return Figure(f"pages/{page}.py, {about}", measured, bar, told["seconds"] <= TIMEOUT and not wrong)


def main() -> None:
    figures = []
    for about, amount in (("empty home", 0), ("20 runs", 20)):
        with bench.fresh_home():
            finished_runs(amount, events=100)
            figures += [look(page, about) for page in PAGES]
    bench.report(figures)


if __name__ == "__main__":
    main()

"""What every benchmark here does alike: a fresh home, a table, an exit status.

``import bench`` comes before any import of tlcore: it puts the repository's root on the path.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
os.chdir(ROOT)

COLUMNS = ("what", "measured", "bar", "")


@dataclass(frozen=True)
class Figure:
    """One thing measured; ``met`` is None where nothing was promised."""

    what: str
    measured: str
    bar: str = ""
    met: bool | None = None


def at_most(what: str, value: float, bar: float, unit: str) -> Figure:
    return Figure(what, amount(value, unit), f"≤ {bar:g} {unit}", value <= bar)


def amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


@contextmanager
def fresh_home(linger: float = 60.0) -> Iterator[Path]:
    """A home folder for this benchmark alone; it and its engines are gone afterwards."""
    from tests.browser import end_engines

    home = Path(tempfile.mkdtemp(prefix="transfer-lab-benchmark-")).resolve()
    os.environ.update(TLCORE_HOME=str(home), TLCORE_LINGER=str(linger))
    os.environ.pop("TLCORE_DATA", None)
    try:
        yield home
    finally:
        end_engines(home)
        shutil.rmtree(home, ignore_errors=True)


def answer(job: str) -> dict[str, Any]:
    """What a job comes to; the exit status is 1 when it does not get there."""
    from tlcore import worker

    story = worker.follow(job)
    while not story.end:
        worker.wake()
        worker.follow(job, story)
    if not story.result:
        raise SystemExit(f"the job {job} ended as {story.end}: {story.failure}")
    return story.result


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median_and_worst(work: Callable[[], object], times: int = 20) -> tuple[float, float]:
    """Milliseconds of so many calls."""
    taken = [1000 * seconds(work) for _ in range(times)]
    return statistics.median(taken), max(taken)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as a Markdown table that also reads well as it is."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)


def rows(figures: Iterable[Figure]) -> list[tuple[str, str, str, str]]:
    said = {True: "met", False: "MISSED", None: ""}
    return [(figure.what, figure.measured, figure.bar, said[figure.met]) for figure in figures]


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def report(figures: Sequence[Figure]) -> NoReturn:
    """Print the table; the exit status is 1 when a bar was missed."""
    print(f"{Path(sys.argv[0]).name} on {machine()}\n")
    print(table(COLUMNS, rows(figures)), flush=True)
    sys.exit(any(figure.met is False for figure in figures))

"""How runs are coming along, shown on a terminal."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from . import runs, worker
from .events import Story
from .words import duration

PAUSE = 0.2
"""Seconds between two looks at a run."""


class Moment(NamedTuple):
    """What a progress display needs to know."""

    doing: str
    share: float = 0.0
    left: float | None = None
    accuracy: float | None = None


Show = Callable[[Moment], None]


def watch(names: Sequence[str], as_json: bool) -> bool:
    """Wait until all these runs are over, showing how they come along; gives whether it was interrupted.

    The first Ctrl-C asks the runs to stop and goes on waiting, the second one leaves.
    """
    interrupted = False
    with _display(as_json) as show:
        for name in names:
            story, inner = Story(), dict[str, Story]()
            while True:
                try:
                    over = runs.get(name).over and not runs.is_held(name)
                    show(_moment(name, worker.follow(name, story), inner))
                    if over:
                        break
                    worker.wake()
                    time.sleep(PAUSE)
                except KeyboardInterrupt:
                    if interrupted:
                        raise
                    interrupted = True
                    _stop(names)
                    kept = "; what was learnt is kept" if runs.get(name).task == runs.TRAIN else ""
                    show(Moment(f"stopping{kept} (Ctrl-C again: do not wait)"))
    return interrupted


def _stop(names: Sequence[str]) -> None:
    """Ask all these runs to stop, however often Ctrl-C is pressed meanwhile."""
    for name in names:
        while True:
            try:
                runs.ask_to_stop(name)
                break
            except KeyboardInterrupt:
                continue


def _moment(run: str, story: Story, inner: dict[str, Story]) -> Moment:
    """The present moment of a run; while its source is trained on the way, that of the source's run."""
    said, own = "", story
    others = (other for other in runs.unfinished() if other.id != run and other.status == runs.RUNNING)
    if story.began is None and not story.end and any(others):
        return Moment("waiting for other runs")
    if story.stage.get("stage") == "source" and not story.end and (child := story.stage.get("run")):
        own = worker.follow(child, inner.setdefault(child, Story()))
        said = f"{story.doing()}: "
    share = own.share_done
    if own.stage.get("stage") == "downloading" and own.progress.get("of"):
        share = own.progress["done"] / own.progress["of"]
    doing = f"stopping ({own.doing()})" if story.stop_asked and not story.end else said + own.doing()
    accuracy = own.epochs[-1].get("val_accuracy") if own.epochs else None
    return Moment(doing, share, own.seconds_left(), accuracy)


@contextmanager
def _display(as_json: bool) -> Iterator[Show]:
    """A bar on a terminal, short lines elsewhere; beside JSON nothing that is not a terminal."""
    stream = sys.stderr if as_json else sys.stdout
    if not stream.isatty():
        yield _no_lines if as_json else _lines()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("[dim]{task.fields[more]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("starting the engine", total=1.0, more="")

        def show(moment: Moment) -> None:
            more = [] if moment.left is None else [f"{duration(moment.left)} left"]
            more += [] if moment.accuracy is None else [f"validation accuracy {moment.accuracy:.3f}"]
            progress.update(task, description=escape(moment.doing), completed=moment.share, more=", ".join(more))

        yield show


def _no_lines(moment: Moment) -> None:
    """Shows nothing."""


def _lines() -> Show:
    last = ""

    def show(moment: Moment) -> None:
        nonlocal last
        line = re.sub(r", epoch \d+ of (\d+)", r", \1 epochs", moment.doing)  # a line a phase, not an epoch
        if line != last:
            print(last := line, flush=True)

    return show

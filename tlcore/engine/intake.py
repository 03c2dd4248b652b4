"""The worker of the intake: people's own data and weight files. It loads no Keras and stays small."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import runs
from ..catalogue import UnknownName
from ..datasets import library
from ..home import home
from ..runs import Run
from . import queue
from .teller import Stopped, Teller

JOBS_BEFORE_A_FRESH_START = 50


def carry_out(run: Run) -> None:
    """Carry a job out from its question to its end, whatever that is."""
    teller, began = Teller(run.id), time.perf_counter()
    try:
        answer = JOBS[run.task](json.loads(run.question), teller)
        teller("result", **answer)
        teller("finished", seconds={"total": round(time.perf_counter() - began, 3), "training": 0.0})
    except Stopped:
        teller("stopped")
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:1000] if lines else type(error).__name__
        # What was brought is at fault, and not the program: the message says what to do.
        refused = isinstance(error, ValueError | UnknownName)
        teller("failed", reason=reason, details=traceback.format_exc(), refused=refused)


def _stages(teller: Teller, stage: str) -> Callable[[str, int, int], None]:
    """What an intake calls with its stage, how much is done and of how much."""
    last = ""

    def tell(own: str, done: int, of: int) -> None:
        nonlocal last
        if own != last:
            teller("stage", stage=stage, doing=own)
            last = own
        teller.progress(done, of)

    return tell


def _import(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    from ..datasets import intake

    path = Path(question["path"])
    library.sweep()  # this lane has one worker: whatever is unfinished is of one that was killed
    unfinished = library.begin()
    try:
        labels = Path(question["labels"]) if question.get("labels") else None
        taken = intake.take_in(
            path, unfinished, labels=labels, label_column=question.get("label_column"),
            size=question.get("size") or 96, tell=_stages(teller, "importing"), stop=teller.stop_here_if_asked,
        )  # fmt: skip
        # What a browser sent lies here under a name of ours.
        own, called = path.name, question["origin"]
        taken = dataclasses.replace(taken, notes=tuple(note.replace(own, called) for note in taken.notes))
        if taken.kind == "table" and path.is_file():  # kept, so that another column can be made the label
            shutil.copyfile(path, unfinished / f"original{path.suffix.lower()}")
        teller("stage", stage="checking")
        teller.stop_here_if_asked()
        name, again = library.keep(taken, unfinished, label=question.get("label") or "", origin=called)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if path.is_relative_to(home() / "uploads"):
        shutil.rmtree(home() / "uploads" / path.relative_to(home() / "uploads").parts[0], ignore_errors=True)
    return {"dataset": name, "version": library.imported(name).versions[-1], "again": again}


def _revise(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """A new version: ``change`` is "leave out" or "move" (of ``positions``, to class number ``label``), or "take as
    one" (each of ``groups``)."""
    from ..datasets import health

    teller("stage", stage="checking")
    name, change = question["dataset"], question["change"]
    stated = library.stated(name, question["version"])
    if change == "leave out":
        changed = health.leave_out(stated, question["positions"])
    elif change == "move":
        label = question["label"]
        changed = health.move(stated, question["positions"], label, library.imported(name).classes[label])
    else:
        changed = health.take_as_one(stated, question["groups"])
    return {"dataset": name, "version": library.revise(name, changed.to(stated), changed.note)}


def _resize(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    import pandas as pd

    from ..datasets import intake

    folder = library.folder(question["dataset"])
    intake.resize(
        folder, pd.read_parquet(folder / "entries.parquet"), question["size"], question["channels"],
        _stages(teller, "resizing"), teller.stop_here_if_asked,
    )  # fmt: skip
    return question


def _inspect(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    from . import foreign

    path = Path(question["path"])
    name = foreign.take_in(
        path, _stages(teller, "converting"), teller.stop_here_if_asked, label=question.get("title", path.name)
    )
    if path.is_relative_to(home() / "uploads"):
        shutil.rmtree(path.parent, ignore_errors=True)
    return {"source": f"file:{name}"}


JOBS: dict[str, Callable[[dict[str, Any], Teller], dict[str, Any]]] = {
    runs.IMPORT: _import, runs.REVISE: _revise, runs.RESIZE: _resize, runs.INSPECT: _inspect,
}  # fmt: skip


if __name__ == "__main__":
    queue.drain(carry_out, JOBS_BEFORE_A_FRESH_START)

"""How a run leaves this process: a queue in ``lab.db``, and engines that drain it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import runs
from .admission import admit
from .devices import slots
from .events import Story
from .home import home
from .spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

_woken: dict[tuple[Path, str], tuple[float, subprocess.Popen[bytes]]] = {}
"""When this process last started an engine for a slot, and that engine."""

LOG_BYTES = 1_000_000
"""A log that is longer begins anew with the next engine."""


def start(spec: RunSpec, label: str = "") -> str:
    """Check a question, put it into the queue, and see that an engine runs; gives the run's id. Raises Refused."""
    run = runs.create(admit(spec), label=label)
    wake()
    return run


def order(task: str, label: str = "", /, **question: Any) -> str:
    """Ask an engine for a job; gives its id. The same job that is under way already is not asked for twice."""
    text = json.dumps(question, sort_keys=True)
    for job in runs.unfinished():
        if job.task == task and job.status != runs.LOST and job.question == text:
            return job.id
    job_id = runs.create(question, task=task, label=label)
    wake()
    return job_id


def fetch(dataset: str) -> str:
    """Ask an engine to download a dataset; gives the job's id."""
    return order(runs.FETCH, dataset, dataset=dataset)


def wake() -> None:
    """Start an engine in each free slot of a lane while something waits there. Cheap: every page may call it."""
    for _, engine in list(_woken.values()):
        engine.poll()  # one that has ended leaves the table of processes
    for lane in runs.LANES:
        if not runs.waiting(lane):
            continue
        for number in range(slots() if lane == runs.TRAIN else 1):
            slot = f"{lane}{number}"
            key = (home(), slot)
            # An engine needs a moment from its start until it holds its slot.
            if key in _woken and time.monotonic() - _woken[key][0] < 2:
                continue
            if not runs.held(slot_lock(slot)):
                _woken[key] = (time.monotonic(), _spawn(lane, number))


def slot_lock(slot: str) -> Path:
    """The file that a slot's engine holds locked. A slot is a lane and a number: ``train0``."""
    folder = home() / "slots"
    folder.mkdir(exist_ok=True)
    return folder / f"{slot}.lock"


def log_file(slot: str) -> Path:
    """What a slot's engine printed, its last words included."""
    return home() / "slots" / f"{slot}.log"


def _spawn(lane: str, number: int) -> subprocess.Popen[bytes]:
    """Start an engine that outlives this process, its terminal and its browser tab."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    detached: dict[str, Any] = (
        {"creationflags": 0x00000008 | 0x00000200} if sys.platform == "win32" else {"start_new_session": True}
    )
    path_of_log = log_file(f"{lane}{number}")
    long = path_of_log.exists() and path_of_log.stat().st_size > LOG_BYTES
    with path_of_log.open("wb" if long else "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tlcore.engine", "--lane", lane, "--number", str(number)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "PYTHONPATH": path, "TLCORE_HOME": str(home())}, **detached,
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """A run that is over: its id, its status, its story, and what came of it."""

    run: str
    status: str
    story: Story

    @property
    def result(self) -> dict[str, Any] | None:
        return self.story.result

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: arm, phase, epoch, loss, accuracy, val_loss, val_accuracy, seconds, rate."""
        import pandas as pd

        return pd.DataFrame(self.story.epochs)


def follow(run: str, story: Story | None = None) -> Story:
    """Read what a run has told since; the same story grows with each call."""
    story = story or Story()
    return story.add(runs.events(run, story.last))


def train(spec: RunSpec, label: str = "") -> Outcome:
    """Carry out a question and wait for the answer, from a notebook or a script. Raises Refused."""
    run = start(spec, label)
    story = Story()
    while True:
        over = runs.get(run).over and not runs.is_held(run)
        follow(run, story)
        if over:
            return Outcome(run, runs.get(run).status, story)
        wake()
        time.sleep(0.2)

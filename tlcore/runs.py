"""Where runs are kept: one SQLite file, one folder of artefacts a run. What a run's status is, is derived."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

if sys.platform != "win32":
    import fcntl

from .database import connection, transaction
from .events import ENDS, Event
from .home import home
from .spec import Problem, Refused, RunSpec

WAITING, RUNNING, LOST = "waiting", "running", "lost"
STATUSES = (WAITING, RUNNING, *ENDS, LOST)
TRAIN, SOURCE = "train", "source"
"""Tasks that are runs: what people ask for, and a shipped source's run made on the way."""
RACE = "race"
"""A task that is made of runs: strategies, sources and seeds side by side."""
FETCH, BORROW, PREVIEW = "fetch", "borrow", "preview"
"""Jobs that need Keras: a dataset's download, a network's download, a look at random changes of pictures."""
ADVISE, MEASURE, FIND_RATE = "advise", "measure", "find_rate"
"""Jobs that need Keras and look ahead: what to do, how long it takes here, and how large a step may be."""
IMPORT, REVISE, RESIZE, INSPECT = "import", "revise", "resize", "inspect"
"""Jobs that do not: the intake of a person's own data, a new version of it, its pictures at another size, and the
intake of weights from a file."""
LANES = {
    TRAIN: (TRAIN, RACE),
    "studio": (FETCH, BORROW, PREVIEW, ADVISE, MEASURE, FIND_RATE),
    "intake": (IMPORT, REVISE, RESIZE, INSPECT),
}
"""Who works on what, side by side: nothing short waits behind a training. The intake loads no Keras."""

FEW = 20
"""Runs up to which one look a run is cheaper than one look at everybody's headlines."""
_HEADLINES = ("started", "stop", "result", *ENDS)
"""Kinds of event that the list of runs is made from."""


class UnknownRun(LookupError):
    """No run of that id."""

    def __init__(self, run: str):
        super().__init__(f"unknown run {run!r}: expected the id of a run in {home()}; list them with 'runs'")


@dataclass(frozen=True)
class Run:
    """One line of the list: the question, how far it is, and its headline figures."""

    id: str
    created: float
    task: str
    label: str
    question: str
    status: str
    started: float | None = None
    ended: float | None = None
    result: dict[str, Any] | None = None

    @property
    def spec(self) -> RunSpec:
        return RunSpec.from_json(self.question)

    def asks(self, question: dict[str, Any]) -> bool:
        """Whether this is a job with that very question."""
        return self.question == json.dumps(question, sort_keys=True)

    @property
    def folder(self) -> Path:
        return folder(self.id)

    @property
    def over(self) -> bool:
        return self.status not in (WAITING, RUNNING)


def folder(run: str) -> Path:
    """The run's artefacts. The id is made here and never typed: anything else is refused."""
    if not run.isalnum():
        raise UnknownRun(run)
    return home() / "runs" / run


def create(question: RunSpec | dict[str, Any], *, task: str = TRAIN, label: str = "") -> str:
    """Write a question down once; gives the new run's id. It waits until an engine takes it."""
    run = time.strftime("%Y%m%d%H%M%S", time.gmtime()) + secrets.token_hex(4)
    text = question.to_json() if isinstance(question, RunSpec) else json.dumps(question, sort_keys=True)
    with connection() as db:
        db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?)", (run, time.time(), task, label, text))
    return run


def tell(run: str, kind: str, /, **data: Any) -> None:
    """Append an event to a run's story."""
    with connection() as db:
        db.execute(
            "INSERT INTO events (run, time, kind, data) VALUES (?, ?, ?, ?)", (run, time.time(), kind, json.dumps(data))
        )


def events(run: str, since: int = 0) -> list[Event]:
    """The events of a run after ``since``, in order."""
    with connection() as db:
        rows = db.execute(
            "SELECT seq, time, kind, data FROM events WHERE run = ? AND seq > ? ORDER BY seq", (run, since)
        ).fetchall()
    data = json.loads(f"[{','.join(row[3] for row in rows)}]")  # one long text is read faster than many short ones
    return [Event(seq, when, kind, own) for (seq, when, kind, _), own in zip(rows, data, strict=True)]


def asked_to_stop(run: str) -> bool:
    with connection() as db:
        return db.execute("SELECT 1 FROM events WHERE run = ? AND kind = 'stop' LIMIT 1", (run,)).fetchone() is not None


def get(run: str) -> Run:
    """One run. Raises :class:`UnknownRun`."""
    found = _listed("WHERE id = ?", (run,))
    if not found:
        raise UnknownRun(run)
    return found[0]


def all_runs(*tasks: str) -> list[Run]:
    """All runs of these tasks (of what people asked to train, where none is named), newest first."""
    wanted = tasks or (TRAIN,)
    return _listed(f"WHERE task IN ({', '.join('?' * len(wanted))}) ORDER BY created DESC", wanted)


def waiting(lane: str = TRAIN) -> list[Run]:
    """What waits for an engine of a lane, the first to go first."""
    return _listed(f"WHERE {_UNCLAIMED} AND {_of(lane)} ORDER BY created", LANES[lane])


def _of(lane: str) -> str:
    return f"task IN ({', '.join('?' * len(LANES[lane]))})"


def unfinished() -> list[Run]:
    """What waits, runs or was lost, in the order of asking."""
    ends = ", ".join(f"'{kind}'" for kind in ENDS)
    where = f"WHERE NOT EXISTS (SELECT 1 FROM events WHERE run = runs.id AND kind IN ({ends})) ORDER BY created"
    return _listed(where, ())


_UNCLAIMED = (
    "NOT EXISTS (SELECT 1 FROM events WHERE run = runs.id AND kind IN ('started', 'finished', 'stopped', 'failed'))"
)


def _listed(where: str, values: tuple[Any, ...]) -> list[Run]:
    marks = ", ".join("?" * len(_HEADLINES))
    with connection() as db:
        rows = db.execute(f"SELECT id, created, task, label, question FROM runs {where}", values).fetchall()
        if len(rows) <= FEW:
            return [_run(row, _headlines_of(row[0])) for row in rows]
        told = db.execute(
            "SELECT run, time, kind, data FROM events "
            f"WHERE kind NOT IN ('epoch', 'progress', 'stage') AND kind IN ({marks}) ORDER BY seq",
            _HEADLINES,
        ).fetchall()
    headlines: dict[str, dict[str, tuple[float, str]]] = {}
    for run, when, kind, data in told:
        headlines.setdefault(run, {})[kind] = (when, data)
    return [_run(row, headlines.get(row[0], {})) for row in rows]


def _headlines_of(run: str) -> dict[str, tuple[float, str]]:
    marks = ", ".join("?" * len(_HEADLINES))
    with connection() as db:
        told = db.execute(
            f"SELECT kind, time, data FROM events WHERE run = ? AND kind IN ({marks}) ORDER BY seq", (run, *_HEADLINES)
        )
        return {kind: (when, data) for kind, when, data in told}


def _run(row: tuple[Any, ...], headlines: dict[str, tuple[float, str]]) -> Run:
    end = next((kind for kind in ENDS if kind in headlines), None)
    if end:
        status = end
    elif "started" not in headlines:
        status = WAITING
    else:
        status = RUNNING if is_held(row[0]) else LOST
        # It may have ended between the look at its events and the look at its lock: only then look again.
        if status == LOST and (told := _headlines_of(row[0])).keys() & {*ENDS}:
            return _run(row, told)
    result = json.loads(headlines["result"][1]) if "result" in headlines else None
    started = headlines["started"][0] if "started" in headlines else None
    ended = headlines[end][0] if end else None
    asked = dict(zip(("id", "created", "task", "label", "question"), row, strict=True))
    return Run(**asked, status=status, started=started, ended=ended, result=result)


def lock(run: str) -> FileLock:
    """Held by the engine for as long as it works on the run: the system drops it when the process dies."""
    path = folder(run)
    path.mkdir(parents=True, exist_ok=True)
    return FileLock(path / "lock")


def is_held(run: str) -> bool:
    """Whether a living process works on the run."""
    return held(folder(run) / "lock")


def held(path: Path) -> bool:
    """Whether a living process holds the lock file at ``path``."""
    if not path.exists():
        return False
    if sys.platform == "win32":
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True
    # Those who ask share the lock: two that ask at once must not take each other for an engine.
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
    return False


def named_lock(name: str) -> FileLock:
    """A lock over something that only one engine should do at a time."""
    path = home() / "locks"
    path.mkdir(exist_ok=True)
    return FileLock(path / name)


def claim(lane: str = TRAIN) -> tuple[Run, FileLock] | None:
    """Take what has waited longest in a lane: its lock is held and its story begun. None when nothing waits."""
    with transaction() as db:
        where = f"{_UNCLAIMED} AND {_of(lane)}"
        row = db.execute(f"SELECT id FROM runs WHERE {where} ORDER BY created LIMIT 1", LANES[lane]).fetchone()
        if row is None:
            return None
        own = _begin(row[0])
    return get(row[0]), own


def begin(spec: RunSpec, label: str, task: str = SOURCE) -> tuple[Run, FileLock]:
    """Create a run that is made within another, a shipped source's or a race's, and take it before anybody else can."""
    with transaction():
        run = create(spec, task=task, label=label)
        own = _begin(run)
    return get(run), own


def _begin(run: str) -> FileLock:
    own = lock(run)
    own.acquire(timeout=5)  # whoever asks whether it is held, holds it for a moment
    tell(run, "started", pid=os.getpid())
    return own


def ask_to_stop(run: str) -> None:
    """Ask a running run to stop; one that waits is stopped at once, one that is over is left alone."""
    with transaction():
        status = get(run).status
        if status in (WAITING, RUNNING):
            tell(run, "stop")
        if status == WAITING:
            tell(run, "stopped")


def started_since(moment: float, lane: str = TRAIN) -> bool:
    """Whether anything of a lane was taken by an engine at that time or later."""
    with connection() as db:
        found = db.execute(
            "SELECT 1 FROM events JOIN runs ON runs.id = events.run "
            f"WHERE kind = 'started' AND time >= ? AND {_of(lane)} LIMIT 1",
            (moment, *LANES[lane]),
        ).fetchone()
    return found is not None


def rename(run: str, label: str) -> None:
    """Change what a person calls a run; never part of a path."""
    get(run)
    with connection() as db:
        db.execute("UPDATE runs SET label = ? WHERE id = ?", (label.strip()[:200], run))


def delete(run: str) -> None:
    """Remove a run and its artefacts. Raises :class:`Refused` while it is running, and while others came from it:
    who has learnt from what would be forgotten, and with it who must not be tested on what."""
    with transaction() as db:
        # One that was stopped may still be trying its model: its engine writes into the folder.
        if get(run).status == RUNNING or is_held(run):
            raise Refused(Problem("run", run, "a run that is over", "stop it first"))
        heirs = db.execute("SELECT id FROM runs WHERE question LIKE ?", (f'%"source": "run:{run}"%',)).fetchall()
        if heirs:
            others = ", ".join(heir for (heir,) in heirs[:5]) + (" …" if len(heirs) > 5 else "")
            raise Refused(Problem("run", run, f"a run that no other has borrowed from ({others} did)",
                                  "delete what came from it first"))  # fmt: skip
        db.execute("DELETE FROM events WHERE run = ?", (run,))
        db.execute("DELETE FROM runs WHERE id = ?", (run,))
    shutil.rmtree(folder(run), ignore_errors=True)


def finished_with(spec: RunSpec) -> str | None:
    """The latest finished run of exactly this question whose model is there, if any."""
    with connection() as db:
        rows = db.execute(
            "SELECT id FROM runs WHERE question = ? AND EXISTS "
            "(SELECT 1 FROM events WHERE run = runs.id AND kind = 'finished') ORDER BY created DESC",
            (spec.to_json(),),
        ).fetchall()
    return next((run for (run,) in rows if (folder(run) / "model.keras").is_file()), None)

"""The one SQLite file of a home folder, ``lab.db``: what was asked, and what was told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .home import home

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, created REAL NOT NULL, task TEXT NOT NULL, label TEXT NOT NULL, question TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_run ON events (run, seq);
CREATE INDEX IF NOT EXISTS events_by_kind ON events (run, kind) WHERE kind NOT IN ('epoch', 'progress', 'stage');
"""


class DamagedHome(RuntimeError):
    """``lab.db`` cannot be read. Nothing is overwritten: the message says which file and what to do."""


_local = threading.local()


@contextmanager
def connection() -> Iterator[sqlite3.Connection]:
    """This thread's connection to ``lab.db``; raises :class:`DamagedHome` for a file that is no such database."""
    path = home() / "lab.db"
    try:
        known = (str(path), path.stat().st_ino if path.exists() else None)
        if getattr(_local, "key", None) != known or known[1] is None:
            _local.connection = _connect(path)
            _local.key = (str(path), path.stat().st_ino)
        yield _local.connection
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise
        raise _damaged(path, error) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise _damaged(path, error) from error


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """All or nothing, and nobody else writes meanwhile."""
    with connection() as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _damaged(path: Path, error: Exception) -> DamagedHome:
    if any(words in str(error) for words in ("readonly", "unable to open", "is full", "disk I/O")):
        return DamagedHome(
            f"{path} cannot be written ({error}). Nothing is lost: make room or allow writing there, or set "
            "TLCORE_HOME to another folder"
        )
    return DamagedHome(
        f"{path} cannot be read ({error}). It was left as it is: put a good copy in its place, or move it away to "
        "begin with an empty list; the models in the runs folder stay"
    )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    # A power cut may cost the last events of a run, never the file: enough for a story, and far quicker.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(_SCHEMA)
    return connection

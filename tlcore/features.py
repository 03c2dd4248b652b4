"""What frozen parts of networks made of examples, kept on disk: computed once a home, for whoever asks again.

An entry is a folder ``features/<key>`` of the home. Its key says all that its rows follow from but the examples: the
frozen part's structure, its weights, Keras. A row is found by its example's digest, so that seeds, folds and versions
of a dataset share rows. What ``index.bin`` does not name does not exist: it is written after ``rows.bin``.

Anybody may delete an entry at any time: who has opened it goes on with the files that it holds.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from math import isfinite, prod
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from filelock import Timeout

if sys.platform != "win32":
    import fcntl

from . import datasets
from .digests import DIGEST, Rows, raw
from .home import home
from .runs import named_lock
from .spec import Problem, Refused

SETTING = "TLCORE_FEATURES_GB"
LIMIT = 10.0
"""Gigabytes (10⁹ bytes) that all entries together may take, where :data:`SETTING` says nothing else."""
SPARE = 10**9
"""Bytes that stay free on the disk."""
WHOLE = 2 * 10**9
"""Bytes of rows in float32 above which they are kept in float16."""
HELD = 512 * 2**20
"""Bytes of rows that are read into memory; more are read when they are asked for."""
PATIENCE = 60.0
"""Seconds to wait for others who write; then one goes on without keeping."""


def limit() -> int:
    """Bytes that all entries together may take; 0: nothing is kept. Raises Refused for a setting that is no number."""
    told = os.environ.get(SETTING, "").strip()
    try:
        gigabytes = float(told or LIMIT)
        if isfinite(gigabytes) and gigabytes >= 0:
            return int(gigabytes * 10**9)
    except ValueError:
        pass
    raise Refused(Problem(SETTING, told, "a number of gigabytes from 0 up", f"set it to {LIMIT:.0f}, or unset it"))


def kind(examples: int, shape: tuple[int, ...]) -> str:
    """The type in which so many rows of a shape are kept: float16 where float32 would take too much, and where that may
    be kept. What is in memory alone gains nothing from being coarse."""
    bytes_whole = 4 * examples * prod(shape)
    return "float16" if bytes_whole > min(WHOLE, limit() / 4) and bytes_whole / 2 <= limit() else "float32"


@dataclass(frozen=True)
class Entry:
    """What is kept of one frozen part. ``about`` says for people what it is; ``used`` is when it last was, in seconds
    since 1970."""

    key: str
    about: dict[str, Any]
    rows: int
    bytes: int
    used: float

    @property
    def folder(self) -> Path:
        return _root() / self.key

    @property
    def title(self) -> str:
        """What it is, for people: "mobilenet_0.25 up to stage5, from 96×96×3"."""
        return str(self.about.get("title", self.key))


def usage() -> list[Entry]:
    """All entries, the last used first."""
    found = (_entry(path) for path in _root().iterdir() if not path.name.startswith("."))
    return sorted((entry for entry in found if entry), key=lambda entry: -entry.used)


def available(key: str, dtype: str) -> int:
    """Bytes that this entry could take if all others went for it but those that are in use."""
    entries, own = usage(), f"{key}-{dtype}"
    staying = sum(entry.bytes for entry in entries if entry.key != own and _in_use(entry.folder))
    going = sum(entry.bytes for entry in entries) - staying
    return min(limit() - staying, shutil.disk_usage(_root()).free + going - SPARE)


def clear() -> int:
    """Delete all entries; gives the bytes that they took. Work under way computes anew what it still needs."""
    with named_lock("features"):
        return sum(entry.bytes for entry in usage() if _gone(entry.folder))


class Store:
    """One entry, open. Rows have a ``shape`` and a ``dtype``; ``about`` is written down when the entry is new.

    Opening raises OSError, or filelock's Timeout, where the home cannot be written. The entry is in use, and not
    thrown out for others, until it is closed and all :meth:`rows` that were given are forgotten.
    """

    def __init__(self, key: str, shape: tuple[int, ...], dtype: str, about: dict[str, Any]):
        self.folder, self.shape, self.dtype = _root() / f"{key}-{dtype}", shape, np.dtype(dtype)
        self._size = prod(shape) * self.dtype.itemsize
        with named_lock("features").acquire(timeout=PATIENCE):
            self._rows, self._index = self._opened(about)
        self._touch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._index.close()

    def __len__(self) -> int:
        """How many rows there are: those that both files hold whole."""
        rows, index = (os.fstat(file.fileno()).st_size for file in (self._rows, self._index))
        return min(rows // self._size, index // DIGEST)

    def look_up(self, wanted: np.ndarray) -> np.ndarray:
        """Where the rows of these digests are, (n,) int64, -1 for those that are not here."""
        self._index.seek(0)
        return _places(np.frombuffer(self._index.read(len(self) * DIGEST), f"S{DIGEST}"), wanted)

    def room(self, rows: int) -> bool:
        """Whether so many more rows may be kept; entries that were not used for longest go, where they must."""
        try:
            with named_lock("features").acquire(timeout=PATIENCE):
                return _room(rows * self._size, self.folder)
        except (OSError, Timeout):
            return False

    def append(self, digests: np.ndarray, rows: np.ndarray) -> bool:
        """Keep rows (n, *shape) under their digests, unless they are here already. False where that cannot be."""
        try:
            with named_lock("features").acquire(timeout=PATIENCE):
                new = self.look_up(digests) < 0
                if not _room(int(new.sum()) * self._size, self.folder):
                    return False
                at = len(self)
                _write(self._rows, at * self._size, _as(rows[new], self.dtype))
                os.fsync(self._rows.fileno())  # a power cut must not leave an index of rows that are not there
                _write(self._index, at * DIGEST, digests[new])
        except (OSError, Timeout):
            return False
        self._touch()
        return True

    def rows(self, positions: np.ndarray) -> Rows:
        """The rows at these positions in this order: in memory where they are few, else read when asked for."""
        if not len(positions):
            return np.empty((0, *self.shape), self.dtype)
        # The mapping shares the open file, and with it the mark that the entry is in use.
        there = np.memmap(cast(Any, self._rows), self.dtype, "r", shape=(len(self), *self.shape))
        if len(positions) * self._size <= HELD:
            return np.asarray(there[positions])
        return datasets.Rows(there, positions)

    def _opened(self, about: dict[str, Any]) -> tuple[FileIO, FileIO]:
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = [self.folder / name for name in ("rows.bin", "index.bin")]
        rows, index = (path.stat().st_size if path.exists() else None for path in paths)
        if None in (rows, index) or bool(rows) != bool(index):
            for path in paths:  # one without the other, or none yet; who holds that open keeps what he has
                path.unlink(missing_ok=True)
                path.touch()
            said = {**about, "shape": self.shape, "dtype": self.dtype.name, "created": time.time()}
            (self.folder / "about.json").write_text(json.dumps(said, indent=1))
        files = FileIO(paths[0], "r+"), FileIO(paths[1], "r+")
        if sys.platform != "win32":  # there, a file that is open cannot be deleted anyway
            fcntl.flock(files[0], fcntl.LOCK_SH)
        return files

    def _touch(self) -> None:
        with suppress(OSError):  # deleted in the meantime, which is anybody's right
            (self.folder / "used").touch()


class Memory:
    """The same in memory: for what cannot be kept, and gone with the process."""

    def __init__(self, shape: tuple[int, ...], dtype: str):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._digests, self._rows = [np.empty(0, f"S{DIGEST}")], [np.empty((0, *shape), dtype)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __len__(self) -> int:
        return sum(map(len, self._digests))

    def look_up(self, wanted: np.ndarray) -> np.ndarray:
        return _places(np.concatenate(self._digests), wanted)

    def room(self, rows: int) -> bool:
        return True

    def append(self, digests: np.ndarray, rows: np.ndarray) -> bool:
        self._digests.append(digests)
        self._rows.append(_as(rows, self.dtype))
        return True

    def rows(self, positions: np.ndarray) -> Rows:
        whole = np.concatenate(self._rows)
        return whole if np.array_equal(positions, np.arange(len(whole))) else whole[positions]


def _places(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the wanted digests are among the known ones, -1 for those that are not."""
    if not len(known):
        return np.full(len(wanted), -1)
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)]
    return np.where(known[at] == wanted, at, -1)


def _as(rows: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The rows in that type; what is too large for float16 becomes its largest number, and not infinite."""
    if dtype == np.float16:
        most = float(np.finfo(np.float16).max)
        rows = np.clip(rows, -most, most)
    return rows.astype(dtype, copy=False)


def _write(file: FileIO, at: int, values: np.ndarray) -> None:
    file.seek(at)
    left = raw(values)
    while len(left):  # a file may take less than it is given
        left = left[file.write(left) :]


def _root() -> Path:
    path = home() / "features"
    path.mkdir(exist_ok=True)
    return path


def _entry(folder: Path) -> Entry | None:
    """What a folder holds; None for one that is no entry, or that goes while it is looked at."""
    try:
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
        used = (folder / "used" if "used" in sizes else folder).stat().st_mtime
        about = json.loads((folder / "about.json").read_text()) if "about.json" in sizes else {}
    except ValueError:
        about = {}
    except OSError:
        return None
    return Entry(folder.name, about, sizes.get("index.bin", 0) // DIGEST, sum(sizes.values()), used)


def _room(needed: int, own: Path) -> bool:
    """Whether so many bytes may be added to the entry ``own``; others go for them, the least recently used first."""
    for left_behind in _root().glob(".gone-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    entries, most = usage(), limit()
    taken, others = sum(entry.bytes for entry in entries), [entry for entry in entries if entry.folder != own]

    def fits() -> bool:
        return taken + needed <= most and shutil.disk_usage(own.parent).free - needed >= SPARE

    if needed + taken - sum(entry.bytes for entry in others) > most:
        return False  # nobody goes for what would not fit even then
    while not fits() and others:
        last = others.pop()
        if not _in_use(last.folder) and _gone(last.folder):
            taken -= last.bytes
    return fits()


def _in_use(folder: Path) -> bool:
    """Whether a process has the entry open. On Windows its folder cannot be moved then, which is found out there."""
    if sys.platform == "win32":
        return False
    try:
        with (folder / "rows.bin").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # it has no rows
    return False


def _gone(folder: Path) -> bool:
    """Delete an entry, the whole of it or nothing: nobody finds half of one. Says whether it is gone."""
    away = folder.with_name(f".gone-{secrets.token_hex(4)}")
    try:
        folder.rename(away)
    except OSError:
        return not folder.exists()
    shutil.rmtree(away, ignore_errors=True)
    return True

"""Examples in memory and in ``.npz`` files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

KEYS = ("x_train", "y_train", "x_test", "y_test")
SMALL = 16 * 2**20
"""Bytes of examples that a preview may read."""


_UNREADABLE = (KeyError, ValueError, OSError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What reading a file that is no such archive can raise (RuntimeError: encrypted, or packed in an unknown way)."""


class Missing(LookupError):
    """A dataset that is not on this computer yet."""


class Damaged(ValueError):
    """A file that does not hold what its name says; the message names it."""


class Rows:
    """Rows of a memory-mapped array in an order of their own, read when they are asked for."""

    def __init__(self, base: np.ndarray, rows: np.ndarray):
        self.base, self.rows = base, rows
        self.shape, self.dtype, self.nbytes = (
            (len(rows), *base.shape[1:]),
            base.dtype,
            len(rows) * prod(base.shape[1:]) * base.itemsize,
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, where: np.ndarray | slice) -> np.ndarray:
        return np.asarray(self.base[self.rows[where]])

    def subset(self, positions: np.ndarray) -> Rows:
        """The same array, fewer rows: still nothing is read."""
        return Rows(self.base, self.rows[positions])


@dataclass(frozen=True)
class Arrays:
    """All examples: ``x`` (n, *shape), ``y`` (n,) int64. From ``validation_from`` on follows the dataset's own
    validation part, from ``test_from`` on its own test part, where it has them."""

    x: np.ndarray | Rows
    y: np.ndarray
    test_from: int | None = None
    validation_from: int | None = None


@dataclass(frozen=True)
class Facts:
    """Examples a class outside the dataset's own parts, and in them (None where there is no such part)."""

    counts: tuple[int, ...]
    official_test: tuple[int, ...] | None = None
    official_validation: tuple[int, ...] | None = None

    @property
    def examples(self) -> int:
        return sum(self.each)

    @property
    def each(self) -> tuple[int, ...]:
        """All examples of each class."""
        none = (0,) * len(self.counts)
        parts = (self.counts, self.official_test or none, self.official_validation or none)
        return tuple(sum(own) for own in zip(*parts, strict=True))


@dataclass(frozen=True)
class Preview:
    """A few examples, by class: ``x`` (k, *shape), ``y`` (k,)."""

    x: np.ndarray
    y: np.ndarray


def read(path: Path, shape: Sequence[int], classes: int) -> Arrays:
    """All examples of a ready file. Raises :class:`Damaged` when it is none."""
    with _opened(path) as archive:
        try:
            x_train, y_train, x_test, y_test = (_whole(archive, key) for key in KEYS)
        except _UNREADABLE as error:
            raise _damaged(path, error) from None
    for x, y in ((x_train, y_train), (x_test, y_test)):
        _check(path, x.shape, x.dtype, y, shape, classes)
    x, y = (np.concatenate([a.reshape(-1, *own), b.reshape(-1, *own)])
            for a, b, own in ((x_train, x_test, shape), (y_train, y_test, ())))  # fmt: skip
    return Arrays(x, y.astype(np.int64), len(x_train))


def glance(path: Path, shape: Sequence[int], classes: int, each: int = 8) -> tuple[Facts, Preview]:
    """Counts, and up to ``each`` examples a class from the file's beginning, without reading it whole."""
    return _glance(path, path.stat().st_mtime_ns, tuple(shape), classes, each)


@lru_cache(maxsize=16)
def _glance(path: Path, _changed: int, shape: tuple[int, ...], classes: int, each: int) -> tuple[Facts, Preview]:
    with _opened(path) as archive:
        try:
            y, y_test = (_whole(archive, key) for key in ("y_train", "y_test"))
            # A small file is read whole: it may be sorted by class.
            small = archive.getinfo("x_train.npy").file_size <= SMALL
            x = _beginning(archive, "x_train", len(y) if small else 40 * classes)
            size, dtype = _size(archive, "x_train")
            size_test, dtype_test = _size(archive, "x_test")
        except _UNREADABLE as error:
            raise _damaged(path, error) from None
    _check(path, size, dtype, y, shape, classes)
    _check(path, size_test, dtype_test, y_test, shape, classes)
    y, y_test = (labels.reshape(-1).astype(np.int64) for labels in (y, y_test))
    facts = Facts(*(tuple(np.bincount(labels, minlength=classes).tolist()) for labels in (y, y_test)))
    chosen = np.concatenate([np.flatnonzero(y[: len(x)] == label)[:each] for label in range(classes)])
    return facts, Preview(x[chosen].reshape(-1, *shape), y[chosen])


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> Damaged:
    return Damaged(f"{path}: expected an .npz file with the arrays {', '.join(KEYS)} ({error}); replace or remove it")


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(member)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    return shape, fortran, dtype


def _whole(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _size(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(f"{key}.npy") as member:
        shape, _, dtype = _header(member)
        return shape, dtype


def _beginning(archive: zipfile.ZipFile, key: str, rows: int) -> np.ndarray:
    with archive.open(f"{key}.npy") as member:
        shape, fortran, dtype = _header(member)
        if fortran:
            raise ValueError("an array in Fortran order")
        rows = min(rows, shape[0])
        size = rows * int(np.prod(shape[1:])) * dtype.itemsize
        return np.frombuffer(member.read(size), dtype).reshape(rows, *shape[1:])


def _check(path: Path, x: tuple[int, ...], dtype: np.dtype, y: np.ndarray, shape: Sequence[int], classes: int) -> None:
    """Raise :class:`Damaged` unless examples of shape ``x`` and their labels are what the dataset's card says."""
    if prod(x[1:]) != prod(shape) or not x or x[0] != y.size or not y.size:
        raise Damaged(f"{path}: received x {x} with y {y.shape}, expected examples of shape {tuple(shape)}; replace it")
    if dtype.kind not in "uif":
        raise Damaged(f"{path}: expected numbers in x, received {dtype}; replace it")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        received = f"{y.min()} to {y.max()}" if y.dtype.kind in "iuf" else y.dtype
        raise Damaged(f"{path}: expected whole labels 0 to {classes - 1}, received {received}; replace it")

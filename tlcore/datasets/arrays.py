"""Examples in memory and in ``.npz`` files."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np

KEYS = ("x_train", "y_train", "x_test", "y_test")


class Missing(LookupError):
    """A dataset that is not on this computer yet."""


class Damaged(ValueError):
    """A file that does not hold what its name says; the message names it."""


@dataclass(frozen=True)
class Arrays:
    """All examples: ``x`` (n, *shape), ``y`` (n,) int64; from ``test_from`` on the official test part, if any."""

    x: np.ndarray
    y: np.ndarray
    test_from: int | None = None


@dataclass(frozen=True)
class Facts:
    """Examples a class, without the official test part, and in it (None where there is no such part)."""

    counts: tuple[int, ...]
    official_test: tuple[int, ...] | None = None

    @property
    def examples(self) -> int:
        return sum(self.counts) + sum(self.official_test or ())


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
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from None
    _check(path, x_train, y_train, shape, classes)
    _check(path, x_test, y_test, shape, classes)
    x = np.concatenate([x_train, x_test]).reshape(-1, *shape)
    return Arrays(x, np.concatenate([y_train, y_test]).reshape(-1).astype(np.int64), len(x_train))


def glance(path: Path, shape: Sequence[int], classes: int, each: int = 8) -> tuple[Facts, Preview]:
    """Counts, and up to ``each`` examples a class from the file's beginning, without reading it whole."""
    return _glance(path, path.stat().st_mtime_ns, tuple(shape), classes, each)


@lru_cache(maxsize=16)
def _glance(path: Path, _changed: int, shape: tuple[int, ...], classes: int, each: int) -> tuple[Facts, Preview]:
    with _opened(path) as archive:
        try:
            y, y_test = (_whole(archive, key).reshape(-1).astype(np.int64) for key in ("y_train", "y_test"))
            x = _beginning(archive, "x_train", min(len(y), 40 * classes))
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from None
    _check(path, x, y[: len(x)], shape, classes)
    facts = Facts(*(tuple(np.bincount(labels, minlength=classes).tolist()) for labels in (y, y_test)))
    chosen = np.concatenate([np.flatnonzero(y[: len(x)] == label)[:each] for label in range(classes)])
    return facts, Preview(x[chosen].reshape(-1, *shape), y[chosen])


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
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


def _beginning(archive: zipfile.ZipFile, key: str, rows: int) -> np.ndarray:
    with archive.open(f"{key}.npy") as member:
        shape, fortran, dtype = _header(member)
        if fortran:
            raise ValueError("an array in Fortran order")
        rows = min(rows, shape[0])
        size = rows * int(np.prod(shape[1:])) * dtype.itemsize
        return np.frombuffer(member.read(size), dtype).reshape(rows, *shape[1:])


def _check(path: Path, x: np.ndarray, y: np.ndarray, shape: Sequence[int], classes: int) -> None:
    if x[:1].size != np.prod(shape) or len(x) != y.size or not len(x):
        raise Damaged(
            f"{path}: received x {x.shape} with y {y.shape}, expected examples of shape {tuple(shape)}; replace it"
        )
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        raise Damaged(
            f"{path}: expected labels 0 to {classes - 1}, received {y.dtype} {y.min()} to {y.max()}; replace it"
        )

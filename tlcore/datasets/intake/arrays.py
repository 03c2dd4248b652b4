"""Arrays of NumPy: ``x`` and ``y`` in an .npz, or side by side as .npy files. Nothing is ever unpickled."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from . import labels, names
from .containers import count_members
from .intake import Intake, Stop, Tell
from .limits import MAX_ARRAY_BYTES, MAX_FEATURES, MAX_RATIO, MAX_ROWS, Rejected

PAIRS = tuple((x, y) for x in ("x", "data", "images", "features", "inputs", "pixels")
              for y in ("y", "labels", "label", "targets", "target", "classes"))  # fmt: skip
PARTS = (("_train", "train"), ("_val", "validation"), ("_valid", "validation"), ("_validation", "validation"),
         ("_test", "test"))  # fmt: skip
CLASS_NAMES = ("class_names", "label_names", "target_names", "classes")
EXPECTED = "arrays x (examples) and y (their labels), or x_train, y_train, x_test and y_test"
REMEDY = "Save them with np.savez_compressed(path, x=x, y=y)."
SLAB = 2**24
DAMAGE = (KeyError, ValueError, OSError, EOFError, RuntimeError, MemoryError, SyntaxError, tokenize.TokenError,
          RecursionError, zipfile.BadZipFile, zlib.error, UnicodeError, NotImplementedError)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An array in a file that is not read yet."""

    name: str
    open: Callable[[], IO[bytes]]
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def whole(self) -> np.ndarray:
        with self.open() as file:
            try:
                array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
            except DAMAGE as error:
                raise _damaged(self.name, error) from None
        return array

    def slabs(self) -> Iterator[np.ndarray]:
        """The array in order, some rows at a time."""
        if self.fortran:
            yield self.whole()
            return
        each = max(1, prod(self.shape[1:]) * self.dtype.itemsize)
        with self.open() as file:
            try:
                _header(file)
                left = self.shape[0]
                while left:
                    rows = min(left, max(1, SLAB // each))
                    data = file.read(rows * each)
                    if len(data) < rows * each:
                        raise ValueError("it ends early")
                    yield np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])
                    left -= rows
            except DAMAGE as error:
                raise _damaged(self.name, error) from None


def opened(path: Path) -> list[Stored]:
    """The arrays of an .npz or .npy file, none of them read. Raises :class:`Rejected`."""
    if path.suffix.lower() == ".npy":
        return [stored(path.stem, lambda: path.open("rb"), path.stat().st_size)]
    try:
        with path.open("rb") as file:
            if count_members(file, path.name) > 1_000:
                raise Rejected(f"{path.name} with more than 1,000 arrays", EXPECTED, REMEDY)
        archive = zipfile.ZipFile(path)
    except Rejected as error:
        raise Rejected(error.received, EXPECTED, REMEDY) from None
    except DAMAGE as error:
        raise _damaged(path.name, error) from None
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    total, packed = sum(info.file_size for info in members), path.stat().st_size
    if total > MAX_ARRAY_BYTES or (total > 2**29 and total > MAX_RATIO * packed):
        raise Rejected(f"{path.name}, whose {packed:,} bytes would unpack to {total:,}",
                       f"at most {MAX_ARRAY_BYTES:,} bytes, and at most {MAX_RATIO} times the file",
                       "Take fewer examples.")  # fmt: skip

    def opener(info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
        return lambda: archive.open(info)

    return [stored(Path(info.filename).stem, opener(info), info.file_size) for info in members]


def stored(name: str, opener: Callable[[], IO[bytes]], size: int) -> Stored:
    """An array by its header. Raises :class:`Rejected` for one that is not whole, or that needs pickle."""
    name = names.clean(name)
    try:
        with opener() as file:
            shape, fortran, dtype = _header(file)
            begins = file.tell()
    except DAMAGE as error:
        raise _damaged(name, error) from None
    array = Stored(name, opener, shape, dtype, fortran)
    if dtype.hasobject or dtype.names or dtype.subdtype:
        raise Rejected(f'the array "{name}" of {"Python objects" if dtype.hasobject else dtype}',
                       "numbers, or text for labels; pickled objects are programs and are never opened",
                       REMEDY)  # fmt: skip
    if array.bytes > MAX_ARRAY_BYTES or array.bytes + begins > size or (fortran and array.bytes > 2**28):
        raise Rejected(f'the array "{name}" that should have {array.bytes:,} bytes ({shape}, {dtype}) in {size:,}',
                       f"a whole array in C order of at most {MAX_ARRAY_BYTES:,} bytes", REMEDY)  # fmt: skip
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if any(side < 0 for side in shape):
        raise ValueError("a negative shape")
    return shape, fortran and len(shape) > 1, dtype


def _damaged(name: str, error: Exception) -> Rejected:
    said = " ".join(str(error).split())[:160]
    return Rejected(f'"{names.clean(name)}", which does not read as an array ({said})', EXPECTED, REMEDY)


def take_arrays(found: list[Stored], label: str, folder: Path, tell: Tell, stop: Stop) -> Intake:
    """Keep examples and labels. Raises :class:`Rejected` where they do not fit each other, or are no classes."""
    import pandas as pd

    pairs = _pairs(found, label)
    shapes = {x.shape[1:] for x, _, _ in pairs}
    if len(shapes) > 1:
        raise Rejected(f"{label} with examples of the shapes {sorted(shapes)}", "one shape", REMEDY)
    answers, parts, numbers = list[np.ndarray](), list[str](), list[int]()
    for x, y, part in pairs:
        own = _labels(y)
        if len(x.shape) < 1 or len(own) != x.shape[0]:
            raise Rejected(f"{x.name} {x.shape} with {y.name} {y.shape}", "as many labels as examples", REMEDY)
        answers.append(own)
        parts += [part] * len(own)
        numbers += range(1, len(own) + 1)
    text = np.concatenate(answers)
    kept = np.array([value is not None for value in text], bool)
    if not kept.any():
        raise Rejected(f"{label} without any label", EXPECTED, REMEDY)
    if len(kept) > MAX_ROWS:
        raise Rejected(f"{label} with {len(kept):,} examples", f"at most {MAX_ROWS:,}", "Take fewer examples.")
    number, classes = labels.numbered(_named(text[kept], found), label)
    shape, scale, notes = _write([x for x, _, _ in pairs], kept, folder / "x.npy", label, tell, stop)
    entries = pd.DataFrame({
        "row": np.arange(int(kept.sum()), dtype=np.int64),
        "name": [f"{part or 'example'} {at}" for part, at, own in zip(parts, numbers, kept, strict=True) if own],
        "label": number, "part": [part for part, own in zip(parts, kept, strict=True) if own],
    })  # fmt: skip
    passed = {"examples without a label": int((~kept).sum())} if not kept.all() else {}
    return Intake("arrays", classes, entries, shape, scale, (), (), passed, tuple(notes))


def _pairs(found: list[Stored], label: str) -> list[tuple[Stored, Stored, str]]:
    """(examples, labels, part), by the names of the arrays."""
    by_name = {array.name.casefold(): array for array in found}
    parted = [(by_name[x + ending], by_name[y + ending], part) for ending, part in PARTS for x, y in PAIRS
              if x + ending in by_name and y + ending in by_name]  # fmt: skip
    prefixed = [(by_name[f"{part}_{x}"], by_name[f"{part}_{y}"], part if part != "val" else "validation")
                for part in ("train", "val", "test") for x, y in PAIRS
                if f"{part}_{x}" in by_name and f"{part}_{y}" in by_name]  # fmt: skip
    plain = [(by_name[x], by_name[y], "") for x, y in PAIRS if x in by_name and y in by_name]
    for some in (parted, prefixed, plain[:1]):
        if some:
            return some
    held = ", ".join(f"{array.name} {array.shape}" for array in found[:10]) or "no array"
    raise Rejected(f"{label} with {held}", EXPECTED, REMEDY)


def _labels(y: Stored) -> np.ndarray:
    """Labels as text, None where there is none."""
    import pandas as pd

    if y.bytes > 2**28:
        raise Rejected(f"labels of {y.bytes:,} bytes", "one label for each example", REMEDY)
    values = y.whole()
    if values.ndim == 2 and values.shape[1] > 1 and values.dtype.kind in "buif":
        hot = np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()
        if not hot:
            raise Rejected(f"labels {y.name} of shape {values.shape}", "one class for each example, or one-hot rows",
                           "Several labels for one example cannot be learnt here.")  # fmt: skip
        values = values.argmax(axis=1)
    values = values.reshape(-1) if values.ndim and values.size == len(values) else values
    if values.ndim != 1 or values.dtype.kind not in "buifUS":
        raise Rejected(f"labels {y.name} of shape {values.shape} and type {values.dtype}",
                       "whole numbers or text, one for each example", REMEDY)  # fmt: skip
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    series = pd.Series(values).replace([np.inf, -np.inf], np.nan) if values.dtype.kind == "f" else pd.Series(values)
    return labels.as_text(series, y.name).to_numpy(object)


def _named(text: np.ndarray, found: list[Stored]) -> np.ndarray:
    """Labels by the names that another array gives them, where there is one."""
    for array in found:
        if array.name.casefold() not in CLASS_NAMES or array.dtype.kind not in "US" or len(array.shape) != 1:
            continue
        if array.bytes < 2**20 and all(value.isdecimal() and int(value) < array.shape[0] for value in set(text)):
            words = array.whole().astype(str)
            return np.array([words[int(value)] for value in text], object)
    return text


@dataclass(frozen=True)
class _Range:
    """What values there are in all examples."""

    low: float
    high: float
    whole: bool
    odd: int  # NaN and infinite


def _range(arrays: list[Stored], stop: Stop) -> _Range:
    low, high, whole, odd = np.inf, -np.inf, True, 0
    for array in arrays:
        for slab in array.slabs():
            stop()
            if slab.dtype.kind == "f":
                fine = np.isfinite(slab)
                odd += int(slab.size - np.count_nonzero(fine))
                slab = slab[fine]
                whole = whole and bool((slab == np.rint(slab)).all())
            if slab.size:
                low, high = min(low, float(slab.min())), max(high, float(slab.max()))
    return _Range(low, high, whole, odd)


def _write(
    arrays: list[Stored], kept: np.ndarray, path: Path, label: str, tell: Tell, stop: Stop
) -> tuple[tuple[int, ...], float, list[str]]:
    """x.npy as uint8 or float32; gives the shape of one example, its scale and notes."""
    shape, moved, picture, notes = _form(arrays[0].shape[1:], label)
    if any(array.dtype.kind not in "buif" for array in arrays):
        raise Rejected(f"{label} with examples of type {arrays[0].dtype}", "numbers", REMEDY)
    found = _range(arrays, stop)
    if found.high < found.low:
        raise Rejected(f"{label} whose examples hold no number", "numbers", REMEDY)
    scale, said = _scale(found, picture, all(array.dtype == np.uint8 for array in arrays))
    notes += said
    dtype = np.dtype("u1" if picture and scale == 255 and found.whole and not found.odd else "<f4")
    if found.odd:
        notes.append(f"{found.odd:,} values are missing or infinite and became {'0' if picture else 'missing'}.")
    part, done = path.with_suffix(".part"), 0
    with part.open("wb") as file:
        whole = (int(kept.sum()), *shape)
        np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": whole})
        for array in arrays:
            for slab in array.slabs():
                stop()
                slab = slab[kept[done : (done := done + len(slab))]]
                slab = np.moveaxis(slab, 1, -1) if moved else slab
                with np.errstate(over="ignore", invalid="ignore"):
                    out = slab.astype(dtype)
                if dtype.kind == "f":
                    out[~np.isfinite(out)] = 0 if picture else np.nan
                np.ascontiguousarray(out).tofile(file)
                tell("Writing the examples", done, len(kept))
    part.replace(path)
    return shape, scale, notes


def _form(own: tuple[int, ...], label: str) -> tuple[tuple[int, ...], bool, bool, list[str]]:
    """Of one example: its shape as kept, whether channels move from first to last, whether it is a picture; notes."""
    if not own or 0 in own or prod(own) > 2**24:
        raise Rejected(
            f"{label} with examples of shape {own}", "vectors, or pictures (height, width, channels)", REMEDY
        )
    if len(own) == 1:
        if own[0] > MAX_FEATURES:
            raise Rejected(f"{label} with {own[0]:,} numbers an example", f"at most {MAX_FEATURES:,}", "Take fewer.")
        return own, False, False, []
    if len(own) == 2:
        return (*own, 1), False, True, [f"Each example is a grey picture of {own[0]} × {own[1]} pixels."]
    if len(own) == 3 and own[2] in (1, 3):
        return own, False, True, [f"Each example is a picture of {own[0]} × {own[1]} pixels."]
    if len(own) == 3 and own[0] in (1, 3):
        return (*own[1:], own[0]), True, True, ["The channels came first and were moved to the end."]
    raise Rejected(f"{label} with examples of shape {own}", "vectors, or pictures with 1 or 3 channels", REMEDY)


def _scale(found: _Range, picture: bool, plain: bool) -> tuple[float, list[str]]:
    """What divides the values to reach 0..1."""
    if not picture:
        return 1.0, []
    if plain or (found.low >= 0 and 1 < found.high <= 255):
        return 255.0, [] if plain else ["The values lie in 0 to 255 and are divided by 255."]
    if found.low >= 0 and found.high <= 1:
        return 1.0, ["The values lie in 0 to 1 and are taken as they are."]
    if found.low >= 0 and found.whole and found.high <= 65_535:
        return 65_535.0, ["The values lie in 0 to 65,535 and are divided by 65,535."]
    return 1.0, [f"The values lie in {found.low:g} to {found.high:g} and are taken as they are."]

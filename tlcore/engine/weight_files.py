"""Weights in strangers' files, read piece by piece. What a file claims is held against caps before any of it is read.

Everything here runs in the limited process of :mod:`tlcore.engine.inspect_weights`. Nothing loads Keras, nothing is
unpickled, and no more than :data:`PIECE` numbers of a tensor are held at once.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

MOST_PARAMETERS = 250_000_000
MOST_TENSORS = 5_000
MOST_TIMES_LARGER = 100
"""How many times larger than the file its content may claim to be, above :data:`FREE` bytes."""
FREE = 64_000_000
MOST_MEMBERS = 10_000
MOST_HEADER = 5_000_000
PIECE = 4_000_000

Slices = tuple[slice, ...]


class Refused(ValueError):
    """A file that is not taken; the message says what was found, what was expected and what to do."""


@dataclass(frozen=True)
class Stored:
    """One tensor of a file. ``pieces()`` gives its numbers one after the other, in C order."""

    path: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[np.ndarray]]

    @property
    def parameters(self) -> int:
        return prod(self.shape)


def check_amount(tensors: Iterable[tuple[tuple[int, ...], int]], file: Path) -> None:
    """Hold what a file claims, (shape, bytes a number) of each tensor, against the caps. Raises Refused."""
    claims = [*tensors]
    if len(claims) > MOST_TENSORS:
        raise Refused(f"It holds {len(claims):,} tensors; expected at most {MOST_TENSORS:,}. Bring a smaller network.")
    if any(not 0 <= side < 2**40 for shape, _ in claims for side in shape) or any(len(s) > 8 for s, _ in claims):
        raise Refused("It claims a tensor of an impossible shape: the file is damaged. Save it again.")
    parameters = sum(prod(shape) for shape, _ in claims)
    if parameters > MOST_PARAMETERS:
        raise Refused(
            f"It claims {parameters:,} parameters; expected at most {MOST_PARAMETERS:,}. Bring a smaller network."
        )
    size, there = sum(prod(shape) * width for shape, width in claims), file.stat().st_size
    if size > max(FREE, MOST_TIMES_LARGER * there):
        raise Refused(
            f"It claims {size:,} bytes of weights in a file of {there:,} bytes: that is no network. Save it again, "
            "without compression."
        )


def pieces_of(shape: tuple[int, ...], read: Callable[[Any], Any]) -> Iterator[np.ndarray]:
    """Read an array that can be sliced, piece by piece, in C order."""
    if not shape:
        yield np.asarray(read(()))
        return
    for where in _slices(shape):
        yield np.asarray(read(where))


def _slices(shape: tuple[int, ...]) -> Iterator[Slices]:
    if not shape or 0 in shape:
        return
    inner = prod(shape[1:])
    if inner <= PIECE:
        step = max(1, PIECE // inner)
        yield from ((slice(start, min(start + step, shape[0])),) for start in range(0, shape[0], step))
    else:
        for start in range(shape[0]):
            yield from ((slice(start, start + 1), *rest) for rest in _slices(shape[1:]))


def write(tensors: Iterable[Stored], target: Path, told: Callable[[int, int], None], whole: int) -> None:
    """Keep tensors as float32 in an ``.npz``. ``told(parameters done, whole)``. Raises Refused for no numbers."""
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for tensor in tensors:
            with archive.open(f"{tensor.path}.npy", "w", force_zip64=True) as file:
                _write_header(file, tensor.shape)
                written = 0
                for piece in tensor.pieces():
                    with np.errstate(over="ignore"):
                        numbers = np.ascontiguousarray(piece, dtype="<f4").reshape(-1)
                    if not np.isfinite(numbers).all():
                        raise Refused(
                            f"{tensor.path} holds values that are no numbers: that network was not trained well."
                        )
                    file.write(numbers.tobytes())
                    written += numbers.size
                    told(done + written, whole)
                if written != tensor.parameters:
                    raise Refused(f"{tensor.path} ends early: the file is damaged. Save it again.")
                done += written


def _write_header(file: Any, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})


def clean(path: str) -> str:
    """A tensor's path as we keep it: no empty parts, no dots alone, no odd characters, no endless names."""
    parts = [re.sub(r"[^\w.\-]", "_", part)[:80] for part in path.replace(":0", "").split("/")]
    return "/".join(part for part in parts if part.strip("."))[-300:] or "tensor"


def named(found: Iterable[Stored]) -> list[Stored]:
    """The same tensors under clean paths, each only once."""
    taken: set[str] = set()
    renamed = []
    for tensor in found:
        path, number = clean(tensor.path), 1
        while path in taken:
            number += 1
            path = f"{clean(tensor.path)}_{number}"
        taken.add(path)
        renamed.append(Stored(path, tensor.shape, tensor.pieces))
    return renamed


# --- .npz -----------------------------------------------------------------------------------------------------------


def members(archive: zipfile.ZipFile, file: Path) -> list[zipfile.ZipInfo]:
    """A zip's members, held against caps. Raises Refused."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise Refused(f"It holds {len(infos):,} files; expected at most {MOST_MEMBERS:,}.")
    size, there = sum(info.file_size for info in infos), file.stat().st_size
    if size > max(FREE, MOST_TIMES_LARGER * there):
        raise Refused(f"Unpacked it would be {size:,} bytes from {there:,}: a zip bomb, no network.")
    if any(
        info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos
    ):
        raise Refused("It is encrypted or packed in an unusual way. Save it again with numpy.savez or Keras.")
    return infos


def npz(path: Path, archive: zipfile.ZipFile) -> tuple[list[Stored], list[str]]:
    """The tensors of an ``.npz``, and notes. Arrays of objects are refused: they are pickles."""
    found, claims, notes = [], [], []
    for info in members(archive, path):
        if not info.filename.endswith(".npy"):
            raise Refused(f"It holds {info.filename[:80]!r} beside arrays; expected .npy members alone (numpy.savez).")
        name = info.filename.removesuffix(".npy")
        with archive.open(info) as file:
            shape, fortran, dtype, start = _npy_header(name, file)
        if dtype.hasobject:
            raise Refused(f"{name[:80]!r} holds Python objects: opening them could run a program. Save plain numbers.")
        if dtype.kind != "f":
            notes.append(f"{name[:80]} was left out: it holds no floating-point numbers.")
            continue
        if info.file_size != start + prod(shape) * dtype.itemsize:
            raise Refused(f"{name[:80]!r} is not as long as it says: the file is damaged. Save it again.")
        if fortran and len(shape) > 1 and prod(shape) * dtype.itemsize > 2 * FREE:
            raise Refused(f"{name[:80]!r} is a large array in Fortran order. Save it again in C order.")
        claims.append((shape, dtype.itemsize))
        found.append(Stored(name, shape, _npy_reader(archive, info, shape, fortran, dtype, start)))
    check_amount(claims, path)
    return named(found), notes


def _npy_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file, max_header_size=10_000)
    except (ValueError, KeyError, EOFError, SyntaxError, zipfile.BadZipFile) as error:
        raise Refused(f"{name[:80]!r} is no array that NumPy knows ({str(error)[:100]}). Save it again.") from None
    return shape, fortran, dtype, file.tell()


def _npy_reader(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    shape: tuple[int, ...],
    fortran: bool,
    dtype: np.dtype[Any],
    start: int,
) -> Callable[[], Iterator[np.ndarray]]:
    def pieces() -> Iterator[np.ndarray]:
        with archive.open(info) as file:
            file.read(start)
            if fortran and len(shape) > 1:
                yield np.frombuffer(file.read(), dtype).reshape(shape, order="F")
                return
            left = prod(shape) * dtype.itemsize
            while left:
                got = file.read(min(left, PIECE * dtype.itemsize))
                if not got:
                    return
                left -= len(got)
                yield np.frombuffer(got, dtype)

    return pieces


# --- .safetensors ---------------------------------------------------------------------------------------------------


def is_safetensors(start: bytes) -> bool:
    """Whether a file may be one: eight bytes of length, and JSON after them."""
    return len(start) > 8 and start[8:9] == b"{"


def safetensors(path: Path) -> tuple[list[Stored], list[str]]:
    """The tensors of a ``.safetensors`` file, in the order in which they lie there, and notes."""
    import ml_dtypes  # noqa: F401  # teaches NumPy what bfloat16 is
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(MOST_HEADER, path.stat().st_size):
            raise Refused(
                f"Its header claims {length:,} bytes; expected at most {MOST_HEADER:,}, and no more than it has."
            )
        try:
            header = json.loads(file.read(length))
            entries = {name: own for name, own in header.items() if name != "__metadata__"}
            check_amount([(tuple(map(int, own["shape"])), 2) for own in entries.values()], path)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if isinstance(error, Refused):
                raise
            raise Refused("It has no header that safetensors can read: the file is damaged. Save it again.") from None
    try:
        archive: Any = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise Refused(f"safetensors cannot read it ({str(error)[:150]}). Save it again.") from None
    found, notes = [], []
    for name in sorted(entries, key=lambda name: entries[name]["data_offsets"][0]):
        if entries[name]["dtype"] not in ("F16", "BF16", "F32", "F64"):
            notes.append(f"{name[:80]} was left out: it holds no floating-point numbers.")
            continue
        stored, shape = archive.get_slice(name), tuple(entries[name]["shape"])
        # Dots are what other libraries put between the parts of a name.
        found.append(Stored(name if "/" in name else name.replace(".", "/"), shape, _reader(shape, stored)))
    return named(found), notes


def _reader(shape: tuple[int, ...], stored: Any) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: pieces_of(shape, lambda where: stored[where])

"""What a case is, and the sound upload that most of them spoil."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

Check = Callable[[Any, Path], bool]
"""``check(intake, folder)`` of what was taken."""


@dataclass(frozen=True)
class Case:
    """``build(at)`` makes the upload in the empty folder ``at`` and gives its path, or the arguments of ``take_in``.

    ``words`` must occur in the message of a refusal; of a repair in the notes, or among what was skipped and why.
    """

    name: str
    build: Callable[[Path], Path | dict[str, Any]]
    refused: bool
    words: tuple[str, ...]
    check: Check | None
    door: str


CASES: dict[str, Case] = {}


def refused(*words: str, door: str = "data") -> Callable[[Any], Any]:
    """The upload that the function builds is refused, in these words."""
    return _case(True, words, None, door)


def repaired(check: Check, *words: str) -> Callable[[Any], Any]:
    """The upload that the function builds is taken, with these words, and then ``check`` is true."""
    return _case(False, words, check, "data")


def _case(is_refused: bool, words: tuple[str, ...], check: Check | None, door: str) -> Callable[[Any], Any]:
    def keep(build: Callable[[Path], Path | dict[str, Any]]) -> Callable[[Path], Path | dict[str, Any]]:
        name = build.__name__
        assert name not in CASES, name
        CASES[name] = Case(name, build, is_refused, words, check, door)
        return build

    return keep


@lru_cache
def png(seed: int = 0, side: int = 24) -> bytes:
    """A small colour picture, unlike any other seed's."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    colours = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(colours).resize((side, side)).save(file, "PNG")
    return file.getvalue()


def sound(cats: str = "cats", dogs: str = "dogs") -> dict[str, bytes]:
    """Three cats and three dogs."""
    return {f"{name}/{at}.png": png(3 * own + at) for own, name in enumerate((cats, dogs)) for at in range(3)}


def taken(*extra: str, amount: int = 6, classes: tuple[str, ...] = ("cats", "dogs")) -> Check:
    """The sound pictures are all there, with ``extra`` names besides."""

    def check(intake: Any, _folder: Path) -> bool:
        kept = set(intake.entries.name)
        return intake.classes == classes and len(intake.entries) == amount + len(extra) and kept >= set(extra)

    return check


def zipped(at: Path, members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], name: str = "upload.zip") -> Path:
    """An ordinary zip of these members."""
    with zipfile.ZipFile(at / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, data in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(inner, data)
    return at / name


def with_sound(at: Path, **members: bytes) -> Path:
    """The sound pictures, and members in the folder of cats."""
    return zipped(at, sound() | {f"cats/{name.replace('__', '.')}": data for name, data in members.items()})


@dataclass(frozen=True)
class Raw:
    """A zip's member as it stands in the file, which may lie about all of it."""

    name: bytes
    data: bytes = b""
    packed: bytes | None = None  # deflated, instead of data
    size: int | None = None
    crc: int | None = None
    method: int | None = None
    flags: int = 0
    outer: int = 0o100644 << 16  # external attributes: a file's, or a link's

    def record(self) -> bytes:
        body = self.data if self.packed is None else self.packed
        method = (8 if self.packed is not None else 0) if self.method is None else self.method
        size = len(self.data) if self.size is None else self.size
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        return struct.pack("<HHHHHLLLHH", 20, self.flags, method, 0, 33, crc, len(body), size, len(self.name), 0)


def raw_zip(path: Path, members: Iterable[Raw], one_body: bool = False) -> Path:
    """A zip written byte by byte. ``one_body``: all members share the first one's bytes in the file."""
    directory, count, first = bytearray(), 0, None
    with path.open("wb") as file:
        for member in members:
            at = file.tell()
            if first is None or not one_body:
                first = at
                file.write(b"PK\3\4" + member.record() + member.name)
                file.write(member.data if member.packed is None else member.packed)
            start = first if one_body else at
            directory += b"PK\1\2" + struct.pack("<H", 0x314) + member.record()
            directory += struct.pack("<HHHLL", 0, 0, 0, member.outer, start) + member.name
            count += 1
        at = file.tell()
        file.write(directory)
        file.write(
            b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, min(count, 65535), min(count, 65535), len(directory), at, 0)
        )
    return path


def raw_sound() -> list[Raw]:
    return [Raw(name.encode(), data) for name, data in sound().items()]


@lru_cache
def zeros(megabytes: int) -> tuple[bytes, int]:
    """So many MiB of zeros, deflated without ever being in memory at once; and their CRC."""
    return repeated(bytes(2**20), megabytes)


def repeated(piece: bytes, times: int) -> tuple[bytes, int]:
    """A piece so many times, deflated by being deflated once; and the whole's CRC."""
    packer, crc = zlib.compressobj(9, wbits=-15), 0
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)  # after it nothing refers to what came before
    for _ in range(times):
        crc = zlib.crc32(piece, crc)
    return packed * times + packer.flush(), crc


def text(at: Path, content: str | bytes, name: str = "upload.csv") -> Path:
    (at / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return at / name


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()

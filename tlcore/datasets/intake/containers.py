"""A zip or a folder as a list of members. Nothing is unpacked to a path; a member is read when it is asked for."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .limits import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIRECTORY_BYTES,
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    MAX_PATH,
    MAX_RATIO,
    SMALL_BYTES,
    Rejected,
)
from .names import natural

SYSTEM = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir"}
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".jar")
REMEDY = "Pack the pictures again as an ordinary zip of one folder for each class."


class Unreadable(ValueError):
    """A member or picture that is skipped; the message is the reason, in plain words."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside: its folders and name, and its bytes when unpacked."""

    parts: tuple[str, ...]
    size: int
    where: zipfile.ZipInfo | str

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def ending(self) -> str:
        return os.path.splitext(self.parts[-1])[1].lower()  # noqa: PTH122 (a hundred thousand times)


@dataclass(frozen=True)
class Container:
    """Its members, what was passed over or refused while listing, and how a member is read."""

    label: str
    members: list[Member]
    passed_over: Counter[str]
    skipped: list[tuple[str, str]]
    read: Callable[[Member], bytes]
    close: Callable[[], None] = field(default=lambda: None)


def opened(path: Path, stop: Callable[[], None]) -> Container:
    """The container at ``path``. Raises :class:`Rejected` for what is none, or asks for too much."""
    return _folder(path, stop) if path.is_dir() else _zip(path, stop)


def _hidden(parts: tuple[str, ...]) -> bool:
    return any(part[0] == "." or part[0] == "~" or part.lower() in SYSTEM for part in parts)


# Zips --------------------------------------------------------------------------------------------


def _zip(path: Path, stop: Callable[[], None]) -> Container:
    with path.open("rb") as file:
        count_members(file, path.name)
    stop()
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError) as error:
        raise Rejected(f"{path.name}, which does not open as a zip ({error})", "a whole zip file", REMEDY) from None
    found, skipped, passed = list[Member](), list[tuple[str, str]](), Counter[str]()
    total = 0
    for info in archive.infolist():
        if info.is_dir():
            continue
        parts = _parts(info.filename)
        if not parts or _hidden(parts):
            passed["hidden and system files"] += 1
            continue
        if reason := _refused(info, parts):
            skipped.append((info.filename[:MAX_PATH], reason))
            continue
        total += info.file_size
        found.append(Member(parts, info.file_size, info))
    packed = path.stat().st_size
    if total > MAX_BYTES or (total > 2**30 and total > MAX_RATIO * packed):
        archive.close()
        received = f"{path.name}, whose {packed:,} bytes would unpack to {total:,}"
        raise Rejected(received, f"at most {MAX_BYTES:,} bytes, and at most {MAX_RATIO} times the zip", REMEDY)
    archive.close()
    source = path.open("rb", buffering=2**18)
    return Container(path.name, found, passed, skipped, lambda member: _read_zipped(source, member), source.close)


def _parts(name: str) -> tuple[str, ...]:
    """Folders and file; what would climb out or start at a root loses its meaning, as no path is ever made of it."""
    return tuple([part for part in name.replace("\\", "/").split("/") if part and part not in (".", "..")])


def _refused(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str:
    """Why a member is not read, or ""."""
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link, not a file"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"it is packed in a way that is not read here (method {info.compress_type})"
    if info.file_size > MAX_MEMBER_BYTES:
        return f"it unpacks to {info.file_size:,} bytes; at most {MAX_MEMBER_BYTES:,} are read"
    if info.file_size > SMALL_BYTES and info.file_size > MAX_RATIO * info.compress_size:
        return f"it unpacks to more than {MAX_RATIO} times its packed size"
    if len(info.filename) > MAX_PATH or len(parts) > MAX_DEPTH:
        return f"its path is longer than {MAX_PATH} characters or {MAX_DEPTH} folders"
    return ""


def _read_zipped(file: IO[bytes], member: Member) -> bytes:
    """A member's bytes: what zipfile does, in a third of its time, and never more than the size that was promised."""
    info = member.where
    assert isinstance(info, zipfile.ZipInfo)
    try:
        file.seek(info.header_offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise Unreadable("the zip is damaged here (no file begins where its list says)")
        name, extra = struct.unpack_from("<HH", header, 26)
        if file.read(name) != info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"):
            raise Unreadable("the zip is damaged here (its list and the file itself give it different names)")
        file.seek(extra, os.SEEK_CUR)
        data = file.read(info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)
    except (OSError, zlib.error, OverflowError, MemoryError, ValueError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable(f"the zip is damaged here ({error})") from None
    if len(data) != member.size:
        more = "more" if len(data) > member.size else "less"
        raise Unreadable(f"the zip promises {member.size:,} bytes here and holds {more}")
    if zlib.crc32(data) != info.CRC:
        raise Unreadable("the zip is damaged here (its checksum is wrong)")
    return data


def count_members(file: IO[bytes], label: str) -> int:
    """How many members a zip lists, counted without keeping any: a million of them would fill the memory.

    The count that a zip states may lie, so the records themselves are walked.
    """
    file.seek(0, os.SEEK_END)
    end = file.tell()
    tail_at = max(0, end - 65_557)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise Rejected(f"{label}, which is no zip or only its beginning", "a whole zip file", REMEDY)
    size, start = struct.unpack_from("<L", tail, at + 12)[0], tail_at + at
    if at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":  # the larger form, for more than 65,535 members or 4 GB
        file.seek(min(struct.unpack_from("<Q", tail, at - 12)[0], end))
        record = file.read(56)
        if len(record) == 56 and record[:4] == b"PK\6\6":
            size, start = struct.unpack_from("<Q", record, 40)[0], tail_at + at - 20 - 56
    if size > MAX_DIRECTORY_BYTES:
        raise _crowded(label)
    file.seek(max(0, start - size))
    directory = file.read(size)
    count = place = 0
    while directory[place : place + 4] == b"PK\1\2" and len(directory) >= place + 46:
        place += 46 + sum(struct.unpack_from("<HHH", directory, place + 28))
        count += 1
        if count > MAX_MEMBERS:
            raise _crowded(label)
    return count


def _crowded(label: str) -> Rejected:
    return Rejected(f"{label} with more than {MAX_MEMBERS:,} files", f"at most {MAX_MEMBERS:,}",
                    "Take fewer pictures, or fewer from each class.")  # fmt: skip


# Folders -----------------------------------------------------------------------------------------


def _folder(path: Path, stop: Callable[[], None]) -> Container:
    found, skipped, passed = list[Member](), list[tuple[str, str]](), Counter[str]()
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(path), ())]
    seen = 0
    while waiting:
        stop()
        here, above = waiting.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: natural(entry.name))
        except OSError as error:
            if not above:
                raise Rejected(f"the folder {path}, which cannot be listed ({error.strerror})", "a readable folder",
                               "Allow reading it, or choose another.") from None  # fmt: skip
            skipped.append(("/".join(above), f"the folder cannot be listed ({error.strerror})"))
            continue
        deeper = []
        for entry in entries:
            seen += 1
            if seen > MAX_MEMBERS:
                raise _crowded(f"the folder {path.name}")
            parts = (*above, entry.name)
            if _hidden((entry.name,)):
                passed["hidden and system files"] += 1
            elif entry.is_symlink() or getattr(entry, "is_junction", bool)():
                skipped.append(("/".join(parts), "it is a link, not a file"))
            elif entry.is_dir(follow_symlinks=False):
                if len(parts) < MAX_DEPTH:
                    deeper.append((entry.path, parts))
                else:
                    skipped.append(("/".join(parts), f"it lies deeper than {MAX_DEPTH} folders"))
            elif not entry.is_file(follow_symlinks=False):
                skipped.append(("/".join(parts), "it is no ordinary file"))
            elif (size := entry.stat(follow_symlinks=False).st_size) > MAX_MEMBER_BYTES:
                skipped.append(("/".join(parts), f"it has {size:,} bytes; at most {MAX_MEMBER_BYTES:,} are read"))
            else:
                found.append(Member(parts, size, entry.path))
        waiting.extend(reversed(deeper))
    return Container(path.name, found, passed, skipped, _read_file)


def _read_file(member: Member) -> bytes:
    assert isinstance(member.where, str)
    try:
        # Without following a link that took the file's place since the folder was listed.
        number = os.open(member.where, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(number, "rb") as file:
            data = file.read(MAX_MEMBER_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror})") from None
    if len(data) > MAX_MEMBER_BYTES:
        raise Unreadable(f"it has more than {MAX_MEMBER_BYTES:,} bytes")
    return data

"""The door through which a person's own data comes in."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import IO

from . import arrays, containers, labelling, names, tables
from .containers import ARCHIVES, Container, Member, Unreadable
from .decoding import ENDINGS
from .intake import Intake, Stop, Tell
from .limits import MAX_TABLE_BYTES, Rejected
from .pictures import take_pictures

KINDS = "a zip or folder of pictures, a table (CSV, TSV, Parquet, Excel) or arrays (.npz)"
REMEDY = "Choose another file, or save this one in one of these forms."
FOREIGN = frozenset((".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".psd", ".cr2", ".nef", ".dng", ".ico"))


def take_in(
    path: Path, folder: Path, *, labels: Path | None = None, label_column: str | None = None, size: int = 96,
    tell: Tell, stop: Stop,
) -> Intake:  # fmt: skip
    """Take a person's data into ``folder``, which exists and is empty.

    ``path``: a zip or folder of pictures, a table, or arrays. ``labels``: a table of file names and labels beside the
    pictures. ``tell(stage, done, of)`` hears how far it is; ``stop()`` raises when it is no longer wanted. Raises
    :class:`Rejected` for what cannot be taken at all.
    """
    tell("Looking through the files", 0, 1)
    path = Path(path)
    ending = path.suffix.lower()
    if path.is_dir() or ending == ".zip" or (path.is_file() and ending not in _KNOWN and _zipped(path)):
        container = containers.opened(path, stop)
        try:
            return _contained(container, folder, labels, label_column, size, tell, stop)
        finally:
            container.close()
    if not path.is_file():
        raise Rejected(f"{names.clean(path.name)}, which is not there", KINDS, "Choose a file that exists.")
    label = names.clean(path.name)
    if ending in tables.ENDINGS:
        frame, notes = tables.read_table(_small(path), label)
        return tables.take_table(frame, notes, label, folder, label_column, tell, stop)
    if ending in (".npz", ".npy"):
        found = arrays.opened(path)
        return arrays.take_arrays(found, label, folder, tell, stop)
    raise Rejected(f'{label}, a file of the kind "{names.clean(ending) or "without an ending"}"', KINDS, REMEDY)


_KNOWN = tables.ENDINGS | {".npz", ".npy"}


def _zipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6")


def _small(path: Path) -> bytes:
    """A table's bytes; one byte more than is taken where there are more."""
    with path.open("rb") as file:
        return file.read(MAX_TABLE_BYTES + 1)


def _contained(
    container: Container, folder: Path, labels: Path | None, column: str | None, size: int, tell: Tell, stop: Stop
) -> Intake:
    """Pictures first; without any, the one table or the arrays inside."""
    pictures = [member for member in container.members if member.ending in ENDINGS]
    if not pictures:
        return _without_pictures(container, folder, column, tell, stop)
    chosen = _labelled(container, pictures, labels, column)
    used = {id(member) for member in pictures}
    chosen.passed_over += Counter(_other(member) for member in container.members if id(member) not in used)
    return take_pictures(container, chosen, folder, size, tell, stop)


def _other(member: Member) -> str:
    if member.ending in ARCHIVES:
        return "zips and other archives inside, which are not opened"
    if member.ending in FOREIGN:
        return f"pictures of a kind that is not read here ({member.ending})"
    return "tables" if member.ending in tables.ENDINGS else "files that are no pictures"


def _labelled(
    container: Container, pictures: list[Member], labels: Path | None, column: str | None
) -> labelling.Labelling:
    """By the table that was given; else by one inside with a label column that is named like one; else by folders."""
    if labels is not None:
        label = names.clean(labels.name)
        frame, notes = tables.read_table(_small(labels), label)
        chosen = labelling.by_table(pictures, frame, label, column)
        chosen.notes[:0] = notes
        return chosen
    chosen = labelling.by_folders(pictures)
    if len(set(chosen.classes)) >= 2 and column is None:
        beside = [names.clean(member.name) for member in container.members if member.ending in tables.ENDINGS]
        if beside:
            chosen.notes.append(f"The folders are the classes; {', '.join(beside[:3])} was not looked at.")
        return chosen
    inside = labelling.table_inside(container, pictures)
    if inside is None:
        return chosen
    frame, label, notes = inside
    by_table = labelling.by_table(pictures, frame, label, column)
    by_table.notes[:0] = notes
    return by_table


def _without_pictures(container: Container, folder: Path, column: str | None, tell: Tell, stop: Stop) -> Intake:
    found = [member for member in container.members if member.ending in tables.ENDINGS]
    stored = [member for member in container.members if member.ending in (".npy", ".npz")]
    try:
        if len(found) == 1 and not stored:
            frame, notes = tables.read_table(container.read(found[0]), found[0].parts[-1])
            return tables.take_table(frame, notes, names.clean(found[0].name), folder, column, tell, stop)
        if stored and len(stored) <= 20 and all(member.ending == ".npy" for member in stored):
            return arrays.take_arrays([_stored(container, member) for member in stored], container.label, folder, tell,
                                      stop)  # fmt: skip
    except Unreadable as error:
        raise Rejected(f"{container.label}, in which {error}", KINDS, REMEDY) from None
    raise Rejected(f"{container.label} with {_counted(container)}", KINDS, REMEDY)


def _stored(container: Container, member: Member) -> arrays.Stored:
    def opener() -> IO[bytes]:
        return BytesIO(container.read(member))

    return arrays.stored(Path(member.parts[-1]).stem, opener, member.size)


def _counted(container: Container) -> str:
    """What is in a container that holds nothing to take, in words."""
    if not container.members and not container.skipped:
        return "no file in it" + (" but hidden and system files" if container.passed_over else "")
    kinds = Counter(_other(member) for member in container.members)
    said = [f"{amount:,} {kind}" for kind, amount in kinds.most_common(5)]
    if container.skipped:
        name, reason = container.skipped[0]
        said.append(f"{len(container.skipped):,} files that were refused ({names.clean(name, 120)}: {reason})")
    return "no picture: " + ", ".join(said)

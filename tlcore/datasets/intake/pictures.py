"""Pictures: read once, kept as they were in originals.bin, and as a square of pixels each."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from . import names
from .containers import Container, Member, Unreadable
from .crew import BATCH, BATCH_BYTES, HEADER, Answer, Batch, Crew, Task
from .intake import Intake, Stop, Tell
from .labelling import Labelling
from .limits import KEPT_SKIPS, MAX_CLASSES, MAX_PATH, Rejected

if TYPE_CHECKING:
    import pandas as pd

ORIGINALS = "originals.bin"
SCALE = 255.0
KINDS = "JPEG, PNG, WebP, BMP, GIF or TIFF"


def pixels_path(folder: Path, size: int, channels: int) -> Path:
    return folder / f"pixels_{size}_{channels}.npy"


@dataclass
class _Kept:
    """Contents kept so far: the row of each, where it lies, and what was seen of it."""

    known: dict[bytes, int] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    seen: list[tuple[Batch, Answer]] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)

    def take(self, batch: Batch, answer: Answer) -> None:
        self.seen.append((batch, answer))
        self.errors.update({batch.rows[place]: reason for place, reason in answer.errors.items()})


def take_pictures(
    container: Container, labelling: Labelling, folder: Path, size: int, tell: Tell, stop: Stop
) -> Intake:
    """Keep the pictures that ``labelling`` gives a class. Raises :class:`Rejected` where fewer than 2 classes stay."""
    wanted = labelling.members
    skipped = [*container.skipped, *labelling.skipped]
    _enough(container.label, sorted(set(labelling.classes)), skipped)
    _room(folder, len(wanted), sum(member.size for member in wanted) + len(wanted) * size * size * 3)
    part = folder / "pixels.part"
    kept = _read(container, wanted, folder, Task(folder / ORIGINALS, part, size, 3), skipped, tell, stop)
    facts = _facts(kept)
    good = np.array([row not in kept.errors for row in kept.rows], bool)
    skipped += [(wanted[m].name, kept.errors[row]) for m, row in zip(kept.members, kept.rows, strict=True)
                if row in kept.errors]  # fmt: skip
    members = np.array(kept.members, np.int64)[good]
    raw = [labelling.classes[at] for at in members]
    shown = names.display(raw)
    classes = tuple(sorted(shown.values(), key=names.natural))
    _enough(container.label, classes, skipped)
    rows = np.array(kept.rows, np.int64)[good]
    grey = bool(facts["grey"][rows].all())
    tell("Writing pixels", 0, 1)
    place = _closed(part, len(kept.offsets), sorted(kept.errors), size)
    channels = 1 if grey else 3
    path = _one_channel(part, folder, size, stop) if grey else part.replace(pixels_path(folder, size, 3))
    assert path.exists()
    number = {name: at for at, name in enumerate(classes)}
    import pandas as pd

    entries = pd.DataFrame(
        {
            "row": place[rows],
            "name": [names.clean(wanted[at].name, MAX_PATH) for at in members],
            "label": np.array([number[shown[name]] for name in raw], np.int64),
            "part": [labelling.parts[at] for at in members],
            **{name: values[rows] for name, values in facts.items()},
        }
    )
    tell("Writing pixels", 1, 1)
    passed = dict(container.passed_over + labelling.passed_over)
    notes = (*labelling.notes, *_notes(entries, skipped, size))
    return Intake("pictures", classes, entries, (size, size, channels), SCALE, (), tuple(skipped[:KEPT_SKIPS]), passed,
                  notes, labelling.column, labelling.candidates)  # fmt: skip


def _read(
    container: Container, wanted: Sequence[Member], folder: Path, task: Task,
    skipped: list[tuple[str, str]], tell: Tell, stop: Stop,
) -> _Kept:  # fmt: skip
    """Read, hash and append each member once, while the crew decodes what was read before."""
    kept, stage = _Kept(), "Reading pictures"
    task.pixels.touch()
    with (folder / ORIGINALS).open("wb", buffering=BATCH_BYTES) as originals:
        crew = Crew(task, len(wanted), kept.take, stop)
        try:
            import_module("pandas")  # needed at the end: loaded while the crew starts
            begin = at = 0
            for place, member in enumerate(wanted):
                if not place % BATCH:
                    tell(stage, place, len(wanted))
                    stop()
                try:
                    data = container.read(member)
                except Unreadable as error:
                    skipped.append((member.name, str(error)))
                    continue
                digest = sha256(data).digest()[:16]
                row = kept.known.setdefault(digest, len(kept.known))
                kept.members.append(place)
                kept.rows.append(row)
                if row < len(kept.offsets):
                    continue
                originals.write(data)
                kept.offsets.append(at)
                kept.lengths.append(len(data))
                at += len(data)
                if row + 1 - begin == BATCH or at - kept.offsets[begin] >= BATCH_BYTES:
                    begin = _given(crew, originals, kept, begin)
            if begin < len(kept.offsets):
                _given(crew, originals, kept, begin)
            crew.finish()
        finally:
            crew.end()
    tell(stage, len(wanted), len(wanted))
    return kept


def _given(crew: Crew, originals: IO[bytes], kept: _Kept, begin: int) -> int:
    originals.flush()
    end = len(kept.offsets)
    crew.give(Batch([*range(begin, end)], kept.offsets[begin:], kept.lengths[begin:]))
    return end


def _facts(kept: _Kept) -> dict[str, np.ndarray]:
    """What is known of each row, in the order of rows."""
    amount = len(kept.offsets)
    width, height = np.zeros(amount, np.int64), np.zeros(amount, np.int64)
    mode, grey, phash = np.empty(amount, object), np.zeros(amount, bool), np.zeros(amount, np.uint64)
    for batch, answer in kept.seen:
        for whole, own in ((width, answer.width), (height, answer.height), (mode, answer.mode), (grey, answer.grey),
                           (phash, answer.phash)):  # fmt: skip
            whole[batch.rows] = own
    sha = np.array([digest.hex() for digest in kept.known], object)
    return {"offset": np.array(kept.offsets, np.int64), "length": np.array(kept.lengths, np.int64), "sha": sha,
            "width": width, "height": height, "mode": mode, "grey": grey, "phash": phash}  # fmt: skip


def _closed(part: Path, rows: int, holes: Sequence[int], size: int) -> np.ndarray:
    """Fill the rows of unreadable pictures with the last ones, so that none is empty; gives each row's new place."""
    place, left = np.arange(rows), rows - len(holes)
    movable = iter(sorted(set(range(left, rows)) - set(holes)))
    each = size * size * 3
    with part.open("r+b") as file:
        for hole in holes:
            if hole < left:
                row = next(movable)
                file.seek(HEADER + row * each)
                moved = file.read(each)
                file.seek(HEADER + hole * each)
                file.write(moved)
                place[row] = hole
        file.truncate(HEADER + left * each)
        _header(file, (left, size, size, 3))
    return place


def _header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    if file.tell() != HEADER:
        raise RuntimeError(f"a .npy header of {file.tell()} bytes where {HEADER} were left free")


def _one_channel(part: Path, folder: Path, size: int, stop: Stop) -> Path:
    """The same pixels with one channel of the three, which are all alike."""
    each, thin = size * size * 3, folder / "pixels_grey.part"
    with part.open("rb") as source, thin.open("wb") as target:
        rows = (source.seek(0, 2) - HEADER) // each
        source.seek(HEADER)
        _header(target, (rows, size, size, 1))
        while slab := source.read(256 * each):
            stop()
            target.write(np.frombuffer(slab, np.uint8)[::3].tobytes())
    part.unlink()
    return thin.replace(pixels_path(folder, size, 1))


def resize(folder: Path, entries: pd.DataFrame, size: int, channels: int, tell: Tell, stop: Stop) -> Path:
    """Pixels of another size from originals.bin: the path of a .npy of (rows, ``size``, ``size``, ``channels``) uint8.

    Written under another name and renamed when whole; one that is there already is left as it is. Raises
    :class:`Unreadable` where a picture that could be read before no longer can, and :class:`Rejected` for a full disk.
    """
    path = pixels_path(folder, size, channels)
    if path.exists():
        return path
    part = path.with_suffix(".part")
    once = entries.drop_duplicates("row").sort_values("row")
    rows, offsets, lengths = (once[name].tolist() for name in ("row", "offset", "length"))
    _room(folder, len(rows), len(rows) * size * size * channels)
    part.write_bytes(b"")
    done, errors = 0, dict[int, str]()

    def take(batch: Batch, answer: Answer) -> None:
        nonlocal done
        done += len(batch.rows)
        errors.update({batch.rows[place]: reason for place, reason in answer.errors.items()})
        tell("Resizing pictures", done, len(rows))

    crew = Crew(Task(folder / ORIGINALS, part, size, channels), len(rows), take, stop)
    try:
        for begin in range(0, len(rows), BATCH):
            cut = slice(begin, begin + BATCH)
            crew.give(Batch(rows[cut], offsets[cut], lengths[cut]))
        crew.finish()
        if errors:
            row, reason = next(iter(errors.items()))
            name = once["name"].iloc[rows.index(row)]
            raise Unreadable(f"{name} could be read when it was imported and no longer can: {reason}")
        with part.open("r+b") as file:
            _header(file, (rows[-1] + 1, size, size, channels))
        return part.replace(path)
    finally:
        crew.end()
        part.unlink(missing_ok=True)


def _room(folder: Path, pictures: int, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Rejected(f"{pictures:,} pictures that need up to {needed / 1e9:.1f} GB",
                       f"no more than the {free / 1e9:.1f} GB that are free on this disk",
                       "Free some space, take fewer pictures, or a smaller size.")  # fmt: skip


def _enough(label: str, classes: Sequence[str], skipped: Sequence[tuple[str, str]]) -> None:
    if len(classes) > MAX_CLASSES:
        raise Rejected(f"{label} with {len(classes):,} classes", f"at most {MAX_CLASSES:,}",
                       "Check that the folders, or the label column, name classes.")  # fmt: skip
    if len(classes) >= 2:
        return
    received = f"{label} with pictures of {'one class' if classes else 'no class'} that can be read"
    if classes:
        received += f' ("{names.clean(classes[0])}")'
    if skipped:
        name, reason = skipped[0]
        received += f"; {len(skipped):,} skipped, the first one {names.clean(name, 120)}: {reason}"
    raise Rejected(received, f"at least 2 classes of {KINDS} pictures", "Put each class in a folder of its own.")


def _notes(entries: pd.DataFrame, skipped: Sequence[tuple[str, str]], size: int) -> list[str]:
    notes = [f"Each whole picture was brought to {size} × {size} pixels: one that is not square is squashed, not cut."]
    same = len(entries) - entries["row"].nunique()
    if same:
        notes.append(f"{same:,} pictures are exact copies of others; each content is kept once.")
    if skipped:
        common = Counter(reason for _, reason in skipped).most_common(1)[0][0]
        notes.append(
            f"{len(skipped):,} file{' was' if len(skipped) == 1 else 's were'} skipped, most often because {common}."
        )
    return notes

"""People's own datasets: what the intake made of their files, kept in the home folder, and the versions of each.

What was imported never changes: a correction (a picture left out, or moved to another class) is a new version, and
a run names the version that it used: ``data-1a2b3c4d@2``.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..catalogue import UnknownName
from ..home import home
from .arrays import Arrays, Facts, Preview, Rows
from .cards import Dataset

if TYPE_CHECKING:
    import pandas as pd

    from .health import Health
    from .intake import Intake

PARTS = ("", "train", "validation", "test")
_NAME = re.compile(r"(data-[0-9a-f]{8})(?:@([1-9]\d{0,5}))?")


@dataclass(frozen=True)
class Version:
    """What one version says. ``health`` is the health check as plain data.

    ``labels`` are the import's numbers of the classes that have examples in it, and what ``counts``, ``validation`` and
    ``test`` count: a class whose every example was left out, or moved to another one, is none of this version's.
    """

    number: int
    note: str
    created: float
    labels: tuple[int, ...]
    counts: tuple[int, ...]
    validation: tuple[int, ...] | None
    test: tuple[int, ...] | None
    health: dict[str, Any]


@dataclass(frozen=True)
class Import:
    """What never changes about a dataset, and its label. ``skipped`` are (file, reason) of what was not taken."""

    id: str
    label: str
    kind: str
    created: float
    origin: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    scale: float
    columns: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    passed_over: dict[str, int]
    notes: tuple[str, ...]
    label_column: str | None
    label_candidates: tuple[str, ...]
    giveaways: tuple[tuple[str, str], ...]
    identity: str

    @property
    def folder(self) -> Path:
        return folder(self.id)

    @property
    def versions(self) -> list[int]:
        """The numbers of its versions, oldest first."""
        return sorted(int(path.stem) for path in (self.folder / "versions").glob("*.json") if path.stem.isdigit())


@dataclass(frozen=True)
class Own(Dataset):
    """The card of one version of a person's own dataset."""

    import_id: str = ""
    version: int = 1

    @property
    def ready(self) -> bool:
        return True

    @property
    def alike(self) -> list[str]:
        return []

    @property
    def sized(self) -> bool:
        """Whether its pictures can be had at another size."""
        return (folder(self.import_id) / "originals.bin").is_file()

    def at(self, size: int | None) -> Own:
        """The same pictures at another size."""
        return replace(self, shape=(size, size, self.shape[2])) if size and self.sized else self

    @property
    def array(self) -> Path:
        """The file of its examples: for pictures, of those at this card's size, whether or not it was made yet."""
        if not self.sized:
            return folder(self.import_id) / "x.npy"
        return folder(self.import_id) / f"pixels_{self.shape[0]}_{self.shape[2]}.npy"

    def entries(self) -> pd.DataFrame:
        """What it uses, in the order of its examples: the pool, its own validation part, its own test part."""
        said = stated(self.import_id, self.version)
        taken = said[said.used]
        order = taken.part.map({"": 0, "train": 0, "validation": 1, "test": 2}).argsort(kind="stable")
        return taken.iloc[order]

    def load(self) -> Arrays:
        taken, own = self.entries(), version(self.import_id, self.version)
        pool = sum(own.counts)
        rows = Rows(np.load(self.array, mmap_mode="r", allow_pickle=False), taken.row.to_numpy())
        return Arrays(
            rows, np.searchsorted(own.labels, taken.label),
            test_from=pool + sum(own.validation or ()) if own.test else None,
            validation_from=pool if own.validation else None,
        )  # fmt: skip

    def facts(self) -> Facts:
        own = version(self.import_id, self.version)
        return Facts(own.counts, own.test, own.validation)

    def preview(self) -> Preview | None:
        return _preview(self.import_id, self.version)


def folder(dataset: str) -> Path:
    """Where a dataset is kept. Ids are made here and never typed: anything else is unknown."""
    found = _NAME.fullmatch(dataset)
    if not found:
        raise UnknownName("dataset", dataset, ids())
    return home() / "datasets" / found[1]


def ids() -> list[str]:
    """All imported datasets that can be read, newest first."""
    found = (home() / "datasets").glob("data-*/versions/1.json")
    folders = (path.parents[1] for path in sorted(found, key=lambda path: -path.stat().st_mtime))
    return [own.name for own in folders if _read(own)]


def imported(dataset: str) -> Import:
    """What is known of a dataset, whichever version is named. Raises UnknownName."""
    if whole := _read(folder(dataset)):
        return whole
    raise UnknownName("dataset", dataset, ids())


def _read(folder: Path) -> Import | None:
    """What its folder says; None for one that is gone, or damaged, and that must not take the others along."""
    path = folder / "dataset.json"
    try:
        return _imported(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@lru_cache(maxsize=64)
def _imported(path: Path, _changed: int) -> Import:
    told = json.loads(path.read_text())
    for name in ("classes", "shape", "columns", "notes", "label_candidates"):
        told[name] = tuple(told[name])
    for name in ("skipped", "giveaways"):
        told[name] = tuple((file, why) for file, why in told[name])
    return Import(id=path.parent.name, **told)


def version(dataset: str, number: int) -> Version:
    """One version. Raises UnknownName."""
    path = folder(dataset) / "versions" / f"{number}.json"
    if not path.is_file():
        known = [f"{dataset}@{one}" for one in imported(dataset).versions]
        raise UnknownName("dataset", f"{dataset}@{number}", known)
    return _version(path)


@lru_cache(maxsize=64)
def _version(path: Path) -> Version:
    told = json.loads(path.read_text())
    parts = {name: told[name] for name in ("counts", "validation", "test")}
    each = np.sum([own for own in parts.values() if own], axis=0)
    labels = np.flatnonzero(each).tolist()
    counts = {name: tuple(own[label] for label in labels) if own else None for name, own in parts.items()}
    return Version(number=int(path.stem), labels=tuple(labels), **(told | counts))


def card(name: str) -> Own:
    """The card of ``data-…`` (its newest version) or ``data-…@N``. Raises UnknownName."""
    whole = imported(name)
    found = _NAME.fullmatch(name)
    assert found
    number = int(found[2]) if found[2] else whole.versions[-1]
    own = version(whole.id, number)
    title = whole.label + (f", version {number}" if len(whole.versions) > 1 else "")
    unit = "pictures" if len(whole.shape) == 3 else "rows"
    return Own(
        f"{whole.id}@{number}", title, f"Imported from {whole.origin}." + (f" {own.note}" if number > 1 else ""),
        whole.shape, tuple(whole.classes[label] for label in own.labels), scale=whole.scale, columns=whole.columns,
        unit=unit,
        import_id=whole.id, version=number,
    )  # fmt: skip


def stated(dataset: str, number: int) -> pd.DataFrame:
    """All entries as imported, with what a version says of them: ``label`` (a place in the import's classes), ``part``
    and ``used``."""
    import pandas as pd

    version(dataset, number)
    own = folder(dataset)
    entries = pd.read_parquet(own / "entries.parquet")
    with np.load(own / "versions" / f"{number}.npz", allow_pickle=False) as said:
        return entries.assign(
            label=said["label"].astype(np.int64), part=np.array(PARTS)[said["part"]], used=said["used"]
        )


def pixels(dataset: str) -> np.ndarray:
    """The examples as imported, memory-mapped, one for each ``row`` of the entries."""
    return _examples(folder(dataset), imported(dataset).shape)


def _examples(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    name = f"pixels_{shape[0]}_{shape[2]}.npy" if (folder / "originals.bin").is_file() else "x.npy"
    return np.asanyarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))


def sweep() -> None:
    """Remove what imports left behind that were killed. For the one that imports: it begins none meanwhile."""
    for path in (home() / "datasets").glob("unfinished-*"):
        shutil.rmtree(path, ignore_errors=True)


def begin() -> Path:
    """An empty folder for a new dataset, not yet one of them."""
    path = home() / "datasets" / f"unfinished-{secrets.token_hex(4)}"
    path.mkdir(parents=True)
    return path


def keep(intake: Intake, unfinished: Path, *, label: str, origin: str) -> tuple[str, bool]:
    """Make what the intake wrote into ``unfinished`` a dataset, with its first version and its health check.

    Gives its id, and whether the very same content was here already: then that one is kept, and nothing twice.
    """
    identity = _identity(intake, unfinished)
    if known := next((own for own in ids() if imported(own).identity == identity), None):
        shutil.rmtree(unfinished)
        return known, True
    told: dict[str, Any] = {
        "label": label.strip()[:200] or origin, "kind": intake.kind, "created": time.time(), "origin": origin,
        "classes": intake.classes, "shape": intake.shape, "scale": intake.scale, "columns": intake.columns,
        "skipped": intake.skipped, "passed_over": intake.passed_over, "notes": intake.notes,
        "label_column": intake.label_column, "label_candidates": intake.label_candidates,
        "giveaways": intake.giveaways, "identity": identity,
    }  # fmt: skip
    (unfinished / "dataset.json").write_text(json.dumps(told))
    intake.entries.drop(columns=["label", "part"]).to_parquet(unfinished / "entries.parquet", index=False)
    (unfinished / "versions").mkdir()
    dataset = f"data-{secrets.token_hex(4)}"
    _write(Import(id=dataset, **told), unfinished, 1, intake.entries.assign(used=True), "As imported.")
    unfinished.replace(folder(dataset))  # last: it is a dataset with all that belongs to one, or not at all
    return dataset, False


def revise(dataset: str, changed: pd.DataFrame, note: str) -> int:
    """Write a new version: entries with the columns ``label``, ``part`` and ``used``; gives its number.

    Raises ValueError where none is used any more.
    """
    whole = imported(dataset)
    if not changed.used.any():
        raise ValueError(f"Received a change of {whole.label} that leaves nothing, expected at least one example to "
                         "stay. Leave fewer out, or delete the dataset.")  # fmt: skip
    number = whole.versions[-1] + 1
    _write(whole, whole.folder, number, changed, note)
    return number


def _write(whole: Import, folder: Path, number: int, stated: pd.DataFrame, note: str) -> None:
    own = folder / "versions"
    part = stated.part.map({name: place for place, name in enumerate(PARTS)}).to_numpy(np.int8)
    used = stated.used.to_numpy(bool)
    with (own / f"{number}.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, label=stated.label.to_numpy(np.int32), part=part, used=used)

    def counted(*parts: int) -> list[int]:
        chosen = stated.label[used & np.isin(part, parts)]
        return [int(n) for n in np.bincount(chosen, minlength=len(whole.classes))]

    validation, test = counted(2), counted(3)
    said = {
        "note": note, "created": time.time(), "counts": counted(0, 1),
        "validation": validation if any(validation) else None, "test": test if any(test) else None,
        "health": _health(whole, stated, _examples(folder, whole.shape)).as_dict(),
    }  # fmt: skip
    unfinished = own / f"{number}.unfinished"
    unfinished.write_text(json.dumps(said))
    unfinished.replace(own / f"{number}.json")


def _health(whole: Import, stated: pd.DataFrame, examples: np.ndarray) -> Health:
    from . import health

    return health.check(
        stated, whole.classes, whole.kind, examples, skipped=whole.skipped, giveaways=whole.giveaways,
        columns=whole.columns,
    )  # fmt: skip


def _identity(intake: Intake, unfinished: Path) -> str:
    """The same for the same examples with the same classes and parts, in whatever container and by whatever file names
    they came."""
    digest = hashlib.sha256(json.dumps([intake.kind, intake.classes, intake.columns, intake.shape]).encode())
    entries = intake.entries
    content = entries.sha if "sha" in entries else entries.row.astype(str)
    for row in sorted(zip(content, entries.label, entries.part, strict=True)):
        digest.update(repr(row).encode())
    if "sha" not in entries:
        with (unfinished / "x.npy").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@lru_cache(maxsize=16)
def _preview(dataset: str, number: int, each: int = 8) -> Preview:
    said = stated(dataset, number)
    taken = said[said.used]
    chosen = taken.groupby("label", sort=True).head(each)
    labels = np.searchsorted(version(dataset, number).labels, chosen.label)
    return Preview(pixels(dataset)[chosen.row.to_numpy()], labels)


def rename(dataset: str, label: str) -> None:
    """Change what a person calls a dataset; never part of a path."""
    path = folder(dataset) / "dataset.json"
    told = json.loads(path.read_text()) | {"label": label.strip()[:200] or imported(dataset).origin}
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(told))
    unfinished.replace(path)


def delete(dataset: str) -> None:
    """Remove a dataset with all its versions."""
    imported(dataset)
    shutil.rmtree(folder(dataset), ignore_errors=True)


def size_on_disk(dataset: str) -> int:
    """Bytes that a dataset takes."""
    return sum(path.stat().st_size for path in folder(dataset).rglob("*") if path.is_file())

"""The health check of an imported dataset: what a person should know before anything learns from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import findings as find
from .findings import Finding, Sample

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Health:
    """Numbers and findings, the gravest first. All is about used entries; ``parts`` counts a class in each part.

    ``imbalance`` is largest : smallest class of those that have any (None without one); ``sizes`` are (width, height)
    of the smallest, median and largest picture by area, ``enlarged`` how many are smaller than the chosen size, None
    without pictures.
    """

    examples: int
    counts: tuple[int, ...]
    parts: dict[str, tuple[int, ...]]
    imbalance: float | None
    skipped: tuple[tuple[str, str], ...]
    sizes: tuple[tuple[int, int], ...] | None
    enlarged: int | None
    grey: int | None
    missing: dict[str, int]
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Change:
    """New columns of a version, (n,) each, and a sentence for its note."""

    label: np.ndarray
    part: np.ndarray
    used: np.ndarray
    note: str

    def to(self, entries: pd.DataFrame) -> pd.DataFrame:
        """``entries`` as the new version has them."""
        return entries.assign(label=self.label, part=self.part, used=self.used)


def check(
    entries: pd.DataFrame,
    classes: tuple[str, ...],
    kind: str,
    examples: np.ndarray | None,
    *,
    skipped: Sequence[tuple[str, str]] = (),
    giveaways: Sequence[tuple[str, str]] = (),
    columns: Sequence[str] = (),
    size: int | None = None,
) -> Health:
    """Look at ``entries`` (with a version's ``label``, ``part`` and ``used``) of a dataset of this ``kind``.

    ``examples`` (rows, ...) is what the column ``row`` counts: for pictures uint8 (rows, height, width, channels),
    from which near copies are confirmed (None: only exact ones are found). ``columns`` names a table's; ``size`` is
    the side that pictures are brought to, that of ``examples`` unless told.
    """
    places = np.flatnonzero(entries["used"].to_numpy(bool))
    used = entries.iloc[places]
    noun = {"pictures": "picture", "table": "row"}.get(kind, "example")
    label, part = used["label"].to_numpy(np.int64), used["part"].to_numpy(str)
    data = Sample(classes, noun, places, label, part, used["row"].to_numpy(np.int64), used)
    counts = np.bincount(data.label, minlength=len(classes))
    parts = {
        name: tuple(np.bincount(data.label[data.part == name], minlength=len(classes)).tolist())
        for name in ("", *PARTS) if (data.part == name).any()
    }  # fmt: skip
    missing = find.missing(examples, data.row, columns) if kind == "table" and examples is not None else {}
    findings = [
        *find.amounts(data, counts),
        *find.repeated(data, kind, examples),
        *find.given_away(giveaways),
        *find.incomplete(missing, data),
        *find.left_behind(skipped),
    ]
    sizes: tuple[tuple[int, int], ...] | None = None
    enlarged: int | None = None
    grey: int | None = None
    if kind == "pictures" and len(places):
        size = size or (examples.shape[1] if examples is not None else 0)
        sizes, enlarged = find.sizes(used, size)
        grey = int(used["grey"].sum())
        findings += [*find.small(data, enlarged, size), *find.colourless(data)]
    gravity = ("stop", "warning", "note")
    imbalance = float(counts.max() / counts[counts > 0].min()) if counts.any() else None
    return Health(
        len(places), tuple(counts.tolist()), parts, imbalance,
        tuple(skipped), sizes, enlarged, grey, missing, tuple(sorted(findings, key=lambda f: gravity.index(f.level))),
    )  # fmt: skip


def leave_out(entries: pd.DataFrame, positions: Iterable[int]) -> Change:
    """The version without the entries at ``positions``."""
    label, part, used = _columns(entries)
    chosen = np.unique(np.fromiter(positions, np.int64))
    count = int(used[chosen].sum())
    used[chosen] = False
    return Change(label, part, used, f"Left out {_things(entries, count)}.")


def move(entries: pd.DataFrame, positions: Iterable[int], to: int, name: str) -> Change:
    """The version in which the entries at ``positions`` belong to class ``to``, called ``name``."""
    label, part, used = _columns(entries)
    chosen = np.unique(np.fromiter(positions, np.int64))
    count = int((label[chosen] != to).sum())
    label[chosen] = to
    return Change(label, part, used, f"Moved {_things(entries, count)} to {name}.")


def take_as_one(entries: pd.DataFrame, groups: Iterable[Sequence[int]]) -> Change:
    """The version that uses one entry of each group: the first of the test part, else validation, else the rest.

    Raises ValueError for a group whose used members belong to several classes: which one is right only a person knows.
    """
    label, part, used = _columns(entries)
    ranks = find.ranks(part)
    count = many = 0
    for group in groups:
        members = np.array([place for place in group if used[place]], np.int64)
        if len(members) < 2:
            continue
        if len(np.unique(label[members])) > 1:
            raise ValueError(
                f"received a group with {len(np.unique(label[members]))} classes, expected copies of one class; "
                "leave the group out or move it to one class first"
            )
        used[members] = False
        used[members[np.argmax(ranks[members])]] = True
        count, many = count + len(members) - 1, many + 1
    groups_said = f"{many:,} group{'' if many == 1 else 's'} of copies as one"
    return Change(label, part, used, f"Counted {groups_said}: left out {_things(entries, count)}.")


def _columns(entries: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    label, part, used = (entries[name].to_numpy(kind, copy=True) for name, kind in
                         (("label", np.int64), ("part", object), ("used", bool)))  # fmt: skip
    return label, part, used


def _things(entries: pd.DataFrame, count: int) -> str:
    return f"{count:,} {'picture' if 'sha' in entries else 'example'}{'' if count == 1 else 's'}"

"""What a health check can find in a dataset, said so that anyone understands why it matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import copies

if TYPE_CHECKING:
    import pandas as pd

FEW = 5
UNEVEN = (2.0, 10.0)
"""How many times the smallest class the largest is when it is noted, and when it is a warning."""
ALIKE = 0.1
"""Above this share of near copies the pictures are taken to be alike by nature."""


@dataclass(frozen=True)
class Remedy:
    """One click: ``action`` is "leave out", "move" or "take as one"; ``words`` go on the button.

    "leave out" is about ``positions``; "move" and "take as one" are about ``groups``, and a group may be moved to any
    of its ``labels``. Positions count the rows of entries.
    """

    action: str
    words: str
    positions: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    labels: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing found. ``level`` is "stop" (nothing can be trained), "warning" or "note"; the first remedy is safe."""

    kind: str
    level: str
    title: str
    sentence: str
    positions: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Sample:
    """What the checks look at. ``places`` are the positions of used entries; the other columns go with them."""

    classes: tuple[str, ...]
    noun: str
    places: np.ndarray
    label: np.ndarray
    part: np.ndarray
    row: np.ndarray
    entries: pd.DataFrame

    def many(self, count: int) -> str:
        return f"{count:,} {self.noun}{'' if count == 1 else 's'}"

    @property
    def fixed(self) -> bool:
        """Whether the parts were given rather than left to chance."""
        return bool((self.part != "").any())


def ranks(part: np.ndarray) -> np.ndarray:
    """How firmly an entry stands when copies compete: test before validation before the rest."""
    return np.select([part == "test", part == "validation"], [2, 1], 0)


def amounts(data: Sample, counts: np.ndarray) -> Iterable[Finding]:
    if (counts > 0).sum() < 2:
        yield Finding(
            "classes", "stop", "There is nothing to tell apart",
            "A network learns to tell classes apart, so it needs examples of at least two.",
        )  # fmt: skip
    pool = np.bincount(data.label[(data.part == "") | (data.part == "train")], minlength=len(counts))
    needed = 3 - sum(bool((data.part == name).any()) for name in ("validation", "test"))
    there = counts > 0  # a class whose examples were all left out, or moved to another one, is none any more
    for kind, level, chosen, title, why in (
        (
            "too few", "stop", pool < needed, f"Fewer than {needed} {data.noun}s to learn from",
            f"Each class needs at least {needed}: one to learn from, and others to check the answer on.",
        ),
        (
            "few", "warning", (pool >= needed) & (counts < FEW), f"Fewer than {FEW} {data.noun}s in a class",
            "What is learnt from so few, and above all how good it is, hangs on chance. Add some if you can.",
        ),
    ):  # fmt: skip
        if (chosen & there).any():
            numbers = np.flatnonzero(chosen & there)
            names = _listed([f"“{data.classes[number]}” ({counts[number]})" for number in numbers])
            at = _at(data.places[np.isin(data.label, numbers)])
            words = "Leave this class out" if len(numbers) == 1 else "Leave these classes out"
            spare = level == "stop" and there.sum() - len(numbers) >= 2
            yield Finding(kind, level, title, f"{names}. {why}", at, (),
                          (Remedy("leave out", words, at),) if spare else ())  # fmt: skip
    most, least = int(counts.argmax()), int(np.where(there, counts, counts.max(initial=0)).argmin())
    if there.any() and counts[most] >= UNEVEN[0] * counts[least]:
        ratio = counts[most] / counts[least]
        yield Finding(
            "imbalance", "warning" if ratio > UNEVEN[1] else "note", "Some classes have far more than others",
            f"“{data.classes[most]}” has {ratio:.3g} times as many {data.noun}s as “{data.classes[least]}”. An answer "
            f"that is always “{data.classes[most]}” would already be right {counts[most] / counts.sum():.0%} of the "
            "time, so look at each class and not at the accuracy alone; balancing the classes can help.",
        )  # fmt: skip


def repeated(data: Sample, kind: str, examples: np.ndarray | None) -> Iterable[Finding]:
    if not len(data.places):
        return
    content = data.row if kind == "pictures" or examples is None else copies.same_content(examples)[data.row]
    _, first, own = np.unique(content, return_index=True, return_inverse=True)
    lowest, highest = _extremes(data.label, own)
    weakest, firmest = _extremes(ranks(data.part), own)
    torn = lowest != highest
    leaking = ~torn & (weakest != firmest)
    plain = ~torn & ~leaking
    exact = [copies.gathered(own[which[own]], np.flatnonzero(which[own])) for which in (torn, leaking, plain)]
    yield from _told(data, kind, *exact, near=False)
    if kind != "pictures" or examples is None:
        return
    whole = np.flatnonzero(~torn)
    hashes = data.entries["phash"].to_numpy(np.uint64)
    pairs = whole[copies.near_pairs(hashes[first[whole]], examples, data.row[first[whole]])]
    i, j = pairs.T
    torn = lowest[i] != lowest[j]
    leaking = ~torn & (np.minimum(weakest[i], weakest[j]) != np.maximum(firmest[i], firmest[j]))
    plain = ~np.isin(pairs, pairs[torn | leaking]).any(1)
    order = np.argsort(own, kind="stable")
    borders = np.searchsorted(own[order], np.arange(len(first) + 1))
    near = (copies.chains(pairs[torn]), copies.chains(pairs[leaking]), copies.stars(pairs[plain]))
    yield from _told(data, kind, *(
        [np.sort(np.concatenate([order[borders[n] : borders[n + 1]] for n in group])) for group in groups]
        for groups in near
    ), near=True)  # fmt: skip


def _extremes(values: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most of ``values`` (n,) among those with the same number in ``own`` (n,)."""
    order = np.argsort(own, kind="stable")
    starts = np.flatnonzero(np.diff(own[order], prepend=-1))
    return np.minimum.reduceat(values[order], starts), np.maximum.reduceat(values[order], starts)


def _told(
    data: Sample, kind: str, torn: list[np.ndarray], leaking: list[np.ndarray], plain: list[np.ndarray], *, near: bool
) -> Iterable[Finding]:
    """What is said of groups (indices into ``data``) in several classes, in several parts, and of the others."""
    suffix, same = (" near", "Nearly the same") if near else ("", "The same")
    nature = ""
    if near and sum(map(len, (*torn, *leaking, *plain))) > ALIKE * len(data.places):
        nature = " So many are alike that it may be in their nature, as with drawings and symbols; then leave them."
    elif near:
        nature = " Look at them first: that they are copies is a guess from how alike they are."
    level = "note" if kind == "table" or nature.startswith(" So") else "warning"
    noun = data.noun
    if torn:
        at, groups = _grouped(data, torn)
        labels = tuple(tuple(np.unique(data.label[group]).tolist()) for group in torn)
        why = (
            "The columns cannot tell these rows apart, so no answer can be right for all of them."
            if kind == "table"
            else "At most one of the classes can be right, and a wrong one teaches a mistake."
        )
        yield Finding(
            f"conflict{suffix}", level, f"{same} {noun} in two classes",
            f"{data.many(len(at))} in {_count(groups)} of copies stand in more than one class. {why}{nature}",
            at, groups,
            (Remedy("leave out", "Leave all of them out", at), Remedy("move", "Choose the class", at, groups, labels)),
        )  # fmt: skip
    if leaking:
        at, groups = _grouped(data, leaking)
        rank = ranks(data.part)
        weaker = np.concatenate([group[rank[group] < rank[group].max()] for group in leaking])
        yield Finding(
            f"leak{suffix}", level, f"{same} {noun} to learn from and to be tested on",
            f"{_count(groups)} of copies {_verb(len(groups), 'lies', 'lie')} in more than one part. What was seen "
            f"while learning is no test: the result would look better than it is.{nature}",
            at, groups, (Remedy("leave out", "Keep the test copies, leave the others out", _at(data.places[weaker])),),
        )  # fmt: skip
    if plain:
        at, groups = _grouped(data, plain)
        more = len(at) - len(groups)
        why = (
            "Copies count more than they should."
            if data.fixed
            else "If one copy is learnt from and another tested on, the result looks better than it is."
        )
        yield Finding(
            f"copies{suffix}", "note" if data.fixed else level, f"{same} {noun} more than once",
            f"{data.many(more)} only {'nearly ' * near}{_verb(more, 'repeats another', 'repeat others')}. "
            f"{why}{nature}",
            at, groups, (Remedy("take as one", "Count each group as one", at, groups),),
        )  # fmt: skip


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _grouped(data: Sample, groups: list[np.ndarray]) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Positions in entries: all, and in groups."""
    return _at(data.places[np.unique(np.concatenate(groups))]), tuple(_at(data.places[group]) for group in groups)


def given_away(giveaways: Sequence[tuple[str, str]]) -> Iterable[Finding]:
    if giveaways:
        told = _listed([f"“{column}” ({why})" for column, why in giveaways])
        yield Finding(
            "giveaway", "warning", "A column gives the answer away",
            f"{told}. A network would read the answer there and learn nothing else; if the column is not known before "
            "the answer is, import the table again without it.",
        )  # fmt: skip


def missing(x: np.ndarray, row: np.ndarray, columns: Sequence[str]) -> dict[str, int]:
    """How many values each column lacks among the rows in use; columns without a gap are left out."""
    if x.dtype.kind != "f":
        return {}
    gaps = sum((np.isnan(x[row[at : at + 4096]]).sum(0) for at in range(0, len(row), 4096)), np.zeros(x.shape[1:], int))
    names = columns or [f"column {number + 1}" for number in range(x.shape[1])]
    return {name: int(gap) for name, gap in zip(names, gaps, strict=True) if gap}


def incomplete(missing: dict[str, int], data: Sample) -> Iterable[Finding]:
    if missing:
        ordered = sorted(missing.items(), key=lambda item: -item[1])
        told = _listed([f"“{name}” ({gap:,} of {len(data.places):,})" for name, gap in ordered])
        yield Finding(
            "missing", "warning" if ordered[0][1] > len(data.places) / 2 else "note", "Values are missing",
            f"{told}. What is not there cannot be learnt from: a column that is mostly empty tells little.",
        )  # fmt: skip


def left_behind(skipped: Sequence[tuple[str, str]]) -> Iterable[Finding]:
    if skipped:
        told = _listed([f"“{name}” ({reason})" for name, reason in skipped])
        one = len(skipped) == 1
        title = f"{len(skipped):,} file{'' if one else 's'} could not be taken"
        again = f"If {'it matters, repair it' if one else 'they matter, repair them'} and import again"
        yield Finding("skipped", "note", title, f"{told}. {again}.")


def sizes(used: pd.DataFrame, size: int) -> tuple[tuple[tuple[int, int], ...], int]:
    width, height = used["width"].to_numpy(np.int64), used["height"].to_numpy(np.int64)
    order = np.argsort(width * height, kind="stable")
    chosen = order[[0, len(order) // 2, -1]]
    smaller = int((np.minimum(width, height) < size).sum())
    return tuple(zip(width[chosen].tolist(), height[chosen].tolist(), strict=True)), smaller


def small(data: Sample, enlarged: int, size: int) -> Iterable[Finding]:
    if enlarged:
        used = data.entries
        below = np.minimum(used["width"].to_numpy(), used["height"].to_numpy()) < size
        yield Finding(
            "enlarged", "note", "Small pictures are enlarged",
            f"{data.many(enlarged)} of {len(data.places):,} {_verb(enlarged, 'is', 'are')} smaller than "
            f"{size} × {size} pixels. Enlarging adds no detail; a smaller size is faster and often as good.",
            _at(data.places[below]),
        )  # fmt: skip


def colourless(data: Sample) -> Iterable[Finding]:
    grey = data.entries["grey"].to_numpy(bool)
    if not 0 < grey.sum() < len(grey):
        return
    total = np.bincount(data.label, minlength=len(data.classes))
    share = np.bincount(data.label[grey], minlength=len(data.classes)) / np.maximum(total, 1)
    present = np.flatnonzero(total)
    most, least = present[share[present].argmax()], present[share[present].argmin()]
    uneven = share[most] - share[least] > 0.5
    count = int(grey.sum())
    told = f"{data.many(count)} of {len(grey):,} {_verb(count, 'has', 'have')} no colour"
    if uneven:
        told += f": {share[most]:.0%} of “{data.classes[most]}”, {share[least]:.0%} of “{data.classes[least]}”"
    yield Finding(
        "grey", "warning" if uneven else "note", "Some pictures are grey",
        f"{told}. Where that goes with the class, a network learns to tell grey from colour instead.",
        _at(data.places[grey]),
    )  # fmt: skip


def _at(places: np.ndarray) -> tuple[int, ...]:
    return tuple(places.tolist())


def _count(groups: Sequence[object]) -> str:
    return f"{len(groups):,} group{'' if len(groups) == 1 else 's'}"


def _listed(names: list[str], most: int = 5) -> str:
    """Names in a row; past ``most`` the others are counted."""
    shown, more = names[:most], len(names) - most
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")

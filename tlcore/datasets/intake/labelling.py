"""Which pictures of a container have a class, and which: from their folders, or from a table that names them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from . import labels, names
from .containers import Container, Member, Unreadable
from .layouts import class_folders, part_of
from .limits import Rejected
from .tables import ENDINGS, read_table

if TYPE_CHECKING:
    import pandas as pd

NAMED = 0.5
"""The share of a column's cells, or of the pictures, that must be matched for it to be the column of file names."""


@dataclass
class Labelling:
    """Pictures with a class, in order; ``classes`` and ``parts`` one each, classes as they were written."""

    members: list[Member]
    classes: list[str]
    parts: list[str]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    column: str | None = None
    candidates: tuple[str, ...] = ()


def by_folders(pictures: Sequence[Member]) -> Labelling:
    """Each picture's class is the folder that it lies in."""
    found = class_folders([member.parts[:-1] for member in pictures])
    inside = [at for at, (name, _) in enumerate(found) if name]
    passed = Counter[str]()
    if len(inside) < len(found):
        passed["pictures in no class folder"] = len(found) - len(inside)
    return Labelling([pictures[at] for at in inside], [found[at][0] for at in inside], [found[at][1] for at in inside],
                     passed_over=passed)  # fmt: skip


def by_table(pictures: Sequence[Member], frame: pd.DataFrame, table: str, wanted: str | None) -> Labelling:
    """Each picture's class is what ``frame`` says. Raises :class:`Rejected` where no column names the files."""
    index = _Index(pictures)
    files = file_column(frame, index)
    if files is None:
        raise Rejected(f"{table}, none of whose columns names the pictures",
                       "a column with the file name of each picture, and one with its label",
                       "Write the names as they stand in the zip or folder.")  # fmt: skip
    rest = frame.drop(columns=files)
    part_name = labels.part_column(rest)
    rest = rest.drop(columns=part_name) if part_name else rest
    found = labels.candidates(rest) or tuple(rest.columns[:1])
    column = labels.chosen(rest, wanted, found, table)
    shown = labels.as_text(rest[column], column)
    said = frame[part_name] if part_name else None
    of: dict[int, tuple[str, str]] = {}
    skipped: list[tuple[str, str]] = []
    doubled: set[int] = set()
    for at, (cell, label) in enumerate(zip(frame[files], shown, strict=True)):
        cell = str(cell)
        place = index.find(cell)
        if place is None:
            skipped.append((names.clean(cell, 200), f"{table} names it, and no single picture has this name"))
        elif label is None:
            skipped.append((pictures[place].name, f"{table} has no label for it"))
        elif place in of and of[place][0] != label:
            doubled.add(place)
        else:
            of[place] = label, part_of(str(said.iloc[at]).strip()) if said is not None else _above(pictures[place])
    skipped += [(pictures[place].name, f"{table} gives it two labels") for place in sorted(doubled)]
    named = {name for name, _ in skipped}
    skipped += [(member.name, f"{table} does not name it") for at, member in enumerate(pictures)
                if at not in of and at not in doubled and member.name not in named]  # fmt: skip
    places = [place for place in sorted(of) if place not in doubled]
    notes = [f'The label of each picture is the column "{names.clean(column)}" of {table}; '
             f'its file is named in "{names.clean(files)}".']  # fmt: skip
    return Labelling([pictures[at] for at in places], [of[at][0] for at in places], [of[at][1] for at in places],
                     skipped, Counter(), notes, column, found)  # fmt: skip


def table_inside(container: Container, pictures: Sequence[Member]) -> tuple[pd.DataFrame, str, list[str]] | None:
    """The one table of a container that names its pictures; None where there is none, or more than one."""
    index, found = _Index(pictures), []
    tables = [member for member in container.members if member.ending in ENDINGS]
    if len(tables) > 20:
        return None
    for member in tables:
        try:
            frame, notes = read_table(container.read(member), member.parts[-1])
        except (Rejected, Unreadable):
            continue
        if file_column(frame, index) is not None and frame.shape[1] > 1:
            found.append((frame, names.clean(member.name), notes))
    return found[0] if len(found) == 1 else None


def file_column(frame: pd.DataFrame, index: _Index) -> str | None:
    """The column whose cells name the most pictures, at least half of its cells."""
    best, most = None, 0.0
    for name in frame.columns:
        cells = frame[name].dropna()
        if not len(cells):
            continue
        few = cells if len(cells) <= 2_000 else cells.iloc[:: len(cells) // 1_000]
        share = float(np.mean([index.find(str(cell)) is not None for cell in few]))
        if share > most and int(few.nunique()) > 0.5 * len(few):
            best, most = str(name), share
    return best if most >= NAMED else None


class _Index:
    """Pictures by the names that a table may use: the whole path, its end, or the name without its ending."""

    def __init__(self, pictures: Sequence[Member]):
        self.paths = ["/".join(member.parts).casefold() for member in pictures]
        self.by_name: defaultdict[str, list[int]] = defaultdict(list)
        for at, path in enumerate(self.paths):
            name = path.rpartition("/")[2]
            self.by_name[name].append(at)
            stem = name.rpartition(".")[0]
            if stem:
                self.by_name[stem].append(at)

    def find(self, cell: str) -> int | None:
        """The one picture that is meant."""
        asked = "/".join(
            part for part in cell.strip().casefold().replace("\\", "/").split("/") if part not in ("", ".")
        )
        places = self.by_name.get(asked.rpartition("/")[2], [])
        if len(places) < 2:
            return places[0] if places else None
        ends = [
            at
            for at in places
            if f"/{self.paths[at]}".endswith(f"/{asked}")
            or f"/{self.paths[at]}".rpartition(".")[0].endswith(f"/{asked}")
        ]
        if len(ends) > 1:
            ends = [at for at in ends if self.paths[at] in (asked, *[f"{asked}{PurePosixPath(self.paths[at]).suffix}"])]
        return ends[0] if len(ends) == 1 else None


def _above(member: Member) -> str:
    """The part that a folder above a picture names, if any."""
    return next((part for name in member.parts[:-1] if (part := part_of(name))), "")

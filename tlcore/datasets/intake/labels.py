"""The column that holds the answer: found by its name or by what is in it, and read as classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import names
from .layouts import part_of
from .limits import MAX_CLASSES, Rejected

if TYPE_CHECKING:
    import pandas as pd

NAMES = (
    "label", "labels", "class", "classes", "target", "category", "species", "y", "diagnosis", "outcome", "class_name",
    "classname", "class name", "class_id", "classid", "class_label", "label_name", "type", "variety", "genre", "breed",
    "disease", "result", "response", "klasse", "etikett",
)  # fmt: skip
PART_NAMES = ("split", "part", "set", "subset", "partition", "fold", "usage")
FEW = 50
SHOWN = 20
LONGEST = 1_000
"""Characters of a label that are looked at."""


def candidates(frame: pd.DataFrame) -> tuple[str, ...]:
    """Columns that could be the label, the likeliest first: by name, then from the last to the first by content."""
    named = sorted((name for name in frame.columns if name.casefold().strip() in NAMES),
                   key=lambda name: NAMES.index(name.casefold().strip()))  # fmt: skip
    few = [name for name in reversed(frame.columns) if name not in named and _few(frame[name])]
    return (*named, *few)[:SHOWN]


def _few(values: pd.Series) -> bool:
    """Between 2 and 50 values, met at least twice on average, and no fractions."""
    if values.dtype.kind == "f" and bool((values.dropna() % 1 != 0).any()):
        return False
    try:
        different = int(values.nunique())
    except TypeError:  # cells that are lists
        return False
    return 2 <= different <= FEW and 2 * different <= int(values.count())


def chosen(frame: pd.DataFrame, wanted: str | None, found: tuple[str, ...], label: str) -> str:
    """The label column: ``wanted`` where it is there, else the likeliest one."""
    if wanted is not None:
        for name in frame.columns:
            if wanted in (name, names.clean(name)) or wanted.strip().casefold() == name.strip().casefold():
                return str(name)
        shown = ", ".join(f'"{names.clean(name, 40)}"' for name in frame.columns[:SHOWN])
        raise Rejected(f'"{names.clean(wanted)}" as the label column of {label}', f"one of its columns: {shown}",
                       "Choose one of them.")  # fmt: skip
    if found:
        return found[0]
    raise Rejected(f"{label}, in which no column looks like classes", "one column with the class of each row",
                   "Name the label column, or add one.")  # fmt: skip


def as_text(values: pd.Series, column: str) -> pd.Series:
    """Labels as they are shown, None where there is none. Raises :class:`Rejected` for numbers that are no classes."""
    present = values.dropna()
    if values.dtype.kind in "iuf":
        present = present[np.isfinite(present.to_numpy(np.float64))]
        refuse_measurements(present.to_numpy(), f'the column "{names.clean(column)}"')
    if values.dtype.kind == "f":
        shown = present.map(lambda value: str(int(value)) if float(value).is_integer() else f"{value:g}")
    else:
        shown = present.map(lambda value: str(value)[:LONGEST].strip())
    return shown[shown != ""].reindex(values.index).astype(object).where(lambda text: text.notna(), None)


def refuse_measurements(values: np.ndarray, what: str) -> None:
    """Raise :class:`Rejected` for numbers that measure: fractions, or many of which few are alike."""
    different = np.unique(values)
    if not len(different):
        return
    fractions = values.dtype.kind == "f" and bool((different % 1 != 0).any())
    counted = different.min() in (0, 1) and len(different) == different.max() - different.min() + 1
    alike = len(values) / len(different)
    if (fractions and len(different) > 10) or (len(different) > 20 and alike < 5) or (
        len(different) > FEW and not (counted and alike >= 10)
    ):  # fmt: skip
        raise Rejected(f"{what} with {len(different):,} different numbers, as label", "a class for each row",
                       "This program learns classes, not numbers: choose another label, or put the numbers into a few "
                       'ranges ("low", "middle", "high").')  # fmt: skip


def numbered(shown: np.ndarray, label: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each label's class number, and the classes in natural order. Raises :class:`Rejected` for fewer than 2."""
    import pandas as pd

    inverse, raw = pd.factorize(shown)
    if len(raw) < 2:
        found = f'only the class "{names.clean(str(raw[0]))}"' if len(raw) else "no label at all"
        raise Rejected(f"{label} with {found}", "at least 2 classes", "Add examples of another class.")
    if len(raw) > MAX_CLASSES or (len(raw) > 20 and len(raw) > 0.5 * len(shown)):
        raise Rejected(f"{label} with {len(raw):,} classes in {len(shown):,} examples",
                       f"at most {MAX_CLASSES:,} classes, with several examples each",
                       "Choose another label column: this one names single examples.")  # fmt: skip
    display = names.display(raw.tolist())
    classes = tuple(sorted(display.values(), key=names.natural))
    place = {name: at for at, name in enumerate(classes)}
    return np.array([place[display[str(name)]] for name in raw], np.int64)[inverse], classes


def part_column(frame: pd.DataFrame, besides: tuple[str, ...] = ()) -> str | None:
    """The column that says which part a row belongs to, if there is one."""
    for name in frame.columns:
        if name.casefold().strip() in PART_NAMES and name not in besides:
            values = frame[name].dropna()
            if len(values) and values.map(lambda value: bool(part_of(str(value).strip()))).all():
                return str(name)
    return None

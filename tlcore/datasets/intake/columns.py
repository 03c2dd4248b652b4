"""A table's columns as numbers: which are kept, how each is written, and what is left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .intake import Stop, Tell
from .limits import MAX_CATEGORIES, MAX_FEATURES, Rejected
from .names import clean, natural

if TYPE_CHECKING:
    import pandas as pd

ID = re.compile(
    r"(.*[ _.-])?(id|ids|index|idx|row|rowid|row[ _]?(no|nr|number)|nr|uuid|guid|key)|unnamed: \d+|.*[a-z]Id"
)
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d.*)?")
NUMBERS = (
    (r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|Inf|INF|Infinity)", "", "."),
    (r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?", ",", "."),
    (r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d*)?", ".", ","),
    (r"[+-]?\d*,?\d+([eE][+-]?\d+)?", "", ","),
)
"""How numbers are written: the form, the sign between thousands, the decimal sign."""
OTHER, MISSING = "other", "missing"
DAY = 86_400.0
MAX_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Encoder:
    """One column's features: numbers (n,) float32, or codes (n,) of one-hot ``names``; -1 is no column."""

    column: str
    names: tuple[str, ...]
    values: np.ndarray

    @property
    def one_hot(self) -> bool:
        return self.values.dtype.kind == "i"

    def rows(self, cut: slice) -> np.ndarray:
        """(rows, features) float32."""
        own = self.values[cut]
        return (own[:, None] == np.arange(len(self.names))).astype(np.float32) if self.one_hot else own[:, None]


def plan(frame: pd.DataFrame, stop: Stop) -> tuple[list[Encoder], list[str]]:
    """How each column is written, and notes. Raises :class:`Rejected` for more features than are taken."""
    encoders, left, told = list[Encoder](), dict[str, list[str]](), list[str]()
    for column in frame.columns:
        stop()
        encoder, why = _encoder(frame[column], str(column), told)
        if encoder is None:
            left.setdefault(why, []).append(str(column))
        else:
            encoders.append(encoder)
    features = sum(len(encoder.names) for encoder in encoders)
    if features > MAX_FEATURES or features * len(frame) * 4 > MAX_BYTES:
        raise Rejected(f"a table that becomes {len(frame):,} rows of {features:,} numbers",
                       f"at most {MAX_FEATURES:,} numbers a row, and {MAX_BYTES:,} bytes in all",
                       "Leave out columns, above all those with many different words.")  # fmt: skip
    return encoders, [*(f"Left out, as {why}: {_listed(columns)}." for why, columns in left.items()), *told]


def _listed(columns: Iterable[str]) -> str:
    quoted = [f'"{column}"' for column in columns]
    return ", ".join(quoted[:10]) + (f" and {len(quoted) - 10} more" if len(quoted) > 10 else "")


def _encoder(values: pd.Series, column: str, told: list[str]) -> tuple[Encoder | None, str]:
    """The column's encoder, or why it has none."""
    kind = values.dtype.kind
    if not values.notna().any():
        return None, "they hold nothing"
    if kind == "M":
        return _number(_days(values), values, f"{column} (days)", column, told)
    if kind in "iufb":
        return _number(values.to_numpy(np.float64, na_value=np.nan), values, column, column, told)
    if kind in "mc":
        return None, "they are durations or complex numbers"
    text = _text(values)
    if text is None:
        return None, "their cells are lists or other structures"
    present = text.dropna()
    numbers = _as_numbers(present)
    if numbers is not None:
        return _number(numbers.reindex(text.index).to_numpy(np.float64), numbers, column, column, told)
    days = _as_days(present)
    if days is not None:
        told.append(f'The dates in "{column}" were written as days since the first of them.')
        return _number(days.reindex(text.index).to_numpy(np.float64), days, f"{column} (days)", column, told)
    return _category(text, column, told)


def _number(
    numbers: np.ndarray, values: pd.Series, name: str, column: str, told: list[str]
) -> tuple[Encoder | None, str]:
    with np.errstate(over="ignore"):
        kept = numbers.astype(np.float32)
    infinite = np.isinf(kept)
    if infinite.any():
        kept[infinite] = np.nan
        told.append(f'{int(infinite.sum()):,} infinite numbers in "{column}" count as missing.')
    present = kept[~np.isnan(kept)]
    if not len(present):
        return None, "they hold nothing"
    if present.min() == present.max():
        return None, "they hold the same everywhere"
    whole = len(present) == len(kept) and bool((numbers % 1 == 0).all())
    if whole and (
        bool((np.diff(numbers) == 1).all())
        or (ID.fullmatch(column.casefold()) and len(np.unique(numbers)) == len(numbers))
    ):
        return None, "they only number the rows"
    return Encoder(column, (name,), kept), ""


def _text(values: pd.Series) -> pd.Series | None:
    """Cells as text, stripped, None where there is nothing; None for cells that are no text or number."""
    import pandas as pd

    if values.dtype.kind == "O" and not isinstance(values.dtype, pd.CategoricalDtype):
        kinds = {type(value) for value in values.dropna().iloc[:1_000]}
        if any(issubclass(kind, (list, dict, tuple, set, bytes, np.ndarray)) for kind in kinds):
            return None
    present = values.dropna().astype(str).astype("str").str.strip()
    present = present[present != ""]
    return present.reindex(values.index)


def _as_numbers(text: pd.Series) -> pd.Series | None:
    """Text that is all numbers: with a point or a comma, and perhaps with the other between thousands."""
    import pandas as pd

    if not len(text):
        return None
    for form, between, decimal in NUMBERS:
        if text.iloc[:100].str.fullmatch(form).all() and text.str.fullmatch(form).all():
            plain = text.str.replace(between, "", regex=False) if between else text
            numbers = pd.to_numeric(plain.str.replace(decimal, ".", regex=False), errors="coerce")
            return numbers.astype(np.float64) if numbers.notna().all() else None
    return None


def _as_days(text: pd.Series) -> pd.Series | None:
    import pandas as pd

    if not len(text) or not text.iloc[:100].map(lambda cell: DATE.fullmatch(cell) is not None).all():
        return None
    dates = pd.to_datetime(
        text, errors="coerce", format="mixed", dayfirst=bool(text.iloc[:1_000].str.match(r"\d{1,2}\.").any()), utc=True
    )
    if dates.notna().mean() < 0.95:
        return None
    return pd.Series(_days(dates), index=text.index)


def _days(dates: pd.Series) -> np.ndarray:
    since: np.ndarray = (dates - dates.min()).dt.total_seconds().to_numpy(np.float64)
    return since / DAY


def _category(text: pd.Series, column: str, told: list[str]) -> tuple[Encoder | None, str]:
    counts = Counter(text.dropna())
    missing = int(text.isna().sum())
    if not counts:
        return None, "they hold nothing"
    if len(counts) == 1 and not missing:
        return None, "they hold the same everywhere"
    if len(counts) > 20 and len(counts) > 0.5 * (len(text) - missing):
        return None, "almost every row has its own text there (names, ids or free text)"
    if len(counts) == len(text) and ID.fullmatch(column.casefold()):
        return None, "they only number the rows"
    kept = sorted(counts, key=lambda value: (-counts[value], value))
    room = MAX_CATEGORIES - bool(missing)
    if len(kept) > room:
        told.append(f'"{column}" has {len(kept):,} different values; the {room - 1} most frequent have a column each, '
                    f'the others share "{column} = {OTHER}".')  # fmt: skip
        kept = kept[: room - 1]
    shown = sorted(kept, key=natural)
    place = {value: at for at, value in enumerate(shown)}
    labels = [f"{column} = {clean(value, 60)}" for value in shown]
    if len(kept) < len(counts):
        place.update(dict.fromkeys(counts.keys() - place.keys(), len(labels)))
        labels.append(f"{column} = {OTHER}")
    codes = text.map(place)
    if missing:
        codes = codes.fillna(len(labels))
        labels.append(f"{column} = {MISSING}")
    return Encoder(column, tuple(labels), codes.to_numpy(np.int64)), ""


def write(path: Path, encoders: list[Encoder], rows: int, tell: Tell, stop: Stop) -> None:
    """(rows, features) float32 as .npy, a slab at a time, under its own name only when whole."""
    features = sum(len(encoder.names) for encoder in encoders)
    slab = max(1, 2**24 // (4 * features))
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, features)})
        for begin in range(0, rows, slab):
            stop()
            cut = slice(begin, begin + slab)
            np.concatenate([encoder.rows(cut) for encoder in encoders], axis=1).astype("<f4").tofile(file)
            tell("Writing the table", min(rows, begin + slab), rows)
    part.replace(path)

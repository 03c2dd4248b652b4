"""Tables: CSV, TSV, Parquet and Excel, one row an example."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import labels, names
from .child import Ended, in_child
from .columns import plan, write
from .delimited import KEEP_TRYING, check_bytes, check_size, read_text
from .giveaways import giveaways
from .intake import Intake, Stop, Tell
from .layouts import part_of
from .limits import MAX_PATH, MAX_TABLE_BYTES, Rejected

if TYPE_CHECKING:
    import pandas as pd

TEXT = (".csv", ".tsv", ".txt", ".tab")
SHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
PARQUET = (".parquet", ".pq")
ENDINGS = frozenset((*TEXT, *SHEETS, *PARQUET))


def read_table(data: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """A table by its file's ending: columns with unlike names, and what was found out. Raises :class:`Rejected`."""
    name = names.clean(name)
    ending = Path(name).suffix.lower()
    check_bytes(len(data), name)
    if ending in TEXT:
        frame, notes = read_text(data, name)
    else:
        read = _parquet if ending in PARQUET else _sheet
        try:
            frame, notes = in_child(read, data, name)
        except Ended as error:
            kind = "a Parquet file" if ending in PARQUET else "an Excel or ODS sheet"
            raise Rejected(f"{name}, which does not read as {kind} ({error})", f"{kind} of moderate size",
                           KEEP_TRYING) from None  # fmt: skip
    check_size(len(frame), frame.shape[1], name)
    frame.columns = unlike([str(column) for column in frame.columns])
    return frame.reset_index(drop=True), notes


def unlike(columns: list[str]) -> list[str]:
    """Column names for display, made unlike each other by a number."""
    taken: set[str] = set()
    for at, column in enumerate(columns):
        base = names.clean(column) or f"column {at + 1}"
        unique, count = base, 1
        while unique in taken:
            count += 1
            unique = f"{base} ({count})"
        taken.add(unique)
        columns[at] = unique
    return columns


def _parquet(data: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd
    import pyarrow.parquet  # type: ignore[import-untyped]

    file = pyarrow.parquet.ParquetFile(BytesIO(data))
    check_size(file.metadata.num_rows, file.metadata.num_columns, name)
    frame = file.read(use_threads=False).to_pandas(ignore_metadata=True)
    for column in frame.columns[[isinstance(dtype, pd.CategoricalDtype) for dtype in frame.dtypes]]:
        counts = frame[column].value_counts()
        size = sum(len(str(value)) * count for value, count in counts.items())
        if size > MAX_TABLE_BYTES:
            raise Rejected(
                f"{name}, whose words would fill {size:,} bytes", f"at most {MAX_TABLE_BYTES:,}", KEEP_TRYING
            )
        frame[column] = frame[column].astype(object)
    return frame, []


def _sheet(data: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd

    with pd.ExcelFile(BytesIO(data), engine="calamine") as book:
        sheets = book.sheet_names
        frame = book.parse(sheets[0], keep_default_na=False, na_values=[""])
    notes = (
        [f'The table is the first of {len(sheets)} sheets, "{names.clean(str(sheets[0]))}".'] if len(sheets) > 1 else []
    )
    return frame.dropna(axis=0, how="all"), notes


def take_table(
    frame: pd.DataFrame, notes: list[str], label: str, folder: Path, wanted: str | None, tell: Tell, stop: Stop
) -> Intake:
    """Keep a table as numbers. Raises :class:`Rejected` where it has no label, too few classes or nothing to learn."""
    import pandas as pd

    if not len(frame):
        raise Rejected(f"{label} without any row", "a table with a header and rows", "Choose another file.")
    part_name = labels.part_column(frame, (wanted,) if wanted else ())
    inner = frame.drop(columns=part_name) if part_name else frame
    found = labels.candidates(inner)
    column = labels.chosen(inner, wanted, found, label)
    shown = labels.as_text(inner[column], column)
    kept = shown.notna().to_numpy()
    passed = {"rows without a label": int((~kept).sum())} if not kept.all() else {}
    numbers, classes = labels.numbered(shown[kept].to_numpy(), f'{label}, by its column "{column}",')
    stop()
    inner = inner[kept].reset_index(drop=True)
    encoders, told = plan(inner.drop(columns=column), stop)
    if not encoders:
        raise Rejected(f"{label} without a column to learn from ({' '.join(told)})", "columns beside the label",
                       "Add columns that describe each row.")  # fmt: skip
    features = tuple(unlike([name for encoder in encoders for name in encoder.names]))
    tell("Writing the table", 0, len(inner))
    write(folder / "x.npy", encoders, len(inner), tell, stop)
    given = giveaways(encoders, numbers, stop)
    parts = [part_of(str(value).strip()) for value in frame.loc[kept, part_name]] if part_name else [""] * len(inner)
    notes = [*notes, f'The label is the column "{column}".', *told]
    if part_name:
        notes.append(f'The column "{part_name}" says which part each row belongs to.')
    entries = pd.DataFrame({
        "row": np.arange(len(inner), dtype=np.int64), "name": _row_names(frame, kept), "label": numbers, "part": parts,
    })  # fmt: skip
    return Intake("table", classes, entries, (len(features),), 1.0, features, (), passed, tuple(notes), column,
                  found if column in found else (column, *found), tuple(given))  # fmt: skip


def _row_names(frame: pd.DataFrame, kept: np.ndarray) -> list[str]:
    """What each row calls itself, where a column of ids does so; else its number in the table."""
    for column in frame.columns:
        if column.casefold() in ("id", "name") and frame[column].is_unique and frame[column].notna().all():
            return [names.clean(str(value), MAX_PATH) for value in frame.loc[kept, column]]
    return [f"row {at + 1}" for at in np.flatnonzero(kept)]

"""Text tables: their encoding, delimiter, decimal sign and header are found in the text itself."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from io import BytesIO, StringIO, TextIOWrapper
from typing import TYPE_CHECKING

from .limits import MAX_CELLS, MAX_COLUMNS, MAX_LINE, MAX_ROWS, MAX_TABLE_BYTES, Rejected
from .names import clean

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "?")
"""Cells that hold nothing. "None" is not among them: it is a class of some tables ("none", "mild", "severe")."""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
SAMPLE_LINES = 200
KEEP_TRYING = "Save the table again as CSV with UTF-8 encoding."


def read_text(data: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The table, cells with numbers as numbers, and what was found out. Raises :class:`Rejected`."""
    import pandas as pd

    check_bytes(len(data), name)
    encoding, notes = _encoding(data, name)
    sample = _sample(data, encoding, name)
    half = MAX_LINE // 2  # a line of more leaves one of these stretches without an end
    if any(data.find(b"\n", at, at + half) < 0 and data.find(b"\r", at, at + half) < 0
           for at in range(0, len(data) - half, half)):  # fmt: skip
        raise Rejected(f"{name} with a line of more than {half:,} bytes", "shorter lines",
                       "Check that the file is a text table.")  # fmt: skip
    delimiter = _delimiter(sample)
    rows = _parsed(sample, delimiter)
    if not rows:
        raise Rejected(f"{name} without any row", "a table with a header and rows", "Choose another file.")
    lines = data.count(b"\n") + data.count(b"\r" if b"\n" not in data else b"\n\r") + 1
    check_size(lines, max(len(row) for row in rows), name)
    header = not _headless(rows)
    decimal = _decimal(rows[1:] if header else rows, delimiter)
    notes.append(f"The columns of {clean(name)} are separated by a {DELIMITERS[delimiter]}.")
    if decimal == ",":
        notes.append("Numbers are written with a decimal comma.")
    if not header:
        notes.append("The table has no header; its columns are numbered.")
    options: dict[str, object] = {
        "sep": delimiter, "decimal": decimal, "header": 0 if header else None, "index_col": False,
        "keep_default_na": False, "na_values": list(MISSING), "skipinitialspace": delimiter != "\t",
    }  # fmt: skip
    try:
        frame, left_out = _read(data, encoding, options)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        ValueError,
        csv.Error,
        MemoryError,
        OverflowError,
    ) as error:
        raise Rejected(f"{name}, which does not read as a table ({' '.join(str(error).split())[:200]})",
                       "one row a line, all with the same number of cells", KEEP_TRYING) from None  # fmt: skip
    if left_out:
        notes.append(f"{left_out:,} lines have more cells than the header names and were cut or left out.")
    if not header:
        frame.columns = [f"column {at + 1}" for at in range(frame.shape[1])]
    return frame, notes


def _read(data: bytes, encoding: str, options: dict[str, object]) -> tuple[pd.DataFrame, int]:
    """The frame, and how many lines did not fit it."""
    import pandas as pd

    def once(**more: object) -> pd.DataFrame:
        text = TextIOWrapper(BytesIO(data), encoding=encoding, errors="replace", newline="")
        frame: pd.DataFrame = pd.read_csv(text, **options, **more)  # type: ignore[call-overload]
        return frame

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            frame = once()
        except pd.errors.ParserError:
            frame = once(on_bad_lines="warn")
    said = [str(one.message) for one in told if issubclass(one.category, pd.errors.ParserWarning)]
    return frame, sum(max(1, one.count("Skipping line")) for one in said)


def check_bytes(size: int, name: str) -> None:
    if size > MAX_TABLE_BYTES:
        raise Rejected(f"{name} with {size:,} bytes", f"a table of at most {MAX_TABLE_BYTES:,} bytes",
                       "Take fewer rows or columns.")  # fmt: skip
    if not size:
        raise Rejected(f"{name}, which is empty", "a table with a header and rows", "Choose another file.")


def check_size(rows: int, columns: int, name: str) -> None:
    """Raise :class:`Rejected` for more rows, columns or cells than are taken."""
    for what, amount, most in (("columns", columns, MAX_COLUMNS), ("rows", rows, MAX_ROWS),
                               ("cells", rows * columns, MAX_CELLS)):  # fmt: skip
        if amount > most:
            raise Rejected(f"{name} with about {amount:,} {what}", f"at most {most:,} {what}",
                           "Take a part of the table.")  # fmt: skip


def _encoding(data: bytes, name: str) -> tuple[str, list[str]]:
    """How the bytes are text, and a note where it is not UTF-8."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if data.startswith(mark):
            return encoding, [f"The text is {encoding.upper()}."] if encoding == "utf-16" else []
    head = data[:4096]
    if b"\0" in head:
        # Text in UTF-16 without its mark: every other byte of plain letters is zero.
        for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
            if zeros.count(0) > 0.6 * len(zeros):
                return encoding, [f"The text is {encoding.upper()}."]
    if b"\0" in data:
        raise Rejected(f"{name}, which is no text", "a text table: CSV, TSV", KEEP_TRYING)
    try:
        data.decode("utf-8")
        return "utf-8", []
    except UnicodeDecodeError as error:
        # Around the first byte that is not UTF-8, where there is something to tell by.
        odd = data[max(0, error.start - 2**15) : error.start + 2**16]
    encoding = _guessed(odd)
    return encoding, [f"The text is not UTF-8; it was read as {encoding}."]


def _guessed(odd: bytes) -> str:
    """cp1252 (of which latin-1's text is a part) unless another alphabet is clearly there."""
    from charset_normalizer import from_bytes

    best = from_bytes(odd).best()
    if best is not None and best.encoding in ("cp1251", "koi8_r", "cp932", "shift_jis", "euc_jp", "gb18030", "gbk",
                                              "big5", "cp949", "euc_kr", "cp1253", "cp1255", "cp1256"):  # fmt: skip
        return best.encoding
    try:
        odd.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def _sample(data: bytes, encoding: str, name: str) -> str:
    """Whole lines from the beginning, as text."""
    piece = data[: 2 * MAX_LINE]
    text = piece.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    first = text.partition("\n")[0]
    counted = max(first.count(sign) for sign in DELIMITERS) + 1
    if counted > MAX_COLUMNS:
        check_size(1, counted, name)
    if len(first) > MAX_LINE:
        raise Rejected(f"{name} with a first line of more than {MAX_LINE:,} characters", "a table's header there",
                       "Check that the file is a text table.")  # fmt: skip
    lines = text.split("\n")
    if len(piece) < len(data) and len(lines) > 1:
        lines.pop()  # it may be cut
    return "\n".join([line for line in lines if line.strip()][:SAMPLE_LINES])


def _parsed(sample: str, delimiter: str) -> list[list[str]]:
    try:
        rows = [*csv.reader(StringIO(sample), delimiter=delimiter, skipinitialspace=delimiter != "\t")]
    except csv.Error:
        rows = [line.split(delimiter) for line in sample.split("\n")]
    return [row for row in rows if row]


def _delimiter(sample: str) -> str:
    """The sign that cuts most lines into as many cells as the header, and into the most of them."""

    def fit(delimiter: str) -> tuple[float, int]:
        rows = _parsed(sample, delimiter)
        if not rows or len(rows[0]) < 2:
            return (0.0, 0)
        counts = Counter(len(row) for row in rows)
        agreeing = counts[len(rows[0])] / len(rows)
        return (round(agreeing, 1), len(rows[0]))

    best = max(DELIMITERS, key=fit)
    return best if fit(best)[0] > 0 else ","


def _headless(rows: Sequence[Sequence[str]]) -> bool:
    """Most of the first row's cells are numbers, and so are the second's: it is no header."""

    def numbers(row: Sequence[str]) -> float:
        return sum(NUMBER.fullmatch(cell.strip()) is not None for cell in row) / max(1, len(row))

    return len(rows) > 1 and numbers(rows[0]) > 0.5 and numbers(rows[1]) > 0.5


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    cells = [cell.strip() for row in rows for cell in row]
    commas = sum(DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells)
    points = sum("." in cell and NUMBER.fullmatch(cell) is not None for cell in cells)
    return "," if commas > points else "."

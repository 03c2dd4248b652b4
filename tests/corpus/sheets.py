"""Workbooks and Parquet files that are none, swell, or hold what no table should."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

from .cases import Raw, raw_zip, refused, repaired, repeated, text, zipped
from .tables import ROWS, SOUND, plain

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHEET_PLACE = "xl/worksheets/sheet1.xml"
SHEET = f'<worksheet xmlns="{MAIN}"><sheetData>{{}}</sheetData></worksheet>'
BOOK = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" '
    'ContentType="application/xml"/><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
    '<sheet name="One" sheetId="1" r:id="rId1"/></sheets></workbook>',
}


def _cell(value: object) -> str:
    if isinstance(value, str) and value.startswith("="):
        return f"<c><f>{value[1:]}</f><v>4</v></c>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def _book(at: Path, *rows: tuple[object, ...]) -> Path:
    return _written(at, SHEET.format("".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)))


def _written(at: Path, sheet: str) -> Path:
    return zipped(at, {name: text.encode() for name, text in (BOOK | {SHEET_PLACE: sheet}).items()}, "upload.xlsx")


@repaired(plain("length", "width"))
def workbook_with_formulas(at: Path) -> Path:
    rows = [(n / 4, f"=cmd|'/C calc'!A{n}" if n == 3 else w, name) for n, w, name in ROWS]
    return _book(at, ("length", "width", "species"), *rows)


@refused("upload.xlsx")
def workbook_that_is_none(at: Path) -> Path:
    return text(at, SOUND, "upload.xlsx")


@refused("upload.xlsx")
def workbook_that_swells(at: Path) -> Path:
    """A sheet of a gigabyte of rows in a megabyte."""
    begin, _ = SHEET.split("{}")
    rows = ("<row>" + "<c><v>1</v></c>" * 400 + "</row>") * 160
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(begin.encode()) + packer.flush(zlib.Z_FULL_FLUSH) + repeated(rows.encode(), 1000)[0]
    members = [Raw(name.encode(), content.encode()) for name, content in BOOK.items()]
    size = len(begin) + 1000 * len(rows)
    return raw_zip(at / "upload.xlsx", [*members, Raw(SHEET_PLACE.encode(), packed=packed, size=size)])


@refused("upload.xlsx")
def workbook_with_a_cell_at_the_far_end(at: Path) -> Path:
    """Two cells, the second in the last row and column that there can be: a table of 17 thousand million cells."""
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return _written(at, SHEET.format(cells))


@refused("upload.xlsx")
def workbook_of_entities(at: Path) -> Path:
    """A thousand million laughs."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    cells = '<row><c t="inlineStr"><is><t>&l9;</t></is></c></row>'
    return _written(at, f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>{SHEET.format(cells)}')


def _parquet(columns: dict[str, Any], **options: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


@refused("upload.parquet")
def parquet_cut_short(at: Path) -> Path:
    data = _parquet({"length": [1.0, 2.0] * 500, "species": ["cat", "dog"] * 500})
    return text(at, data[: len(data) // 2], "upload.parquet")


@refused("upload.parquet")
def parquet_with_a_broken_footer(at: Path) -> Path:
    data = _parquet({"length": [1.0, 2.0] * 500, "species": ["cat", "dog"] * 500})
    return text(at, data[:-60] + bytes(40) + data[-20:], "upload.parquet")


@refused("upload.parquet")
def parquet_that_swells(at: Path) -> Path:
    """Two million times the same kilobyte, in a few kilobytes."""
    import pyarrow as pa

    word = pa.DictionaryArray.from_arrays(pa.array([0] * 1_900_000, pa.int32()), ["x" * 1000])
    return text(at, _parquet({"a": word, "b": word, "label": word}, compression="zstd"), "upload.parquet")


@repaired(plain("length"))
def parquet_with_lists(at: Path) -> Path:
    columns = {"length": [n / 4 for n, _, _ in ROWS], "all": [[n, n] for n, _, _ in ROWS],
               "raw": [b"\x80\4." for _ in ROWS], "species": [name for *_, name in ROWS]}  # fmt: skip
    return text(at, _parquet(columns), "upload.parquet")

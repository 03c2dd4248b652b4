"""Tables that are broken, endless, ambiguous or written as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .cases import Check, refused, repaired, text

ROWS = [(n, n * n % 7, "cat" if n % 2 else "dog") for n in range(20)]
SOUND = "length,width,species\n" + "".join(f"{n / 4},{w},{name}\n" for n, w, name in ROWS)
LETTERS = ("cat", "dog")


def plain(*columns: str, rows: int = 20, classes: tuple[str, ...] = LETTERS) -> Check:
    """Its features (any with none named), rows and classes."""

    def check(intake: Any, _folder: Path) -> bool:
        right = not columns or intake.columns == columns
        return right and len(intake.entries) == rows and intake.classes == classes

    return check


@repaired(plain("length", "width"))
def table(at: Path) -> Path:
    return text(at, SOUND)


@refused("columns")
def table_of_200_000_columns(at: Path) -> Path:
    row = ",".join(["1"] * 200_000)
    return text(at, ",".join(f"c{n}" for n in range(200_000)) + f"\n{row}\n{row}\n")


@repaired(lambda intake, _: len(intake.classes) == 2 and len(intake.entries) == 20)
def table_with_formulas(at: Path) -> Path:
    rows = "".join(f"=cmd|' /C calc'!A{n % 3},{n},{'=1+1' if n % 2 else '@SUM(A1)'}\n" for n in range(20))
    return text(at, f'=HYPERLINK("http://example.org"),b,label\n{rows}')


@repaired(lambda intake, _: set(intake.classes) == {"Käfer", "Ameise"}, "not UTF-8")
def table_in_latin_1(at: Path) -> Path:
    content = SOUND.replace("cat", "Käfer").replace("dog", "Ameise")
    return text(at, content.encode("latin-1"))


@repaired(lambda intake, _: len(intake.entries) == 20 and "dog" in intake.classes)
def table_in_two_encodings(at: Path) -> Path:
    """UTF-8 above, Latin-1 below."""
    head, tail = SOUND[:120], SOUND[120:]
    return text(at, head.replace("cat", "Käfer").encode() + tail.replace("cat", "Käfer").encode("latin-1"))


@repaired(plain("length", "width"), "UTF-16")
def table_in_utf_16(at: Path) -> Path:
    return text(at, SOUND.encode("utf-16"))


@refused("no text")
def table_with_nul_bytes(at: Path) -> Path:
    return text(at, SOUND.replace("cat", "c\0at"))


@refused("no text")
def program_named_csv(at: Path) -> Path:
    return text(at, b"\x7fELF" + bytes(range(256)) * 100)


@refused("column")
def table_of_one_column(at: Path) -> Path:
    return text(at, "species\n" + "cat\ndog\n" * 10)


@refused("row")
def table_of_a_header(at: Path) -> Path:
    return text(at, "length,width,species\n")


@refused("empty")
def table_of_nothing(at: Path) -> Path:
    return text(at, b"")


@refused("upload.csv")
def table_of_blank_lines(at: Path) -> Path:
    return text(at, "\n \n\t\n" * 1000)


@repaired(lambda intake, _: intake.classes == LETTERS and len(intake.entries) == 18)
def table_without_some_labels(at: Path) -> Path:
    return text(at, SOUND.replace("0.0,0,dog", "0.0,0,NaN").replace("0.25,1,cat", "0.25,1,"))


@refused("label")
def table_without_any_label(at: Path) -> dict[str, Any]:
    return {"path": text(at, SOUND.replace("cat", "NaN").replace("dog", "")), "label_column": "species"}


@refused("2 classes")
def table_of_one_class(at: Path) -> dict[str, Any]:
    return {"path": text(at, SOUND.replace("dog", "cat")), "label_column": "species"}


@refused("class")
def table_of_one_row(at: Path) -> Path:
    return text(at, "length,width,species\n1.5,2,cat\n")


@refused("classes")
def table_of_measurements(at: Path) -> dict[str, Any]:
    content = "size,price\n" + "".join(f"{n % 9},{n * 1.37}\n" for n in range(200))
    return {"path": text(at, content), "label_column": "price"}


@refused("price", "columns")
def table_without_the_column(at: Path) -> dict[str, Any]:
    return {"path": text(at, SOUND), "label_column": "price\u202e<script>"}


@repaired(lambda intake, _: intake.classes == LETTERS and len(intake.entries) >= 19, "cells")
def table_with_ragged_rows(at: Path) -> Path:
    return text(at, SOUND + "1,2,cat,9,9,9\n3\n")


@refused("upload.csv")
def quote_that_never_closes(at: Path) -> Path:
    return text(at, SOUND + '1,"2,cat\n' + "1,2,cat\n" * 200_000)


@refused("upload.csv")
def first_line_of_50_megabytes(at: Path) -> Path:
    return text(at, b"x" * 50_000_000)


@refused("upload.csv")
def later_line_of_50_megabytes(at: Path) -> Path:
    return text(at, SOUND.encode() + b"1,2," + b"x" * 50_000_000 + b"\n")


@refused("columns")
def fifty_megabytes_of_commas(at: Path) -> Path:
    return text(at, b"," * 50_000_000)


@repaired(lambda intake, _: len(set(intake.columns)) == 2 and intake.classes == LETTERS)
def table_with_doubled_headers(at: Path) -> Path:
    return text(at, SOUND.replace("length,width", "size,size"))


@repaired(lambda intake, _: intake.columns[0] == "length" and len(intake.columns) == 2, "decimal comma")
def table_with_decimal_commas(at: Path) -> Path:
    rows = "".join(f"{n // 4},{n % 4}5;{w};{name}\n" for n, w, name in ROWS)
    return text(at, f"length;width;species\n{rows}")


def _thousands(intake: Any, folder: Path) -> bool:
    """Twelve hundred and a half is that, and neither 1.2 nor a word."""
    import numpy as np

    return intake.columns[:1] == ("length",) and float(np.load(folder / "x.npy")[1, 0]) == 1234567.5


@repaired(_thousands)
def table_with_thousands_separators(at: Path) -> Path:
    rows = "".join(f"{n}.234.567,5;{w};{name}\n" for n, w, name in ROWS)
    return text(at, f"length;width;species\n{rows}")


@repaired(_thousands)
def table_with_english_thousands(at: Path) -> Path:
    rows = "".join(f'"{n},234,567.5",{w},{name}\n' for n, w, name in ROWS)
    return text(at, f"length,width,species\n{rows}")


@repaired(plain("length", "width"), "infinite")
def table_with_infinities(at: Path) -> Path:
    content = SOUND.replace("0.25,", "inf,").replace("0.5,", "-inf,").replace("0.75,", "1e400,")
    return text(at, content)


@repaired(plain("length", "width"))
def table_with_digits_without_end(at: Path) -> Path:
    return text(at, SOUND.replace("0.25,", "0." + "3" * 100_000 + ","))


@repaired(lambda intake, _: intake.classes == LETTERS and len(intake.columns) <= 60)
def table_of_free_text(at: Path) -> Path:
    rows = "".join(f"visitor {n} said {n * n},{n % 5},{'cat' if n % 2 else 'dog'}\n" for n in range(3000))
    return text(at, f"remark,width,species\n{rows}")


@repaired(lambda intake, _: bool(intake.giveaways) and intake.giveaways[0][0] == "code")
def table_with_a_column_that_tells(at: Path) -> Path:
    rows = "".join(f"{n % 9},{100 + n % 2},{'cat' if n % 2 else 'dog'}\n" for n in range(60))
    return text(at, f"width,code,species\n{rows}")


@repaired(plain("length", "width"))
def table_with_a_mark_and_crlf(at: Path) -> Path:
    return text(at, b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode())


@repaired(plain("length", "width"))
def table_of_old_line_ends(at: Path) -> Path:
    return text(at, SOUND.replace("\n", "\r"))

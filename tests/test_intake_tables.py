"""Tables and arrays that people bring: every way in which they are written, read back number by number."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tlcore.datasets.intake import Intake, Rejected, take_in

FLOWERS = pd.DataFrame({
    "length": np.round(np.linspace(1, 7.5, 60), 2), "width": np.round(np.cos(np.arange(60)), 3),
    "colour": ["red", "blue", "white"] * 20, "species": [*["setosa", "Müllers", "virginica"], "setosa"] * 15,
})  # fmt: skip


def taken(path: Path, **options: object) -> Intake:
    kept = path.parent / f"{path.name}-kept"
    kept.mkdir()
    return take_in(path, kept, **{"tell": lambda *_: None, "stop": lambda: None, **options})


def x(path: Path) -> np.ndarray:
    return np.load(path.parent / f"{path.name}-kept" / "x.npy", mmap_mode="r")


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def column(path: Path, intake: Intake, name: str) -> np.ndarray:
    return x(path)[:, intake.columns.index(name)]


# Tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
@pytest.mark.parametrize(
    ("sign", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ".")]
)
def test_text_tables_in_every_dress(tmp_path: Path, encoding: str, sign: str, decimal: str):
    path = text(tmp_path / "flowers.csv", FLOWERS.to_csv(index=False, sep=sign, decimal=decimal), encoding)
    intake = taken(path)
    assert (intake.kind, intake.label_column) == ("table", "species")
    assert intake.classes == ("Müllers", "setosa", "virginica")
    assert intake.columns == ("length", "width", "colour = blue", "colour = red", "colour = white")
    assert intake.shape == (5,) and intake.scale == 1 and x(path).dtype == np.float32
    assert np.allclose(column(path, intake, "length"), FLOWERS["length"])
    assert np.allclose(column(path, intake, "width"), FLOWERS["width"])
    assert (column(path, intake, "colour = red") == (FLOWERS["colour"] == "red")).all()
    assert [intake.classes[label] for label in intake.entries["label"]] == FLOWERS["species"].tolist()
    assert ("Numbers are written with a decimal comma." in intake.notes) == (decimal == ",")


@pytest.mark.parametrize("ending", ["xlsx", "parquet", "tsv", "txt"])
def test_other_files_of_tables(tmp_path: Path, ending: str):
    path = tmp_path / f"flowers.{ending}"
    if ending == "xlsx":
        _workbook(path, [list(FLOWERS.columns), *FLOWERS.to_numpy().tolist()])
    elif ending == "parquet":
        FLOWERS.to_parquet(path)
    else:
        text(path, FLOWERS.to_csv(index=False, sep="\t"))
    intake = taken(path)
    assert intake.shape == (5,) and np.allclose(column(path, intake, "length"), FLOWERS["length"])
    assert intake.entries["label"].tolist() == [1, 0, 2, 1] * 15


def _workbook(path: Path, rows: list[list[object]]) -> None:
    """A sheet as spreadsheets write it: the smallest that a reader takes."""
    cells = ""
    for at, row in enumerate(rows, 1):
        cells += f'<row r="{at}">'
        for place, value in enumerate(row):
            where = f"{chr(65 + place)}{at}"
            if isinstance(value, str):
                cells += f'<c r="{where}" t="inlineStr"><is><t>{value}</t></is></c>'
            else:
                cells += f'<c r="{where}"><v>{value}</v></c>'
        cells += "</row>"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    sheets = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    links = "application/vnd.openxmlformats-package.relationships+xml"
    related = f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/'
    members = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        f'<Default Extension="rels" ContentType="{links}"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{sheets}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheets}.worksheet+xml"/></Types>',
        "_rels/.rels": f'{related}officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="one" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{related}worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def table(path: Path, **columns: object) -> Path:
    return text(path / "table.csv", pd.DataFrame(columns).to_csv(index=False))


def test_what_is_left_out_and_why(tmp_path: Path):
    rng = np.random.default_rng(0)
    path = table(
        tmp_path, nothing=[None] * 40, same=[3] * 40, patient_id=rng.permutation(1000)[:40], count=range(7, 47),
        note=[f"seen by {at}" for at in range(40)], weight=rng.normal(size=40), label=["a", "b"] * 20,
    )  # fmt: skip
    intake = taken(path)
    assert intake.columns == ("weight",)
    said = " ".join(intake.notes)
    assert all(f'"{name}"' in said for name in ("nothing", "same", "patient_id", "count", "note"))


def test_missing_infinite_dates_truths_and_formulas(tmp_path: Path):
    path = table(
        tmp_path, a=[1, None, "inf", -4] * 5, day=["2024-01-01", "2024-01-03", "2024-02-01", None] * 5,
        yes=[True, False, True, True] * 5, cell=["=1+1", "@x", "=1+1", None] * 5, label=["u", "v"] * 10,
    )  # fmt: skip
    intake = taken(path)
    assert intake.columns == ("a", "day (days)", "yes", "cell = =1+1", "cell = @x", "cell = missing")
    assert np.array_equal(x(path)[:4], [[1, 0, 1, 1, 0, 0], [np.nan, 2, 0, 0, 1, 0], [np.nan, 31, 1, 1, 0, 0],
                                        [-4, np.nan, 1, 0, 0, 1]], equal_nan=True)  # fmt: skip
    assert any("infinite" in note for note in intake.notes) and any("dates" in note for note in intake.notes)


def test_many_categories_share_a_column(tmp_path: Path):
    values = [*["often"] * 100, *[f"v{at % 90}" for at in range(400)]]
    intake = taken(table(tmp_path, word=values, label=["a", "b"] * 250))
    assert len(intake.columns) == 50 and intake.columns[-1] == "word = other"
    assert (x(tmp_path / "table.csv").sum(1) == 1).all()


def test_equal_names_of_columns_are_told_apart(tmp_path: Path):
    path = text(
        tmp_path / "twice.csv", "a,a,label\n" + "".join(f"{at},{at * at % 7},{'uv'[at % 2]}\n" for at in (5, 3, 8, 1))
    )
    assert taken(path).columns[0] == "a" and len(set(taken_again(path).columns)) == 2


def taken_again(path: Path) -> Intake:
    again = path.with_name("again.csv")
    again.write_bytes(path.read_bytes())
    return taken(again)


def test_a_table_without_a_header(tmp_path: Path):
    rows = "".join(f"{at % 7}.5,{at % 5}.25,{'uv'[at % 2]}\n" for at in range(30))
    intake = taken(text(tmp_path / "bare.csv", rows))
    assert len(intake.entries) == 30 and intake.columns == ("column 1", "column 2")


def test_the_label_none_is_a_class_and_rows_without_a_label_are_counted(tmp_path: Path):
    path = table(tmp_path, a=[0.5, 2.5, 1.5, 7.5, 3.25], severity=["None", "mild", "None", None, "mild"])
    intake = taken(path, label_column="severity")
    assert intake.classes == ("mild", "None") and intake.passed_over == {"rows without a label": 1}
    assert intake.entries["name"].tolist() == ["row 1", "row 2", "row 3", "row 5"]


def test_parts_in_a_column(tmp_path: Path):
    intake = taken(
        table(tmp_path, a=[0.5, 2, 1, 7], split=["train", "train", "val", "test"], label=["a", "b", "a", "b"])
    )
    assert intake.entries["part"].tolist() == ["train", "train", "validation", "test"] and intake.columns == ("a",)


def test_columns_that_give_the_label_away(tmp_path: Path):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 300)
    path = table(
        tmp_path, noise=rng.normal(size=300), hint=label + rng.normal(0, 0.6, 300), code=np.where(label, "X9", "X3"),
        after=label * 10 + rng.normal(0, 0.1, 300), label=np.where(label, "ill", "well"),
    )  # fmt: skip
    intake = taken(path)
    assert {name for name, _ in intake.giveaways} == {"code", "after"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("a,b\n", "without any row|no column looks"),
        ("a,label\n1,x\n2,x\n", "only the class"),
        ("a,label\n1,\n2,\n", "no label"),
        ("a,label\n1.5,x\n", "only the class"),
        ("a,price\n" + "".join(f"{at / 7},{at * 1.37:.2f}\n" for at in range(300)), "no column looks"),
        ("a,label\n" + "".join(f"{at % 3},{at * 1.37:.2f}\n" for at in range(300)), "learns classes, not numbers"),
        ("a,label\n" + "".join(f"{at % 3},name {at}\n" for at in range(300)), "names single examples"),
        ("label\nx\ny\n", "to learn from"),
        (",".join(f"c{at}" for at in range(200_000)) + "\n", "200,000 columns"),
        ("a" * 3_000_000, "first line"),
        ("\0\1\2" * 500, "no text"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, content: str, said: str):
    began = time.perf_counter()
    with pytest.raises(Rejected, match=said):
        taken(text(tmp_path / "bad.csv", content))
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("name", ["bad.parquet", "bad.xlsx", "bad.npz", "bad.npy", "bad.zip", "bad.exe", "bad.xls"])
def test_files_that_are_not_what_their_name_says(tmp_path: Path, name: str):
    with pytest.raises(Rejected, match="bad"):
        taken(text(tmp_path / name, "these are only words" * 20))


def test_a_sheet_with_a_cell_in_its_last_corner(tmp_path: Path):
    path = tmp_path / "wide.xlsx"
    _workbook(path, [["a", "label"], [1, "x"]])
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = members[sheet].replace(
        b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    began = time.perf_counter()
    with pytest.raises(Rejected, match=r"wide\.xlsx"):
        taken(path)
    assert time.perf_counter() - began < 10


def test_a_table_alone_in_a_zip(tmp_path: Path):
    path = tmp_path / "flowers.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flowers.csv", FLOWERS.to_csv(index=False))
    assert taken(path).kind == "table"


# Arrays ------------------------------------------------------------------------------------------


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 9), np.uint8)
LABELS = np.arange(12) % 3


@pytest.mark.parametrize(
    ("images", "shape", "scale", "dtype"),
    [
        (IMAGES, (8, 9, 1), 255, "uint8"),
        (IMAGES[..., None], (8, 9, 1), 255, "uint8"),
        (np.stack([IMAGES] * 3, -1), (8, 9, 3), 255, "uint8"),
        (np.stack([IMAGES] * 3, 1), (8, 9, 3), 255, "uint8"),
        (IMAGES.astype(np.int64), (8, 9, 1), 255, "uint8"),
        (IMAGES.astype(np.float64), (8, 9, 1), 255, "uint8"),
        ((IMAGES / 255).astype(np.float64), (8, 9, 1), 1, "float32"),
        (IMAGES / 127.5 - 1, (8, 9, 1), 1, "float32"),
        (IMAGES.reshape(12, -1), (72,), 1, "float32"),
        (np.asfortranarray(IMAGES), (8, 9, 1), 255, "uint8"),
    ],
)
def test_arrays_of_every_form(tmp_path: Path, images: np.ndarray, shape: tuple[int, ...], scale: float, dtype: str):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, x=images, y=LABELS)
    intake = taken(path)
    assert (intake.kind, intake.shape, intake.scale, str(x(path).dtype)) == ("arrays", shape, scale, dtype)
    assert intake.classes == ("0", "1", "2") and intake.entries["label"].tolist() == LABELS.tolist()
    first_last = np.moveaxis(images, 1, -1) if images.ndim == 4 and images.shape[1] == 3 else images
    assert np.allclose(x(path).reshape(12, -1), first_last.reshape(12, -1))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "dog", "owl"])[LABELS],
        np.eye(3)[LABELS],
        LABELS[:, None],
        LABELS.astype(np.float32),
        np.array([b"cat", b"dog", b"owl"])[LABELS],
    ],
)
@pytest.mark.parametrize("keys", [("X", "y"), ("data", "labels"), ("images", "labels"), ("features", "labels")])
def test_labels_of_every_form(tmp_path: Path, labels: np.ndarray, keys: tuple[str, str]):
    path = tmp_path / "set.npz"
    np.savez(path, **{keys[0]: IMAGES, keys[1]: labels})
    intake = taken(path)
    assert len(intake.classes) == 3 and intake.entries["label"].tolist() == LABELS.tolist()


def test_arrays_in_parts_with_names_and_missing_values(tmp_path: Path):
    path = tmp_path / "set.npz"
    vectors = np.linspace(-1, 1, 48).reshape(12, 4)
    vectors[0, 0], vectors[1, 1] = np.nan, np.inf
    labels = LABELS.astype(float)
    labels[3] = np.nan
    np.savez(path, x_train=vectors, y_train=labels, x_test=vectors[:2], y_test=labels[:2],
             class_names=np.array(["cat", "dog", "owl"]))  # fmt: skip
    intake = taken(path)
    assert intake.entries["part"].tolist() == ["train"] * 11 + ["test"] * 2 and intake.classes == ("cat", "dog", "owl")
    assert intake.passed_over == {"examples without a label": 1}
    assert np.isnan(x(path)).sum() == 4 and np.allclose(x(path)[3], vectors[4])


def test_x_and_y_side_by_side_in_a_folder(tmp_path: Path):
    folder = tmp_path / "pair"
    folder.mkdir()
    np.save(folder / "x.npy", IMAGES)
    np.save(folder / "y.npy", LABELS)
    assert taken(folder).shape == (8, 9, 1)


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"x": np.ones(3)}, "x_train"),
        ({"x": np.ones((3, 2)), "y": np.array([1, 2])}, "as many labels"),
        ({"x": np.ones((3, 2)), "y": np.array([1, 1, 1])}, "only the class"),
        ({"x": np.ones((3, 2)), "y": np.full(3, np.nan)}, "without any label"),
        ({"x": np.ones((3, 2)), "y": np.array([{}, 1, 2], object)}, "pickled objects"),
        ({"x": np.ones((300, 2)), "y": np.linspace(0, 1, 300)}, "not numbers"),
        ({"x": np.ones((3, 2, 2, 7)), "y": np.arange(3)}, "1 or 3 channels"),
        ({"x": np.array([["a"], ["b"]]), "y": np.arange(2)}, "numbers"),
        (
            {"x": npy("{'descr':'<f8','fortran_order':False,'shape':(1000000000,900)}\n"), "y": np.arange(2)},
            "should have",
        ),
        ({"x": npy("{'descr':'<f8','fortran_order':False,'shape':(-1,2)}\n"), "y": np.arange(2)}, "does not read"),
        ({"x": npy("[" * 500), "y": np.arange(2)}, "does not read"),
    ],
)
def test_arrays_that_are_refused(tmp_path: Path, members: dict[str, np.ndarray | bytes], said: str):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            file = io.BytesIO()
            if isinstance(array, bytes):
                file.write(array)
            else:
                np.save(file, array, allow_pickle=True)
            archive.writestr(f"{name}.npy", file.getvalue())
    with pytest.raises(Rejected, match=said):
        taken(path)


def test_a_refusal_travels_between_processes(tmp_path: Path):
    path = tmp_path / "wide.parquet"
    pd.DataFrame(np.zeros((2, 5_001))).rename(columns=str).to_parquet(path)
    with pytest.raises(Rejected, match="5,001 columns") as refused:
        taken(path)
    assert refused.value.expected == "at most 5,000 columns" and refused.value.remedy

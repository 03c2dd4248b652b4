"""Pictures that people bring: every format and layout, read back pixel by pixel."""

from __future__ import annotations

import io
import os
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from tlcore.datasets.intake import Intake, Rejected, resize, take_in
from tlcore.datasets.intake.containers import Unreadable
from tlcore.datasets.intake.crew import HEADER, Answer, Batch, Crew, Task
from tlcore.datasets.intake.decoding import decode
from tlcore.datasets.intake.layouts import class_folders
from tlcore.datasets.intake.names import clean, display, natural

COLOURS = {"red": (200, 30, 40), "green": (20, 180, 60), "blue": (10, 60, 220)}


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(colour: tuple[int, ...] | int, number: int = 0, side: int = 20) -> bytes:
    """A plain picture with one pixel that tells it from its like."""
    image = Image.new("RGB" if isinstance(colour, tuple) else "L", (side, side), colour)
    image.putpixel((number % side, number // side), (number, 0, 0) if isinstance(colour, tuple) else number)
    return encoded(image)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def unzipped(folder: Path, members: dict[str, bytes]) -> Path:
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def taken(path: Path, **options: object) -> Intake:
    kept = path.parent / f"{path.name}-kept"
    kept.mkdir()
    return take_in(path, kept, **{"tell": lambda *_: None, "stop": lambda: None, "size": 24, **options})


def pixels(path: Path, intake: Intake) -> np.ndarray:
    name = f"pixels_{intake.shape[0]}_{intake.shape[2]}.npy"
    return np.load(path.parent / f"{path.name}-kept" / name, mmap_mode="r")


TWO = {f"{name}/{at}.png": picture(COLOURS[name], at) for name in ("red", "blue") for at in range(3)}


# One picture -------------------------------------------------------------------------------------


def one(data: bytes, size: int = 24) -> np.ndarray:
    return np.asarray(decode(data, size).pixels)


def gradient() -> Image.Image:
    y, x = np.mgrid[:24, :24]
    return Image.fromarray(np.stack([10 * x, 10 * y, 5 * (x + y)], -1).astype(np.uint8))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_what_is_kept_without_loss_is_read_without_loss(form: str):
    data = encoded(gradient(), form, **({"lossless": True} if form == "WEBP" else {}))
    assert (one(data) == np.asarray(gradient())).all()


def test_jpeg_and_gif_come_as_pillow_reads_them():
    for form in ("JPEG", "GIF"):
        data = encoded(gradient(), form)
        assert (one(data) == np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))).all()


def test_only_the_first_frame_of_a_gif_is_read():
    frames = [Image.new("RGB", (24, 24), colour) for colour in COLOURS.values()]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (one(data) == COLOURS["red"]).all()


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, 255),
        ("L", 77, 77),
        ("LA", (0, 128), 127),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("RGBA", (9, 8, 7, 255), (9, 8, 7)),
        ("I;16", 257 * 100, 100),
        ("I;16", 65535, 255),
    ],
)
def test_modes_of_png(mode: str, value: object, expected: object):
    assert (one(encoded(Image.new(mode, (30, 30), value))) == expected).all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((24, 24), 0.2, np.float32), 51),
        (np.full((24, 24), 200.0, np.float32), 200),
        (np.full((24, 24), 257 * 7, np.uint16), 7),
        (np.full((24, 24), 257 * 7, np.int32), 7),
    ],
)
def test_levels_of_tiff(array: np.ndarray, expected: int):
    assert (one(encoded(Image.fromarray(array), "TIFF")) == expected).all()


def test_floats_outside_0_to_255_are_stretched_and_nan_is_no_end():
    values = np.full((24, 24), -1000.0, np.float32)
    values[:, 12:] = 1000
    values[0, 0] = np.nan
    read = one(encoded(Image.fromarray(values), "TIFF"))
    assert read[5, 2] == 0 and read[5, 20] == 255 and read[0, 0] in (127, 128)


def test_16_bit_levels_keep_their_order_and_are_not_clipped():
    ramp = np.linspace(0, 65535, 24 * 24).astype(np.uint16).reshape(24, 24)
    read = one(encoded(Image.fromarray(ramp))).astype(int)
    assert np.abs(read - ramp / 257).max() <= 0.5 and len(np.unique(read)) == 256


def test_cmyk_palette_and_transparent_palette():
    cmyk = encoded(Image.new("CMYK", (24, 24), (255, 0, 0, 0)), "JPEG", quality=100)
    assert np.abs(one(cmyk).astype(int) - (0, 255, 255)).max() <= 2
    palette = gradient().quantize(16)
    assert (one(encoded(palette)) == np.asarray(palette.convert("RGB"))).all()
    flat = Image.new("P", (24, 24), 3)
    flat.putpalette([0, 0, 0] * 3 + [10, 20, 30])
    assert (one(encoded(flat, transparency=3)) == 255).all()
    assert (one(encoded(flat, transparency=2)) == (10, 20, 30)).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_camera_is_turned_back(form: str, turn: int):
    wide = Image.new("RGB", (48, 24))
    wide.paste((255, 255, 255), (0, 0, 12, 12))
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(wide, form, exif=exif, **({"quality": 100} if form in ("JPEG", "WEBP") else {}))
    read = decode(data, 24)
    assert (read.width, read.height) == ((24, 48) if turn >= 5 else (48, 24))
    quarters = np.asarray(read.pixels).mean(-1).reshape(2, 12, 2, 12).mean((1, 3))
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[turn]
    assert np.unravel_index(quarters.argmax(), (2, 2)) == corner


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "F", "1", "P"])
def test_a_large_picture_is_shrunk_with_nothing_left_out(mode: str):
    """Stripes of one pixel become their mean: a filter that samples would see one of them only."""
    stripes = np.zeros((1200, 1200), np.uint8)
    stripes[:, ::2] = 255
    image = Image.fromarray(stripes)
    if mode == "I;16":
        image = Image.fromarray(stripes.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(stripes.astype(np.float32))
    else:
        image = image.convert(mode)
    read = one(encoded(image, "TIFF"))
    assert np.abs(read.astype(int) - 127.5).max() <= 2


def test_a_large_jpeg_is_close_to_its_slow_reading():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8)).resize((1500, 900), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=95)
    slow = Image.open(io.BytesIO(data)).resize((96, 96), Image.Resampling.BILINEAR)
    read = decode(data, 96)
    assert (read.width, read.height, read.mode) == (1500, 900, "RGB")
    assert np.abs(np.asarray(read.pixels).astype(int) - np.asarray(slow)).max() <= 6


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"just some words", "no picture"),
        (b"", "no picture"),
        (encoded(gradient())[:-80], "cut short"),
        (encoded(gradient(), "JPEG")[:300], "cut short"),
        (encoded(gradient(), "ICO"), "no picture"),
        (encoded(gradient(), "PDF"), "no picture"),
        (encoded(Image.new("1", (10_000, 10_000))), "pixels"),
    ],
)
def test_what_is_no_whole_picture_is_refused_with_its_reason(data: bytes, reason: str):
    with pytest.raises(Unreadable, match=reason):
        decode(data, 24)


# Layouts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a", "b"], [("a", ""), ("b", "")]),
        (["set/pictures/a", "set/pictures/b"], [("a", ""), ("b", "")]),
        (["x/train/a", "x/train/b", "x/test/a"], [("a", "train"), ("b", "train"), ("a", "test")]),
        (["Training/a", "valid/b", "TESTING/a"], [("a", "train"), ("b", "validation"), ("a", "test")]),
        (["train/images/a", "train/images/b", "test/images/b"], [("a", "train"), ("b", "train"), ("b", "test")]),
        (["train/a", "train/b"], [("a", "train"), ("b", "train")]),
        (["a/train", "a/test", "b/train"], [("a", "train"), ("a", "test"), ("b", "train")]),
        (["train", "car", "plane"], [("train", ""), ("car", ""), ("plane", "")]),
        (["a/2019", "a/2020/may", "b"], [("a", ""), ("a", ""), ("b", "")]),
        (["", "set/a", "set/b"], [("", ""), ("a", ""), ("b", "")]),
        (["set", "set/a", "set/b"], [("", ""), ("a", ""), ("b", "")]),
        (["train/a", "test/b", "samples"], [("a", "train"), ("b", "test"), ("", "")]),
        (["a"], [("a", "")]),
    ],
)
def test_classes_and_parts_from_folders(paths: list[str], found: list[tuple[str, str]]):
    assert class_folders([tuple(path.split("/")) if path else () for path in paths]) == found


def test_names_are_cleaned_kept_apart_and_put_in_natural_order():
    assert clean("a\u202eb\x00c\n d\u200b") == "abc d"
    assert clean("e\u0301") == "é" and len(clean("x" * 500)) == 80
    assert display(["x" * 100 + "1", "x" * 100 + "2"])["x" * 100 + "2"].endswith(" (2)")
    assert sorted(["c10", "c2", "C1"], key=natural) == ["C1", "c2", "c10"]
    assert display(["\u200b", "a"]) == {"\u200b": "(no name)", "a": "a"}


# Whole imports -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [zipped, unzipped])
def test_a_zip_and_a_folder_of_class_folders(tmp_path: Path, pack: Callable[[Path, dict[str, bytes]], Path]):
    odd = {
        "set/__MACOSX/train/red/._1.png": b"x", "set/.DS_Store": b"x", "set/train/red/Thumbs.db": b"x",
        "set/notes.md": b"x", "set/inner.zip": b"x", "set/train/red/broken.png": b"no picture", "set/a.heic": b"x",
    }  # fmt: skip
    members = {f"set/{'test' if at == 2 else 'train'}/{name}/{at}.png": picture(COLOURS[name], at)
               for name in COLOURS for at in range(3)}  # fmt: skip
    members["set/train/red/copy.png"] = members["set/train/red/0.png"]
    path = pack(tmp_path / "set.zip", {**members, **odd})
    intake = taken(path)
    assert (intake.kind, intake.classes, intake.shape, intake.scale) == (
        "pictures", ("blue", "green", "red"), (24, 24, 3), 255)  # fmt: skip
    entries = intake.entries.set_index("name")
    assert len(entries) == 10 and set(entries["part"]) == {"train", "test"}
    assert {name: str(dtype) for name, dtype in intake.entries.dtypes.items()} == {
        "row": "int64", "name": "str", "label": "int64", "part": "str", "offset": "int64", "length": "int64",
        "sha": "str", "width": "int64", "height": "int64", "mode": "str", "grey": "bool", "phash": "uint64",
    }  # fmt: skip
    assert dict(intake.skipped)["set/train/red/broken.png"].startswith("it is no picture")
    assert sum(intake.passed_over.values()) == 6 and intake.passed_over["hidden and system files"] == 3
    shared = ["row", "offset", "length", "sha", "phash"]
    assert (entries.loc["set/train/red/copy.png", shared] == entries.loc["set/train/red/0.png", shared]).all()
    kept, x = (path.parent / "set.zip-kept" / "originals.bin").read_bytes(), pixels(path, intake)
    assert sorted(one.name for one in (path.parent / "set.zip-kept").iterdir()) == ["originals.bin", "pixels_24_3.npy"]
    assert x.shape == (9, 24, 24, 3) and sorted(set(entries["row"])) == [*range(9)]
    for name, entry in entries.iterrows():
        data = kept[entry["offset"] : entry["offset"] + entry["length"]]
        assert data == members[str(name)]
        assert (x[entry["row"]] == one(data)).all()
        assert f"{entry['phash']:016x}" == str(imagehash.dhash(Image.open(io.BytesIO(data))))
        assert intake.classes[entry["label"]] == str(name).split("/")[2]


def test_grey_pictures_have_one_channel_and_one_colour_makes_three(tmp_path: Path):
    members = {f"{name}/{at}.png": picture(level, at) for name, level in (("a", 50), ("b", 200)) for at in range(3)}
    path = zipped(tmp_path / "grey.zip", members)
    intake = taken(path)
    x = pixels(path, intake)
    assert intake.shape == (24, 24, 1) and x.shape == (6, 24, 24, 1) and intake.entries["grey"].all()
    assert (x[0, ..., 0] == one(members["a/0.png"])).all() and x[5, 20, 20, 0] == 200
    path = zipped(tmp_path / "mixed.zip", {**members, "b/4.png": picture((9, 9, 10))})
    assert taken(path).shape == (24, 24, 3)


def test_rows_of_unreadable_pictures_are_filled(tmp_path: Path):
    members = {f"{'ab'[at % 2]}/{at:03}.png": picture((at, 1, 2), at) for at in range(400)}
    broken = {name: b"broken" + name.encode() for name in [*members][::3]}
    path = zipped(tmp_path / "holes.zip", {**members, **broken})
    intake = taken(path)
    x = pixels(path, intake)
    assert len(x) == len(intake.entries) == 400 - 134 and len(intake.skipped) == 134
    for _, entry in intake.entries.iterrows():
        assert (x[entry["row"]] == one(members[entry["name"]])).all()


def test_pixels_of_another_size_without_another_upload(tmp_path: Path):
    path = zipped(tmp_path / "two.zip", {**TWO, "red/x.png": b"broken"})
    intake, kept = taken(path), tmp_path / "two.zip-kept"
    told: list[tuple[str, int, int]] = []
    for channels in (1, 3):
        made = resize(kept, intake.entries, 40, channels, lambda *one: told.append(one), lambda: None)
        x = np.load(made, mmap_mode="r")
        assert made.name == f"pixels_40_{channels}.npy" and x.shape == (6, 40, 40, channels) and x.dtype == np.uint8
        for _, entry in intake.entries.iterrows():
            read = Image.fromarray(one(TWO[entry["name"]], 40))
            read = read if channels == 3 else read.convert("L")
            assert (x[entry["row"]] == np.asarray(read).reshape(40, 40, -1)).all()
    assert told[-1] == ("Resizing pictures", 6, 6)
    with pytest.raises(Rejected, match="that are free on this disk"):
        resize(kept, intake.entries, 30_000_000, 3, lambda *_: None, lambda: None)
    assert not [*kept.glob("*.part")]


def test_a_cancelled_import_ends_its_processes(tmp_path: Path):
    path = zipped(tmp_path / "two.zip", TWO)

    class Cancelled(Exception):
        pass

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        taken(path, stop=stop)
    assert not [one for one in psutil.Process().children() if at_work(one)]


def at_work(process: psutil.Process) -> bool:
    """Whether it is a worker of the intake that has not ended."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it ended meanwhile, or waits to be noticed
        return False


def slow(tmp_path: Path) -> tuple[Task, list[Batch]]:
    """A task of 120 pictures that take a while each."""
    large = encoded(Image.new("RGB", (1800, 1800), COLOURS["red"]))
    (tmp_path / "originals.bin").write_bytes(large)
    (tmp_path / "pixels").touch()
    rows = [[*range(begin, begin + 40)] for begin in (0, 40, 80)]
    batches = [Batch(some, [0] * 40, [len(large)] * 40) for some in rows]
    return Task(tmp_path / "originals.bin", tmp_path / "pixels", 96, 3), batches


@pytest.mark.parametrize("guilty", [None, 57])
def test_a_process_that_is_ended_loses_no_picture_but_the_one_it_died_of_twice(tmp_path: Path, guilty: int | None):
    task, batches = slow(tmp_path)
    killed: list[int] = []
    errors: dict[int, str] = {}
    done: list[int] = []

    def take(batch: Batch, answer: Answer) -> None:
        done.extend(batch.rows)
        errors.update({batch.rows[place]: reason for place, reason in answer.errors.items()})

    def stop() -> None:
        for worker in crew.workers if crew else ():
            place = worker.place.value
            if place < 0 or not worker.owed or place >= len(worker.owed[0].rows):
                continue
            row = worker.owed[0].rows[place]
            if (row == guilty) if guilty is not None else not killed:
                os.kill(worker.process.pid or 0, signal.SIGKILL)
                killed.append(row)
                worker.process.join()

    crew: Crew | None = None
    crew = Crew(task, 1000, take, stop)
    try:
        for batch in batches:
            crew.give(batch)
        while len(done) < 120:
            crew._collect(0.002)
    finally:
        crew.end()
    assert sorted(done) == [*range(120)] and killed
    assert [*errors] == ([] if guilty is None else [guilty])
    x = np.fromfile(tmp_path / "pixels", np.uint8, offset=HEADER).reshape(-1, 96, 96, 3)
    assert all((x[row] == COLOURS["red"]).all() for row in range(120) if row not in errors)


# A table of labels -------------------------------------------------------------------------------


FLAT = {f"images/{at}.png": picture(COLOURS["red" if at % 2 else "blue"], at) for at in range(8)}


@pytest.mark.parametrize(
    "cell", ["{}", "{}.png", "images/{}.png", "./images/{}.png", "images\\{}.png", "/home/me/images/{}.png"]
)
def test_a_table_inside_names_the_pictures(tmp_path: Path, cell: str):
    colours, parts = ["blue", "red"] * 4, ["train"] * 6 + ["test"] * 2
    rows = "".join(f"{cell.format(at)},{colours[at]},{parts[at]}\n" for at in range(8))
    path = zipped(tmp_path / "flat.zip", {**FLAT, "labels.csv": f"file,colour,split\n{rows}".encode()})
    intake = taken(path)
    assert (intake.label_column, intake.classes) == ("colour", ("blue", "red"))
    assert intake.entries["part"].tolist() == parts
    assert intake.entries["label"].tolist() == [0, 1] * 4


def test_a_table_beside_and_a_label_column_by_name(tmp_path: Path):
    path = zipped(tmp_path / "flat.zip", FLAT)
    table = tmp_path / "answers.csv"
    frame = pd.DataFrame({"id": range(9), "size": ["big", "small", "big"] * 3, "species": ["cat", "dog", None] * 3})
    frame.to_csv(table, index=False)
    intake = taken(path, labels=table)
    assert intake.label_column == "species" and intake.label_candidates == ("species", "size")
    assert intake.classes == ("cat", "dog") and len(intake.entries) == 6
    assert len(intake.skipped) == 3 and "no label" in dict(intake.skipped)["images/2.png"]
    other = zipped(tmp_path / "again.zip", FLAT)
    assert taken(other, labels=table, label_column="size").classes == ("big", "small")


def test_folders_win_over_a_table_without_being_asked(tmp_path: Path):
    rows = "".join(f"{name},odd\n" for name in TWO)
    path = zipped(tmp_path / "both.zip", {**TWO, "list.csv": f"file,label\n{rows}".encode()})
    intake = taken(path)
    assert intake.classes == ("blue", "red") and any("list.csv" in note for note in intake.notes)


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "no file in it"),
        ({"a/1.png": picture(3), "a/2.png": picture(4)}, 'one class that can be read \\("a"\\)'),
        ({"a/1.png": b"x", "b/2.png": b"y"}, "no class.*no picture of a kind"),
        ({"1.png": picture(3), "2.png": picture(4)}, "no class"),
        ({"a.zip": b"x", "b.zip": b"x"}, "archives inside"),
    ],
)
def test_what_holds_no_two_classes_is_refused(tmp_path: Path, members: dict[str, bytes], said: str):
    with pytest.raises(Rejected, match=said):
        taken(zipped(tmp_path / "few.zip", members))


def test_links_in_a_zip_and_in_a_folder_are_not_followed(tmp_path: Path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(COLOURS["green"]))
    folder = unzipped(tmp_path / "folder", TWO)
    (folder / "red" / "link.png").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    intake = taken(folder)
    assert {name for name, reason in intake.skipped if "link" in reason} == {"red/link.png", "linked"}
    path = zipped(tmp_path / "links.zip", TWO)
    info = zipfile.ZipInfo("red/link.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, str(secret))
    assert "link" in dict(taken(path).skipped)["red/link.png"]


def test_a_million_members_are_refused_before_they_are_listed(tmp_path: Path):
    record = bytearray(b"PK\1\2" + bytes(42))
    record[28:30] = (4).to_bytes(2, "little")
    directory = b"".join(bytes(record) + b"%04x" % (at % 65536) for at in range(1_000_000))
    end = b"PK\5\6" + bytes(4) + b"\1\0\1\0" + len(directory).to_bytes(4, "little") + bytes(6)
    path = tmp_path / "million.zip"
    path.write_bytes(directory + end)
    began = time.perf_counter()
    with pytest.raises(Rejected, match="more than 300,000 files"):
        taken(path)
    assert time.perf_counter() - began < 5


def test_nothing_is_written_where_a_member_says(tmp_path: Path):
    members = {"../../red/1.png": picture(3), "/blue/2.png": picture(4), "C:\\x\\..\\red\\3.png": picture(5)}
    path = zipped(tmp_path / "climb.zip", {**members, **TWO})
    before = {*tmp_path.parent.rglob("*")}
    taken(path)
    new = {one.relative_to(path.parent) for one in {*tmp_path.parent.rglob("*")} - before}
    assert {str(one.parent) for one in new} <= {".", "climb.zip-kept"}

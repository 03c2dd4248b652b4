"""What a browser sent, on disk: nothing that a stranger names decides where it lies, or what else is read."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tlcore import runs, uploads
from tlcore.bundle import Bundle, thumbnail
from tlcore.spec import Refused


def picture(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (40, 30)) -> bytes:
    Image.new("RGB", size, colour).save(out := io.BytesIO(), "PNG")
    return out.getvalue()


@pytest.mark.parametrize("name", ["flowers.zip", "../../../etc/cron.d/x.zip", "C:\\Users\\me\\a.ZIP", "/abs/ü.zip"])
def test_only_the_ending_of_a_file_is_taken_from_its_name(name: str, lab: Path):
    path = uploads.keep(name, io.BytesIO(b"content"))
    assert path.parent.parent == lab / "uploads"
    assert (path.name, path.read_bytes()) == ("data.zip", b"content")
    held = uploads.kept(path.parent.name)
    assert held and held.path == path and held.size == 7
    assert "/" not in held.origin and "\\" not in held.origin


@pytest.mark.parametrize("name", ["flowers.exe", "zip", "x.zip/", "", ".zip.py"])
def test_a_file_of_another_kind_is_refused_and_nothing_is_kept(name: str, lab: Path):
    with pytest.raises(Refused, match="ends in"):
        uploads.keep(name, io.BytesIO(b"content"))
    assert not [*lab.glob("uploads/*/data*")]


@pytest.mark.parametrize("hostile", ["", ".", "..", "../runs", "a" * 16 + "/..", "A" * 16, "0123456789abcdef"])
def test_an_address_reaches_only_uploads(hostile: str, lab: Path):
    (lab / "runs").mkdir(parents=True)
    assert uploads.kept(hostile) is None
    assert Bundle.find(hostile) is None
    uploads.forget(hostile)
    assert (lab / "runs").is_dir()


def test_a_second_file_lies_beside_the_first_and_goes_with_it(lab: Path):
    path = uploads.keep("a.zip", io.BytesIO(b"1"))
    table = uploads.keep("labels.csv", io.BytesIO(b"2"), endings=uploads.TABLES, beside=path)
    assert table.parent == path.parent
    held = uploads.kept(path.parent.name)
    assert held and held.path == path
    uploads.forget(held.id)
    assert not table.exists()


def test_a_folder_becomes_a_zip_without_ways_out(lab: Path):
    names = [
        "leaves/oak/1.jpg",
        "leaves/../../ash/2.jpg",
        "leaves\\elm\\3.jpg",
        "/leaves/oak/4.jpg",
        "leaves/oak/1.jpg",
    ]
    path = uploads.keep_folder((name, io.BytesIO(name.encode())) for name in names)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["leaves/oak/1.jpg", "leaves/ash/2.jpg", "leaves/elm/3.jpg", "leaves/oak/4.jpg"]
    held = uploads.kept(path.parent.name)
    assert held and held.origin == "leaves"


def test_what_nobody_touched_for_a_day_goes_unless_a_job_waits_for_it(lab: Path):
    old, wanted, new = (uploads.keep("a.zip", io.BytesIO(b"1")) for _ in range(3))
    runs.create({"path": str(wanted)}, task=runs.IMPORT)
    yesterday = time.time() - uploads.KEPT_SECONDS - 60
    for path in (old, wanted):
        os.utime(path.parent, (yesterday, yesterday))
    uploads.sweep()
    assert [path.exists() for path in (old, wanted, new)] == [False, True, True]


# Bundles


def test_a_bundle_is_found_again_as_it_was_left(lab: Path):
    bundle = Bundle.begin()
    for name in ("oak", "ash"):
        bundle.name(name)
    for number in range(3):
        bundle.add("oak", f"holiday {number}.PNG", picture())
    bundle.add("ash", "camera.jpg", picture())
    again = Bundle.find(bundle.id)
    assert again
    assert again.counts() == {"oak": 3, "ash": 1}
    assert again.title == "oak and ash"
    with zipfile.ZipFile(again.pack()) as archive:
        assert archive.namelist() == [
            "oak/000001-holiday_0.png", "oak/000002-holiday_1.png", "oak/000003-holiday_2.png", "ash/000001-camera.jpg",
        ]  # fmt: skip
        assert archive.read("oak/000001-holiday_0.png") == picture()


def test_the_last_picture_can_be_taken_back_and_a_class_removed_or_renamed(lab: Path):
    bundle = Bundle.begin()
    bundle.name("oak")
    bundle.add("oak", "a.png", picture((255, 0, 0)))
    bundle.add("oak", "b.png", picture((0, 0, 255)))
    newest = Image.open(io.BytesIO(bundle.thumbnails("oak")[0]))
    assert newest.getpixel((5, 5)) == (0, 0, 255)
    bundle.undo("oak")
    assert bundle.counts() == {"oak": 1}
    assert len(bundle.thumbnails("oak")) == 1
    assert bundle.rename("oak", "Oak") == "Oak"
    assert bundle.counts() == {"Oak": 1}
    bundle.remove("Oak")
    bundle.undo(bundle.name("ash"))
    assert bundle.counts() == {"ash": 0}


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("a/b", "a-b"), ("..", None), (" ", None), ("~x", "x"), (".hidden", "hidden"), ("a\n\tb\0", "a b"),
        ("é" * 200, "é" * 80),
    ],
)  # fmt: skip
def test_a_class_takes_a_name_that_the_intake_can_take(wanted: str, kept: str | None, lab: Path):
    bundle = Bundle.begin()
    if kept is None:
        with pytest.raises(Refused, match="letter or number"):
            bundle.name(wanted)
    else:
        assert bundle.name(wanted) == kept
        assert [*bundle.counts()] == [kept]


def test_a_name_is_taken_once_and_a_picture_needs_a_class(lab: Path):
    bundle = Bundle.begin()
    bundle.name("Oak")
    with pytest.raises(Refused, match="no other class"):
        bundle.name("oak")
    with pytest.raises(Refused, match="Oak"):
        bundle.add("ash", "a.png", picture())
    with pytest.raises(Refused, match="ends in"):
        bundle.add("Oak", "a.exe", picture())
    bundle.add("Oak", "../../x.png", picture())
    assert {path.parent.name for path in lab.rglob("*x.png")} == {"1"}


@pytest.mark.parametrize(
    "data", [b"", b"nothing", b"GIF89a", picture()[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_no_thumbnail_of_what_is_no_picture(data: bytes):
    assert thumbnail(data) == b""


def test_a_thumbnail_is_upright_and_small():
    exif = Image.Exif()
    exif[0x0112] = 6  # lying on its side
    photo = Image.new("RGB", (400, 200), (10, 200, 10))
    photo.paste((200, 10, 10), (0, 0, 200, 200))
    photo.save(out := io.BytesIO(), "JPEG", exif=exif)
    small = Image.open(io.BytesIO(thumbnail(out.getvalue(), 64)))
    assert small.size == (64, 64)
    above, below = small.getpixel((32, 5)), small.getpixel((32, 60))
    assert isinstance(above, tuple) and isinstance(below, tuple)
    assert above[0] > 150 > below[0]


# Folders on this computer


@pytest.fixture
def roots(tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``open`` may be read by everybody, ``closed`` may not."""
    for name in ("open/leaves", "closed"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "open" / "out").symlink_to(tmp_path / "closed")
    monkeypatch.setenv("TLCORE_FOLDERS", str(tmp_path / "open"))
    return tmp_path


def test_a_server_that_others_reach_reads_only_below_its_roots(roots: Path):
    assert uploads.allowed_path(str(roots / "open/leaves"), False) == roots / "open/leaves"
    for way_out in ("closed", "open/../closed", "open/out", "open/leaves/../../closed", "openly", "closed/missing"):
        with pytest.raises(Refused, match="a folder in"):
            uploads.allowed_path(str(roots / way_out), False)


def test_without_roots_it_reads_none(roots: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TLCORE_FOLDERS")
    with pytest.raises(Refused, match="TLCORE_FOLDERS"):
        uploads.allowed_path(str(roots / "open"), False)


def test_the_owner_of_the_computer_reads_any_folder_but_the_home(roots: Path, lab: Path):
    assert uploads.allowed_path(f' "{roots / "closed"}" ', True) == roots / "closed"
    (roots / "closed" / "a.zip").touch()
    assert uploads.allowed_path(str(roots / "closed" / "a.zip"), True).name == "a.zip"
    (roots / "closed" / "a.key").touch()
    (lab / "datasets").mkdir(parents=True)
    for path in (lab / "datasets", roots, roots / "missing", roots / "closed" / "a.key", "leaves", "", "a\0b"):
        with pytest.raises(Refused):
            uploads.allowed_path(str(path), True)


@pytest.mark.parametrize(
    ("address", "headers", "local"),
    [
        ("127.0.0.1", {}, True),
        ("localhost", {"Host": "localhost:8501"}, True),
        ("::1", {"Host": "[::1]:8501"}, True),
        (None, {"Host": "localhost:8501"}, False),
        ("0.0.0.0", {"Host": "localhost:8501"}, False),
        ("127.0.0.1", {"Host": "lab.example.org"}, False),
        ("127.0.0.1", {"Host": "localhost", "X-Forwarded-For": "10.0.0.7"}, False),
    ],
)
def test_a_proxy_before_a_local_server_lets_others_in(address: str | None, headers: dict[str, str], local: bool):
    assert uploads.on_loopback(address, headers) is local


# Jobs


def test_the_import_to_show_is_the_one_asked_for_else_the_one_under_way(lab: Path):
    assert uploads.current() is None
    refused = runs.create({"path": str(uploads.keep("a.zip", io.BytesIO(b"1")))}, task=runs.IMPORT)
    runs.tell(refused, "failed", reason="no zip", details="")
    shown = uploads.current()
    assert shown and shown.id == refused
    waiting = runs.create({"path": "elsewhere"}, task=runs.IMPORT)
    shown = uploads.current()
    assert shown and shown.id == waiting
    shown = uploads.current(refused)
    assert shown and shown.id == refused
    runs.ask_to_stop(waiting)
    assert uploads.current() is None


def test_bytes_in_words():
    assert [uploads.in_words(n) for n in (0, 312_400, 4_130_000, 2_300_000_000)] == [
        "1 KB",
        "312 KB",
        "4.1 MB",
        "2.3 GB",
    ]

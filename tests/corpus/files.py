"""Folders, tables of labels beside pictures, and files that are not what their names say."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

from .cases import png, refused, repaired, sound, taken, text, zipped

FLAT = {f"{n}.png": png(n) for n in range(6)}
ROWS = "".join(f"{n}.png,{'dogs' if n % 2 else 'cats'}\n" for n in range(6))


def _unpacked(at: Path) -> Path:
    folder = at / "pictures"
    for name, data in sound().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@repaired(taken(), "link")
def a_folder_with_links(at: Path) -> Path:
    folder = _unpacked(at)
    (folder / "cats" / "passwd.png").symlink_to("/etc/passwd")
    (folder / "cats" / "round").symlink_to(folder)
    (folder / "etc").symlink_to("/etc")
    return folder


@repaired(taken(), "ordinary")
def a_folder_with_a_pipe(at: Path) -> Path:
    folder = _unpacked(at)
    os.mkfifo(folder / "cats" / "pipe.png")
    return folder


@refused("no file")
def an_empty_folder(at: Path) -> Path:
    (at / "pictures").mkdir()
    return at / "pictures"


@refused("not there")
def nothing(at: Path) -> Path:
    return at / "nothing.csv"


@repaired(taken(amount=6))
def pictures_and_a_table_of_labels(at: Path) -> Path:
    return zipped(at, FLAT | {"labels.csv": b"file,label\n" + ROWS.encode()})


@repaired(taken(amount=6), "no single picture")
def labels_that_name_files_outside(at: Path) -> dict[str, Any]:
    outside = "../../../../../../etc/passwd,cats\n/etc/hostname,dogs\nfile:///etc/passwd,cats\n"
    labels = text(at, f"file,label\n{ROWS}{outside}", "labels.csv")
    return {"path": zipped(at, FLAT), "labels": labels}


@refused("names the pictures")
def labels_of_other_pictures(at: Path) -> dict[str, Any]:
    return {"path": zipped(at, FLAT), "labels": text(at, "file,label\na.png,x\nb.png,y\n", "labels.csv")}


@repaired(taken(amount=5), "two labels")
def labels_that_contradict(at: Path) -> dict[str, Any]:
    return {"path": zipped(at, FLAT), "labels": text(at, f"file,label\n{ROWS}0.png,dogs\n", "labels.csv")}


@refused("price", "columns")
def labels_without_the_column(at: Path) -> dict[str, Any]:
    labels = text(at, f"file,label\n{ROWS}", "labels.csv")
    return {"path": zipped(at, FLAT), "labels": labels, "label_column": "price"}


@refused("csv")
def zip_named_csv(at: Path) -> Path:
    return zipped(at, sound(), "upload.csv")


@refused("zip")
def csv_named_zip(at: Path) -> Path:
    return text(at, "a,label\n1,x\n2,y\n", "upload.zip")


@refused("kind")
def packed_with_gzip(at: Path) -> Path:
    return text(at, gzip.compress(bytes(10_000_000)), "upload.csv.gz")


@refused("kind")
def a_pickle(at: Path) -> Path:
    return text(at, b"cos\nsystem\n(S'touch owned'\ntR.", "upload.pkl")


@refused("no picture")
def only_pictures_of_other_kinds(at: Path) -> Path:
    return zipped(at, {"cats/0.svg": b"<svg onload='alert(1)'/>", "dogs/0.heic": b"ftypheic"})

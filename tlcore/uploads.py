"""What a browser sent, kept on disk until an engine has imported it: a file, a folder, or pictures class by class.

Everything lies in ``uploads/<hex>`` of the home folder. A name that a person typed, or that a file came with, is
never a folder there; what is not imported within a day is swept away.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from . import runs, worker
from .datasets import library
from .home import home
from .spec import Problem, Refused

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls", ".ods")
FILES = (".zip", *TABLES, ".npz", ".npy")
"""Endings of what can be brought as one file."""
KEPT_SECONDS = 24 * 3600
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ID = re.compile(r"[0-9a-f]{16}")
_CHUNK = 2**20


@dataclass(frozen=True)
class Kept:
    """One file or folder that waits to be imported. ``origin`` is its name where it came from."""

    id: str
    path: Path
    origin: str
    size: int

    @property
    def is_table(self) -> bool:
        return self.path.suffix in TABLES


def keep(name: str, file: IO[bytes], *, endings: Collection[str] = FILES, beside: Path | None = None) -> Path:
    """Write an uploaded file to disk, a piece at a time; gives its path. Only the ending is taken from ``name``.

    ``beside`` is a file kept before whose folder this one shares, and whose end. Raises Refused for another ending
    and for a full disk.
    """
    ending = ending_of(name, endings)
    folder = beside.parent if beside else begin({"origin": last_part(name)})
    path = folder / (f"{secrets.token_hex(4)}{ending}" if beside else f"data{ending}")
    try:
        with path.open("wb") as target:
            shutil.copyfileobj(file, target, _CHUNK)
    except OSError as error:
        if not beside:
            shutil.rmtree(folder, ignore_errors=True)
        raise no_room(name, error) from None
    return path


def keep_folder(files: Iterable[tuple[str, IO[bytes]]]) -> Path:
    """Write a folder that a browser sent, as (relative path, file) of each, into one zip; gives its path."""
    folder = begin({})
    path, taken = folder / "data.zip", set[str]()
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, file in files:
                inside = "/".join(part for part in re.split(r"[/\\]", name) if part not in ("", ".", ".."))
                if inside and inside not in taken:
                    taken.add(inside)
                    with archive.open(inside, "w", force_zip64=True) as target:
                        shutil.copyfileobj(file, target, _CHUNK)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise no_room("the folder", error) from None
    tops = {name.split("/")[0] for name in taken}
    _describe(folder, {"origin": tops.pop() if len(tops) == 1 else "a folder"})
    return path


def kept(upload: str) -> Kept | None:
    """The file of an upload, where it is there still. Anything else that an address may say is none."""
    folder = folder_of(upload)
    path = next(iter(folder.glob("data.*")), None) if folder else None
    if folder is None or path is None:
        return None
    return Kept(upload, path, str(_described(folder).get("origin", path.name)), path.stat().st_size)


def forget(upload: str) -> None:
    """Remove an upload that is not wanted any more."""
    if folder := folder_of(upload):
        shutil.rmtree(folder, ignore_errors=True)


def sweep(now: float | None = None) -> None:
    """Remove what nobody touched for a day and no job waits for."""
    wanted = " ".join(job.question for job in runs.unfinished() if job.status != runs.LOST)
    for folder in (home() / "uploads").glob("*"):
        with suppress(OSError):  # another process sweeps, too
            if (now or time.time()) - folder.stat().st_mtime > KEPT_SECONDS and folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)


# Folders on this computer


def on_loopback(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether only this very computer can reach the server: it listens there alone, and no proxy stands before it."""
    told = {name.lower(): value for name, value in headers.items()}
    host = re.sub(r":\d+$", "", told.get("host", "localhost")).strip("[]").lower()
    forwarded = any(name in told for name in ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"))
    return address in LOOPBACK and host in LOOPBACK and not forwarded


def allowed_roots() -> list[Path]:
    """Folders that a server may read for those who reach it from elsewhere: what TLCORE_FOLDERS names."""
    named = os.environ.get("TLCORE_FOLDERS", "").split(os.pathsep)
    return [Path(one).expanduser().resolve() for one in named if one.strip()]


def allowed_path(text: str, loopback: bool) -> Path:
    """A folder or file on the server's computer that may be read: any where ``loopback``, else below allowed roots.

    Links and ``..`` are resolved first. Raises Refused.
    """
    said, roots = text.strip().strip("\"'"), allowed_roots()
    if not loopback and not roots:
        raise _refused(said, "a file that is uploaded", "ask whoever runs this server to set TLCORE_FOLDERS")
    try:
        path = Path(said).expanduser()
        if not path.is_absolute():
            raise _refused(said, "a whole path, like /home/me/leaves", "copy it from the window that shows your files")
        path = path.resolve()
        if not loopback and not any(path.is_relative_to(root) for root in roots):
            raise _refused(said, f"a folder in {' or '.join(map(str, roots))}", "choose one there")
        if path.is_relative_to(home()) or home().is_relative_to(path):
            raise _refused(said, "a folder apart from the one this program keeps its things in", "choose another")
        if not path.exists():
            raise _refused(said, "a folder that is there", "look for a slip in the path")
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, Refused):
            raise
        raise _refused(said, "a folder's path", f"type another ({error})") from None
    if path.is_file():
        ending_of(path.name, FILES)
    return path


def in_words(amount: int) -> str:
    """Bytes as people read them: ``312 KB``, ``4.1 MB``, ``2.3 GB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if amount >= size:
            return f"{amount / size:.1f} {unit}"
    return f"{max(1, round(amount / 1000))} KB"


# Jobs


def bring_in(
    path: Path, origin: str, *, label: str = "", size: int | None = None,
    labels: Path | None = None, label_column: str | None = None,
) -> str:  # fmt: skip
    """Order the import of what lies at ``path``; gives the job's id. Without a ``label`` its file's name is one."""
    label = label.strip() or (PurePosixPath(origin).stem if PurePosixPath(origin).suffix in FILES else origin)
    return worker.order(
        runs.IMPORT, label, path=str(path), origin=origin, label=label, size=size,
        labels=str(labels) if labels else None, label_column=(label_column or "").strip() or None,
    )  # fmt: skip


def upload_of(job: runs.Run) -> str:
    """The id of the upload that a job imports; empty for a path on this computer."""
    path = Path(json.loads(job.question).get("path", ""))
    return path.relative_to(home() / "uploads").parts[0] if path.is_relative_to(home() / "uploads") else ""


def reason(job: runs.Run, failure: Mapping[str, Any]) -> str:
    """Why an import came to nothing, with the file under the name that it came with."""
    asked = json.loads(job.question)
    return str(failure["reason"]).replace(Path(asked["path"]).name, asked["origin"])


def current(job: str | None = None) -> runs.Run | None:
    """The import to show: the one asked for, else the newest under way or refused whose upload still waits."""
    every = runs.all_runs(runs.IMPORT)
    if asked := next((own for own in every if own.id == job), None):
        return asked
    if alive := next((own for own in every if not own.over), None):
        return alive
    newest = every[0] if every else None
    return newest if newest and newest.status in ("failed", runs.LOST) and folder_of(upload_of(newest)) else None


def original(dataset: str) -> Path | None:
    """The table that a dataset was imported from, kept so that another column can be made its label."""
    return next(iter(library.folder(dataset).glob("original.*")), None)


def relabel(dataset: str, column: str) -> str | None:
    """Order the import of a table once more with another column as the label; gives the job's id."""
    whole, path = library.imported(dataset), original(dataset)
    return bring_in(path, whole.origin, label=f"{whole.label}, by {column}", label_column=column) if path else None


# On disk


def begin(about: dict[str, Any]) -> Path:
    """A new upload's folder."""
    sweep()
    folder = home() / "uploads" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    _describe(folder, about)
    return folder


def _describe(folder: Path, about: dict[str, Any]) -> None:
    (folder / "about.json").write_text(json.dumps(about))


def _described(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "about.json").read_text())
    return told


def folder_of(upload: str) -> Path | None:
    """Where an upload lies, where it is there still; None for anything else that an address may say."""
    path = home() / "uploads" / upload
    return path if _ID.fullmatch(upload) and path.is_dir() else None


def last_part(name: str) -> str:
    return re.split(r"[/\\]", name)[-1][-200:]


def ending_of(name: str, endings: Collection[str]) -> str:
    ending = PurePosixPath(last_part(name)).suffix.lower()
    if ending not in endings:
        raise Refused(Problem("file", last_part(name), f"one that ends in {', '.join(endings)}", "choose another"))
    return ending


def no_room(name: str, error: OSError) -> Refused:
    return Refused(Problem("file", last_part(name), "room on the disk to keep it", f"free some ({error.strerror})"))


def _refused(said: str, expected: str, remedy: str) -> Refused:
    return Refused(Problem("folder", said, expected, remedy))

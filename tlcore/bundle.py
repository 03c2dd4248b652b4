"""Pictures gathered class by class, from several drops or a camera, until they are enough for a dataset."""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, ImageOps

from .home import home
from .spec import Problem, Refused
from .uploads import PICTURES, begin, ending_of, folder_of, last_part, no_room

MOST_PIXELS = 2**26
"""Of a picture that is made small for the page."""
SIDE = 96
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


@dataclass(frozen=True)
class Bundle:
    """Pictures gathered class by class, each in a numbered folder on disk: closing the page loses nothing."""

    id: str

    @classmethod
    def begin(cls) -> Bundle:
        folder = begin({})
        (folder / "classes").mkdir()
        return cls(folder.name)

    @classmethod
    def find(cls, upload: str) -> Bundle | None:
        """The bundle of that id, where it is there still."""
        folder = folder_of(upload)
        return cls(upload) if folder and (folder / "classes").is_dir() else None

    @property
    def folder(self) -> Path:
        return home() / "uploads" / self.id

    @property
    def title(self) -> str:
        """What it may be called: after its classes."""
        names = [*self.counts()]
        shown = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
        return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)

    def counts(self) -> dict[str, int]:
        """How many pictures each class has, in the order in which the classes were named."""
        return {name: len(_pictures(folder)) for name, folder in self._classes().items()}

    def name(self, wanted: str) -> str:
        """Begin a class; gives its name as it is kept. Raises Refused for a name that is none, or is taken."""
        name = self._free(wanted)
        numbers = [int(folder.name) for folder in self._classes().values()]
        folder = self.folder / "classes" / str(max(numbers, default=0) + 1)
        folder.mkdir()
        (folder / "name").write_text(name)
        self._touch()
        return name

    def add(self, into: str, name: str, data: bytes) -> None:
        """Put a picture into a class. Raises Refused where there is no such class, or it is no kind of picture."""
        folder = self._class(into)
        ending = ending_of(name, PICTURES)
        stem = re.sub(r"[^\w.-]+", "_", PurePosixPath(last_part(name)).stem)[:40].strip("._")
        taken = _pictures(folder)
        number = int(taken[-1].name[:6]) + 1 if taken else 1
        try:
            (folder / f"{number:06d}{'-' if stem else ''}{stem}{ending}").write_bytes(data)
        except OSError as error:
            raise no_room(name, error) from None
        self._touch()

    def thumbnails(self, of: str, most: int = 8) -> list[bytes]:
        """Small pictures (PNG) of the newest ones, the newest first; each made once, unreadable ones left out."""
        shown = []
        for path in reversed(_pictures(self._class(of))[-most:]):
            small = path.with_name(f"small-{path.name}")
            if not small.exists():
                small.write_bytes(thumbnail(path.read_bytes()))
            shown.append(small.read_bytes())
        return [picture for picture in shown if picture]

    def undo(self, of: str) -> None:
        """Take the newest picture of a class out again."""
        if found := _pictures(self._class(of)):
            found[-1].unlink()
            found[-1].with_name(f"small-{found[-1].name}").unlink(missing_ok=True)
            self._touch()

    def remove(self, name: str) -> None:
        """Take a class out, with its pictures."""
        shutil.rmtree(self._class(name), ignore_errors=True)

    def rename(self, name: str, wanted: str) -> str:
        """Call a class otherwise; gives its name as it is kept. Raises Refused as :meth:`name` does."""
        folder = self._class(name)
        own = self._free(wanted, but=name)
        (folder / "name").write_text(own)
        return own

    def pack(self) -> Path:
        """A zip of one folder a class, as the intake takes it; made anew each time."""
        path, unfinished = self.folder / "pictures.zip", self.folder / "pictures.unfinished"
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            for name, folder in self._classes().items():
                for picture in _pictures(folder):
                    archive.write(picture, f"{name}/{picture.name}")
        unfinished.replace(path)
        return path

    def _classes(self) -> dict[str, Path]:
        folders = sorted(self.folder.glob("classes/*/name"), key=lambda path: int(path.parent.name))
        return {path.read_text(): path.parent for path in folders}

    def _class(self, name: str) -> Path:
        try:
            return self._classes()[name]
        except KeyError:
            known = ", ".join(self._classes()) or "a class that was named before"
            raise Refused(Problem("class", name, known, "name the class first")) from None

    def _free(self, wanted: str, but: str | None = None) -> str:
        # A folder's name in the zip: no separators, and nothing that the intake takes for a hidden file.
        name = " ".join("".join(c if c.isprintable() else " " for c in re.sub(r"[/\\]", "-", wanted)).split())
        name = name.lstrip(".~ ")[:80].strip()
        if not name:
            raise Refused(Problem("class", wanted, "a name with at least one letter or number", "type another"))
        taken = {own.casefold() for own in self._classes() if own != but}
        if name.casefold() in taken:
            raise Refused(Problem("class", name, "a name that no other class has", "type another"))
        return name

    def _touch(self) -> None:
        os.utime(self.folder)


def thumbnail(data: bytes, side: int = SIDE) -> bytes:
    """A picture made small, as PNG, upright; empty for what cannot be read or is too large to try."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return b""
            picture.draft("RGB", (2 * side, 2 * side))  # JPEG is decoded small at once: a tenth of the time
            small = ImageOps.exif_transpose(picture).convert("RGB")
    except Exception:  # strangers' pictures break Pillow in more ways than it has names for
        return b""
    small = ImageOps.fit(small, (side, side))
    small.save(out := io.BytesIO(), "PNG")
    return out.getvalue()


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.suffix in PICTURES)

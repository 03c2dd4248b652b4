"""Names that are programs, lies or endless; and folders that say nothing, or too little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .cases import Check, Raw, png, raw_zip, refused, repaired, sound, taken, zipped

SCRIPT = "<img src=x onerror=alert(1)><script>alert(1)</script>"


def _classes(amount: int, *shown: str) -> Check:
    def check(intake: Any, _folder: Path) -> bool:
        return len(intake.classes) == amount and all(name in intake.classes for name in shown)

    return check


def _named(at: Path, cats: str) -> Path:
    members = [(f"{cats}/{n}.png", png(n)) for n in range(3)] + [(f"dogs/{n}.png", png(n + 3)) for n in range(3)]
    return raw_zip(at / "upload.zip", [Raw(name.encode(), data, flags=0x800) for name, data in members])


@repaired(_classes(2, "dogs"))
def name_with_html(at: Path) -> Path:
    return _named(at, SCRIPT.replace("/", "\u2215"))


@repaired(_classes(2, "ca ts", "dogs"))
def name_with_new_lines(at: Path) -> Path:
    return _named(at, "ca\r\n\tts")


@refused("one class")
def name_with_nul(at: Path) -> Path:
    return _named(at, "ca\0ts")


@repaired(_classes(2, "catgnp.exe", "dogs"))
def name_that_turns_direction(at: Path) -> Path:
    return _named(at, "cat\u202egnp.exe")


@repaired(_classes(2, "dogs"))
def name_of_control_sequences(at: Path) -> Path:
    return _named(at, "\x1b[2J\x1b]0;owned\x07")


@repaired(lambda intake, _: len(intake.classes) == 2 and max(map(len, intake.classes)) <= 80)
def name_of_300_characters(at: Path) -> Path:
    return _named(at, "c" * 300)


@repaired(_classes(2, "🐈\u200d⬛".replace("\u200d", ""), "dogs"))
def name_of_emoji(at: Path) -> Path:
    return _named(at, "🐈\u200d⬛")


@repaired(lambda intake, _: len(set(intake.classes)) == len(intake.classes) and len(intake.entries) == 6)
def same_name_in_two_spellings(at: Path) -> Path:
    """The same word for the eye, composed and decomposed: one class or two that differ, never two alike."""
    members = [Raw(f"{name}/{n}.png".encode(), png(3 * own + n), flags=0x800)
               for own, name in enumerate(("Käfer", "Ka\u0308fer", "dogs")) for n in range(2)]  # fmt: skip
    return raw_zip(at / "upload.zip", members)


@repaired(lambda intake, _: len(set(intake.classes)) == 2)
def names_that_differ_in_what_is_not_seen(at: Path) -> Path:
    """Two classes whose names look the same and are not."""
    return zipped(at, sound("cats", "cats\u200b"))


@repaired(_classes(2, "CON"))
def names_reserved_on_windows(at: Path) -> Path:
    return zipped(at, sound("CON", "NUL.txt") | {"CON/aux.png": png(20), "CON/COM1.png": png(21)})


@repaired(lambda intake, _: len(intake.classes) == 2 and len(intake.entries) == 6)
def names_that_are_no_text(at: Path) -> Path:
    members = [Raw(b"\xff\xfe\x80/" + m.name[5:] if m.name[:4] == b"cats" else m.name, m.data) for m in _raw()]
    return raw_zip(at / "upload.zip", members)


def _raw() -> list[Raw]:
    return [Raw(name.encode(), data) for name, data in sound().items()]


@repaired(lambda intake, _: len(intake.classes) == 2)
def names_that_are_formulas(at: Path) -> Path:
    return zipped(at, sound("=cmd|' !A0", "@SUM(1+1)"))


@repaired(taken(), "folders")
def a_folder_deeper_than_100_levels(at: Path) -> Path:
    return zipped(at, sound() | {"cats/" + "d/" * 120 + "deep.png": png(20)})


@repaired(taken())
def folders_in_wrappings(at: Path) -> Path:
    return zipped(at, {f"Download/my data (1)/{name}": data for name, data in sound().items()})


@repaired(taken())
def an_empty_class_folder(at: Path) -> Path:
    return zipped(at, [("birds/", b""), *sound().items()])


@repaired(lambda intake, _: set(intake.entries.part) == {"train", "test"} and intake.classes == ("cats", "dogs"))
def parts_with_unlike_classes(at: Path) -> Path:
    """A class that only the training part has, which has no pictures that can be read."""
    members = {f"{part}/{name}": data for part in ("train", "test") for name, data in sound().items()}
    return zipped(at, members | {"train/birds/0.png": b"no picture"})


@refused("2 classes")
def one_class(at: Path) -> Path:
    return zipped(at, {name: data for name, data in sound().items() if name.startswith("cats")})


@refused("2 classes")
def one_picture_in_all(at: Path) -> Path:
    return zipped(at, {"cats/0.png": png(0)})


@refused("folder")
def pictures_in_no_folder(at: Path) -> Path:
    return zipped(at, {name.replace("/", ""): data for name, data in sound().items()})


@refused("classes")
def a_class_for_each_picture(at: Path) -> Path:
    return zipped(at, {f"{n}/0.png": png(0) for n in range(2_100)})

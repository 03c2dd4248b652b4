"""Cases carried out in a process of their own, which says what became of each: ``python -m tests.corpus.running``.

One line of JSON in (the case, the upload's place and the folder to fill), one line out.
"""

from __future__ import annotations

import json
import sys
import traceback
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Case

WRITTEN = ("originals.bin", "x.npy")


def carry_out(case: Case, upload: dict[str, Any], folder: Path) -> list[str]:
    """What is wrong with how the upload was received; nothing is as it should be."""
    if case.door == "network":
        return _refusal(case, *_network(upload))
    from tlcore.datasets.intake import Rejected, take_in

    try:
        intake = take_in(**upload, folder=folder, tell=lambda stage, done, of: None, stop=lambda: None)
    except Rejected as error:
        return _refusal(case, error, all(map(str.strip, (error.received, error.expected, error.remedy))))
    if case.refused:
        return [f"taken, with the classes {intake.classes} and {len(intake.entries)} entries; notes {intake.notes}"]
    said = " ".join([*intake.notes, *intake.passed_over, *(f"{name}: {why}" for name, why in intake.skipped)])
    wrong = _unsound(intake, folder)
    wrong += [f"no word of {word!r} in: {said}" for word in case.words if word.casefold() not in said.casefold()]
    if not wrong and case.check and not case.check(intake, folder):
        wrong.append(f"taken otherwise: {intake.classes}, {intake.columns}, {intake.shape}, {said}\n{intake.entries}")
    return wrong


def _network(upload: dict[str, Any]) -> tuple[Exception | None, bool]:
    from tlcore.engine import foreign

    try:
        foreign.take_in(upload["path"], lambda stage, done, of: None, lambda: None)
    except ValueError as error:
        return error, True
    return None, True


def _refusal(case: Case, error: Exception | None, whole: bool) -> list[str]:
    if error is None:
        return ["taken"]
    said = str(error)
    if not case.refused:
        return [f"refused: {said}"]
    wrong = [f"no word of {word!r} in: {said}" for word in case.words if word.casefold() not in said.casefold()]
    if not whole:
        wrong.append(f"a part of the message is missing: {said}")
    if len(said) > 2_000 or not _plain(said):
        wrong.append(f"no message for people: {said[:2_000]!r}")
    return wrong


def _unsound(intake: Any, folder: Path) -> list[str]:
    """What every intake must keep to, whatever came in."""
    import numpy as np

    wrong = []
    names = [*intake.classes, *intake.columns, *intake.notes, *intake.entries.name.head(100), *intake.passed_over]
    wrong += [f"not for people's eyes: {name!r}" for name in names if not _plain(name)]
    if len(set(intake.classes)) < len(intake.classes) or len(intake.classes) < 2:
        wrong.append(f"classes {intake.classes}")
    if set(intake.entries.label) != set(range(len(intake.classes))):
        wrong.append(f"labels {sorted(set(intake.entries.label))} of {len(intake.classes)} classes")
    if not set(intake.entries.part) <= {"", "train", "validation", "test"}:
        wrong.append(f"parts {set(intake.entries.part)}")
    found = sorted(path.name for path in folder.iterdir())
    if any(name not in WRITTEN and not name.startswith("pixels_") for name in found):
        wrong.append(f"files {found}")
    examples = np.load(next(iter([*folder.glob("pixels_*.npy"), *folder.glob("x.npy")])), mmap_mode="r")
    if examples.shape[1:] != intake.shape or set(intake.entries.row) != set(range(len(examples))):
        wrong.append(f"examples {examples.shape} for {intake.shape} and rows to {intake.entries.row.max()}")
    return wrong


def _plain(text: str) -> bool:
    """Nothing in it that moves the cursor, turns the direction of writing or is not seen."""
    return not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs") for sign in text)


def main() -> None:
    from . import CASES

    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        upload = {name: Path(value) if name in ("path", "labels") else value for name, value in asked["upload"].items()}
        try:
            wrong = carry_out(CASES[asked["case"]], upload, Path(asked["folder"]))
        except BaseException:
            wrong = [traceback.format_exc()]
        answers.write(json.dumps(wrong) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

"""What a run leaves in its folder, and what a person takes away."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .events import Story
from .runs import Run
from .spec import RunSpec

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises for a file of arrays that is missing or damaged."""


class DamagedArtefact(RuntimeError):
    """A file of a run that is missing or cannot be read; the message names it."""


@dataclass(frozen=True)
class Mistakes:
    """Wrongly answered test examples, surest first: ``x`` (n, *shape), ``truth``, ``answer`` and ``sure`` (n,)."""

    x: np.ndarray
    truth: np.ndarray
    answer: np.ndarray
    sure: np.ndarray


def mistakes(run: Run) -> Mistakes:
    """The surest mistakes of a run. Raises :class:`DamagedArtefact`."""
    path = run.folder / "mistakes.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            probabilities = file["probabilities"]
            return Mistakes(file["x"], file["labels"], probabilities.argmax(1), probabilities.max(1))
    except _UNREADABLE as error:
        raise DamagedArtefact(f"{path} cannot be read ({error})") from None


def preview(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """A few pictures (n, h, w, c), and random changes of them (rounds, n, h, w, c), uint8.

    Raises :class:`DamagedArtefact`."""
    path = run.folder / "preview.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["x"], file["changed"]
    except _UNREADABLE as error:
        raise DamagedArtefact(f"{path} cannot be read ({error})") from None


def answers(run: Run, arm: str, labels: np.ndarray) -> np.ndarray | None:
    """What an arm answered to the test examples, (n, classes); None where that was not kept, or to other examples."""
    try:
        with np.load(run.folder / "predictions.npz", allow_pickle=False) as file:
            return file[arm] if np.array_equal(file["labels"], labels) else None
    except _UNREADABLE:
        return None


def has_model(run: Run) -> bool:
    """Whether the run kept a model."""
    return (run.folder / "model.keras").is_file()


def model(run: Run) -> Path:
    """The file of the trained model, raw inputs to probabilities. Raises :class:`DamagedArtefact`."""
    path = run.folder / "model.keras"
    if not has_model(run):
        raise DamagedArtefact(f"{path} is missing")
    return path


def numbers(story: Story, result: dict[str, Any]) -> str:
    """Every epoch and all test figures as one CSV text; ``part`` says what a row is about."""
    import pandas as pd

    rows: list[dict[str, Any]] = [{"part": "epoch", **epoch} for epoch in story.epochs]
    for part in ("test", "control", "elsewhere"):
        if figures := result.get(part):
            low, high = figures["interval"]
            plain = {name: value for name, value in figures.items() if isinstance(value, int | float | str)}
            rows.append({"part": part, **plain, "low": low, "high": high})
            rows += [{"part": f"{part}, one class", **own} for own in figures["classes"]]
    out = io.StringIO()
    pd.DataFrame(rows).to_csv(out, index=False)
    return out.getvalue()


def question(spec: RunSpec) -> str:
    """The spec as JSON to be read and loaded again."""
    return json.dumps(json.loads(spec.to_json()), indent=2)


def script(spec: RunSpec) -> str:
    """The same question asked from Python."""
    usual = RunSpec()
    fields = ", ".join(f"{name}={value!r}" for name, value in vars(spec).items() if value != getattr(usual, name))
    names = "Phase, RunSpec, train" if spec.plan else "RunSpec, train"
    return f"from tlcore import {names}\n\noutcome = train(RunSpec({fields}))\noutcome.history"

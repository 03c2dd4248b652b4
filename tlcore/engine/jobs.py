"""What is asked of Keras besides runs: downloads, a look at random changes, races of runs, and looks ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import runs
from ..datasets import dataset
from ..foreign import PRESETS
from ..runs import Run
from ..sources import source
from . import borrow, download
from .teller import Teller


def fetch(run: Run, question: dict[str, Any], teller: Teller) -> None:
    teller("stage", stage="downloading")
    download.fetch(dataset(question["dataset"]), teller)


def lend(run: Run, question: dict[str, Any], teller: Teller) -> dict[str, str]:
    """Fetch a network; gives the name that it goes by as a source."""
    name = question["source"]
    if name not in PRESETS:
        borrow.weights(source(name), teller)
        return {"source": name}
    from . import hub

    teller("stage", stage="borrowing")
    own = hub.borrow(name, lambda _, done, of: teller.progress(done, of), teller.stop_here_if_asked)
    return {"source": f"file:{own}"}


def preview(run: Run, question: dict[str, Any], teller: Teller) -> None:
    from . import augmentation

    card = dataset(question["dataset"])
    shown = card.preview()
    assert shown
    pictures = shown.x[np.linspace(0, len(shown.x) - 1, min(6, len(shown.x))).astype(int)]
    changed = augmentation.preview(tuple(question["augmentation"]), pictures, card.scale, seed=0, rounds=4)
    np.savez_compressed(run.folder / "preview.npz", allow_pickle=False, x=pictures, changed=changed)


def race(run: Run, question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    from . import race

    return race.carry_out(question, teller)


def advise(run: Run, question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    from . import advising

    return advising.advise(question, teller)


def measure(run: Run, question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    from . import measuring

    return measuring.measure(question, teller)


def find_rate(run: Run, question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    from . import rate_finder

    return rate_finder.find(question, teller)


JOBS: dict[str, Callable[[Run, dict[str, Any], Teller], dict[str, Any] | None]] = {
    runs.FETCH: fetch, runs.BORROW: lend, runs.PREVIEW: preview, runs.RACE: race, runs.ADVISE: advise,
    runs.MEASURE: measure, runs.FIND_RATE: find_rate,
}  # fmt: skip

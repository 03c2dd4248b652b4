"""Train, validation and test: stratified, seeded, and known in size before any example is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Positions of the examples of each part, int64, shuffled; ``unused`` are what the person left out."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unused: np.ndarray


def _class_sizes(
    count: int, samples_per_class: int | None, validation_share: float, test_share: float
) -> tuple[int, int, int]:
    """How many of ``count`` examples of one class go to train, validation and test; at least one to each."""
    test = max(1, round(count * test_share)) if test_share else 0
    validation = max(1, round(count * validation_share))
    left = count - test - validation
    return (left if samples_per_class is None else min(left, samples_per_class)), validation, test


def most_samples_per_class(counts: Sequence[int], validation_share: float, test_share: float) -> int:
    """The largest ``samples_per_class`` that every class can give."""
    return min(_class_sizes(count, None, validation_share, test_share)[0] for count in counts)


def split_sizes(
    counts: Sequence[int],
    official_test: Sequence[int] | None,
    *,
    samples_per_class: int | None,
    validation_share: float,
    test_share: float,
) -> dict[str, int]:
    """Examples in each part, from the counts a class alone. ``counts`` leaves an official test part out."""
    share = 0.0 if official_test is not None else test_share
    rows = [_class_sizes(count, samples_per_class, validation_share, share) for count in counts]
    train, validation, test = (sum(column) for column in zip(*rows, strict=True))
    unused = sum(counts) - train - validation - test
    if official_test is not None:
        test = sum(official_test)
    return {"train": train, "validation": validation, "test": test, "unused": unused}


def split(
    labels: np.ndarray,
    test_from: int | None,
    *,
    samples_per_class: int | None,
    validation_share: float,
    test_share: float,
    seed: int,
) -> Split:
    """Divide examples by their ``labels`` (n,). From ``test_from`` on they are the dataset's official test part.

    Each class is shuffled by ``seed`` and dealt out: test, validation, train, the rest unused. With one seed the
    test and validation parts are the same for every ``samples_per_class``, and smaller training parts lie within
    larger ones.
    """
    random = np.random.default_rng(seed)
    pool = labels[:test_from]
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": [], "unused": []}
    for label in np.unique(pool):
        own = random.permutation(np.flatnonzero(pool == label))
        share = 0.0 if test_from is not None else test_share
        train, validation, test = _class_sizes(len(own), samples_per_class, validation_share, share)
        held = test + validation
        parts["test"].append(own[:test])
        parts["validation"].append(own[test:held])
        parts["train"].append(own[held : held + train])
        parts["unused"].append(own[held + train :])
    if test_from is not None:
        parts["test"] = [np.arange(test_from, len(labels))]
    return Split(**{name: random.permutation(np.concatenate(own)).astype(np.int64) for name, own in parts.items()})

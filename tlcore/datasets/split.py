"""Train, validation and test: stratified, seeded, and known in size before any example is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Arrays, Facts


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
    """How many of ``count`` examples of one class go to train, validation and test; at least one to each.

    A share of 0 stands for a part that the dataset brings along.
    """
    test = max(1, round(count * test_share)) if test_share else 0
    validation = max(1, round(count * validation_share)) if validation_share else 0
    left = count - test - validation
    return (left if samples_per_class is None else min(left, samples_per_class)), validation, test


def most_samples_per_class(facts: Facts, validation_share: float, test_share: float) -> int:
    """The largest ``samples_per_class`` that every class can give."""
    shares = _shares(facts, validation_share, test_share)
    return min(_class_sizes(count, None, *shares)[0] for count in facts.counts)


def _shares(facts: Facts, validation_share: float, test_share: float) -> tuple[float, float]:
    return 0.0 if facts.official_validation else validation_share, 0.0 if facts.official_test else test_share


def split_sizes(
    facts: Facts, *, samples_per_class: int | None, validation_share: float, test_share: float
) -> dict[str, int]:
    """Examples in each part, from the counts a class alone."""
    shares = _shares(facts, validation_share, test_share)
    rows = [_class_sizes(count, samples_per_class, *shares) for count in facts.counts]
    train, validation, test = (sum(column) for column in zip(*rows, strict=True))
    unused = sum(facts.counts) - train - validation - test
    test += sum(facts.official_test or ())
    return {
        "train": train, "validation": validation + sum(facts.official_validation or ()), "test": test, "unused": unused,
    }  # fmt: skip


def split(
    arrays: Arrays, *, samples_per_class: int | None, validation_share: float, test_share: float, seed: int
) -> Split:
    """Divide all examples.

    Each class is shuffled by ``seed`` and dealt out: test, validation, train, the rest unused. With one seed the
    test and validation parts are the same for every ``samples_per_class``, and smaller training parts lie within
    larger ones. Parts that the dataset brings along stay as they are.
    """
    random = np.random.default_rng(seed)
    labels, own_test, own_validation = arrays.y, arrays.test_from, arrays.validation_from
    pool = labels[: own_validation if own_validation is not None else own_test]
    shares = 0.0 if own_validation is not None else validation_share, 0.0 if own_test is not None else test_share
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": [], "unused": []}
    for label in np.unique(pool):
        own = random.permutation(np.flatnonzero(pool == label))
        train, validation, test = _class_sizes(len(own), samples_per_class, *shares)
        held = test + validation
        parts["test"].append(own[:test])
        parts["validation"].append(own[test:held])
        parts["train"].append(own[held : held + train])
        parts["unused"].append(own[held + train :])
    if own_validation is not None:
        parts["validation"] = [np.arange(own_validation, len(labels) if own_test is None else own_test)]
    if own_test is not None:
        parts["test"] = [np.arange(own_test, len(labels))]
    return Split(**{name: random.permutation(np.concatenate(own)).astype(np.int64) for name, own in parts.items()})

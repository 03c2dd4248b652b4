"""Datasets that come with the program or are made by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import letters
from .arrays import Arrays


def digits() -> Arrays:
    """1,797 handwritten digits, 8×8, values 0 to 16 (UCI, through scikit-learn)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Arrays(bunch.images.astype(np.uint8)[..., None], bunch.target.astype(np.int64))


def rendered(characters: tuple[str, ...]) -> Callable[[], Arrays]:
    """Printed characters, 8×8, values 0 to 16, made like the handwritten digits."""
    return lambda: Arrays(*letters.render(characters))


def table(loader: str) -> Callable[[], Arrays]:
    """One of scikit-learn's tables, by its loader's name."""

    def load() -> Arrays:
        import sklearn.datasets

        bunch = getattr(sklearn.datasets, loader)()
        return Arrays(bunch.data.astype(np.float32), bunch.target.astype(np.int64))

    return load


HIDDEN = 5
"""Directions of the 100 features that decide a vector's class."""


def vectors(task: str, examples: int) -> Callable[[], Arrays]:
    """One of two related tasks on 100 features: other examples, other classes, the same hidden structure.

    The classes of both depend on the same few directions among the 100 features, bent by tanh, and on nothing else;
    each task has ten prototypes of its own there, and the nearest one names the class. A network that has
    found the directions in one task need not look for them in the other. Examples near a border are left out.
    """

    def load() -> Arrays:
        directions = np.linalg.qr(np.random.default_rng(2024).normal(size=(100, HIDDEN)))[0]
        own = np.random.default_rng({"a": 1, "b": 2}[task])
        axes = np.linalg.qr(own.normal(size=(HIDDEN, HIDDEN)))[0]
        prototypes = np.hstack([axes, -axes])  # ten, as far from each other as can be
        x = own.normal(size=(4 * examples, 100))
        scores = np.tanh(x @ directions) @ prototypes
        best, second = np.sort(scores, axis=1)[:, [-1, -2]].T
        clear = np.sort(np.argsort(second - best, kind="stable")[:examples])
        return Arrays(x[clear].astype(np.float32), scores[clear].argmax(1).astype(np.int64))

    return load

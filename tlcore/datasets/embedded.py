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


def vectors(task: str, examples: int) -> Callable[[], Arrays]:
    """One of two related tasks on 100 features: other examples, other classes, the same hidden structure.

    Both look at 100 features through the same 24 random directions, bent by tanh; each task has ten classes,
    which are its own ten directions in that hidden space. What a network learns of the first layer serves both.
    """

    def load() -> Arrays:
        world = np.random.default_rng(2024)
        directions = world.normal(size=(100, 24)) / 10
        own = np.random.default_rng({"a": 1, "b": 2}[task])
        prototypes = own.normal(size=(24, 10))
        x = own.normal(size=(8 * examples, 100))
        scores = np.tanh(2 * x @ directions) @ prototypes
        scores = (scores - scores.mean(0)) / scores.std(0)
        y = scores.argmax(1)
        ordered = np.sort(scores, axis=1)
        clear = np.argsort(ordered[:, -2] - ordered[:, -1], kind="stable")[:examples]
        clear.sort()
        return Arrays(x[clear].astype(np.float32), y[clear].astype(np.int64))

    return load

"""What the frozen part computes, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import keras
import numpy as np

from . import batches
from .network import Network

BUDGET = 2 * 2**30
"""Bytes of features held in memory; above it the frozen part runs along in every step instead."""


def cut(names: Sequence[str], learning: Sequence[str]) -> int:
    """How many blocks lie below the first one that learns."""
    return next((n for n, name in enumerate(names) if name in learning), len(names))


def affordable(network: Network, blocks: int, examples: int) -> bool:
    """Whether the features behind ``blocks`` blocks fit into memory, as float32."""
    return blocks == 0 or 4 * examples * prod(network.cards[blocks].input_shape) <= BUDGET


def compute(
    network: Network, blocks: int, x: batches.Rows, told: Callable[[int, int], None], batch_size: int | None = None
) -> np.ndarray:
    """What the first ``blocks`` blocks make of raw ``x`` in inference mode, (n, *features) float32.

    ``told(done, of)`` hears of every batch. Without a ``batch_size``, one that suits the pictures.
    """
    return batches.through(network.front(blocks), x, told, batch_size)


class Behind(keras.Model):
    """A tail that learns behind a frozen front: training batches are raw, and go through the front on the way.

    The front runs in inference mode: ``trainable = False`` does not switch Dropout off, and ``training=False`` in a
    functional model is overridden by ``fit``; an explicit argument in a training step is not. Validation is given as
    features, computed once, or raw if ``checks_raw``.
    """

    def __init__(self, front: keras.Model, tail: keras.Model, *, checks_raw: bool):
        super().__init__()
        self.front, self.tail, self.checks_raw = front, tail, checks_raw

    def call(self, features: object, training: bool = False) -> object:
        return self.tail(features, training=training)

    def train_step(self, data: Any) -> dict[str, object]:
        return super().train_step(self._through_the_front(data))

    def test_step(self, data: Any) -> dict[str, object]:
        return super().test_step(self._through_the_front(data) if self.checks_raw else data)

    def _through_the_front(self, data: Any) -> tuple[object, ...]:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        return self.front(x, training=False), y, weights

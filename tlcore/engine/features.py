"""What the frozen part computes, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import keras
import numpy as np

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
    network: Network, blocks: int, x: np.ndarray, told: Callable[[int, int], None], batch_size: int = 256
) -> np.ndarray:
    """What the first ``blocks`` blocks make of raw ``x`` in inference mode, (n, *features) float32.

    ``told(done, of)`` hears of every batch.
    """
    front = network.front(blocks)
    out = np.empty((len(x), *network.cards[blocks].input_shape), np.float32)

    class Tell(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: dict[str, object] | None = None) -> None:
            told(min(len(x), (batch + 1) * batch_size), len(x))

    out[:] = front.predict(x, batch_size=batch_size, verbose=0, callbacks=[Tell()])
    return out


class InferenceOnly(keras.Layer):
    """A frozen front that runs in inference mode whatever the caller says.

    ``trainable = False`` does not switch Dropout off, and ``training=False`` in a functional model is overridden by
    ``fit``; an explicit argument inside ``call`` is not.
    """

    def __init__(self, front: keras.Model, **options: object):
        super().__init__(trainable=False, **options)
        self.front = front

    def call(self, inputs: object) -> object:
        return self.front(inputs, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], *self.front.output_shape[1:])

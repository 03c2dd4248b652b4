"""Batches on their way to a network: from memory as they are, else gathered, drawn or changed one by one."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..digests import Rows
from .augmentation import Change
from .network import leaves
from .teller import Teller

HELD = 512 * 2**20
"""Bytes of examples that are read into memory; more are gathered batch by batch."""
LARGEST = 64 * 2**20
"""Bytes of the largest tensor inside a network that a batch may come to where nothing is learnt."""


LAST = 0.25
"""Least share of a batch that the last one of an epoch may be."""


def in_memory(x: Rows) -> bool:
    return isinstance(x, np.ndarray) and not isinstance(x, np.memmap)


def held(x: Rows) -> Rows:
    """The examples in memory where they are few enough, else as they are."""
    few = prod(x.shape) * x.dtype.itemsize <= HELD
    return np.asarray(x[:]) if few and not in_memory(x) else x


def even_batch_size(examples: int, most: int) -> int:
    """The batch size nearest below ``most`` that divides the examples into batches of nearly one size: the last one
    holds at least :data:`LAST` of it.

    A last batch of a few examples ruins batch normalisation: 100 examples by 32 leave one of 4, and cost a small
    network 11 points of accuracy. Where several devices learn together each gets an equal share of it, a few examples
    more than ``most`` if need be, and none goes without in the last one.
    """
    even, devices = -(-examples // -(-examples // most)), tf.distribute.get_strategy().num_replicas_in_sync
    size = next(n for n in range(even, 0, -1) if examples % n == 0 or examples % n >= LAST * n)
    size = -(-size // devices) * devices
    while 0 < examples % size < devices:
        size += devices
    return size


def batch_size(model: keras.Model, most: int = 256) -> int:
    """How many examples to send through at once where nothing is learnt: fewer for large pictures."""
    widest = max(4 * prod(layer.output.shape[1:]) for layer in leaves(model))
    return int(min(most, max(1, LARGEST // widest)))


def class_weights(y: np.ndarray) -> np.ndarray:
    """A weight a class, from one-hot ``y`` (n, classes): the rarer the heavier, 1 on average over the examples."""
    counts = y.sum(0)
    return np.where(counts, len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0).astype(np.float32)


def chances(y: np.ndarray) -> np.ndarray:
    """How likely each example is drawn where all classes are to be equally likely, from one-hot ``y``."""
    own = class_weights(y)[y.argmax(1)]
    return np.asarray(own / own.sum(), np.float64)


def order(n: int, seed: int, epoch: int, chances: np.ndarray | None = None, views: int = 1) -> np.ndarray:
    """The positions of an epoch's ``n`` examples: all in a new order or, with ``chances``, as many drawn with
    replacement; of several ``views`` that stand one after the other, the epoch's own. It follows from ``seed`` and
    ``epoch`` alone."""
    random = np.random.default_rng((seed, epoch))
    own = random.permutation(n) if chances is None else random.choice(n, n, p=chances / chances.sum())
    return own + n * (epoch % views)


def endless(
    x: Rows, y: np.ndarray, size: int, seed: int, epoch: int, *,
    evenly: bool = False, weights: np.ndarray | None = None, change: Change | None = None, views: int = 1,
) -> tf.data.Dataset:  # fmt: skip
    """Batches (x, y) or, with ``weights`` (classes,), (x, y, weight of each example), epoch after epoch.

    Each epoch goes through all examples (of one of the ``views`` that ``x`` and ``y`` hold) in a new order; ``evenly``
    draws as many with replacement so that all classes are equally likely.
    """
    n = len(y) // views
    drawn_by = chances(y[:n]) if evenly else None

    def drawn() -> Iterator[tuple[np.ndarray, np.ndarray, np.int64]]:
        for number in itertools.count(epoch):
            positions, step = order(n, seed, number, drawn_by, views), number * -(-n // size)
            for start in range(0, n, size):
                where = positions[start : start + size]
                yield x[where], y[where], np.int64(step)
                step += 1

    def made(x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if change:
            x, y = change(x, y, step)
        # By the labels as they are mixed: a picture that is half of a rare class has half of its weight.
        return (x, y) if weights is None else (x, y, tf.linalg.matvec(y, weights))

    numbered = tf.TensorSpec((), tf.int64)
    found = generated(drawn, (_some(x), _some(y), numbered))
    return found.map(made, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def in_order(x: Rows, y: np.ndarray | None, size: int) -> tf.data.Dataset:
    """Batches (x, y), or (x,) alone, once through."""
    parts = (x,) if y is None else (x, y)

    def found() -> Iterator[tuple[np.ndarray, ...]]:
        for start in range(0, len(x), size):
            yield tuple(part[start : start + size] for part in parts)

    signature = tuple(_some(part) for part in parts)
    made = generated(found, signature)
    return made.apply(tf.data.experimental.assert_cardinality(-(-len(x) // size))).prefetch(2)


def generated(make: Callable[[], Iterator[Any]], signature: tuple[tf.TensorSpec, ...]) -> tf.data.Dataset:
    """A data set from a generator that is let go with it: TensorFlow itself keeps whatever it calls, and all examples
    with it, for as long as a process's graph. Who reads from the data set has to hold it."""
    held = [make]
    found = tf.data.Dataset.from_generator(lambda: held[0](), output_signature=signature)
    weakref.finalize(found, held.clear)
    return found


def _some(x: Rows) -> tf.TensorSpec:
    return tf.TensorSpec((None, *x.shape[1:]), x.dtype)


class Tell(keras.callbacks.Callback):
    """Tells how many examples of a prediction are done."""

    def __init__(self, told: Callable[[int, int], None] | None, examples: int, size: int):
        super().__init__()
        self.told, self.examples, self.size = told, examples, size

    def on_predict_batch_end(self, batch: int, logs: dict[str, object] | None = None) -> None:
        if self.told:
            self.told(min(self.examples, (batch + 1) * self.size), self.examples)


def predict(model: keras.Model, x: Rows, teller: Teller | None = None) -> np.ndarray:
    """The model's answers to ``x`` in order, (n, classes) float32. It is not stopped on the way."""
    if len(x) <= batch_size(model, 4096):  # one batch: building a graph for it would take longer
        return np.asarray(model(x[:], training=False), np.float32)
    return through(model, x, teller.progress if teller else None)


def through(
    model: keras.Model, x: Rows, told: Callable[[int, int], None] | None = None, size: int | None = None
) -> np.ndarray:
    """What the model makes of ``x`` in inference mode, (n, *outputs) float32. ``told(done, of)`` hears of every batch
    and may raise."""
    size, x = size or batch_size(model), held(x)
    if in_memory(x):
        answers = model.predict(x, batch_size=size, verbose=0, callbacks=[Tell(told, len(x), size)])
        return np.asarray(answers, np.float32)  # in mixed precision a body's are bfloat16, which no file knows
    out, done = np.empty((len(x), *model.output_shape[1:]), np.float32), 0
    for (batch,) in in_order(x, None, size):
        answers = model.predict_on_batch(batch)
        out[done : done + len(answers)] = answers
        done += len(answers)
        if told:
            told(done, len(x))
    return out

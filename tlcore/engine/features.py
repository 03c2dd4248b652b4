"""What the frozen part computes, computed once: looked up in :mod:`tlcore.features`, made where it is not there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from filelock import Timeout

from .. import datasets
from .. import features as kept
from ..digests import Rows, digest, of_each
from . import augmentation, batches
from .fingerprint import front, structure
from .network import Network

BUDGET = 2 * 2**30
"""Bytes of features, as float32, that may be held in memory where they cannot be kept on disk. 0: none are made, and
the frozen part runs along in every step instead."""
AT_ONCE = 256 * 2**20
"""Bytes of examples, or of features, as float32, that are made before they are kept."""
OFTEN = 0.5
"""Seconds after which what was made is kept: no more than about this is lost when the process dies."""
BATCH = 32
"""Pictures that are changed together."""

Told = Callable[[int, int], None]
Make = Callable[[np.ndarray, Callable[[int], None]], np.ndarray]
"""Gives the rows of the examples at some positions, and says on the way how many are done."""


@dataclass(frozen=True)
class Features:
    """``rows`` (n, *features): float32, or float16 where that many take too much; in memory where they are few.
    ``found`` of the examples were known before, ``computed`` had to be, equal ones once; ``stored`` says whether they
    are known from now on."""

    rows: Rows
    found: int
    computed: int
    stored: bool


@dataclass(frozen=True)
class Found:
    """Rows of all that was asked for, which of them were known before, and the positions of those that had to be
    computed: of equal ones the first."""

    rows: Rows
    known: np.ndarray
    computed: np.ndarray
    stored: bool

    def part(self, start: int, end: int) -> Features:
        own, computed = self.rows, int(((start <= self.computed) & (self.computed < end)).sum())
        if end - start < len(own):
            own = own.subset(np.arange(start, end)) if isinstance(own, datasets.Rows) else own[start:end]
        return Features(own, int(self.known[start:end].sum()), computed, self.stored)


def cut(names: Sequence[str], learning: Sequence[str]) -> int:
    """How many blocks lie below the first one that learns."""
    return next((n for n, name in enumerate(names) if name in learning), len(names))


def keepable(network: Network, blocks: int, examples: int) -> bool:
    """Whether the features of so many examples behind ``blocks`` blocks can be held in memory, or kept on disk."""
    shape = _shape(network, blocks)
    values, kind = examples * prod(shape), kept.kind(examples, shape)
    if blocks == 0 or 4 * values <= BUDGET:
        return True
    on_disk = values * np.dtype(kind).itemsize
    return BUDGET > 0 and on_disk <= kept.available(front(network, blocks), kind)


def compute(network: Network, blocks: int, x: Rows, told: Told) -> Features:
    """What the first ``blocks`` blocks make of raw ``x`` in inference mode.

    ``told(done, of)`` counts what was known as done, hears of every batch, and may raise: what was made stays.
    """
    return compute_each(network, blocks, [x], told)[0]


def compute_each(network: Network, blocks: int, parts: Sequence[Rows], told: Told) -> list[Features]:
    """The same for several parts in one go, which spares building the front again; ``told`` counts over all."""
    whole = Joined(parts)
    if blocks == 0:
        made = batches.through(network.front(0), whole, told)
        found = Found(made, np.zeros(len(whole), bool), np.arange(len(whole)), False)
    else:
        digests = np.concatenate([of_each(part) for part in parts])
        found = _features(network, blocks, digests, lambda where: whole[where], whole, told)
    return [found.part(int(end) - len(part), int(end)) for part, end in zip(parts, whole.ends, strict=True)]


def views(
    network: Network, blocks: int, x: Rows, y: np.ndarray, change: augmentation.Change, number: int, told: Told
) -> tuple[Features, np.ndarray]:
    """Features (number × n, *features) of so many changed versions of each example, and their labels.

    View 0 of all examples comes first, then view 1. Changes are made as to batches of 32 in natural order, numbered
    through all views: equal seeds give equal views. A view is known by what it is made from, so that it need not be
    made again to be found: the pictures and labels of its batch, the changes, the seed and the step.
    """
    n, steps = len(x), -(-len(x) // BATCH)
    mixed: dict[int, np.ndarray] = {}
    # A graph, also where Keras computes with something else than TensorFlow: its layers know what to do in one.
    changed = tf.function(change, reduce_retracing=True)

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        here = slice(step % steps * BATCH, (step % steps + 1) * BATCH)
        with tf.device("cpu:0"):
            pictures, labels = changed(x[here], y[here], tf.constant(step, tf.int64))
        mixed[step] = np.asarray(labels)
        return np.asarray(pictures), mixed[step]

    def made(where: np.ndarray, part: int) -> np.ndarray:
        """Pictures (part 0) or labels (part 1) of the views at these positions."""
        step, place = where // n * steps + where % n // BATCH, where % n % BATCH
        out = np.empty((len(where), *(x, y)[part].shape[1:]), np.float32)
        for one in np.unique(step):
            own = mixed[one] if part == 1 and one in mixed else batch(int(one))[part]
            out[step == one] = own[place[step == one]]
        return out

    digests = _of_views(of_each(x), y, change, number)
    found = _features(network, blocks, digests, partial(made, part=0), x, told).part(0, number * n)
    if not any(isinstance(layer, keras.layers.MixUp | keras.layers.CutMix) for layer in change.layers):
        return found, np.tile(y, (number, 1))
    name = digest([b"labels", json.dumps(y.shape[1:]).encode()]).hex()

    def labels() -> tuple[Make, int]:
        return lambda where, _: made(where, part=1), BATCH

    about = {"title": "labels of mixed pictures"}
    own = _known(name, y.shape[1:], "float32", about, digests, labels, len(digests), lambda done, of: None)
    return found, np.asarray(own.rows[:])


class Joined:
    """Parts of examples one after the other, as one; nothing is read before it is asked for."""

    def __init__(self, parts: Sequence[Rows]):
        self.parts, self.ends = parts, np.cumsum([len(part) for part in parts])
        self.shape, self.dtype = (int(self.ends[-1]), *parts[0].shape[1:]), parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: Any, /) -> np.ndarray:
        if len(self.parts) == 1:
            return self.parts[0][where]
        places = np.arange(len(self))[where]
        part = np.searchsorted(self.ends, places, side="right")
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        for number in np.unique(part):
            own = part == number
            out[own] = self.parts[number][places[own] - (self.ends[number] - len(self.parts[number]))]
        return out


class Behind(keras.Model):
    """A tail that learns behind a frozen front: training batches are raw, and go through the front on the way.

    The front runs in inference mode: ``trainable = False`` does not switch Dropout off, an explicit argument does.
    Validation is given as features, computed once, or raw if ``checks_raw``.
    """

    def __init__(self, front: keras.Model, tail: keras.Model, *, checks_raw: bool):
        super().__init__()
        self.front, self.tail, self.checks_raw = front, tail, checks_raw

    def call(self, x: Any, training: bool = False) -> object:
        # Keras also looks what becomes of a training batch where nothing is learnt, to build its metrics.
        if training or self.checks_raw or tuple(x.shape[1:]) != self.tail.input_shape[1:]:
            x = self.front(x, training=False)
        return self.tail(x, training=training)


def _features(
    network: Network,
    blocks: int,
    digests: np.ndarray,
    examples: Callable[[np.ndarray], np.ndarray],
    x: Rows,
    told: Told,
) -> Found:
    """The features of the ``examples`` that go by these digests, each alike to those of ``x``."""
    shape = _shape(network, blocks)

    def begin() -> tuple[Make, int]:
        model = network.front(blocks)
        size = batches.batch_size(model)

        def make(where: np.ndarray, done: Callable[[int], None]) -> np.ndarray:
            tell = batches.Tell(lambda so_far, _: done(so_far), len(where), size)
            # A data set has no fixed size of a batch: for arrays the front would be traced anew for each.
            return model.predict(batches.in_order(examples(where), None, size), verbose=0, callbacks=[tell])

        return make, size

    of = "×".join(map(str, network.raw_shape))
    title = f"{network.body or 'network'} up to {network.names[blocks - 1]}, from {of}"
    about = {"title": title, "network": network.body, "blocks": network.names[:blocks], "of": network.raw_shape}
    most = AT_ONCE // (4 * max(prod(shape), prod(x.shape[1:])))
    return _known(
        front(network, blocks), shape, kept.kind(len(digests), shape), about, digests, begin, most, told
    )  # fmt: skip


def _known(
    key: str, shape: tuple[int, ...], kind: str, about: dict[str, Any], digests: np.ndarray,
    begin: Callable[[], tuple[Make, int]], most: int, told: Told,
) -> Found:  # fmt: skip
    """Rows by their digests: those that are kept, and those that the :data:`Make` of ``begin`` makes, in steps of at
    most ``most`` rows. They are kept from now on; where they cannot be, they are in memory."""
    spare = kept.Memory(shape, kind)
    try:
        opened: kept.Store | kept.Memory = kept.Store(key, shape, kind, about)
    except (OSError, Timeout):
        opened = kept.Memory(shape, kind)
    with opened as store:
        known = store.look_up(digests) >= 0
        missing = _once(digests, ~known)
        found, stored = len(digests) - len(missing), True
        if found:
            told(found, len(digests))
        if len(missing):
            stored = _made(store, spare, digests, missing, begin, most, told)
        where = store.look_up(digests)
        if (where >= 0).all():
            return Found(store.rows(where), known, missing, stored)
        rows, here = np.empty((len(digests), *shape), kind), where >= 0
        rows[here] = store.rows(where[here])[:]
        rows[~here] = spare.rows(spare.look_up(digests[~here]))
        return Found(rows, known, missing, stored)


def _made(
    store: kept.Store | kept.Memory, spare: kept.Memory, digests: np.ndarray, missing: np.ndarray,
    begin: Callable[[], tuple[Make, int]], most: int, told: Told,
) -> bool:  # fmt: skip
    """Make the missing rows and keep them as they are made, in ``store`` or else in ``spare``; says whether they are
    all kept on disk. Another process may be at work on the same: what it has made is left out."""
    make, size = begin()
    stored = store.room(len(missing))
    left, step, of, there = missing, size, len(digests), len(store)
    while len(left):
        part, left = left[:step], left[step:]
        before, clock = of - len(left) - len(part), time.perf_counter()
        rows = make(part, partial(_tell, told, before, of))
        if time.perf_counter() - clock < OFTEN:
            step = min(2 * step, max(size, most // size * size))
        stored = stored and store.append(digests[part], rows)
        if not stored:
            spare.append(digests[part], rows)
        elif len(store) != there + len(part):
            fewer = left[store.look_up(digests[left]) < 0]
            # Each in an order of its own, or both would go on making the same.
            left = fewer if len(fewer) == len(left) else np.random.default_rng().permutation(fewer)
        there = len(store)
    return stored and isinstance(store, kept.Store)


def _tell(told: Told, before: int, of: int, done: int) -> None:
    told(before + done, of)


def _once(digests: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Positions of the wanted digests in order, each digest once."""
    where = np.flatnonzero(wanted)
    _, first = np.unique(digests[where], return_index=True)
    return where[np.sort(first)]


def _shape(network: Network, blocks: int) -> tuple[int, ...]:
    return network.cards[blocks - 1].output_shape if blocks else network.cards[0].input_shape


def _of_views(digests: np.ndarray, y: np.ndarray, change: augmentation.Change, number: int) -> np.ndarray:
    """A digest of each view, in order: of all that it is made from."""
    layers = [
        layer
        for one in change.layers
        for layer in ([*one.ways, one.paling] if isinstance(one, augmentation.TwoOfMany) else [one])
    ]
    code = Path(augmentation.__file__).read_bytes()
    recipe = digest([code, repr(change.draws.seed).encode(), structure(layers)])
    parts = [slice(at, at + BATCH) for at in range(0, len(digests), BATCH)]
    batched = [digest([recipe, digests[part].tobytes(), y[part].tobytes()]) for part in parts]
    steps = len(parts)
    found = [
        digest([batched[at // BATCH], b"%d %d" % (view * steps + at // BATCH, at % BATCH)])  # the step, as it is drawn
        for view in range(number)
        for at in range(len(y))
    ]
    return np.array(found, digests.dtype)

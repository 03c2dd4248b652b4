"""Two tasks together: the source's own examples beside the target's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...architectures import network as architecture
from ...datasets import Dataset, split
from ...digests import Rows
from ...sources import Source
from ...spec import RunSpec
from .. import batches, preprocess
from ..augmentation import Change
from ..borrow import Unfit
from ..network import Network
from ..tensors import tensors
from .companion import Companion, TwoLosses

if TYPE_CHECKING:
    from ..training import Examples  # which knows companions itself


class TwoTasks(TwoLosses):
    """One body, two heads. It sees a batch of the target's examples, then one of the source's: batch normalisation
    normalises each by itself, and its moving statistics follow both in turn."""

    def __init__(self, target: keras.Model, other: keras.Model, loss: keras.losses.Loss, weight: float):
        super().__init__(loss, weight)
        self.target, self.other = target, other

    def call(self, x: Any, training: bool = False) -> Any:
        if not isinstance(x, tuple | list):
            return self.target(x, training=training)
        return self.target(x[0], training=training), self.other(x[1], training=training)


class MultiTask(Companion):
    """The source's own training examples, learnt together with the target's (Caruana, 1997): one body, two heads.

    The second head is the source's own where the file of its weights has one that fits, else new. Every step takes as
    many examples of the source as of the target, in an order that follows from the seed.
    """

    def __init__(self, spec: RunSpec, network: Network, origin: Source, weights: Path):
        super().__init__(spec, network)
        if origin.spec is None or origin.dataset is None:
            raise Unfit(f"The source {origin.name} was not trained here, so its data is not known: choose another one.")
        self.card = origin.dataset.at(origin.spec.image_size)
        shape = network.cards[0].input_shape
        if len(self.card.shape) != len(shape) or (len(shape) == 1 and self.card.shape != shape):
            raise Unfit(
                f"The source {origin.name} has learnt from examples of {self.card.shape}, the network takes {shape}: "
                "one body cannot learn both. Choose another source, or another strategy."
            )
        self.learnt, self.checked = _parts(self.card, origin.spec)
        means = None if self.card.is_image else self.learnt[0][:]
        self.preprocess = preprocess.model(self.card, architecture(spec.network or ""), shape, means)
        self.head, self.copied = _second_head(spec, network, len(self.card.classes), weights)
        self.before = self._accuracy()

    def model(self, network: Network, loss: keras.losses.Loss) -> keras.Model:
        return TwoTasks(network.whole(), self._other(), loss, self.spec.source_weight)

    def batches(
        self, train: Examples, size: int, epoch: int, *,
        change: Change | None = None, evenly: bool = False, weights: np.ndarray | None = None,
    ) -> tf.data.Dataset:  # fmt: skip
        """((x, x of the source), (y, y of the source)), and with ``weights`` those of the target's examples."""
        seed = self.spec.seed
        own = batches.endless(train.x, train.y, size, seed, epoch, evenly=evenly, weights=weights, change=change)
        beside = _as_many(*self.learnt, len(train), size, seed, epoch)
        return tf.data.Dataset.zip(own, beside).map(lambda a, b: ((a[0], b[0]), (a[1], b[1]), *a[2:])).prefetch(2)

    def report(self) -> dict[str, Any]:
        """``before`` (None for a new head) and ``after``: accuracy on the source's own validation part."""
        before = self.before if self.copied else None
        return {"objective": "multi_task", "dataset": self.card.name, "before": before, "after": self._accuracy()}

    def _other(self) -> keras.Sequential:
        body = self.network.blocks[:-1]
        return keras.Sequential([keras.Input(self.card.shape), self.preprocess, *body, self.head], name="other")

    def _accuracy(self) -> float:
        x, y = self.checked
        return float((batches.predict(self._other(), x).argmax(1) == y.argmax(1)).mean())


def _parts(card: Dataset, spec: RunSpec) -> list[tuple[Rows, np.ndarray]]:
    """What a source has learnt from and was checked on: examples, and labels one-hot."""
    arrays = card.load()
    where = split(
        arrays, samples_per_class=spec.samples_per_class, validation_share=spec.validation_share,
        test_share=spec.test_share, seed=spec.seed,
    )  # fmt: skip
    y = np.eye(len(card.classes), dtype=np.float32)[arrays.y]
    return [
        (batches.held(arrays.x[own] if isinstance(arrays.x, np.ndarray) else arrays.x.subset(own)), y[own])
        for own in (where.train, where.validation)
    ]


def _second_head(spec: RunSpec, network: Network, classes: int, weights: Path) -> tuple[keras.Model, bool]:
    """A head for the source's classes behind the network's body, and whether it is the source's own."""
    card = architecture(spec.network or "").head(network.cards[-1].input_shape, classes)
    head = Network([card], keras.layers.Identity()).blocks[0]
    own = tensors([head])
    with np.load(weights, allow_pickle=False) as file:
        kept = {tensor.path: file[tensor.path] for tensor, _ in own if tensor.path in file}
    if any(tensor.path not in kept or kept[tensor.path].shape != tensor.shape for tensor, _ in own):
        return head, False
    for tensor, variable in own:
        variable.assign(kept[tensor.path])
    return head, True


def _as_many(x: Rows, y: np.ndarray, examples: int, size: int, seed: int, epoch: int) -> tf.data.Dataset:
    """Endless batches (x, y) of the sizes in which ``examples`` others come, through all of ``x`` again and again."""

    def positions() -> Iterator[int]:
        random = np.random.default_rng((seed, epoch, 1))
        while True:
            yield from random.permutation(len(y))

    def drawn() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        coming = positions()
        for start in cycle(range(0, examples, size)):
            where = np.fromiter(islice(coming, min(size, examples - start)), np.int64)
            yield x[where], y[where]

    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in (x, y))
    return batches.generated(drawn, signature)

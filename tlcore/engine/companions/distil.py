"""Distillation: a network learns to see as the source's network sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...architectures import comfortable_size, input_shape
from ...architectures import network as architecture
from ...datasets import Dataset
from ...networks import NETWORKS
from ...sources import IMAGENET, Source
from ...spec import RunSpec
from .. import batches, features, preprocess, transfer
from ..augmentation import Change
from ..borrow import Unfit
from ..network import Network
from ..teller import Teller
from .companion import Companion, TwoLosses

if TYPE_CHECKING:
    from ..training import Examples  # which knows companions itself

LOOKED_AT = 1_000
"""Training examples on which :meth:`Distil.report` measures."""


class Student(TwoLosses):
    """Answers, and what a regressor makes of the body's output."""

    def __init__(self, body: keras.Model, head: keras.Model, regressor: keras.Model, weight: float):
        super().__init__(keras.losses.MeanSquaredError(), weight)
        self.body, self.head, self.regressor = body, head, regressor

    def call(self, x: Any, training: bool = False) -> Any:
        features = self.body(x, training=training)
        return self.head(features, training=training), self.regressor(features, training=training)


class Distil(Companion):
    """The source's network as a teacher (FitNets: Romero et al., 2014): a linear regressor has to tell, from what the
    student's body gives, what the teacher's gives for the same example, each feature with mean 0 and variance 1.

    The teacher sees the target's examples through the source's own preprocessing, each once and unchanged: where
    pictures are changed for the student, it still has to tell what the teacher saw in the original.
    """

    def __init__(
        self, spec: RunSpec, network: Network, origin: Source, train: Examples, card: Dataset, weights: Path,
        teller: Teller,
    ):  # fmt: skip
        super().__init__(spec, network)
        teacher = _teacher(origin, card, train, weights)
        teller("stage", stage="features")

        def told(done: int, of: int) -> None:
            teller.progress(done, of)
            teller.stop_here_if_asked()

        self.origin, self.seen = origin, train.x
        found = features.compute(teacher, len(teacher.blocks) - 1, train.x, told)
        self.wanted = _standardised(np.asarray(found.rows[:]))
        shape = network.cards[-1].input_shape
        dense = keras.layers.Dense(self.wanted.shape[1], name="regressor")
        self.regressor = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), dense], name="regressor")

    def model(self, network: Network, loss: keras.losses.Loss) -> keras.Model:
        body = network.front(len(network.blocks) - 1)
        return Student(body, network.blocks[-1], self.regressor, self.spec.teacher_weight)

    def batches(
        self, train: Examples, size: int, epoch: int, *,
        change: Change | None = None, evenly: bool = False, weights: np.ndarray | None = None,
    ) -> tf.data.Dataset:  # fmt: skip
        """(x, (y, the teacher's features)), and with ``weights`` those of the examples."""
        seed = self.spec.seed
        own = batches.endless(train.x, train.y, size, seed, epoch, evenly=evenly, weights=weights, change=change)
        beside = batches.endless(self.wanted, train.y, size, seed, epoch, evenly=evenly)  # in the same order
        return tf.data.Dataset.zip(own, beside).map(lambda a, b: (a[0], (a[1], b[0]), *a[2:])).prefetch(2)

    def report(self) -> dict[str, Any]:
        """``unexplained``: the share of the variance of the teacher's features, over the first training examples, that
        the regressor cannot tell from the student's; 1 for one that always says the mean."""
        told = keras.Sequential([self.network.front(len(self.network.blocks) - 1), self.regressor])
        off = batches.predict(told, self.seen[:LOOKED_AT]) - self.wanted[:LOOKED_AT]
        return {"objective": "distil", "teacher": self.origin.name, "unexplained": float((off**2).mean())}


def _teacher(origin: Source, card: Dataset, train: Examples, weights: Path) -> Network:
    """The source's network with its weights, for raw examples of ``card``. Raises Unfit where it cannot see them."""
    name, shape = origin.network, origin.input_shape
    if not name:
        raise Unfit(f"Of the source {origin.name} only tensors are known, and a teacher must answer.")
    if origin.kind == IMAGENET:
        shape = input_shape(name, card.shape, comfortable_size(name, card.shape))
    if len(shape) != len(card.shape) or (len(shape) == 1 and shape != card.shape):
        raise Unfit(
            f"The source {origin.name} takes examples of {shape}, and {card.name} has {card.shape}: it cannot see what "
            "it should teach. Choose another source, or another strategy."
        )
    drawn = architecture(name)
    before = preprocess.model(card, drawn, shape, None if card.is_image else train.x[:])
    cards = drawn.whole(shape, max(2, len(origin.classes)))
    teacher = Network(cards, before, card.shape, name if name not in NETWORKS else None)
    side = transfer.Side(shape, origin.classes)
    receipt = transfer.copy(weights, teacher, head=False, source=side, target=side)
    body = [row for row in receipt.rows if row["block"] != cards[-1].name]
    strange = [row["tensor"] for row in body if row["fate"] != transfer.COPIED]
    if strange:
        raise Unfit(
            f"The weights of the source {origin.name} do not fill its network {name} ({', '.join(strange[:3])}): it "
            "cannot teach. Train it again, or choose another source."
        )
    return teacher


def _standardised(found: np.ndarray) -> np.ndarray:
    """Features (n, ...) as (n, features), each with mean 0 and variance 1 over the examples; one that is always the
    same is 0."""
    flat = found.reshape(len(found), -1).astype(np.float32)
    spread = flat.std(0)
    return np.asarray((flat - flat.mean(0)) / np.where(spread > 1e-6, spread, 1), np.float32)

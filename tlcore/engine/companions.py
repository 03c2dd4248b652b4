"""The second loss of strategies that have one: the source's own task, or what the source network sees.

A companion lends the phase in which everything learns a model and batches of its own. Of the logs, ``loss`` is of the
whole objective; ``accuracy``, ``val_loss`` and ``val_accuracy`` are of the target's task alone, so that they compare
with any other strategy's.

Networks and companions are made in the scope of the run's device. Making one draws from Keras' random state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ..architectures import comfortable_size, input_shape
from ..architectures import network as architecture
from ..datasets import Dataset, split
from ..digests import Rows
from ..networks import NETWORKS
from ..sources import IMAGENET, Source, source
from ..spec import RunSpec
from ..strategies import STRATEGIES
from . import batches, features, preprocess, transfer
from .augmentation import Change
from .borrow import Unfit
from .network import Network
from .teller import Teller
from .tensors import tensors

if TYPE_CHECKING:
    from .training import Examples  # which knows companions itself

LOOKED_AT = 1_000
"""Training examples on which :meth:`Distil.report` measures."""


class Companion(ABC):
    """What :func:`tlcore.engine.training.carry_out` trains with instead of the network alone.

    ``network`` is the one that learns; what the companion has beside it is thrown away in the end.
    """

    def __init__(self, spec: RunSpec, network: Network):
        self.spec, self.network = spec, network

    def fit(
        self, network: Network, optimizer: keras.optimizers.Optimizer, train: Examples, validation: Examples, size: int,
        first_epoch: int, epochs: int, callbacks: Sequence[keras.callbacks.Callback], *,
        change: Change | None = None, evenly: bool = False, weights: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Train both losses for so many epochs, in place. Balance (``evenly``), class ``weights`` and changes are of
        the target's examples alone."""
        from .training import LOSSES  # which imports this module

        loss = LOSSES[self.spec.loss]
        model = self.model(network, loss())
        model.compile(optimizer=optimizer, loss=loss(), metrics=["accuracy"])
        fed = self.batches(train, size, first_epoch, change=change, evenly=evenly, weights=weights)
        model.fit(
            fed, steps_per_epoch=-(-len(train) // size), epochs=epochs, verbose=0, shuffle=False,
            validation_data=batches.in_order(validation.x, validation.y, size), callbacks=[*callbacks],
        )  # fmt: skip

    @abstractmethod
    def model(self, network: Network, loss: keras.losses.Loss) -> keras.Model:
        """A model that shares the network's blocks and learns both losses; ``loss`` is for the labels of the second."""

    @abstractmethod
    def batches(
        self, train: Examples, size: int, epoch: int, *,
        change: Change | None = None, evenly: bool = False, weights: np.ndarray | None = None,
    ) -> tf.data.Dataset:  # fmt: skip
        """Endless batches for the model, of the target's as :func:`tlcore.engine.batches.endless` deals them out."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """What became of the second task, for the run's result; after the training."""


def of(
    spec: RunSpec, network: Network, train: Examples, card: Dataset, weights: Path | None, teller: Teller
) -> Companion | None:
    """The companion of a question, None where its strategy has no second loss.

    ``network`` is about to learn, with what was copied; ``train`` and ``card`` are the target's; ``weights`` is the
    source's file. A teacher looks at all training examples here: the teller hears the stage "features" with its
    progress, and Stopped is raised when asked to stop. Raises Unfit where source and target do not go together.
    """
    objective = STRATEGIES[spec.strategy].objective
    if objective not in ("multi_task", "distil"):
        return None
    if weights is None:
        raise Unfit(f"The strategy {spec.strategy} needs weights, and the source {spec.source} has none.")
    if objective == "multi_task":
        return MultiTask(spec, network, source(spec.source), weights)
    return Distil(spec, network, source(spec.source), train, card, weights, teller)


class TwoLosses(keras.Model):
    """Gives (answers, second answers) where labels come as (labels, second labels), as they do in training.

    Compiled loss and metrics are of the first of each; ``second`` is weighed and added. Labels that are no pair are
    the target's: then there is the first loss alone.
    """

    def __init__(self, second: keras.losses.Loss, weight: float):
        super().__init__()
        self.second, self.weight = second, weight

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        if not isinstance(y, tuple | list):
            return super().compute_loss(x, y, _first(y_pred), sample_weight, training)
        own = super().compute_loss(x, y[0], y_pred[0], sample_weight, training)
        return own + self.weight * self.second(y[1], y_pred[1])

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        figures: dict[str, Any] = super().compute_metrics(x, _first(y), _first(y_pred), sample_weight)
        return figures


def _first(pair: Any) -> Any:
    return pair[0] if isinstance(pair, tuple | list) else pair


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

"""What every companion does: train the network with two losses at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...spec import RunSpec
from .. import batches
from ..augmentation import Change
from ..network import Network

if TYPE_CHECKING:
    from ..training import Examples  # which knows companions itself


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
        from ..training import LOSSES  # which imports this module

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

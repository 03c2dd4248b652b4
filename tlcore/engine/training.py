"""Phases carried out: one compile and one fit each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from ..spec import RunSpec
from ..strategies import Phase, Plan, told
from . import features
from .network import Network
from .teller import EpochTeller, Stopped, Teller

OPTIMIZERS = {
    "sgd": lambda rate: keras.optimizers.SGD(learning_rate=rate),
    "momentum": lambda rate: keras.optimizers.SGD(learning_rate=rate, momentum=0.9),
    "adagrad": lambda rate: keras.optimizers.Adagrad(learning_rate=rate),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(learning_rate=rate),
    "adam": lambda rate: keras.optimizers.Adam(learning_rate=rate),
    "adamw": lambda rate: keras.optimizers.AdamW(learning_rate=rate),
}
LOSSES = {
    "cross_entropy": keras.losses.CategoricalCrossentropy,
    "mean_squared_error": keras.losses.MeanSquaredError,
}


@dataclass(frozen=True)
class Examples:
    """``x`` (n, *shape) as the dataset has them, ``y`` (n, classes) one-hot float32."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def even_batch_size(examples: int, most: int) -> int:
    """The batch size nearest below ``most`` that divides the examples into batches of nearly one size.

    A last batch of a few examples ruins batch normalisation: 100 examples by 32 leave one of 4, and cost a small
    network 11 points of accuracy.
    """
    return -(-examples // -(-examples // most))


def carry_out(
    network: Network, plan: Plan, arm: str, spec: RunSpec, train: Examples, validation: Examples, teller: Teller
) -> bool:
    """Train the network by the plan, in place. Gives False when it was asked to stop on the way."""
    epoch = 0
    for index, phase in enumerate(plan):
        if teller.stop_asked():
            return False
        network.freeze_all_but(phase.learning)
        try:
            model, seen, checked = _model_and_inputs(network, phase, arm, train, validation, teller)
        except Stopped:
            return False
        parameters = {card.name: card.parameters for card in network.cards}
        teller("phase", arm=arm, index=index, **told(phase, parameters))
        teller("stage", stage="training", arm=arm)
        model.compile(
            optimizer=OPTIMIZERS[spec.optimizer](phase.learning_rate), loss=LOSSES[spec.loss](), metrics=["accuracy"]
        )
        batch_size = even_batch_size(len(train), spec.batch_size)
        callbacks: list[keras.callbacks.Callback] = [EpochTeller(teller, arm, index, epoch, len(train), batch_size)]
        if spec.early_stopping:
            callbacks.append(
                keras.callbacks.EarlyStopping("val_loss", patience=spec.early_stopping, restore_best_weights=True)
            )
        model.fit(
            seen, train.y, validation_data=(checked, validation.y), epochs=phase.epochs,
            batch_size=batch_size, verbose=0, callbacks=callbacks,
        )  # fmt: skip
        epoch += phase.epochs
    return not teller.stop_asked()


def _model_and_inputs(
    network: Network, phase: Phase, arm: str, train: Examples, validation: Examples, teller: Teller
) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """The part of the network that this phase trains, and what it trains on: features where they can be kept."""
    cut = features.cut(network.names, phase.learning)
    if cut == 0:
        return network.whole(), train.x, validation.x
    if not features.affordable(network, cut, len(train) + len(validation)):
        front = features.InferenceOnly(network.front(cut))
        inputs = keras.Input(network.cards[0].input_shape)
        return keras.Model(inputs, network.tail(cut)(front(inputs))), train.x, validation.x
    teller("stage", stage="features", arm=arm)
    whole = len(train) + len(validation)

    def told_from(before: int) -> Callable[[int, int], None]:
        def tell(done: int, _: int) -> None:
            teller.progress(before + done, whole)
            teller.stop_here_if_asked()

        return tell

    seen = features.compute(network, cut, train.x, told_from(0))
    checked = features.compute(network, cut, validation.x, told_from(len(train)))
    return network.tail(cut), seen, checked

"""Phases carried out: one compile and one fit each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ..datasets import dataset
from ..spec import RunSpec
from ..strategies import Phase, Plan, told
from . import batches, features
from .augmentation import Change, usable
from .batches import Rows, even_batch_size
from .epochs import EpochTeller
from .network import Network
from .teller import Stopped, Teller

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
    """``x`` (n, *shape) as the dataset has them, in memory or in a file; ``y`` (n, classes) one-hot float32."""

    x: Rows
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Material:
    """What a phase trains (``model``), and what on: raw examples or kept features. ``front`` says what becomes of the
    frozen part: "kept" as features, "along" in every step, or "" where all learns."""

    model: keras.Model
    seen: Rows
    checked: Rows
    front: str = ""


def carry_out(
    network: Network, plan: Plan, arm: str, spec: RunSpec, train: Examples, validation: Examples, teller: Teller
) -> bool:
    """Train the network by the plan, in place. Gives False when it was asked to stop on the way.

    The stage "training" tells what becomes of the frozen front (:class:`Material`), which changes are made to the
    pictures, and which were asked for but do not suit them (``passed_over``).
    """
    train, validation = (Examples(batches.held(part.x), part.y) for part in (train, validation))
    names = usable(spec.augmentation, train.x.shape[1:])
    change = Change(names, dataset(spec.dataset).scale, spec.seed) if names else None
    passed_over = [name for name in spec.augmentation if name not in names]
    epoch = 0
    for index, phase in enumerate(plan):
        if teller.stop_asked():
            return False
        network.freeze_all_but(phase.learning)
        try:
            material = _material(network, phase, arm, train, validation, teller, changed=bool(change))
        except Stopped:
            return False
        parameters = {card.name: card.parameters for card in network.cards}
        teller("phase", arm=arm, index=index, **told(phase, parameters))
        teller("stage", stage="training", arm=arm, front=material.front, augmentation=names, passed_over=passed_over)
        size = even_batch_size(len(train), spec.batch_size)
        callbacks: list[keras.callbacks.Callback] = [EpochTeller(teller, arm, index, epoch, len(train), size)]
        if spec.early_stopping:
            callbacks.append(
                keras.callbacks.EarlyStopping("val_loss", patience=spec.early_stopping, restore_best_weights=True)
            )
        material.model.compile(
            optimizer=OPTIMIZERS[spec.optimizer](phase.learning_rate), loss=LOSSES[spec.loss](), metrics=["accuracy"]
        )
        material.model.fit(
            **_fed(material, train.y, size, spec, epoch, change), **_checked(material, validation.y, size),
            epochs=phase.epochs, verbose=0, callbacks=callbacks,
        )  # fmt: skip
        epoch += phase.epochs
    return not teller.stop_asked()


def _fed(
    material: Material, y: np.ndarray, size: int, spec: RunSpec, epoch: int, change: Change | None
) -> dict[str, Any]:
    """What ``fit`` trains on: the arrays themselves where nothing is drawn, changed or read from a file."""
    weights = batches.class_weights(y) if spec.balance == "class_weights" else None
    if batches.in_memory(material.seen) and not change and spec.balance != "sampling":
        by_class = None if weights is None else dict(enumerate(weights.tolist()))
        return {"x": material.seen, "y": y, "batch_size": size, "class_weight": by_class}
    evenly = spec.balance == "sampling"
    made = batches.endless(
        material.seen, y, size, spec.seed, epoch, evenly=evenly, weights=weights, change=change
    )  # fmt: skip
    return {"x": made, "steps_per_epoch": -(-len(y) // size), "shuffle": False}


def _checked(material: Material, y: np.ndarray, size: int) -> dict[str, Any]:
    """What ``fit`` validates on."""
    if batches.in_memory(material.checked):
        return {"validation_data": (material.checked, y), "validation_batch_size": size}
    return {"validation_data": batches.in_order(material.checked, y, size)}


def _material(
    network: Network, phase: Phase, arm: str, train: Examples, validation: Examples, teller: Teller, *, changed: bool
) -> Material:
    """The part of the network that this phase trains, and what it trains on: features where they can be kept.

    Of pictures that are changed anew in every epoch none can; of the validation part they still can.
    """
    cut = features.cut(network.names, phase.learning)
    if cut == 0:
        return Material(network.whole(), train.x, validation.x)
    along = changed or not features.affordable(network, cut, len(train) + len(validation))
    if along and not features.affordable(network, cut, len(validation)):
        model = features.Behind(network.front(cut), network.tail(cut), checks_raw=True)
        return Material(model, train.x, validation.x, "along")
    teller("stage", stage="features", arm=arm)
    whole = len(validation) + (0 if along else len(train))

    def told_from(before: int) -> Callable[[int, int], None]:
        def tell(done: int, _: int) -> None:
            teller.progress(before + done, whole)
            teller.stop_here_if_asked()

        return tell

    if along:
        checked = features.compute(network, cut, validation.x, told_from(0))
        model = features.Behind(network.front(cut), network.tail(cut), checks_raw=False)
        return Material(model, train.x, checked, "along")
    seen = features.compute(network, cut, train.x, told_from(0))
    checked = features.compute(network, cut, validation.x, told_from(len(train)))
    return Material(network.tail(cut), seen, checked, "kept")

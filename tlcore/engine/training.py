"""Phases carried out: one optimizer each, from its first step to its last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from ..datasets import dataset
from ..digests import Rows
from ..spec import RunSpec
from ..strategies import Phase, Plan, told
from . import batches, device, features, freezing, loop, optimizers
from .augmentation import Change, usable
from .batches import even_batch_size
from .companions import Companion
from .epochs import EpochTeller
from .network import Network
from .teller import Stopped, Teller

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
    """What a phase trains (``make`` gives the model), and what on: raw examples, or features of them. Where pictures
    are changed and their features kept, ``seen`` holds as many ``views`` of all pictures one after the other.

    ``front`` says what becomes of the frozen part: "kept" as features, "along" in every step, or "" where all learns;
    ``known`` is how many features had been computed before.
    """

    make: Callable[[], keras.Model]
    seen: Rows
    y: np.ndarray
    checked: Rows
    front: str = ""
    views: int = 1
    known: int = 0


@dataclass(frozen=True)
class Course:
    """What stays the same over all phases of an arm."""

    arm: str
    spec: RunSpec
    train: Examples
    validation: Examples
    teller: Teller
    change: Change | None
    companion: Companion | None
    later: Rows | None

    @property
    def size(self) -> int:
        return even_batch_size(len(self.train), self.spec.batch_size)


def carry_out(
    network: Network, plan: Plan, arm: str, spec: RunSpec, train: Examples, validation: Examples, teller: Teller,
    companion: Companion | None = None, later: Rows | None = None,
) -> bool:  # fmt: skip
    """Train the network by the plan, in place. Gives False when it was asked to stop on the way.

    The stage "training" tells what becomes of the frozen front (:class:`Material`), which changes are made to the
    pictures, and which were asked for but do not suit them (``passed_over``). A ``companion`` brings the second loss
    of a strategy that has one. Of what is tried ``later`` the frozen part's features are computed in one go with the
    others.
    """
    train, validation = (Examples(batches.held(part.x), part.y) for part in (train, validation))
    names = usable(spec.augmentation, train.x.shape[1:])
    change = Change(names, dataset(spec.dataset).scale, spec.seed) if names else None
    passed_over = [name for name in spec.augmentation if name not in names]
    course, first_epoch = Course(arm, spec, train, validation, teller, change, companion, later), 0
    for index, phase in enumerate(plan):
        if teller.stop_asked():
            return False
        freezing.apply(network, phase, spec)
        try:
            material = _material(network, phase, course)
        except Stopped:
            freezing.merge(network)
            return False
        teller("phase", arm=arm, index=index, **told(phase, network.cards, spec.lora_rank))
        teller("stage", stage="training", arm=arm, front=material.front, augmentation=names, passed_over=passed_over,
               views=material.views if names and material.front == "kept" else 0, known=material.known)  # fmt: skip
        callbacks: list[keras.callbacks.Callback] = [
            EpochTeller(teller, arm, index, first_epoch, len(train), course.size)
        ]
        if spec.early_stopping:
            patience = spec.early_stopping
            callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=patience, mode="min",
                                                           restore_best_weights=True))  # fmt: skip
        _fit(network, material, phase, course, first_epoch, callbacks)
        freezing.merge(network)
        first_epoch += phase.epochs
    return not teller.stop_asked()


def untouched(network: Network, plan: Plan) -> int:
    """How many blocks from the input on learn in no phase of a plan."""
    return min((_cut(network, phase) for phase in plan), default=0)


def _cut(network: Network, phase: Phase) -> int:
    """How many blocks lie below the first in which anything learns."""
    moving = [
        card.name for card in network.cards
        if card.name in phase.learning and (card is network.cards[-1] or card.trainable(phase.only, rank=1))
    ]  # fmt: skip
    return features.cut(network.names, moving)


def _fit(
    network: Network, material: Material, phase: Phase, course: Course, first_epoch: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:  # fmt: skip
    """One phase: by compiled epochs where all lies in memory, else by Keras' ``fit``."""
    spec, size, n = course.spec, course.size, len(course.train)
    weights = batches.class_weights(course.train.y) if spec.balance == "class_weights" else None
    anew = course.change if material.front != "kept" else None
    loss, steps = LOSSES[spec.loss], -(-n // size)
    with device.narrowed(network):
        optimizer = device.guarded(optimizers.built(spec, phase, network, steps))
        if course.companion:
            course.companion.fit(
                network, optimizer, course.train, course.validation, size, first_epoch, phase.epochs, callbacks,
                change=anew, evenly=spec.balance == "sampling", weights=weights,
            )  # fmt: skip
        elif not anew and loop.possible(small=material.front == "kept") and _in_memory(material):
            work = loop.Work(
                np.asarray(material.seen), material.y, np.asarray(material.checked), course.validation.y,
                loss(reduction="none"), optimizer, _order(course, material.views), size, weights,
            )  # fmt: skip
            loop.fit(material.make(), work, phase.epochs, first_epoch, callbacks)
        else:
            model = material.make()
            model.compile(optimizer=optimizer, loss=loss(), metrics=["accuracy"])
            fed = batches.endless(
                material.seen, material.y, size, spec.seed, first_epoch, evenly=spec.balance == "sampling",
                weights=weights, change=anew, views=material.views,
            )  # fmt: skip
            checked = batches.in_order(material.checked, course.validation.y, size)
            model.fit(
                fed, steps_per_epoch=steps, shuffle=False, epochs=phase.epochs, verbose=0, callbacks=callbacks,
                validation_data=checked,
            )  # fmt: skip


def _in_memory(material: Material) -> bool:
    return batches.in_memory(material.seen) and batches.in_memory(material.checked)


def _order(course: Course, views: int) -> Callable[[int], np.ndarray]:
    """The positions of each epoch's examples."""
    chances = batches.chances(course.train.y) if course.spec.balance == "sampling" else None
    return lambda epoch: batches.order(len(course.train), course.spec.seed, epoch, chances, views)


def _material(network: Network, phase: Phase, course: Course) -> Material:
    """The part of the network that this phase trains, and what it trains on: features where they can be kept.

    Of pictures that are changed anew in every epoch none can; of the validation part they still can.
    """
    cut, train, checked = _cut(network, phase), course.train, course.validation.x
    if cut == 0:
        return Material(network.whole, train.x, train.y, checked)
    changed, versions = course.change is not None, course.spec.views if course.change else 1
    if (changed and not versions) or not features.keepable(network, cut, versions * len(train) + len(checked)):
        kept = features.keepable(network, cut, len(checked))
        if kept:
            checked = _features(network, cut, course, [checked])[0].rows

        def behind() -> keras.Model:
            return features.Behind(network.front(cut), network.tail(cut), checks_raw=not kept)

        return Material(behind, train.x, train.y, checked, "along")
    # In one go with what comes later, as each go builds the front anew.
    later = [course.later] if course.later is not None and features.keepable(network, cut, len(course.later)) else []
    if not changed:
        own, watched, *_ = _features(network, cut, course, [train.x, checked, *later])
        return Material(partial(network.tail, cut), own.rows, train.y, watched.rows, "kept", known=own.found)
    watched, *_ = _features(network, cut, course, [checked, *later])
    tell = _teller(course)
    assert course.change is not None
    own, y = features.views(network, cut, train.x, train.y, course.change, versions, tell)
    return Material(partial(network.tail, cut), own.rows, y, watched.rows, "kept", versions, own.found)


def _features(network: Network, cut: int, course: Course, parts: list[Rows]) -> list[features.Features]:
    return features.compute_each(network, cut, parts, _teller(course))


def _teller(course: Course) -> Callable[[int, int], None]:
    """Tells how many features are done; raises Stopped when asked to stop."""
    course.teller("stage", stage="features", arm=course.arm)

    def tell(done: int, of: int) -> None:
        course.teller.progress(done, of)
        course.teller.stop_here_if_asked()

    return tell

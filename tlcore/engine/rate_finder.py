"""A learning rate found by trying: steps from far too small to far too large (Smith, 2017, arXiv:1506.01186)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import admission
from ..datasets import Own, dataset
from ..spec import Phase, RunSpec
from ..strategies import arms
from . import batches, device, download, freezing, optimizers, training
from .features import cut as behind
from .network import Network
from .teller import Teller
from .training import Examples

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
BROKEN = 4.0
"""Times the best smoothed loss: above it the trial has seen enough."""
WIDTH = 7
"""Steps over which losses are averaged, half of them on either side."""
SPAN = 5
"""Steps to either side between which the slope is taken: shorter stretches are noise."""
MARGIN = 3.0
"""The suggested rate stays at least so many times below the one with the lowest loss."""


def find(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """The trial for the first phase of a question (an admitted spec as plain data).

    Gives ``rates`` and smoothed ``losses``, step by step, the ``suggested`` rate (where the loss falls steepest, to one
    digit) and ``lowest``, the rate at which the loss was lowest. Nothing that was learnt is kept.
    """
    from . import journey  # which knows this module's caller

    spec = admission.admit(RunSpec.from_json(json.dumps(question)))
    name, scope = device.chosen(device.one(spec.device))
    teller("device", name=name)
    with scope:
        blocks = admission.blocks(spec)
        phase = next(iter(arms(spec, [block.name for block in blocks]).values()))[0]
        weights = journey._source_weights(spec, teller)
        teller("stage", stage="preparing")
        card = dataset(spec.dataset).at(spec.image_size)
        if not card.ready:
            download.fetch(card, teller)
        if isinstance(card, Own) and not card.array.is_file():
            journey._resize(card, teller)
        parts = journey._parts(card, spec, blocks)
        network, _ = journey._begun(blocks, spec, weights, parts, teller, main=True)
        teller("stage", stage="training", doing="trying learning rates")
        rates, losses = _trial(network, phase, spec, parts.train, teller)
    smooth = smoothed(losses)
    found = suggested(rates, smooth)
    return {"rates": rates, "losses": smooth, "suggested": found, "lowest": rates[int(np.argmin(smooth))]}


def _trial(
    network: Network, phase: Phase, spec: RunSpec, train: Examples, teller: Teller
) -> tuple[list[float], list[float]]:
    """Rates and losses of one step after another, until the loss is no number or has left its best far behind."""
    freezing.apply(network, phase, spec)
    cut = behind(network.names, phase.learning)
    size = batches.even_batch_size(len(train), spec.batch_size)
    where = np.random.default_rng(spec.seed).permutation(len(train))[: STEPS * size]
    x, y = train.x[where], train.y[where]
    model = network.whole()
    if cut:  # what stays frozen is computed once
        x, model = batches.through(network.front(cut), x), network.tail(cut)
    # At a rate of 1 the parts of an optimizer hold what each block's rate is multiplied by.
    flat = dataclasses.replace(phase, learning_rate=1.0, schedule="constant", warm_up=0)
    optimizer = optimizers.built(spec, flat, network, STEPS)
    optimizer.build(model.trainable_variables)
    members = {own: float(own.learning_rate) for own in getattr(optimizer, "optimizers", [optimizer])}
    step = _step(model, optimizer, training.LOSSES[spec.loss]())
    rates, losses, best, average = list[float](), list[float](), np.inf, 0.0
    growth = (HIGHEST / LOWEST) ** (1 / (STEPS - 1))
    for number, here in enumerate(_dealt(len(x), size, spec.seed)):
        rate = LOWEST * growth**number
        for own, factor in members.items():
            own.learning_rate = rate * factor
        loss = float(step(tf.constant(x[here]), tf.constant(y[here])))
        average = 0.8 * average + 0.2 * loss
        smooth = average / (1 - 0.8 ** (number + 1))
        if not np.isfinite(loss) or (number > 10 and smooth > BROKEN * best):
            break
        best = min(best, smooth)
        rates.append(rate)
        losses.append(loss)
        teller.progress(number + 1, STEPS)
        teller.stop_here_if_asked()
    return rates, losses


def _step(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss) -> Any:
    """A compiled step; gives the loss before it."""
    variables = model.trainable_variables

    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            own = loss(y, model(x, training=True))
            whole = own + tf.add_n(model.losses) if model.losses else own
        optimizer.apply(tape.gradient(whole, variables), variables)
        return own

    return tf.function(step, reduce_retracing=True)


def _dealt(examples: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """The positions of each step's examples, through all of them again and again."""
    random, left = np.random.default_rng(seed), np.empty(0, np.int64)
    for _ in range(STEPS):
        if len(left) < size:
            left = np.concatenate([left, random.permutation(examples)])
        yield left[:size]
        left = left[size:]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Each loss averaged with its neighbours on either side, as many of each as there are."""
    own = np.asarray(losses, float)
    reach = [min(WIDTH // 2, n, len(own) - 1 - n) for n in range(len(own))]
    return [float(own[n - far : n + far + 1].mean()) for n, far in enumerate(reach)]


def suggested(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate at which the loss falls steepest over the logarithm of the rate, well below the lowest loss; to one
    digit. The first steps say nothing yet. Where it never falls, a thousandth of the rate at which the trial ended."""
    own = np.asarray(losses, float)
    lowest = int(np.argmin(own[WIDTH:])) + WIDTH if len(own) > 2 * WIDTH else 0
    where = [n for n in range(WIDTH, lowest) if rates[n] <= rates[lowest] / MARGIN]
    slopes = [own[min(n + SPAN, len(own) - 1)] - own[n - SPAN] for n in where]
    if not slopes or min(slopes) >= 0:
        return float(f"{rates[-1] / 1000:.0e}")
    return float(f"{rates[where[int(np.argmin(slopes))]]:.0e}")

"""A short measurement of a network on this machine, from which :mod:`tlcore.estimates` tells how long a plan takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import architectures, estimates
from ..estimates import Cost, Measurement
from ..networks import NETWORKS
from . import batches, device
from .network import Network, leaves
from .teller import Teller

CLASSES = 10
"""Outputs of the head that is measured: it is small whatever their number."""
FEW, MANY = 4, 32
"""Examples of the two batches from which the costs of a batch and of an example are told apart."""
LONG = 1.0
"""Seconds that a large batch of one block may take; else a smaller one has to do."""
USUAL = 550_000_000
"""Bytes that an engine holds before any network."""
UPDATED, VARIABLES = 1_000_000, 20
"""Numbers and variables in the optimizer's trial."""
READ = 512
"""Examples in the trial of reading them."""


def measure(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """Measure the network of an :func:`tlcore.estimates.question`, block by block, and keep what was found.

    Gives the measurement as plain data. Takes a few seconds, most of them for building each block's graph.
    """
    base = resident()
    name, scope = device.chosen(device.one(question["device"]))
    teller("device", name=name)
    teller("stage", stage="preparing", doing="measuring the network on this computer")
    with scope:
        began = time.perf_counter()
        cards = architectures.network(question["network"]).whole(tuple(question["input_shape"]), CLASSES)
        body = question["network"] if question["network"] not in NETWORKS else None
        network = Network(cards, keras.layers.Identity(), None, body)
        beginning = time.perf_counter() - began
        costs = {}
        for number, (card, block) in enumerate(zip(cards, network.blocks, strict=True)):
            costs[card.name] = _cost(block, number == 0)
            teller.progress(number + 1, len(cards))
            teller.stop_here_if_asked()
        update, step, variable = _update()
        reading = _reading(cards[0].input_shape)
    found = Measurement(costs, update, step, variable, reading, beginning, base, name)
    estimates.keep(question, found)
    return asdict(found)


def _cost(block: keras.Model, first: bool) -> Cost:
    """A block's cost; the first one need not say how its input would have to change."""

    def forward(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(block(x, training=False))

    def training(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            if not first:
                tape.watch(x)
            loss = tf.reduce_sum(block(x, training=True))
        found = tape.gradient(loss, [*block.trainable_variables, *([] if first else [x])])
        return tf.add_n([loss, *(tf.reduce_sum(own) for own in found if own is not None)])

    shape = block.input_shape[1:]
    there, looking = _line(tf.function(forward, reduce_retracing=True), shape)
    back, learning = _line(tf.function(training, reduce_retracing=True), shape)
    held = sum(4 * prod(own for own in layer.output.shape[1:]) for layer in leaves(block))
    return Cost(there, back, (looking, learning), held)


def _line(run: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> tuple[tuple[float, float], float]:
    """Seconds of a batch and of each example in it, from two sizes of batch; and what the first call took longer."""
    random = np.random.default_rng(0)

    def seconds(examples: int) -> tuple[float, float]:
        x = tf.constant(random.standard_normal((examples, *shape), np.float32))
        clock = time.perf_counter()
        float(run(x))
        first, times = time.perf_counter() - clock, list[float]()
        while len(times) < 3 or (sum(times) < 0.1 and len(times) < 30):
            clock = time.perf_counter()
            float(run(x))
            times.append(time.perf_counter() - clock)
        return median(times), first

    few, first = seconds(FEW)
    many_at_once = MANY if few * MANY / FEW < LONG else 2 * FEW
    many, _ = seconds(many_at_once)
    example = max(0.0, (many - few) / (many_at_once - FEW))
    return (max(0.0, few - FEW * example - _call()), example), max(0.0, first - few)


def _call() -> float:
    """Seconds that calling a compiled function takes, whatever is in it."""
    nothing = tf.function(lambda x: tf.reduce_sum(x))
    x = tf.constant([0.0])
    float(nothing(x))
    clock = time.perf_counter()
    for _ in range(20):
        float(nothing(x))
    return (time.perf_counter() - clock) / 20


def _update() -> tuple[float, float, float]:
    """Seconds of a step of Adam for each number that learns, and for a step whatever learns; and seconds to build the
    step for each variable."""

    def seconds(count: int, variables: int) -> tuple[float, float]:
        own = [keras.Variable(np.zeros(count, np.float32)) for _ in range(variables)]
        optimizer = keras.optimizers.Adam()
        clock = time.perf_counter()
        optimizer.build(own)
        step = tf.function(lambda: optimizer.apply([tf.ones(count)] * variables, own))
        step()
        first, clock = time.perf_counter() - clock, time.perf_counter()
        for _ in range(5):
            step()
        return (time.perf_counter() - clock) / 5, first

    least, one = seconds(1, 1)
    _, many = seconds(1, VARIABLES)
    return max(0.0, seconds(UPDATED, 1)[0] - least) / UPDATED, least, max(0.0, many - one) / (VARIABLES - 1)


def _reading(shape: tuple[int, ...]) -> float:
    """Seconds to bring one example to a network that looks at them batch by batch."""
    x, size = np.zeros((READ, *shape), np.float32), READ // 4
    clock = time.perf_counter()
    for (batch,) in batches.in_order(x, None, size):
        tf.reduce_sum(batch)
    return (time.perf_counter() - clock) / READ


def resident() -> int:
    """Bytes that this process holds now, or a usual value where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError, AttributeError):
        return USUAL

"""Optimizers for a phase: what each block's learning rate is, and how it goes from the first step to the last."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import pi
from typing import Any

import keras
from keras import ops

from ..spec import Phase, RunSpec
from .network import Network

OPTIMIZERS: dict[str, partial[Any]] = {
    "sgd": partial(keras.optimizers.SGD),
    "momentum": partial(keras.optimizers.SGD, momentum=0.9),
    "adagrad": partial(keras.optimizers.Adagrad),
    "rmsprop": partial(keras.optimizers.RMSprop),
    "adam": partial(keras.optimizers.Adam),
    "adamw": partial(keras.optimizers.AdamW),
}
"""Each makes an optimizer of a learning rate: a number or a schedule."""

RATIO = 32
"""Of a slanted triangle's peak to its lowest rate (Howard and Ruder, 2018)."""
RISE = 0.1
"""The share of a slanted triangle's steps in which it rises (ibid.)."""


def built(spec: RunSpec, phase: Phase, network: Network, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer for a phase with ``steps`` batches an epoch; for ``fit`` and for a loop by hand alike.

    Where blocks learn at different rates it is a ``MultiOptimizer``, which has no ``learning_rate`` of its own, and
    knows only the variables that are there now: freeze the network for the phase first, then ask for it.
    """
    rates, make = phase.rates(), OPTIMIZERS[spec.optimizer]
    parts = {rate: make(_course(phase, rate, steps)) for rate in dict.fromkeys(rates.values())}
    if len(parts) == 1:
        return next(iter(parts.values()))
    of = {
        id(variable): parts[rates[block.name]]
        for block in network.blocks
        if block.name in rates
        for variable in block.variables
    }

    def part(variable: keras.Variable) -> keras.optimizers.Optimizer:
        """By the variable itself, not by a pattern on its path: one that matches nothing would be passed over."""
        if id(variable) in of:
            return of[id(variable)]
        raise ValueError(
            f"An optimizer with a rate for each block was given {variable.path}: expected a variable of the blocks "
            f"that learn, {', '.join(rates)}; freeze the network for the phase, then build the optimizer."
        )

    return keras.optimizers.MultiOptimizer(part)


def _course(phase: Phase, rate: float, steps: int) -> float | Course:
    """A number as long as the rate does not change."""
    if phase.schedule == "constant" and not phase.warm_up:
        return rate
    return Course(phase.schedule, rate, phase.epochs * steps, phase.warm_up * steps)


FALLS: dict[str, Callable[[Any], Any]] = {
    "constant": ops.ones_like,
    "cosine": lambda way: (1 + ops.cos(pi * way)) / 2,
    "step": lambda way: ops.where(way < 0.5, 1.0, ops.where(way < 0.75, 0.1, 0.01)),
    "slanted": lambda way: 1 - way * (1 - 1 / RATIO),
}
"""The share of the highest rate after a share of the way from it to the last step (keys of ``SCHEDULES``)."""


class Course(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises to its height in the first ``rise`` of ``steps`` steps, and then falls.

    A slanted triangle rises from a 32nd of its height, for a tenth of the steps unless ``rise`` says otherwise (Howard
    and Ruder, 2018, equation 3); the others rise in equal steps from above zero, since a step at zero would be wasted.
    """

    def __init__(self, schedule: str, height: float, steps: int, rise: int = 0):
        super().__init__()
        self.schedule, self.height, self.steps = schedule, height, steps
        self.rise = max(1, int(steps * RISE)) if schedule == "slanted" and not rise else rise

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        way = ops.clip((step - self.rise) / max(1, self.steps - self.rise), 0.0, 1.0)
        if self.schedule == "slanted":
            risen = (1 + step / self.rise * (RATIO - 1)) / RATIO
        else:
            risen = (1 + step) / (1 + self.rise)
        return self.height * ops.where(step < self.rise, risen, FALLS[self.schedule](way))

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "height": self.height, "steps": self.steps, "rise": self.rise}

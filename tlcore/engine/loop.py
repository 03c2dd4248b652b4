"""Epochs compiled as a whole, where all examples lie in memory: ``fit`` spends a millisecond on each batch around what
it computes, which is most of the time of a small head. Everything else, and every other backend, goes through ``fit``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from . import batches, device

STRETCH = 0.25
"""Seconds after which a long epoch looks up, to tell its progress and to hear a stop."""


@dataclass(frozen=True)
class Work:
    """What to train a compiled-to-be model on: ``seen`` (n, *shape) with labels ``y`` (n, classes), watched on
    ``checked`` and ``y_checked``; ``loss`` gives one number an example; ``weights`` (classes,) weighs them, if any;
    ``order(epoch)`` are the positions of an epoch's examples, dealt out in batches of ``size``."""

    seen: np.ndarray
    y: np.ndarray
    checked: np.ndarray
    y_checked: np.ndarray
    loss: keras.losses.Loss
    optimizer: keras.optimizers.Optimizer
    order: Callable[[int], np.ndarray]
    size: int
    weights: np.ndarray | None = None


def possible(small: bool) -> bool:
    """Whether this backend and device can be driven from here. A GPU's XLA takes over from ``fit`` what these loops
    save on a CPU, but for ``small`` models."""
    one = keras.backend.backend() == "tensorflow" and not tf.distribute.has_strategy()
    return one and (small or not device.gpus())


def fit(
    model: keras.Model, work: Work, epochs: int, first_epoch: int, callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    """Train the model in place as ``fit`` would, batch for batch; the callbacks hear what they hear from ``fit``, but
    of batches only now and then. Losses are means over examples, regularisation included."""
    for callback in callbacks:
        callback.set_model(model)
    model.stop_training = model.stop_evaluating = False
    trainer = _Trainer(model, work, callbacks)
    trainer.tell("on_train_begin")
    for epoch in range(epochs):
        trainer.tell("on_epoch_begin", epoch)
        figures = trainer.epoch(np.asarray(work.order(first_epoch + epoch), np.int32))
        if not model.stop_training:
            checked = trainer.check()
            # One that was broken off is of a part of the examples: early stopping would take it for the best epoch.
            figures |= {} if model.stop_training else checked
        trainer.tell("on_epoch_end", epoch, figures)
        if model.stop_training:
            break
    trainer.tell("on_train_end")
    vars(trainer).clear()  # it and its functions hold one another, and all examples, until garbage is collected


class _Trainer:
    """The compiled halves of an epoch: steps over training examples, and a look at the others."""

    def __init__(self, model: keras.Model, work: Work, callbacks: Sequence[keras.callbacks.Callback]):
        self.model, self.work, self.callbacks = model, work, callbacks
        self.variables = model.trainable_variables
        work.optimizer.build(self.variables)
        self.x, self.y, self.x_checked, self.y_checked = (
            tf.convert_to_tensor(own) for own in (work.seen, work.y, work.checked, work.y_checked)
        )
        self.weights = None if work.weights is None else tf.convert_to_tensor(work.weights, tf.float32)
        self.at_once = batches.batch_size(model, 1024)
        self.stride, self.traced = 1, False
        # Without AutoGraph, which takes a fifth of the time in which a network's graph is built.
        # Examples come as arguments: what a graph captures it keeps, and graphs live long (device.forget).
        order, start = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
        self.steps = tf.function(self._steps, [order, *map(_like, (self.x, self.y))], autograph=False)
        checked = (self.x_checked, self.y_checked)
        self.look = tf.function(self._look, [start, *map(_like, checked)], autograph=False)

    def tell(self, moment: str, *about: object) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(*about)

    def epoch(self, order: np.ndarray) -> dict[str, float]:
        size, loss, right, at = self.work.size, 0.0, 0.0, 0
        while at < len(order) and not self.model.stop_training:
            began = time.perf_counter()
            end = min(len(order), at + self.stride * size)
            own = self.steps(tf.constant(order[at:end]), self.x, self.y)
            loss, right = loss + float(own[0]), right + float(own[1])
            spent = time.perf_counter() - began
            if self.traced:  # the first stretch also builds the graph
                longer = int(self.stride * min(8.0, STRETCH / max(spent, 1e-6)))
                self.stride = max(1, min(longer, -(-len(order) // size)))
            self.traced, at = True, end
            self.tell("on_train_batch_end", -(-at // size) - 1)
        return {"loss": loss / len(order), "accuracy": right / len(order)}

    def check(self) -> dict[str, float]:
        n, loss, right = len(self.work.y_checked), 0.0, 0.0
        for number, start in enumerate(range(0, n, self.at_once)):
            own = self.look(tf.constant(start), self.x_checked, self.y_checked)
            loss, right = loss + float(own[0]), right + float(own[1])
            self.tell("on_test_batch_end", number)
            if self.model.stop_training:
                break
        return {"val_loss": loss / n + self._penalty(), "val_accuracy": right / n}

    def _penalty(self) -> float:
        return float(sum(map(float, self.model.losses))) if self.model.losses else 0.0

    def _steps(self, order: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        n, size = tf.shape(order)[0], self.work.size

        def step(start: tf.Tensor, loss: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, ...]:
            where = order[start : start + size]
            own, hits = self._step(tf.gather(x, where), tf.gather(y, where))
            return start + size, loss + own, right + hits

        begun = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
        _, loss, right = tf.while_loop(lambda start, *_: start < n, step, begun, parallel_iterations=1)
        return loss, right

    def _step(self, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One step; gives the sum of the losses and the number of right answers before it."""
        count = tf.cast(tf.shape(y)[0], tf.float32)
        with tf.GradientTape() as tape:
            answers = self.model(x, training=True)
            losses = self.work.loss(y, answers)
            if self.weights is not None:
                losses *= tf.linalg.matvec(y, self.weights)
            whole = tf.reduce_mean(losses)
            if self.model.losses:
                whole += tf.add_n(self.model.losses)
            scaled = self.work.optimizer.scale_loss(whole)
        self.work.optimizer.apply(tape.gradient(scaled, self.variables), self.variables)
        return whole * count, _right(y, answers)

    def _look(self, start: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        where = slice(start, start + self.at_once)
        y, answers = y[where], self.model(x[where], training=False)
        return tf.reduce_sum(self.work.loss(y, answers)), _right(y, answers)


def _like(own: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec(own.shape, own.dtype)


def _right(y: Any, answers: Any) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(tf.argmax(y, 1) == tf.argmax(answers, 1), tf.float32))

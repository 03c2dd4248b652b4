"""Compiled epochs do what ``fit`` does, batch for batch: the same weights, the same figures, only sooner."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlcore.datasets import DATASETS
from tlcore.engine import batches, loop, optimizers
from tlcore.engine.network import Network
from tlcore.engine.training import LOSSES as KERAS_LOSSES
from tlcore.networks import NETWORKS
from tlcore.spec import LOSSES


def built(name: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    network = Network(NETWORKS[name].whole((8, 8, 1), 10), keras.layers.Rescaling(1 / 16), (8, 8, 1))
    return network.whole()


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray, ...]:
    digits = DATASETS["digits"].load()
    y = np.eye(10, dtype=np.float32)[digits.y]
    return digits.x[:75], y[:75], digits.x[100:140], y[100:140]


class Listener(keras.callbacks.Callback):
    def __init__(self, stop_after: int = 10**9):
        super().__init__()
        self.epochs: list[dict[str, float]] = []
        self.batches = 0
        self.stop_after = stop_after

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.batches += 1
        if self.batches >= self.stop_after:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epochs.append(dict(logs or {}))


def by_fit(name: str, parts, optimizer, loss: str, epochs: int, weights=None, callbacks=()) -> tuple[list, list]:
    x, y, x_checked, y_checked = parts
    model, heard = built(name), Listener()
    model.compile(optimizer=optimizer, loss=KERAS_LOSSES[loss](), metrics=["accuracy"])
    model.fit(
        batches.endless(x, y, 16, 0, 0, weights=weights), steps_per_epoch=-(-len(x) // 16), epochs=epochs, verbose=0,
        validation_data=(x_checked, y_checked), callbacks=[heard, *callbacks],
    )  # fmt: skip
    return model.get_weights(), heard.epochs


def by_loop(name: str, parts, optimizer, loss: str, epochs: int, weights=None, callbacks=()) -> tuple[list, list]:
    model, heard = built(name), Listener()
    loop.fit(model, work(parts, optimizer, loss, weights), epochs, 0, [heard, *callbacks])
    return model.get_weights(), heard.epochs


def work(parts, optimizer, loss: str = "cross_entropy", weights=None) -> loop.Work:
    each = KERAS_LOSSES[loss](reduction="none")
    return loop.Work(*parts, each, optimizer, lambda epoch: batches.order(75, 0, epoch), 16, weights)


@pytest.mark.parametrize("name", ["small_cnn", "dense_128"])  # batch normalisation, and dropout
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "adamw"])
def test_the_weights_and_figures_are_those_of_fit(name: str, optimizer: str, parts):
    make = optimizers.OPTIMIZERS[optimizer]
    (own, figures), (plain, told) = (by(name, parts, make(0.01), "cross_entropy", 3) for by in (by_loop, by_fit))
    for one, other in zip(own, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for one, other in zip(figures, told, strict=True):
        assert one == pytest.approx({name: float(value) for name, value in other.items()}, abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_classes_count_as_in_fit(loss: str, parts):
    weights = np.linspace(0.2, 3, 10, dtype=np.float32)
    ends = [by("dense_64", parts, keras.optimizers.SGD(0.1), loss, 2, weights) for by in (by_loop, by_fit)]
    for one, other in zip(ends[0][0], ends[1][0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    plain, _ = by_fit("dense_64", parts, keras.optimizers.SGD(0.1), loss, 2)
    assert max(np.abs(a - b).max() for a, b in zip(ends[0][0], plain, strict=True)) > 1e-4
    assert ends[0][1][-1]["loss"] == pytest.approx(float(ends[1][1][-1]["loss"]), abs=1e-5)


def test_early_stopping_ends_it_and_brings_the_best_back(parts):
    def patient() -> list[keras.callbacks.Callback]:
        return [keras.callbacks.EarlyStopping("val_loss", patience=1, mode="min", restore_best_weights=True)]

    ends = [
        by("dense_64", parts, keras.optimizers.Adam(0.1), "cross_entropy", 40, callbacks=patient())
        for by in (by_loop, by_fit)
    ]
    assert len(ends[0][1]) == len(ends[1][1]) < 40
    for one, other in zip(ends[0][0], ends[1][0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_pull_on_the_weights_is_part_of_the_loss(parts):
    def pulled(name: str) -> keras.Model:
        model = built(name)
        model.layers[-1].layers[0].kernel.regularizer = keras.regularizers.L2(0.5)
        return model

    model, heard = pulled("dense_64"), Listener()
    loop.fit(model, work(parts, keras.optimizers.SGD(0.05)), 2, 0, [heard])
    other, told = pulled("dense_64"), Listener()
    other.compile(optimizer=keras.optimizers.SGD(0.05), loss="categorical_crossentropy", metrics=["accuracy"])
    x, y, x_checked, y_checked = parts
    other.fit(
        batches.endless(x, y, 16, 0, 0), steps_per_epoch=5, epochs=2, verbose=0,
        validation_data=(x_checked, y_checked), callbacks=[told],
    )  # fmt: skip
    for one, own in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, own, atol=1e-6)
    assert heard.epochs[-1] == pytest.approx({k: float(v) for k, v in told.epochs[-1].items()}, abs=1e-4)


def test_a_stop_is_heard_within_an_epoch(parts):
    model, heard = built("dense_64"), Listener(stop_after=2)
    loop.fit(model, work(parts, keras.optimizers.SGD(0.1)), 50, 0, [heard])
    assert heard.batches == 2 and len(heard.epochs) == 1 and "val_loss" not in heard.epochs[0]


def test_thousands_of_short_epochs(parts):
    model, heard = built("dense_64"), Listener()
    few = loop.Work(
        *(part[:4] for part in parts), KERAS_LOSSES["cross_entropy"](reduction="none"), keras.optimizers.SGD(0.01),
        lambda epoch: batches.order(4, 0, epoch), 4,
    )  # fmt: skip
    loop.fit(model, few, 2_000, 0, [heard])
    assert len(heard.epochs) == 2_000 and heard.epochs[-1]["loss"] < heard.epochs[0]["loss"]


def test_each_epoch_of_kept_views_takes_the_next_one():
    orders = [batches.order(10, 3, epoch, views=3) for epoch in range(4)]
    assert [sorted(own) for own in orders] == [[*range(10 * v, 10 * v + 10)] for v in (0, 1, 2, 0)]
    assert not np.array_equal(orders[0], orders[3]) and np.array_equal(orders[1], batches.order(10, 3, 1, views=3))


def test_examples_that_are_drawn_evenly():
    y = np.eye(2, dtype=np.float32)[[0] * 90 + [1] * 10]
    drawn = np.concatenate([batches.order(100, 0, epoch, batches.chances(y)) for epoch in range(50)])
    assert 0.45 < (drawn >= 90).mean() < 0.55


def test_a_look_that_was_broken_off_is_not_told(parts):
    class Impatient(Listener):
        def on_test_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.stop_training = len(self.epochs) == 2

    model, heard = built("small_cnn"), Impatient()
    loop.fit(model, work(parts, optimizers.OPTIMIZERS["adam"](0.01)), 9, 0, [heard])
    assert len(heard.epochs) == 3 and ["val_loss" in own for own in heard.epochs] == [True, True, False]

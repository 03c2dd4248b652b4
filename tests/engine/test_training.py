"""What moves and what does not, on real tensors and real examples."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tlcore import RunSpec, runs
from tlcore.datasets import DATASETS
from tlcore.engine import batches, features, training
from tlcore.engine.network import Network
from tlcore.engine.teller import Stopped, Teller
from tlcore.engine.training import Examples
from tlcore.networks import NETWORKS
from tlcore.spec import LOSSES, OPTIMIZERS
from tlcore.strategies import STRATEGIES, Phase

SPEC = RunSpec(network="small_cnn", epochs=4, batch_size=16, blocks=2, learning_rate=0.003)


@pytest.fixture
def examples() -> tuple[Examples, Examples]:
    digits = DATASETS["digits"].load()
    y = np.eye(10, dtype=np.float32)[digits.y]
    return Examples(digits.x[:100], y[:100]), Examples(digits.x[100:140], y[100:140])


@pytest.fixture
def teller(lab: Path) -> Teller:
    return Teller(runs.create(SPEC))


def built(name: str = "small_cnn", shape: tuple[int, ...] = (8, 8, 1), seed: int = 0) -> Network:
    keras.utils.set_random_seed(seed)
    return Network(NETWORKS[name].whole(shape, 10), keras.layers.Rescaling(1 / 16), shape)


def tensors(network: Network) -> dict[str, np.ndarray]:
    return {
        f"{block.name}/{weight.path}": np.asarray(weight).copy()
        for block in network.blocks
        for weight in block.weights
        if str(weight.dtype).startswith("float")  # a dropout layer's seed is no weight
    }


def trained(network: Network, plan, spec: RunSpec, examples, teller: Teller) -> bool:
    keras.utils.set_random_seed(spec.seed)
    return training.carry_out(network, plan, "transfer", spec, *examples, teller)


def kinds(teller: Teller, kind: str) -> list[dict]:
    return [event.data for event in runs.events(teller.run) if event.kind == kind]


NAMES = tuple(card.name for card in NETWORKS["small_cnn"].whole((8, 8, 1), 10))
LEARNING = {
    phase.learning for s in STRATEGIES.values() for phase in s.plan(SPEC.revised(blocks=1), NAMES)
}  # fmt: skip
"""What learns, in any phase of any strategy."""


@pytest.mark.parametrize("together", [False, True], ids=["features", "along"])
@pytest.mark.parametrize("learning", sorted(LEARNING, key=len), ids=lambda names: names[0])
def test_frozen_weights_and_statistics_stay_and_the_others_move(
    learning: tuple[str, ...], together: bool, examples, teller: Teller, monkeypatch: pytest.MonkeyPatch
):
    if together:
        monkeypatch.setattr(features, "BUDGET", 0)
    network = built()
    phase = Phase("x", 2, 0.01, learning)
    before = tensors(network)
    assert trained(network, (phase,), SPEC, examples, teller)
    for path, after in tensors(network).items():
        moved = not np.array_equal(after, before[path])
        assert moved == (path.split("/")[0] in phase.learning), path
    assert any("moving_mean" in path for path in before)


def test_phases_and_epochs_are_told_as_planned(examples, teller: Teller):
    network = built("dense_64_32")
    plan = STRATEGIES["gradual"].plan(SPEC.revised(epochs=5), network.names)
    assert trained(network, plan, SPEC.revised(epochs=5), examples, teller)
    told = kinds(teller, "phase")
    assert [(p["index"], p["name"], p["epochs"], tuple(p["learning"])) for p in told] == [
        (index, phase.name, phase.epochs, phase.learning) for index, phase in enumerate(plan)
    ]
    whole = sum(card.parameters for card in network.cards)
    assert all(p["trainable_parameters"] + p["frozen_parameters"] == whole for p in told)
    assert told[0]["trainable_parameters"] == network.cards[-1].parameters
    epochs = kinds(teller, "epoch")
    assert [e["epoch"] for e in epochs] == [*range(5)]
    assert set(epochs[0]) == {
        "arm", "phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "rate",
    }  # fmt: skip


def test_kept_features_give_the_weights_of_a_front_that_runs_along(
    examples, teller: Teller, monkeypatch: pytest.MonkeyPatch
):
    """BatchNorm in the front (small_cnn) and dropout in it (dense_128), in inference mode either way."""
    for name in ("small_cnn", "dense_128"):
        ends = []
        for budget in (2**30, 0):
            monkeypatch.setattr(features, "BUDGET", budget)
            network = built(name)
            plan = (Phase("x", 3, 0.01, network.names[-1:]),)
            assert trained(network, plan, SPEC, examples, teller)
            ends.append(tensors(network))
        for path, kept in ends[0].items():
            np.testing.assert_allclose(kept, ends[1][path], atol=1e-5, err_msg=f"{name} {path}")
    stages = [data["stage"] for data in kinds(teller, "stage")]
    assert stages.count("features") == 2  # the other two ran along


def test_early_stopping_ends_a_phase_and_keeps_its_best(examples, teller: Teller):
    spec = SPEC.revised(epochs=60, early_stopping=2, learning_rate=0.05)
    network = built("dense_64")
    assert trained(network, (Phase("x", 60, 0.05, network.names),), spec, examples, teller)
    losses = [epoch["val_loss"] for epoch in kinds(teller, "epoch")]
    best = int(np.argmin(losses))
    assert len(losses) < 60 and len(losses) == best + 3
    model = network.whole()
    model.compile(loss="categorical_crossentropy")
    assert model.evaluate(examples[1].x, examples[1].y, verbose=0) == pytest.approx(losses[best], abs=1e-4)


def test_a_phase_after_one_that_stopped_early_runs(examples, teller: Teller):
    network = built("dense_64")
    plan = (Phase("x", 40, 1.0, ("head",)), Phase("y", 2, 0.001, network.names))
    assert trained(network, plan, SPEC.revised(early_stopping=1), examples, teller)
    epochs = kinds(teller, "epoch")
    assert [e["epoch"] for e in epochs if e["phase"] == 1] == [40, 41]
    assert len([e for e in epochs if e["phase"] == 0]) < 40


@pytest.mark.parametrize(
    ("optimizer", "loss"), [*((name, "cross_entropy") for name in OPTIMIZERS), ("adam", "mean_squared_error")]
)
def test_every_optimizer_learns_by_every_loss(optimizer: str, loss: str, examples, teller: Teller):
    rate = {"sgd": 0.3, "momentum": 0.1, "adagrad": 0.1}.get(optimizer, 0.005)
    network = built("dense_64")
    spec = SPEC.revised(optimizer=optimizer, loss=loss)
    assert trained(network, (Phase("x", 12, rate, network.names),), spec, examples, teller)
    epochs = kinds(teller, "epoch")
    assert epochs[-1]["loss"] < epochs[0]["loss"] and epochs[-1]["accuracy"] > max(0.2, epochs[0]["accuracy"])


def test_every_loss_has_its_name():
    assert set(training.LOSSES) == set(LOSSES)


def test_a_batch_larger_than_all_examples(examples, teller: Teller):
    network = built("dense_64")
    assert trained(network, (Phase("x", 1, 0.01, network.names),), SPEC.revised(batch_size=65_536), examples, teller)
    assert len(kinds(teller, "epoch")) == 1


class Impatient(Teller):
    """Stops its own run after it was asked so many times whether to stop."""

    left = 0

    def stop_asked(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("asked", [0, 2, 5, 17])
def test_a_stop_at_any_time_leaves_whole_epochs_and_a_network(asked: int, examples, teller: Teller):
    impatient = Impatient(teller.run)
    impatient.left = asked
    network = built("dense_64")
    plan = (Phase("x", 1, 0.01, ("head",)), Phase("y", 500, 0.001, network.names))
    assert not trained(network, plan, SPEC.revised(batch_size=8), examples, impatient)
    epochs = kinds(teller, "epoch")
    assert [e["epoch"] for e in epochs] == [*range(len(epochs))] and len(epochs) <= max(asked, 2)
    assert np.isfinite(network.whole().predict(examples[1].x, verbose=0)).all()


def test_features_in_the_making_hear_a_stop(examples, teller: Teller):
    impatient = Impatient(teller.run)

    def told(done: int, of: int) -> None:
        impatient.stop_here_if_asked()

    with pytest.raises(Stopped):
        features.compute(built(), 1, examples[0].x, told)


def test_a_teller_listens_for_the_run_that_waits_for_it(teller: Teller):
    parent, child = runs.begin(SPEC, label=""), Teller(teller.run, None)
    listening = Teller(teller.run, Teller(parent[0].id))
    assert not listening.stop_asked()
    runs.ask_to_stop(parent[0].id)
    listening._listened = listening.parent._listened = 0.0
    assert listening.stop_asked() and not child.stop_asked()
    parent[1].release()


@pytest.mark.parametrize("most", [8, 10, 32])
def test_no_epoch_ends_with_a_batch_of_a_few(most: int) -> None:
    for examples in range(1, 2_000):
        size = batches.even_batch_size(examples, most)
        assert size <= most and (examples % size == 0 or examples % size >= size / 4)
    assert [batches.even_batch_size(n, 32) for n in (100, 1000, 50, 20)] == [25, 32, 25, 20]

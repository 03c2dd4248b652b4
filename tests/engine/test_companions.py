"""The second losses, on real sources and real examples."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tlcore import RunSpec, runs
from tlcore.admission import blocks
from tlcore.datasets import dataset, split
from tlcore.engine import companions, preprocess, training, transfer
from tlcore.engine.borrow import Unfit
from tlcore.engine.companions import Companion, Distil, MultiTask, distil
from tlcore.engine.network import Network
from tlcore.engine.teller import Stopped, Teller
from tlcore.engine.training import Examples
from tlcore.networks import NETWORKS
from tlcore.sources import source
from tlcore.strategies import STRATEGIES

SPEC = RunSpec(
    dataset="printed_digits", network="small_cnn", samples_per_class=10, epochs=4, learning_rate=0.003, seed=3
)  # fmt: skip


class Case:
    """A run by hand: its examples, its network with what it borrows, its companion."""

    def __init__(self, spec: RunSpec, source_run: str):
        self.spec = spec.revised(source=f"run:{source_run}")
        self.weights = runs.folder(source_run) / "weights.npz"
        self.card = dataset(spec.dataset)
        arrays, classes = self.card.load(), np.eye(len(self.card.classes), dtype=np.float32)
        where = split(
            arrays, samples_per_class=spec.samples_per_class, validation_share=0.2, test_share=0.2, seed=spec.seed
        )  # fmt: skip
        self.train, self.validation = (
            Examples(arrays.x[own], classes[arrays.y[own]]) for own in (where.train, where.validation[:100])
        )
        keras.utils.set_random_seed(spec.seed)
        cards = blocks(self.spec)
        before = preprocess.model(self.card, NETWORKS[spec.network or ""], cards[0].input_shape, None)
        self.network = Network(cards, before, self.card.shape)
        if STRATEGIES[spec.strategy].copies == "body":
            transfer.copy(self.weights, self.network, head=False)
        self.teller = Teller(runs.create(self.spec))

    def companion(self) -> Companion | None:
        return companions.of(self.spec, self.network, self.train, self.card, self.weights, self.teller)

    def trained(self, companion: Companion | None) -> bool:
        keras.utils.set_random_seed(self.spec.seed)
        plan = STRATEGIES[self.spec.strategy].plan(self.spec, self.network.names)
        return training.carry_out(
            self.network, plan, "transfer", self.spec, self.train, self.validation, self.teller, companion
        )  # fmt: skip

    def told(self, kind: str) -> list[dict]:
        return [event.data for event in runs.events(self.teller.run) if event.kind == kind]

    @property
    def tensors(self) -> list[np.ndarray]:
        return [np.asarray(own) for block in self.network.blocks for own in block.weights if own.dtype == "float32"]


def test_only_strategies_with_a_second_loss_have_a_companion(source_run: str):
    case = Case(SPEC.revised(strategy="fine_tune"), source_run)
    assert case.companion() is None


def test_both_tasks_are_learnt_and_the_source_is_known_better_than_after_fine_tuning(source_run: str):
    case, alone = (Case(SPEC.revised(strategy=name), source_run) for name in ("multi_task", "fine_tune"))
    companion = case.companion()
    assert isinstance(companion, MultiTask) and companion.copied
    assert case.trained(companion)
    epochs = case.told("epoch")
    assert set(epochs[0]) == {
        "arm", "phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "rate",
    }  # fmt: skip
    assert epochs[-1]["loss"] < epochs[0]["loss"] and epochs[-1]["val_loss"] < epochs[0]["val_loss"]
    # What is watched is the target's task alone.
    answers = case.network.whole().predict(case.validation.x, verbose=0)
    own = -np.log((answers * case.validation.y).sum(1)).mean()
    assert epochs[-1]["val_loss"] == pytest.approx(float(own), abs=1e-4)
    right = (answers.argmax(1) == case.validation.y.argmax(1)).mean()
    assert epochs[-1]["val_accuracy"] == pytest.approx(float(right), abs=1e-6)
    told = companion.report()
    assert told["dataset"] == "digits" and told["after"] > told["before"]  # 2 epochs had not been enough for it
    # The same examples and steps without the source's: the head that was thrown away still fits what is left of it.
    forgetful = MultiTask(case.spec, alone.network, source(case.spec.source), case.weights)
    assert alone.trained(None)
    assert forgetful.report()["after"] < told["after"] - 0.05


def test_the_source_s_examples_come_in_equal_number_and_in_an_order_of_the_seed(source_run: str):
    case = Case(SPEC.revised(strategy="multi_task"), source_run)
    companion = case.companion()
    assert isinstance(companion, MultiTask)
    weights = np.arange(1, 11, dtype=np.float32)

    def taken(steps: int) -> list:
        return [*companion.batches(case.train, 30, 0, weights=weights).take(steps).as_numpy_iterator()]

    found, again = taken(9), taken(9)
    assert [len(y[1]) for _, y, _ in found] == [len(y[0]) for _, y, _ in found] == [30, 30, 30, 10, 30, 30, 30, 10, 30]
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one[0][1], other[0][1])
    np.testing.assert_array_equal(found[0][2], found[0][1][0] @ weights)  # of the target's examples
    learnt, own = companion.learnt[0].reshape(200, -1), np.concatenate([x[1] for x, *_ in found]).reshape(230, -1)
    assert len(np.unique(own[:200], axis=0)) == len(np.unique(learnt, axis=0))  # each once before any comes again


def test_a_network_whose_output_is_another_gets_a_new_second_head(source_run: str):
    case = Case(SPEC.revised(strategy="multi_task"), source_run)
    short = case.weights.with_name("short.npz")
    with np.load(case.weights) as file:
        np.savez(short, **{key: file[key] for key in file if not key.startswith("head/")})
    case.weights = short
    companion = case.companion()
    assert companion and companion.report()["before"] is None


def test_a_source_s_own_data_has_to_be_of_the_network_s_kind(source_run: str):
    case = Case(SPEC.revised(strategy="multi_task"), source_run)
    table = Network(NETWORKS["dense_64"].whole((100,), 10), keras.layers.Identity(), (100,))
    with pytest.raises(Unfit, match="one body cannot learn both"):
        MultiTask(case.spec.revised(network="dense_64"), table, source(case.spec.source), case.weights)


@pytest.mark.parametrize(("student", "epochs"), [("small_cnn", 6), ("dense_64_32", 30)])
def test_a_student_comes_nearer_to_its_teacher(student: str, epochs: int, source_run: str):
    case = Case(SPEC.revised(strategy="distil", network=student, epochs=epochs), source_run)
    companion = case.companion()
    assert isinstance(companion, Distil)
    np.testing.assert_allclose(companion.wanted.mean(0), 0, atol=1e-5)
    before = companion.report()["unexplained"]
    assert case.trained(companion)
    told = case.told("epoch")
    assert told[-1]["loss"] < told[0]["loss"] and told[-1]["val_loss"] < told[0]["val_loss"]
    after = companion.report()["unexplained"]
    assert after < 0.8 < 1 < before
    # A student that never heard of the teacher tells less of it, with the best regressor that there is.
    alone = Case(SPEC.revised(strategy="distil", network=student, epochs=epochs, teacher_weight=0.0), source_run)
    bare = alone.companion()
    assert bare and alone.trained(bare)
    assert explained(case, companion) > explained(alone, bare) + 0.02


def explained(case: Case, companion: Companion) -> float:
    """The share of the teacher's features that a line through the student's tells, on the training examples."""
    assert isinstance(companion, Distil)
    own = case.network.front(len(case.network.blocks) - 1).predict(case.train.x, verbose=0)
    with_one = np.column_stack([own, np.ones(len(own))])
    # As many of the student's directions for both: their number alone tells much of 100 examples.
    u, *_ = np.linalg.svd(with_one, full_matrices=False)
    told = u[:, :16] @ (u[:, :16].T @ companion.wanted)
    return float(1 - ((told - companion.wanted) ** 2).mean())


def test_a_teacher_sees_what_the_source_s_own_network_saw(source_run: str):
    """On digits themselves, its features are those of the model that the run kept."""
    case = Case(SPEC.revised(strategy="distil", dataset="digits"), source_run)
    companion = case.companion()
    assert isinstance(companion, Distil)
    kept = keras.models.load_model(runs.folder(source_run) / "model.keras")
    body = keras.Sequential([keras.Input(case.card.shape), *kept.layers[:-1]])
    own = distil._standardised(body.predict(case.train.x, verbose=0))
    np.testing.assert_allclose(companion.wanted, own, atol=1e-3)


def test_the_teacher_s_answer_goes_with_its_picture_whatever_is_changed_or_drawn(source_run: str):
    case = Case(SPEC.revised(strategy="distil"), source_run)
    companion = case.companion()
    assert isinstance(companion, Distil)
    fed = companion.batches(case.train, 25, 2, evenly=True, weights=np.ones(10, np.float32))
    for x, (y, wanted), weights in fed.take(6).as_numpy_iterator():
        places = [int(np.flatnonzero((case.train.x == one).all((1, 2, 3)))[0]) for one in x]
        np.testing.assert_array_equal(case.train.y[places], y)
        np.testing.assert_allclose(companion.wanted[places], wanted, atol=1e-6)
        assert weights.shape == (25,)


def test_a_stop_is_heard_while_the_teacher_looks(source_run: str, monkeypatch: pytest.MonkeyPatch):
    case = Case(SPEC.revised(strategy="distil"), source_run)
    runs.ask_to_stop(case.teller.run)
    with pytest.raises(Stopped):
        case.companion()


@pytest.mark.parametrize("strategy", ["multi_task", "distil"])
def test_equal_seeds_give_equal_weights_and_a_stop_ends_the_training(strategy: str, source_run: str):
    ends = []
    for _ in range(2):
        spec = SPEC.revised(strategy=strategy, epochs=1, augmentation=("shift", "mix_up"), balance="class_weights")
        case = Case(spec, source_run)
        assert case.trained(case.companion()) and len(case.told("epoch")) == 1
        ends.append(case.tensors)
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)
    long = Case(SPEC.revised(strategy=strategy, epochs=10_000), source_run)
    companion = long.companion()

    class Impatient(Teller):
        def stop_asked(self) -> bool:
            return len(long.told("epoch")) > 1

    long.teller = Impatient(long.teller.run)
    assert not long.trained(companion)
    assert 2 <= len(long.told("epoch")) < 10


def test_weights_of_another_network_cannot_teach(source_run: str, tmp_path: Path):
    case = Case(SPEC.revised(strategy="distil"), source_run)
    case.weights = tmp_path / "weights.npz"
    np.savez(case.weights, **{"conv1/conv_0/kernel": np.zeros((3, 3, 1, 32), np.float32)})
    with pytest.raises(Unfit, match="do not fill its network"):
        case.companion()

"""Random changes to real pictures, and balance between unequal classes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlcore import RunSpec, runs
from tlcore.datasets import DATASETS
from tlcore.datasets.arrays import Rows
from tlcore.engine import augmentation, batches, device, features, training
from tlcore.engine.augmentation import Change, preview, usable
from tlcore.engine.network import Network
from tlcore.engine.teller import Teller
from tlcore.engine.training import Examples
from tlcore.networks import NETWORKS
from tlcore.spec import AUGMENTATIONS
from tlcore.strategies import Phase

device.prepare()
SPEC = RunSpec(network="small_cnn", epochs=2, batch_size=32, learning_rate=0.003)
MIXING = {"mix_up", "cut_mix"}


@pytest.fixture
def teller(lab: Path) -> Teller:
    return Teller(runs.create(SPEC))


def digits(where: slice) -> Examples:
    own = DATASETS["digits"].load()
    return Examples(own.x[where], np.eye(10, dtype=np.float32)[own.y[where]])


def built(name: str = "small_cnn") -> Network:
    keras.utils.set_random_seed(0)
    return Network(NETWORKS[name].whole((8, 8, 1), 10), keras.layers.Rescaling(1 / 16), (8, 8, 1))


def trained(network: Network, spec: RunSpec, examples, teller: Teller, learning: tuple[str, ...] = ()) -> Network:
    keras.utils.set_random_seed(spec.seed)
    plan = (Phase("x", spec.epochs, spec.learning_rate, learning or network.names),)
    assert training.carry_out(network, plan, "transfer", spec, *examples, teller)
    return network


def told(teller: Teller, kind: str) -> list[dict]:
    return [event.data for event in runs.events(teller.run) if event.kind == kind]


def weights(network: Network) -> list[np.ndarray]:
    return [np.asarray(w).copy() for block in network.blocks for w in block.weights]


def colours() -> np.ndarray:
    """Eight pictures of 24 pixels with edges, in colour."""
    across, down = np.meshgrid(np.linspace(30, 220, 24), np.linspace(20, 200, 24))
    pictures = np.stack([np.stack([across, down, 250 - across], -1) for _ in range(8)]).astype(np.uint8)
    for number, picture in enumerate(pictures):
        picture[4 : 8 + number, 6:12] = (200, 40 + 20 * number, 30)
    return pictures


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_a_change_changes_pictures_stays_in_range_and_is_repeatable(name: str, grey: bool):
    pictures = digits(slice(8)).x if grey else colours()
    scale = 16 if grey else 255
    first, again, other = (preview((name,), pictures, scale, seed, 3) for seed in (1, 1, 2))
    assert first.shape == (3, *pictures.shape) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    same = np.rint(pictures * (255 / scale)).astype(np.uint8)
    if grey and name == "colour":
        assert usable((name,), pictures.shape[1:]) == () and (first == same).all()
        return
    assert not np.array_equal(first[0], same) and not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, other)
    change = Change((name,), scale, 0)
    y = tf.one_hot(range(8), 8)
    for step in range(10):
        x, mixed = change(tf.constant(pictures), y, tf.constant(step, tf.int64))
        assert x.shape == pictures.shape and x.dtype == tf.float32
        assert -0.01 * scale <= np.min(x) and np.max(x) <= 1.01 * scale
        assert np.allclose(np.sum(mixed, 1), 1, atol=1e-5)
        assert (name in MIXING) or np.array_equal(mixed, y)


def test_what_does_not_suit_the_examples_is_passed_over():
    assert usable(("mix_up", "colour", "flip"), (8, 8, 1)) == ("flip", "mix_up")
    assert usable(tuple(AUGMENTATIONS), (9, 9, 3)) == tuple(AUGMENTATIONS)
    assert usable(tuple(AUGMENTATIONS), (30,)) == ()
    with pytest.raises(ValueError, match=r"received pictures \(8, 8, 1\)"):
        preview(("flip",), np.zeros((8, 8, 1)), 255)


def test_labels_are_mixed_as_the_pictures_are():
    """Pictures of one value each: the value of a mixed one is its labels' mean of values."""
    x = np.arange(8, dtype=np.float32)[:, None, None, None] * np.ones((1, 16, 16, 1), np.float32)
    for name in sorted(MIXING):
        mixed, y = Change((name,), 8, 0)(tf.constant(x), tf.one_hot(range(8), 8), tf.constant(3, tf.int64))
        means = np.mean(mixed, axis=(1, 2, 3))
        # A patch has whole pixels, its share of the area has not.
        np.testing.assert_allclose(means, np.asarray(y) @ np.arange(8), atol=1e-4 if name == "mix_up" else 0.7)
        assert ((np.asarray(y) > 0.01).sum(1) > 1).any()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_network_learns_from_changed_pictures(name: str, teller: Teller):
    spec = SPEC.revised(augmentation=(name,), epochs=6)
    network = trained(built(), spec, (digits(slice(400)), digits(slice(400, 500))), teller)
    epochs, stage = told(teller, "epoch"), told(teller, "stage")[-1]
    assert epochs[-1]["loss"] < epochs[0]["loss"] and epochs[-1]["val_accuracy"] > 0.3
    assert (stage["augmentation"], stage["passed_over"]) == (([], [name]) if name == "colour" else ([name], []))
    assert len(network.whole().layers) == 1 + len(network.blocks)


def test_equal_questions_give_equal_weights_and_another_seed_others(teller: Teller):
    spec = SPEC.revised(augmentation=("flip", "rotate", "rand_augment", "cut_mix"), balance="sampling")
    examples = digits(slice(100)), digits(slice(100, 140))
    first, again, other = (
        weights(trained(built(), spec.revised(seed=seed), examples, teller)) for seed in (0, 0, 1)
    )  # fmt: skip
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_a_kept_model_holds_no_augmentation(teller: Teller, tmp_path: Path):
    network = trained(
        built(), SPEC.revised(augmentation=("rotate", "mix_up")), (digits(slice(60)), digits(slice(60, 80))), teller
    )
    network.whole().save(tmp_path / "model.keras")
    config = zipfile.ZipFile(tmp_path / "model.keras").read("config.json").decode()
    assert "Random" not in config and "MixUp" not in config and "Behind" not in config and "Conv2D" in config


class Functional(Network):
    """The same network, each of its blocks a functional model, the second with another inside."""

    def __init__(self) -> None:
        super().__init__(NETWORKS["small_cnn"].whole((8, 8, 1), 10), keras.layers.Rescaling(1 / 16), (8, 8, 1))
        self.blocks = [self._again(block, number == 1) for number, block in enumerate(self.blocks)]

    @staticmethod
    def _again(block: keras.Sequential, nested: bool) -> keras.Model:
        inputs = keras.Input(block.input_shape[1:])
        if nested:
            return keras.Model(inputs, keras.Sequential(block.layers, name="inner")(inputs), name=block.name)
        outputs = inputs
        for layer in block.layers:
            outputs = layer(outputs)
        return keras.Model(inputs, outputs, name=block.name)


@pytest.mark.parametrize("budget", [2**30, 0], ids=["features", "raw"])
@pytest.mark.parametrize("changes", [("flip", "zoom"), ()], ids=["changed", "as they are"])
def test_a_frozen_front_of_functional_blocks_stays_still(
    changes: tuple[str, ...], budget: int, teller: Teller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(features, "BUDGET", budget)
    network = Functional()
    before = weights(network)
    names = [(block.name, w.path) for block in network.blocks for w in block.weights]
    examples = digits(slice(100)), digits(slice(100, 140))
    trained(network, SPEC.revised(augmentation=changes), examples, teller, ("conv3", "head"))
    for (block, path), old, new in zip(names, before, weights(network), strict=True):
        assert np.array_equal(old, new) == (block not in ("conv3", "head")), path
    stages = told(teller, "stage")
    assert stages[-1]["front"] == ("along" if changes or not budget else "kept")
    assert [s["stage"] for s in stages] == (["features", "training"] if budget else ["training"])
    # What was told of validation is what the whole network answers.
    whole = network.whole()
    whole.compile(loss="categorical_crossentropy")
    loss = whole.evaluate(examples[1].x, examples[1].y, verbose=0)
    assert told(teller, "epoch")[-1]["val_loss"] == pytest.approx(loss, abs=1e-4)


def unequal() -> tuple[Examples, Examples]:
    """Eights are rare among ones: 200 to 4 to learn from; as many of each to check on."""
    own = DATASETS["digits"].load()
    ones, eights = (np.flatnonzero(own.y == label) for label in (1, 8))
    ones = np.concatenate([ones, np.flatnonzero(own.y == 3)])
    y = np.eye(10, dtype=np.float32)[np.where(own.y == 8, 8, 1)]
    train, check = np.r_[ones[:200], eights[:4]], np.r_[ones[220:320], eights[50:150]]
    return Examples(own.x[train], y[train]), Examples(own.x[check], y[check])


def test_balance_finds_more_of_a_rare_class(teller: Teller):
    train, check = unequal()
    rare = check.y[:, 8] == 1
    recall = {}
    for balance in ("none", "class_weights", "sampling"):
        network = trained(
            built("dense_64"), SPEC.revised(balance=balance, epochs=10, learning_rate=0.003), (train, check), teller
        )
        recall[balance] = (network.whole().predict(check.x, verbose=0).argmax(1) == 8)[rare].mean()
    assert recall["class_weights"] > recall["none"] + 0.1 and recall["sampling"] > recall["none"] + 0.1, recall


def test_class_weights_are_one_on_average_over_the_examples():
    y = np.eye(4, dtype=np.float32)[[0] * 6 + [1] * 3 + [3]]
    own = batches.class_weights(y)
    np.testing.assert_allclose(own, [10 / 18, 10 / 9, 0, 10 / 3], rtol=1e-6)
    assert (y @ own).mean() == pytest.approx(1)


def test_class_weights_count_the_same_in_an_array_and_in_a_stream(teller: Teller, monkeypatch: pytest.MonkeyPatch):
    """One batch of all examples: the order cannot matter, so the weights must be equal."""
    train, check = unequal()
    spec, ends = SPEC.revised(balance="class_weights", epochs=3, batch_size=1024), []
    for x in (train.x, Rows(train.x, np.arange(len(train)))):
        monkeypatch.setattr(batches, "HELD", 0)
        ends.append(weights(trained(built("dense_64"), spec, (Examples(x, train.y), check), teller)))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_sampling_draws_classes_alike_and_an_epoch_goes_through_all():
    train, _ = unequal()
    numbers = np.arange(len(train))[:, None]
    steps = -(-len(train) // 32)
    drawn = list(batches.endless(numbers, train.y, 32, 0, 0, evenly=True).take(40 * steps).as_numpy_iterator())
    assert np.concatenate([y for _, y in drawn])[:, 8].mean() == pytest.approx(0.5, abs=0.03)
    plain = [x for x, _ in batches.endless(numbers, train.y, 32, 0, 0).take(2 * steps).as_numpy_iterator()]
    epochs = np.concatenate(plain[:steps]).ravel(), np.concatenate(plain[steps:]).ravel()
    assert all(sorted(epoch) == list(range(len(train))) for epoch in epochs) and (epochs[0] != epochs[1]).any()


def test_examples_in_a_file_give_what_those_in_memory_give(
    teller: Teller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train, check = digits(slice(300)), digits(slice(300, 400))
    np.save(tmp_path / "x.npy", DATASETS["digits"].load().x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    from_file = [Examples(Rows(mapped, np.arange(*span)), part.y)
                 for span, part in (((0, 300), train), ((300, 400), check))]  # fmt: skip
    monkeypatch.setattr(batches, "HELD", 0)
    network = built()
    streamed = features.compute(network, 2, from_file[0].x, lambda done, of: None)
    kept = features.compute(network, 2, train.x, lambda done, of: None)
    assert (streamed.found, kept.found) == (0, 300)  # the same examples, wherever they lie
    np.testing.assert_allclose(streamed.rows[:], np.asarray(network.front(2)(train.x, training=False)), atol=1e-5)
    trained(network, SPEC.revised(epochs=8), from_file, teller)
    answers = batches.predict(network.whole(), from_file[1].x, teller)
    np.testing.assert_allclose(answers, batches.predict(network.whole(), check.x), atol=1e-5)
    accuracy = (answers.argmax(1) == check.y.argmax(1)).mean()
    assert accuracy > 0.7 and told(teller, "epoch")[-1]["val_accuracy"] == pytest.approx(accuracy, abs=1e-4)


def test_few_examples_are_read_and_many_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.save(tmp_path / "x.npy", np.arange(100, dtype=np.uint8).reshape(10, 10))
    x = Rows(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(9, -1, -1))
    assert batches.in_memory(batches.held(x)) and batches.held(x)[0][0] == 90
    monkeypatch.setattr(batches, "HELD", 99)
    assert batches.held(x) is x and not batches.in_memory(x) and not batches.in_memory(x.base)


def test_large_pictures_go_through_fewer_at_once():
    small = built().whole()
    cards = NETWORKS["small_cnn"].whole((224, 224, 3), 2)
    large = Network(cards, keras.layers.Rescaling(1 / 255), (224, 224, 3)).whole()
    assert batches.batch_size(small) == 256
    assert batches.batch_size(large) == batches.LARGEST // (224 * 224 * 64 * 4)


def test_the_table_knows_all_names():
    assert list(augmentation.LAYERS) == list(AUGMENTATIONS)

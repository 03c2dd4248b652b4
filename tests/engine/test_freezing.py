"""Every strategy on real weights: what its phases say moves, and not a bit of anything else."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlcore import RunSpec
from tlcore.architectures import network as architecture
from tlcore.datasets import DATASETS
from tlcore.engine import freezing, optimizers
from tlcore.engine.network import MOMENTUM, Network, leaves
from tlcore.engine.tensors import tensors
from tlcore.networks import NETWORKS
from tlcore.spec import Phase
from tlcore.strategies import STRATEGIES, told

MOVES = {
    "weights": {"kernel", "bias", "gamma", "beta"},
    "biases": {"bias", "beta"},
    "norms": {"gamma", "beta"},
    "adapters": {"kernel"},  # once they are merged
}
STATISTICS = {"moving_mean", "moving_variance"}
SHAPES = {"small_cnn": (8, 8, 1), "resnet_20": (8, 8, 1), "dense_128": (8, 8, 1), "mobilenet_0.25": (32, 32, 3)}


def built(name: str, seed: int = 0) -> Network:
    keras.utils.set_random_seed(seed)
    shape, body = SHAPES[name], None if name in NETWORKS else name
    return Network(architecture(name).whole(shape, 10), keras.layers.Rescaling(1 / 16), shape, body)


def experienced(name: str) -> Network:
    """With statistics of what it is shown, as a trained one has them: else signals die out on the way through many
    blocks, and gradients with them."""
    network, norms = built(name), []
    for block in network.blocks:
        norms += [layer for layer in leaves(block) if isinstance(layer, keras.layers.BatchNormalization)]
    for momentum in (0.0, MOMENTUM):
        for layer in norms:
            layer.momentum = momentum
        if not momentum:
            network.whole()(examples(name)[0], training=True)
    return network


def question(strategy: str, network: Network) -> RunSpec:
    """One epoch a phase, as far as the strategy lets one choose."""
    body = network.names[:-1]
    by_hand = (Phase("first", 1, 0.01, (body[0], "head")), Phase("last", 1, 0.01, (body[-1], "head"), (0.1, 1.0)))
    plan = by_hand if strategy == "custom" else ()
    return RunSpec(strategy=strategy, epochs=len(network.names), batch_size=8, first_block=2, plan=plan)


@cache
def examples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """16 digits; pictures of noise for those that want three colours."""
    digits = DATASETS["digits"].load()
    noise = np.random.default_rng(0).uniform(0, 16, (16, *SHAPES[name])).astype(np.float32)
    return noise if SHAPES[name][2] == 3 else digits.x[:16], np.eye(10, dtype=np.float32)[digits.y[:16]]


def values(network: Network) -> dict[str, np.ndarray]:
    return {tensor.path: variable.numpy().copy() for tensor, variable in tensors(network.blocks)}


def by_fit(network: Network, spec: RunSpec, phase: Phase, x: np.ndarray, y: np.ndarray) -> None:
    model = network.whole()
    model.compile(optimizer=optimizers.built(spec, phase, network, 2), loss="categorical_crossentropy")
    model.fit(x, y, batch_size=8, verbose=0)


def by_hand(network: Network, spec: RunSpec, phase: Phase, x: np.ndarray, y: np.ndarray) -> None:
    model, optimizer = network.whole(), optimizers.built(spec, phase, network, 2)
    for rows in (slice(0, 8), slice(8, 16)):
        with tf.GradientTape() as tape:
            answers = model(x[rows], training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y[rows], answers)) + sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)


def moving(network: Network, phase: Phase) -> set[str]:
    """The paths of what a phase moves, spelt out anew from the phase."""
    found = set()
    for tensor, _ in tensors(network.blocks):
        only = "weights" if tensor.block == "head" else phase.only
        moves = set(MOVES[only]) if only != "adapters" or tensor.kind in ("Dense", "Conv2D") else set()
        if only in ("weights", "norms"):
            moves |= STATISTICS
        if tensor.block in phase.learning and tensor.variable in moves:
            found.add(tensor.path)
    return found


def moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    assert before.keys() == after.keys()
    return {path for path, value in before.items() if value.tobytes() != after[path].tobytes()}


@pytest.mark.parametrize(("name", "train"), [("small_cnn", by_fit), ("mobilenet_0.25", by_hand)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_phase_says_moves_and_nothing_else(strategy: str, name: str, train):
    network = experienced(name)
    spec = question(strategy, network)
    for phase in STRATEGIES[strategy].plan(spec, network.names):
        before = values(network)
        freezing.apply(network, phase, spec)
        train(network, spec, phase, *examples(name))
        freezing.merge(network)
        assert moved(before, values(network)) == moving(network, phase), phase.name


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_as_many_parameters_learn_as_were_told(strategy: str, name: str):
    network = built(name)
    spec = question(strategy, network).revised(lora_rank=3, first_block=1)
    for phase in STRATEGIES[strategy].plan(spec, network.names):
        freezing.apply(network, phase, spec)
        learning = sum(int(np.prod(variable.shape)) for variable in network.whole().trainable_variables)
        assert learning == told(phase, network.cards, 3)["trainable_parameters"], phase.name


@pytest.mark.parametrize("name", SHAPES)
def test_cards_name_variables_as_keras_does(name: str):
    network = built(name)
    for card, block in zip(network.cards, network.blocks, strict=True):
        assert card.variables == tuple(tensor.variable for tensor, _ in tensors([block]))


def test_statistics_that_moved_once_stay_again_and_a_later_phase_undoes_all():
    """In one and the same network, under fit: Keras' advice to call a frozen part with training=False does not."""
    network = built("small_cnn")
    spec, (x, y) = question("custom", network), examples("small_cnn")
    everything = Phase("everything learns", 1, 0.01, network.names)
    phases = [
        everything,
        *(Phase(only, 1, 0.01, network.names, only=only) for only in ("adapters", "biases", "norms", "adapters")),
        Phase("head", 1, 0.01, ("head",)),
        Phase("one in the middle", 1, 0.01, ("conv2", "head")),
        everything,
    ]
    for phase in phases:
        before = values(network)
        freezing.apply(network, phase, spec)
        by_fit(network, spec, phase, x, y)
        freezing.merge(network)
        assert moved(before, values(network)) == moving(network, phase), phase.name


@pytest.mark.parametrize("only", MOVES)
def test_where_statistics_are_kept_they_are_what_a_batch_is_normalised_by(only: str):
    network, (x, _) = built("resnet_20"), examples("resnet_20")
    for _, variable in tensors(network.blocks):  # as after some training: away from 0 and 1
        variable.assign_add(np.full(variable.shape, 0.01, np.float32))
    phase = Phase("x", 1, 0.01, network.names, only=only)
    freezing.apply(network, phase, RunSpec())
    trained, asked = (np.asarray(network.whole()(x, training=training)) for training in (True, False))
    assert (
        np.allclose(trained, asked, atol=1e-6) == phase.keeps_statistics("stage1") == (only in ("biases", "adapters"))
    )


def adapted(name: str, strategy_seed: int = 0) -> tuple[Network, RunSpec]:
    """A network whose adapters have learnt for two steps."""
    network = built(name)
    spec = question("lora", network).revised(seed=strategy_seed)
    (phase,) = STRATEGIES["lora"].plan(spec, network.names)
    freezing.apply(network, phase, spec)
    by_hand(network, spec, phase, *examples(name))
    return network, spec


def adapters(network: Network) -> list[np.ndarray]:
    return [
        variable.numpy().copy() for tensor, variable in tensors(network.blocks) if tensor.variable == "lora_kernel_a"
    ]


@pytest.mark.parametrize("name", SHAPES)
def test_a_merged_network_answers_as_before_and_has_no_trace_of_adapters(name: str, tmp_path: Path):
    network, spec = adapted(name)
    fresh, (x, _) = built(name), examples(name)
    assert adapters(network)
    expected = network.whole().predict(x, verbose=0)
    freezing.merge(network)
    np.testing.assert_allclose(network.whole().predict(x, verbose=0), expected, atol=1e-5)
    assert [tensor for tensor, _ in tensors(network.blocks)] == [tensor for tensor, _ in tensors(fresh.blocks)]

    everything = Phase("everything learns", 1, 0.01, network.names)
    for own in (network, fresh):
        freezing.apply(own, everything, spec)
        own.whole().save(tmp_path / f"{id(own)}.keras")
    paths = [[variable.path for block in own.blocks for variable in block.weights] for own in (network, fresh)]
    assert paths[0] == paths[1]
    assert not any("lora" in path for path in paths[0])
    with zipfile.ZipFile(tmp_path / f"{id(network)}.keras") as file:
        assert b"lora" not in file.read("config.json") and b"lora" not in file.read("model.weights.h5")
    loaded = keras.models.load_model(tmp_path / f"{id(network)}.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-5)
    assert [own.shape for own in loaded.weights] == [own.shape for own in fresh.whole().weights]


def test_adapters_begin_with_the_network_as_it_is_and_by_the_seed_alone():
    plain, (x, _) = built("small_cnn"), examples("small_cnn")
    expected = plain.whole().predict(x, verbose=0)
    drawn = []
    for seed in (0, 0, 1):
        network = built("small_cnn")
        spec = question("lora", network).revised(seed=seed)
        np.random.default_rng().random()
        keras.utils.set_random_seed(len(drawn))
        freezing.apply(network, Phase("x", 1, 0.01, network.names, only="adapters"), spec)
        np.testing.assert_array_equal(network.whole().predict(x, verbose=0), expected)
        drawn.append(adapters(network))
    assert all(np.array_equal(one, other) for one, other in zip(drawn[0], drawn[1], strict=True))
    assert not any(np.array_equal(one, other) for one, other in zip(drawn[0], drawn[2], strict=True))
    first, second = (own.flat[:8] / np.abs(own).max() for own in drawn[0][:2])
    assert not np.allclose(first, second, atol=0.01)  # layers do not share a draw


def test_alpha_over_rank_is_the_weight_of_adapters():
    gained = []
    for alpha in (4.0, 8.0):
        network = built("dense_128")
        before = values(network)["dense1/dense_1/kernel"]
        spec = RunSpec(lora_rank=4, lora_alpha=alpha)
        freezing.apply(network, Phase("x", 1, 0.01, network.names, only="adapters"), spec)
        for tensor, variable in tensors(network.blocks):
            if tensor.variable == "lora_kernel_b":
                variable.assign(np.ones(tensor.shape, np.float32))
        (a,) = adapters(network)
        freezing.merge(network)
        gained.append(values(network)["dense1/dense_1/kernel"] - before)
        np.testing.assert_allclose(gained[-1], alpha / 4 * a.sum(1, keepdims=True).repeat(128, 1), atol=1e-5)


def test_adapters_in_layers_that_others_drew():
    """Layers in layers, and layers that take no adapters."""
    layers, network = keras.layers, built("dense_128")
    network.blocks[0] = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Embedding(17, 6),
            layers.TimeDistributed(layers.Dense(5), name="each"),
            layers.BatchNormalization(),
            layers.LSTM(5, return_sequences=True),
            layers.EinsumDense("abc,cd->abd", (4, 8), bias_axes="d", name="einsum"),
            layers.Flatten(),
            layers.Dense(128, kernel_constraint="max_norm"),
        ],
        name="dense1",
    )
    freezing.apply(network, Phase("x", 1, 0.1, network.names, only="adapters"), RunSpec(lora_rank=2))
    body = network.blocks[0]
    learning = [variable for variable in body.variables if variable.trainable]
    assert [tuple(variable.shape) for variable in learning] == [(6, 2), (2, 5), (5, 2), (2, 8)]
    for variable in learning:
        variable.assign(np.full(variable.shape, 0.5, np.float32))
    x = np.arange(8).reshape(2, 4)
    expected = body.predict(x, verbose=0)
    freezing.merge(network)
    np.testing.assert_allclose(body.predict(x, verbose=0), expected, atol=1e-5)
    assert not any("lora" in variable.path for variable in body.variables)


@pytest.fixture
def pulled() -> Network:
    """Copied but for its first layer, pulled by 0.5, and everything learning."""
    network = built("small_cnn")
    borrowed = {path for path in values(network) if path.split("/")[0] in ("conv2", "conv3")}
    freezing.pull(network, RunSpec(pull=0.5), borrowed)
    freezing.apply(network, Phase("x", 1, 0.01, network.names), RunSpec())
    return network


def squares(network: Network, *blocks: str) -> float:
    return sum(
        float(np.sum(np.square(value, dtype=np.float64)))
        for path, value in values(network).items()
        if path.split("/")[0] in blocks and path.split("/")[-1] not in STATISTICS
    )


def test_new_weights_are_pulled_to_zero_and_copied_ones_to_their_start(pulled: Network):
    new = 0.5 / 2 * squares(pulled, "conv1", "head")
    assert float(sum(pulled.whole().losses)) == pytest.approx(new, rel=1e-5)
    kernel = pulled.blocks[1].get_layer("conv_0").kernel  # 3×3×32×64
    kernel.assign_add(np.full(kernel.shape, 0.1, np.float32))
    assert float(sum(pulled.whole().losses)) == pytest.approx(new + 0.25 * 3 * 3 * 32 * 64 * 0.01, rel=1e-4)
    with tf.GradientTape() as tape:
        loss = sum(pulled.whole().losses)
    np.testing.assert_allclose(tape.gradient(loss, kernel.value), np.full(kernel.shape, 0.5 * 0.1), atol=1e-6)


def test_the_pull_is_in_the_loss_of_fit_and_of_nothing_frozen(pulled: Network):
    (x, y), spec = examples("small_cnn"), RunSpec()
    for learning in (("head",), pulled.names):
        phase = Phase("x", 1, 0.01, learning)
        freezing.apply(pulled, phase, spec)
        model = pulled.whole()
        penalty = 0.25 * squares(pulled, "head", *({"conv1"} & set(learning)))
        assert float(sum(model.losses)) == pytest.approx(penalty, rel=1e-5)
        with_pull, without = [], []
        for told_to in (with_pull, without):
            model = pulled.whole()
            model.compile(optimizer=keras.optimizers.SGD(0.0), loss="categorical_crossentropy")
            told_to += model.fit(x, y, batch_size=16, verbose=0).history["loss"]
            freezing.release(pulled)
        assert with_pull[0] - without[0] == pytest.approx(penalty, rel=0.02)
        freezing.pull(pulled, RunSpec(pull=0.5), {path for path in values(pulled) if path[:5] in ("conv2", "conv3")})


def test_a_strong_pull_holds_what_was_copied():
    away = {}
    for pull in (0.0, 100.0):
        network, (x, y) = built("small_cnn"), examples("small_cnn")
        start = values(network)
        spec, phase = RunSpec(pull=pull, optimizer="sgd"), Phase("x", 1, 0.005, network.names)
        freezing.pull(network, spec, {path for path in start if not path.startswith("head")})
        freezing.apply(network, phase, spec)
        for _ in range(5):
            by_hand(network, spec, phase, x, y)
        path = "conv3/conv_0/kernel"
        away[pull] = float(np.linalg.norm(values(network)[path] - start[path]))
    assert 0 < away[100.0] < away[0.0] / 2


def test_release_leaves_what_was_there_and_saving_knows_nothing_of_a_pull(pulled: Network, tmp_path: Path):
    held = [variable for tensor, variable in tensors(pulled.blocks) if variable.regularizer]
    assert {variable.name for variable in held} == MOVES["weights"]
    pulled.whole().save(tmp_path / "held.keras")
    assert not keras.models.load_model(tmp_path / "held.keras").losses
    own = keras.regularizers.L2(0.1)
    freezing.release(pulled)
    pulled.blocks[0].get_layer("conv_0").kernel.regularizer = own
    freezing.pull(pulled, RunSpec(), set())
    freezing.release(pulled)
    left = [variable.regularizer for _, variable in tensors(pulled.blocks) if variable.regularizer]
    assert left == [own]

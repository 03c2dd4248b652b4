"""Rates by block and by step, against numbers worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlcore import RunSpec
from tlcore.engine import freezing, optimizers
from tlcore.engine.network import Network
from tlcore.engine.optimizers import Course
from tlcore.networks import NETWORKS
from tlcore.spec import OPTIMIZERS, SCHEDULES
from tlcore.strategies import STRATEGIES, Phase

RATES = (0.001, 0.01, 0.1, 1.0)


def built(name: str = "small_cnn") -> Network:
    keras.utils.set_random_seed(0)
    return Network(NETWORKS[name].whole((8, 8, 1), 10), keras.layers.Rescaling(1 / 16), (8, 8, 1))


def frozen(phase: Phase, **fields) -> tuple[Network, keras.Model, keras.optimizers.Optimizer]:
    network, spec = built(), RunSpec(**fields)
    freezing.apply(network, phase, spec)
    return network, network.whole(), optimizers.built(spec, phase, network, 10)


def by_block(network: Network) -> dict[str, list[keras.Variable]]:
    return {block.name: [v for v in block.variables if v.trainable] for block in network.blocks}


def test_every_optimizer_is_there_and_takes_its_rate():
    assert set(optimizers.OPTIMIZERS) == set(OPTIMIZERS)
    for name, make in optimizers.OPTIMIZERS.items():
        assert float(make(4.5e-6).learning_rate) == pytest.approx(4.5e-6), name
    assert set(optimizers.FALLS) == set(SCHEDULES)


def test_a_constant_rate_stays_a_plain_number():
    for factors, rate in (((), 0.02), ((0.5, 0.5), 0.01)):
        network = built()
        own = optimizers.built(RunSpec(), Phase("x", 3, 0.02, ("conv3", "head"), factors), network, 10)
        assert type(own) is keras.optimizers.Adam and float(own.learning_rate) == pytest.approx(rate)
        own.learning_rate = 0.5  # what has no schedule can be set
        assert float(own.learning_rate) == 0.5


# A phase of 4 epochs with 10 steps each at 0.8: the rate at chosen steps.
@pytest.mark.parametrize(
    ("schedule", "warm_up", "expected"),
    [
        ("cosine", 0, {0: 0.8, 10: 0.682843, 20: 0.4, 30: 0.117157, 39: 0.001233, 40: 0.0, 99: 0.0}),
        ("step", 0, {0: 0.8, 19: 0.8, 20: 0.08, 29: 0.08, 30: 0.008, 39: 0.008}),
        ("slanted", 0, {0: 0.025, 2: 0.4125, 4: 0.8, 22: 0.4125, 39: 0.046528, 40: 0.025}),
        ("slanted", 1, {0: 0.025, 5: 0.4125, 10: 0.8, 25: 0.4125, 40: 0.025}),
        ("constant", 1, {0: 0.8 / 11, 4: 0.8 * 5 / 11, 10: 0.8, 39: 0.8}),
        ("cosine", 2, {0: 0.8 / 21, 19: 0.8 * 20 / 21, 20: 0.8, 30: 0.4, 40: 0.0}),
        ("step", 2, {0: 0.8 / 21, 20: 0.8, 29: 0.8, 30: 0.08, 35: 0.008, 39: 0.008}),
    ],
)
def test_the_rate_goes_as_drawn(schedule: str, warm_up: int, expected: dict[int, float]):
    phase = Phase("x", 4, 0.8, ("head",), schedule=schedule, warm_up=warm_up)
    own = optimizers.built(RunSpec(), phase, built(), 10)
    for step, rate in expected.items():
        own.iterations.assign(step)
        assert float(own.learning_rate) == pytest.approx(rate, abs=2e-6), step
    assert type(own._learning_rate).from_config(own._learning_rate.get_config())(7) == own._learning_rate(7)


@pytest.mark.parametrize("steps", [1, 2, 9, 19])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_few_steps_are_steps_too(schedule: str, steps: int):
    rates = [float(Course(schedule, 1.0, steps)(step)) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    assert max(rates) == 1 or steps == 1


@pytest.mark.parametrize("strategy", ["discriminative", "layer_decay", "ulmfit"])
def test_each_block_learns_at_its_rate(strategy: str):
    """Plain gradient descent with a gradient of 1: a step is the rate."""
    spec = RunSpec(epochs=8, optimizer="sgd", learning_rate=0.1)
    expected = {
        "discriminative": (0.1 / 2.6**3, 0.1 / 2.6**2, 0.1 / 2.6, 0.1),
        "layer_decay": (0.1 * 0.75**3, 0.1 * 0.75**2, 0.075, 0.1),
        "ulmfit": tuple(0.1 / 32 / 2.6**depth for depth in (3, 2, 1, 0)),
    }[strategy]
    network = built()
    phase = STRATEGIES[strategy].plan(spec, network.names)[-1]
    freezing.apply(network, phase, spec)
    own, model = optimizers.built(spec, phase, network, 10), network.whole()
    before = [variable.numpy().copy() for variable in model.trainable_variables]
    own.apply([tf.ones(variable.shape) for variable in model.trainable_variables], model.trainable_variables)
    steps = {
        id(variable): old - variable.numpy()
        for old, variable in zip(before, model.trainable_variables, strict=True)
    }  # fmt: skip
    for (_, variables), rate in zip(by_block(network).items(), expected, strict=True):
        assert variables
        for variable in variables:
            np.testing.assert_allclose(steps[id(variable)], rate, atol=2e-7)


def test_adapters_and_biases_learn_at_the_rate_of_their_block():
    for only in ("adapters", "biases", "norms"):
        _, model, own = frozen(Phase("x", 1, 1.0, built().names, RATES, only=only), optimizer="sgd")
        before = {variable.path: variable.numpy().copy() for variable in model.trainable_variables}
        own.apply([tf.ones(variable.shape) for variable in model.trainable_variables], model.trainable_variables)
        found = {round(float((before[v.path] - v.numpy()).mean()), 5) for v in model.trainable_variables}
        assert found == set(RATES)


def test_weights_decay_at_the_rate_of_their_block():
    network, model, own = frozen(Phase("x", 1, 1.0, built().names, RATES), optimizer="adamw")
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape, np.float32))
    own.apply([tf.zeros(variable.shape) for variable in model.trainable_variables], model.trainable_variables)
    for rate, (_, variables) in zip(RATES, by_block(network).items(), strict=True):
        for variable in variables:
            np.testing.assert_allclose(variable.numpy(), 1 - 0.004 * rate, atol=1e-7)


def test_a_variable_that_belongs_to_no_block_that_learns_is_refused():
    network, spec = built(), RunSpec()
    own = optimizers.built(spec, Phase("x", 1, 1.0, ("conv3", "head"), (0.1, 1.0)), network, 10)
    with pytest.raises(ValueError, match=r"conv1.*expected a variable of the blocks that learn, conv3, head"):
        own.build(network.whole().trainable_variables)
    other = optimizers.built(spec, Phase("x", 1, 1.0, network.names, RATES), network, 10)
    with pytest.raises(ValueError, match="expected a variable"):
        other.build(built().whole().trainable_variables)  # of the same paths, but of another network


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "momentum"])
@pytest.mark.parametrize("schedule", ["constant", "slanted"])
def test_a_loop_by_hand_and_fit_end_at_the_same_weights(optimizer: str, schedule: str):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 16, (32, 8, 8, 1)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 32)]
    phase = Phase("x", 1, 0.01, ("conv2", "conv3", "head"), (0.1, 0.5, 1.0), schedule=schedule)

    _, model, own = frozen(phase, optimizer=optimizer)
    model.compile(optimizer=own, loss="categorical_crossentropy", jit_compile=False)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    fitted = [weight.numpy().copy() for weight in model.weights]

    _, model, own = frozen(phase, optimizer=optimizer)
    variables = model.trainable_variables
    own.build(variables)
    examples, labels = tf.constant(x), tf.constant(y)

    @tf.function
    def trained(steps: tf.Tensor) -> None:
        for step in tf.range(steps):
            rows = step % 4 * 8
            with tf.GradientTape() as tape:
                answers = model(examples[rows : rows + 8], training=True)
                loss = tf.reduce_mean(keras.losses.categorical_crossentropy(labels[rows : rows + 8], answers))
            own.apply(tape.gradient(loss, variables), variables)

    trained(tf.constant(8))
    for one, other in zip(fitted, model.weights, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=2e-5)

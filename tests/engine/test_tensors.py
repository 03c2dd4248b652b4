"""Paths of weights: they outlive a process, so that what they are called must not depend on how a model was built."""

import keras
import numpy as np

from tlcore.engine.tensors import pictures, settle, tensors

L = keras.layers


def paths(*blocks: keras.Model) -> list[str]:
    return [tensor.path for tensor, _ in tensors(blocks)]


def test_a_sequential_block_built_first_or_last():
    def layers() -> list[keras.Layer]:
        return [L.Conv2D(2, 3, name="conv_0"), L.Dropout(0.2, name="dropout_1"), L.BatchNormalization(name="norm_2")]

    first = keras.Sequential([keras.Input((8, 8, 1)), *layers()], name="conv1")
    last = keras.Sequential(layers(), name="conv1")
    last(np.zeros((1, 8, 8, 1)))
    wanted = ["conv_0/kernel", "conv_0/bias"] + [
        f"norm_2/{v}" for v in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    assert paths(first) == paths(last) == [f"conv1/{path}" for path in wanted]  # and no seed


def test_layers_in_layers_do_not_collide():
    inputs = keras.Input((5, 8))
    x = L.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = keras.Sequential([L.Dense(3, name="dense")], name="one")(x)
    x = keras.Sequential([L.Dense(3, name="dense")], name="two")(x)
    block = keras.Model(inputs, x, name="block")
    sublayers = ("query", "key", "value", "attention_output")
    assert paths(block) == [
        *(f"block/attention/{sub}/{v}" for sub in sublayers for v in ("kernel", "bias")),
        *(f"block/{model}/dense/{v}" for model in ("one", "two") for v in ("kernel", "bias")),
    ]


class Twice(keras.Layer):
    def __init__(self, **options: object):
        super().__init__(**options)
        self.one, self.two = L.Dense(4, name="dense"), L.Dense(4, name="dense")

    def build(self, shape: tuple[int, ...]) -> None:
        self.one.build(shape)
        self.two.build((None, 4))

    def call(self, x: object) -> object:
        return self.two(self.one(x))


def test_sublayers_of_one_name_are_numbered():
    block = keras.Sequential([keras.Input((3,)), Twice(name="twice")], name="block")
    assert paths(block) == [f"block/twice/{sub}/{v}" for sub in ("dense", "dense_2") for v in ("kernel", "bias")]


def test_a_cut_application_keeps_its_names_and_all_its_weights():
    whole = keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, include_top=False, pooling="avg")
    cut = whole.get_layer("conv_pw_6_relu").output
    blocks = [keras.Model(whole.input, cut, name="stage1"), keras.Model(cut, whole.output, name="stage2")]
    found = paths(*blocks)
    assert len(found) == len({*found}) == len(whole.weights)
    assert "stage1/conv_pw_4/kernel" in found and "stage2/conv_pw_13_bn/moving_mean" in found


def test_what_a_flatten_took_is_told_of_the_dense_layer_behind_it():
    one = keras.Sequential([keras.Input((6, 4, 3)), L.Conv2D(5, 3, name="conv"), L.Flatten(name="flat")], name="one")
    two = keras.Sequential([keras.Input((40,)), L.Dense(7, name="a"), L.Dense(40, name="b")], name="two")
    assert pictures([one, two]) == {"two/a": (4, 2, 5)}


def test_a_normalisation_divides_by_what_was_set_last():
    block = keras.Sequential([keras.Input((2,)), L.Normalization(name="normalization")], name="block")
    assert paths(block) == ["block/normalization/mean", "block/normalization/variance"]
    for (_, variable), value in zip(tensors([block]), ([1.0, 2.0], [4.0, 9.0]), strict=True):
        variable.assign(value)
    settle([block])
    np.testing.assert_allclose(block(np.array([[3.0, 5.0]])), [[1.0, 1.0]], rtol=1e-6)

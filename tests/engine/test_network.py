import keras
import numpy as np
import pytest

from tlcore.architectures import network as architecture
from tlcore.engine.network import MOMENTUM, Network, leaves
from tlcore.networks import NETWORKS

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (13,)]
PAIRS = [(name, shape) for name in NETWORKS for shape in SHAPES if len(shape) == 3 or not NETWORKS[name].convolutional]


def built(name: str, shape: tuple[int, ...], classes: int = 7) -> Network:
    return Network(NETWORKS[name].whole(shape, classes), keras.layers.Rescaling(1 / 16))


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_what_is_built_is_what_was_drawn(name: str, shape: tuple[int, ...]):
    network = built(name, shape)
    for card, block in zip(network.cards, network.blocks, strict=True):
        assert block.name == card.name and block.input_shape[1:] == card.input_shape
        assert block.output_shape[1:] == card.output_shape
        weights = [w for layer in block.layers for w in layer.weights if str(w.dtype).startswith("float")]
        assert tuple(tuple(weight.shape) for weight in weights) == card.weights
        assert sum(int(np.prod(weight.shape)) for weight in weights) == card.parameters
    assert network.whole().output_shape == (None, 7)


def test_front_and_tail_are_the_whole():
    network = built("small_cnn", (8, 8, 1))
    x = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.float32)
    expected = network.whole().predict(x, verbose=0)
    assert np.allclose(expected.sum(1), 1, atol=1e-6)
    for cut in range(1, len(network.blocks)):
        features = network.front(cut).predict(x, verbose=0)
        np.testing.assert_allclose(network.tail(cut).predict(features, verbose=0), expected, atol=1e-6)


def test_an_unknown_layer():
    card = NETWORKS["dense_64"].blocks((4,))[0]
    with pytest.raises(ValueError, match="unknown layer"):
        Network([type(card)("x", (("sing", 3),), (4,), (4,), (), 0, ())], keras.layers.Rescaling(1))


def test_statistics_of_every_network_catch_up_within_few_steps():
    for name, body in (("small_cnn", None), ("mobilenet_0.25", "mobilenet_0.25")):
        network = Network(architecture(name).whole((32, 32, 3), 3), keras.layers.Rescaling(1 / 255), body=body)
        norms = [
            layer for block in network.blocks for layer in leaves(block)
            if isinstance(layer, keras.layers.BatchNormalization)
        ]  # fmt: skip
        assert norms and {layer.momentum for layer in norms} == {MOMENTUM}

"""Keys of frozen fronts: equal in all processes, and different for any change."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from tlcore import Phase, RunSpec
from tlcore.architectures import network as card_of
from tlcore.engine import fingerprint, freezing
from tlcore.engine.network import Network
from tlcore.networks import NETWORKS


def built(name: str = "small_cnn", seed: int = 0, scale: float = 1 / 16, side: int = 8) -> Network:
    keras.utils.set_random_seed(seed)
    shape = (side, side, 1)
    inputs = keras.Input(shape)
    before = keras.Model(inputs, keras.layers.Rescaling(scale)(inputs))
    return Network(NETWORKS[name].whole(shape, 10), before, shape)


def _weight(network: Network) -> None:
    kernel = network.blocks[1].weights[0]
    value = np.array(kernel.numpy())
    value.flat[3] = np.nextafter(value.flat[3], 9)
    kernel.assign(value)


CHANGES: dict[str, Callable[[], tuple[Network, int]]] = {
    "cut": lambda: (built(), 1),
    "weights": lambda: (built(seed=1), 2),
    "preprocessing": lambda: (built(scale=1 / 15), 2),
    "size": lambda: (built(side=12), 2),
    "network": lambda: (built("dense_128"), 2),
}


def test_a_key_says_all_that_features_follow_from():
    mine = fingerprint.front(built(), 2)
    assert mine == fingerprint.front(built(), 2)
    others = {what: fingerprint.front(*make()) for what, make in CHANGES.items()}
    assert len({mine, *others.values()}) == len(others) + 1
    network = built()
    freezing.apply(network, Phase("x", 1, 0.01, ("head",)), RunSpec())
    keras.utils.set_random_seed(5)
    assert fingerprint.front(network, 2) == mine  # what inference does not heed
    for block in network.blocks[2:]:
        block.set_weights([weight + 1 for weight in block.get_weights()])
    assert fingerprint.front(network, 2) == mine  # what lies behind the cut
    _weight(network)
    assert fingerprint.front(network, 2) != mine


def test_a_key_hears_of_precision_and_of_a_tables_means():
    def table(mean: float) -> Network:
        inputs = keras.Input((3,))
        before = keras.Model(inputs, keras.layers.Normalization(mean=[mean, 0, 0], variance=[1, 1, 1])(inputs))
        keras.utils.set_random_seed(0)
        return Network(NETWORKS["dense_64"].whole((3,), 2), before, (3,))

    mine = fingerprint.front(table(0.5), 1)
    assert mine == fingerprint.front(table(0.5), 1) != fingerprint.front(table(0.50001), 1)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert fingerprint.front(table(0.5), 1) != mine
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_key_of_a_network_that_others_drew():
    def drawn() -> Network:
        card = card_of("mobilenet_0.25")
        body = card.blocks((32, 32, 3))
        keras.utils.set_random_seed(0)
        cards = [*body, NETWORKS["small_cnn"].head(body[-1].output_shape, 2)]
        return Network(cards, keras.layers.Rescaling(1.0), (32, 32, 3), card.name)

    one, other = drawn(), drawn()
    for mine, theirs in zip(one.blocks, other.blocks, strict=True):
        theirs.set_weights(mine.get_weights())
    assert fingerprint.front(one, 3) == fingerprint.front(other, 3) != fingerprint.front(other, 2)

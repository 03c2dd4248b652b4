from itertools import pairwise

import pytest

from tlcore.architectures import usual
from tlcore.networks import NETWORKS


def test_small_cnn_by_hand():
    blocks = NETWORKS["small_cnn"].whole((8, 8, 1), 10)
    assert [block.name for block in blocks] == ["conv1", "conv2", "conv3", "head"]
    assert [block.output_shape for block in blocks] == [(8, 8, 32), (4, 4, 64), (128,), (10,)]
    conv1 = 3 * 3 * 1 * 32 + 4 * 32  # convolutions have no bias: the normalisation behind them has one
    conv2 = 3 * 3 * 32 * 64 + 4 * 64
    conv3 = 3 * 3 * 64 * 128 + 4 * 128
    assert [block.parameters for block in blocks] == [conv1, conv2, conv3, 128 * 10 + 10]


def test_dense_128_by_hand():
    body, head = NETWORKS["dense_128"].whole((28, 28, 1), 10)
    assert body.weights == ((784, 128), (128,)) and body.parameters == 784 * 128 + 128
    assert head.weights == ((128, 10), (10,)) and head.layers[-1] == ("softmax",)


def test_dense_64_32_by_hand():
    blocks = NETWORKS["dense_64_32"].whole((100,), 3)
    assert [block.parameters for block in blocks] == [100 * 64 + 64, 64 * 32 + 32, 32 * 3 + 3]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3)])
def test_blocks_fit_together(name: str, shape: tuple[int, ...]):
    blocks = NETWORKS[name].whole(shape, 7)
    assert blocks[0].input_shape == shape and blocks[-1].output_shape == (7,)
    for one, following in pairwise(blocks):
        assert one.output_shape == following.input_shape


def test_convolutions_take_pictures_of_any_size_with_the_same_weights():
    small, large = (NETWORKS["small_cnn"].blocks((n, n, 1)) for n in (8, 28))
    assert [block.weights for block in small] == [block.weights for block in large]


def test_a_vector_is_no_picture():
    with pytest.raises(IndexError):
        NETWORKS["small_cnn"].blocks((13,))


def test_the_usual_network():
    assert usual((8, 8, 1)) == "small_cnn" and usual((13,)) == "dense_64_32"

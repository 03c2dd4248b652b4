from itertools import pairwise

import pytest

from tlcore.architectures import usual
from tlcore.networks import NETWORKS, adaptable, variables
from tlcore.pretrained import ARCHITECTURES


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


NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def test_weights_are_called_what_keras_calls_them():
    conv1, *_, head = NETWORKS["small_cnn"].whole((8, 8, 1), 10)
    assert conv1.variables == ("kernel", *NORM) and head.variables == ("kernel", "bias")
    stage = NETWORKS["resnet_20"].blocks((8, 8, 1))[2]  # its first unit is projected: two normalisations in a row
    assert stage.variables == ("kernel", *NORM, "kernel", "kernel", *NORM, *NORM, *("kernel", *NORM) * 4)


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        (1, ("bias",)),
        (2, ("gamma", "beta")),
        (3, ("bias", "gamma", "beta")),
        (4, NORM),
        (5, ("bias", *NORM)),
        (8, (*NORM, *NORM)),
        (9, ("bias", *NORM, *NORM)),
    ],
)
def test_what_vectors_behind_a_kernel_are(vectors: int, expected: tuple[str, ...]):
    assert variables([(3, 3, 8, 16), *[(16,)] * vectors, (16, 4), (4,)]) == ("kernel", *expected, "kernel", "bias")


def test_parameters_that_learn_by_hand():
    _, conv2, _, head = NETWORKS["small_cnn"].whole((8, 8, 1), 10)
    kernel = 3 * 3 * 32 * 64
    assert conv2.trainable() == kernel + 2 * 64 == conv2.parameters - 2 * 64  # without the statistics
    assert (conv2.trainable("biases"), conv2.trainable("norms")) == (64, 2 * 64)
    assert conv2.trainable("adapters", 4) == 4 * (3 * 3 * 32 + 64)
    assert (head.trainable("biases"), head.trainable("norms")) == (10, 0)
    assert head.trainable("adapters", 2) == 2 * (128 + 10)


def test_no_adapters_beside_depthwise_kernels():
    stage = ARCHITECTURES["mobilenet_0.25"].blocks((32, 32, 3))[1]  # depthwise 3×3×8×1, pointwise 1×1×8×16
    assert stage.weights[0] == (3, 3, 8, 1) and stage.weights[5] == (1, 1, 8, 16)
    assert stage.trainable("adapters", 2) == 2 * (8 + 16)
    assert not adaptable("kernel", (3, 3, 8, 1)) and adaptable("kernel", (8, 1))
    assert not adaptable("embeddings", (8, 16)) and not adaptable("bias", (8,))

"""What adapted layers answer, worked out without the code that adapts and compares them: with Keras' own resizing,
and with the source's body itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from tlcore.engine import transfer
from tlcore.engine.adaptation import resizing
from tlcore.engine.tensors import tensors
from tlcore.engine.transfer import Receipt, Side

L = keras.layers


@dataclass
class Drawn:
    """Blocks in a row and what stands before them, as a Network has them."""

    blocks: list[keras.Model]
    preprocess: keras.Layer

    def body(self, x: np.ndarray) -> np.ndarray:
        for block in self.blocks[:-1]:
            x = block(x, training=False)
        return np.asarray(x)


def drawn(shape: tuple[int, ...], body: dict[str, Sequence[keras.Layer]], classes: int = 3, seed: int = 0) -> Drawn:
    """A network whose every weight is a number of its own, statistics included."""
    blocks = []
    for name, layers in [*body.items(), ("head", [L.Dense(classes, name="dense_0"), L.Softmax(name="softmax_1")])]:
        blocks.append(keras.Sequential([keras.Input(shape), *layers], name=name))
        shape = blocks[-1].output_shape[1:]
    random = np.random.default_rng(seed)
    for _, variable in tensors(blocks):
        variable.assign(random.uniform(0.1, 1.0, variable.shape).astype(np.float32))
    return Drawn(blocks, L.Rescaling(1 / 16))


def arrays(network: Drawn) -> dict[str, np.ndarray]:
    return {tensor.path: np.asarray(variable).copy() for tensor, variable in tensors(network.blocks)}


def carried(folder: Path, source: Drawn, target: Drawn, theirs: Side | None, own: Side, **how: bool) -> Receipt:
    """The receipt of a copy, with the difference told on 16 inputs."""
    transfer.save(source, folder / "weights.npz")  # type: ignore[arg-type]
    receipt = transfer.copy(folder / "weights.npz", target, head=False, source=theirs, target=own, **how)  # type: ignore[arg-type]
    x = np.random.default_rng(9).uniform(0, 16, (16, *own.input_shape)).astype(np.float32)
    receipt.largest_difference = transfer.difference(folder / "weights.npz", target, receipt, x)  # type: ignore[arg-type]
    return receipt


def told(receipt: Receipt, tensor: str) -> tuple[str, str]:
    return next(
        (row["fate"], row["how"]) for row in receipt.rows if row["tensor"] == tensor and row["fate"] != "unused"
    )


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 1, (8, *shape)).astype(np.float32)


def conv() -> dict[str, Sequence[keras.Layer]]:
    after = [L.BatchNormalization(name="norm_1"), L.ReLU(name="relu_2"), L.GlobalAveragePooling2D(name="pool_3")]
    return {"conv1": [L.Conv2D(4, 3, padding="same", name="conv_0"), *after]}


def depthwise() -> dict[str, Sequence[keras.Layer]]:
    first = [L.BatchNormalization(name="norm_0"), L.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise_1")]
    second = [L.BatchNormalization(name="norm_2"), L.ReLU(name="relu_3"), L.Conv2D(5, 1, name="conv_4")]
    return {"one": [*first, *second], "two": [L.GlobalAveragePooling2D(name="pool_0")]}


def separable() -> dict[str, Sequence[keras.Layer]]:
    return {"one": [L.SeparableConv2D(5, 3, name="separable_0"), L.GlobalAveragePooling2D(name="pool_1")]}


def pixelwise() -> dict[str, Sequence[keras.Layer]]:
    return {"one": [L.Dense(6, name="dense_0"), L.ReLU(name="relu_1"), L.GlobalAveragePooling2D(name="pool_2")]}


@pytest.mark.parametrize(
    ("body", "known"),
    [(conv, True), (depthwise, True), (separable, True), (pixelwise, True), (conv, False), (separable, False)],
)
def test_from_grey_to_colour_it_answers_the_same_on_grey_pictures(tmp_path: Path, body, known: bool):
    source, target = drawn((8, 8, 1), body()), drawn((8, 8, 3), body(), seed=1)
    receipt = carried(tmp_path, source, target, Side((8, 8, 1)) if known else None, Side((8, 8, 3)))
    x = pictures(8, 8, 1)
    np.testing.assert_allclose(target.body(np.repeat(x, 3, -1)), source.body(x), rtol=2e-5)
    assert receipt.largest_difference is not None and 0 <= receipt.largest_difference < 1e-4
    assert receipt.checked == "on pictures without colour"
    assert {row["fate"] for row in receipt.rows if row["block"] != "head"} == {"adapted", "copied"}


def test_a_kernel_is_repeated_and_divided_by_three(tmp_path: Path):
    source, target = drawn((8, 8, 1), conv()), drawn((8, 8, 3), conv(), seed=1)
    receipt = carried(tmp_path, source, target, Side((8, 8, 1)), Side((8, 8, 3)))
    for channel in range(3):
        kernel = arrays(target)["conv1/conv_0/kernel"][:, :, channel]
        np.testing.assert_allclose(kernel, arrays(source)["conv1/conv_0/kernel"][:, :, 0] / 3, rtol=1e-6)
    said = "3 colour channels from 1: the kernel repeated and divided by 3"
    assert told(receipt, "conv1/conv_0/kernel") == ("adapted", said)
    assert told(receipt, "conv1/conv_0/bias") == ("copied", "")


@pytest.mark.parametrize("body", [conv, pixelwise])
def test_from_colour_to_grey_it_answers_as_on_a_grey_picture_in_three_channels(tmp_path: Path, body):
    source, target = drawn((8, 8, 3), body()), drawn((8, 8, 1), body(), seed=1)
    receipt = carried(tmp_path, source, target, Side((8, 8, 3)), Side((8, 8, 1)))
    x = pictures(8, 8, 1)
    np.testing.assert_allclose(target.body(x), source.body(np.repeat(x, 3, -1)), rtol=2e-5)
    assert receipt.largest_difference is not None and receipt.largest_difference < 1e-4
    assert receipt.checked == ""  # on any picture of the target's
    [row] = [row for row in receipt.rows if row["fate"] == "adapted"]
    assert row["how"] == "1 grey channel from 3: the kernel summed over them"


@pytest.mark.parametrize("body", [depthwise, separable])
def test_where_colours_were_kept_apart_the_mean_is_not_exact_and_is_not_called_so(tmp_path: Path, body):
    source, target = drawn((8, 8, 3), body()), drawn((8, 8, 1), body(), seed=1)
    receipt = carried(tmp_path, source, target, Side((8, 8, 3)), Side((8, 8, 1)))
    assert receipt.largest_difference is None
    assert receipt.checked == "it was adapted in a way that changes its answers"
    x = pictures(8, 8, 1)
    off = np.abs(target.body(x) - source.body(np.repeat(x, 3, -1))).mean() / np.abs(target.body(x)).mean()
    assert 1e-4 < off < 0.5  # near, though


def test_two_channels_are_neither_grey_nor_colour(tmp_path: Path):
    source, target = drawn((8, 8, 2), conv()), drawn((8, 8, 3), conv(), seed=1)
    receipt = carried(tmp_path, source, target, Side((8, 8, 2)), Side((8, 8, 3)))
    why = "the source's shape (3, 3, 2, 4) does not fit (3, 3, 3, 4)"
    assert told(receipt, "conv1/conv_0/kernel") == told(receipt, "conv1/conv_0/bias") == ("new", why)
    assert receipt.largest_difference is None and receipt.checked == "a part of the body is new"


def dense() -> dict[str, Sequence[keras.Layer]]:
    return {"dense1": [L.Flatten(name="flatten_0"), L.Dense(5, name="dense_1"), L.ReLU(name="relu_2")]}


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        ((28, 28, 1), (32, 32, 1)), ((32, 32, 1), (28, 28, 1)), ((28, 28, 1), (64, 64, 1)), ((9, 7, 2), (6, 12, 2)),
        ((8, 8, 3), (8, 6, 3)), ((6, 8, 1), (8, 6, 1)),
    ],
)  # fmt: skip
def test_behind_a_flatten_it_answers_as_the_source_on_the_picture_brought_to_its_size(tmp_path: Path, theirs, own):
    source, target = drawn(theirs, dense()), drawn(own, dense(), seed=1)
    receipt = carried(tmp_path, source, target, Side(theirs), Side(own))
    x = pictures(*own)
    brought = np.asarray(keras.ops.image.resize(x, theirs[:2], interpolation="bilinear", antialias=True))
    np.testing.assert_allclose(target.body(x), source.body(brought), rtol=2e-4)
    assert receipt.largest_difference is not None and receipt.largest_difference < 1e-3
    assert receipt.checked == f"on pictures brought to {theirs[0]}×{theirs[1]} pixels"
    how = f"{own[0]}×{own[1]} from {theirs[0]}×{theirs[1]}: the kernel resized as a picture, its sum kept"
    assert told(receipt, "dense1/dense_1/kernel") == ("adapted", how)
    assert told(receipt, "dense1/dense_1/bias") == ("copied", "")
    sums = [arrays(network)["dense1/dense_1/kernel"].sum(0) for network in (source, target)]
    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-4)  # so that even pictures keep their answers


def test_behind_a_flatten_size_and_colour_at_once(tmp_path: Path):
    source, target = drawn((8, 8, 1), dense()), drawn((12, 10, 3), dense(), seed=1)
    receipt = carried(tmp_path, source, target, Side((8, 8, 1)), Side((12, 10, 3)))
    x = pictures(12, 10, 1)
    brought = np.asarray(keras.ops.image.resize(x, (8, 8), interpolation="bilinear", antialias=True))
    np.testing.assert_allclose(target.body(np.repeat(x, 3, -1)), source.body(brought), rtol=2e-4)
    assert receipt.checked == "on pictures without colour and brought to 8×8 pixels"
    assert told(receipt, "dense1/dense_1/kernel")[1] == (
        "3 colour channels from 1: the kernel repeated and divided by 3; "
        "12×10 from 8×8: the kernel resized as a picture, its sum kept"
    )


def test_the_size_of_unknown_pictures_is_not_guessed(tmp_path: Path):
    source, target = drawn((8, 8, 1), dense()), drawn((12, 12, 1), dense(), seed=1)
    receipt = carried(tmp_path, source, target, None, Side((12, 12, 1)))
    assert told(receipt, "dense1/dense_1/kernel") == ("new", "the size of the source's pictures is not known")


def test_behind_convolutions_a_flatten_is_resized_without_a_promise(tmp_path: Path):
    def body() -> dict[str, Sequence[keras.Layer]]:
        front = [L.Conv2D(4, 3, padding="same", name="conv_0"), L.MaxPooling2D(name="pool_1")]
        return {"conv1": front, **dense()}

    source, target = drawn((16, 8, 1), body()), drawn((24, 12, 1), body(), seed=1)
    receipt = carried(tmp_path, source, target, Side((16, 8, 1)), Side((24, 12, 1)))
    how = "12×6 from 8×4: the kernel resized as a picture, its sum kept"
    assert told(receipt, "dense1/dense_1/kernel") == ("adapted", how)
    assert receipt.largest_difference is None
    assert receipt.checked == "it was adapted in a way that changes its answers"
    even = np.full((1, 16, 8, 1), 0.5, np.float32), np.full((1, 24, 12, 1), 0.5, np.float32)
    np.testing.assert_allclose(target.body(even[1]), source.body(even[0]), rtol=0.1)  # but for the picture's rim


@pytest.mark.parametrize(("source", "target"), [(5, 5), (5, 8), (8, 5), (28, 96), (96, 28)])
def test_the_resizing_is_keras_own(source: int, target: int):
    lines = np.eye(target, dtype=np.float32)[:, :, None, None]
    theirs = np.asarray(keras.ops.image.resize(lines, (source, 1), interpolation="bilinear", antialias=True))
    np.testing.assert_allclose(resizing(source, target), theirs[:, :, 0, 0].T, atol=1e-5)


def table() -> dict[str, Sequence[keras.Layer]]:
    return {"dense1": [L.Dense(6, name="dense_0"), L.ReLU(name="relu_1")], "dense2": [L.Dense(4, name="dense_0")]}


@pytest.mark.parametrize("own", [("b", "x", "a", "y"), ("c", "b", "a"), ("c", "a")])
def test_features_keep_their_rows_by_name(tmp_path: Path, own: tuple[str, ...]):
    theirs = ("a", "b", "c")
    source, target = drawn((3,), table()), drawn((len(own),), table(), seed=1)
    before = arrays(target)
    receipt = carried(tmp_path, source, target, Side((3,), (), theirs), Side((len(own),), (), own))
    for row, name in enumerate(own):
        kernel = arrays(source)["dense1/dense_0/kernel"] if name in theirs else before["dense1/dense_0/kernel"]
        place = theirs.index(name) if name in theirs else row
        np.testing.assert_array_equal(arrays(target)["dense1/dense_0/kernel"][row], kernel[place])
    values = {name: np.random.default_rng(n).normal(size=7) for n, name in enumerate("abcxy")}
    mine = np.stack([values[name] if name in theirs else np.zeros(7) for name in own], 1)
    seen = np.stack([values[name] if name in own else np.zeros(7) for name in theirs], 1)
    np.testing.assert_allclose(target.body(mine), source.body(seen), rtol=1e-5)
    known = len({*own} & {*theirs})
    how = f"{known} of {len(own)} features go by the source's names and keep their rows"
    assert told(receipt, "dense1/dense_0/kernel") == ("adapted", how)
    assert receipt.checked == "on the features that both sides know"
    assert receipt.largest_difference is not None and receipt.largest_difference < 1e-5


def test_features_of_other_names_are_not_copied_although_they_are_as_many(tmp_path: Path):
    source, target = drawn((3,), table()), drawn((3,), table(), seed=1)
    receipt = carried(tmp_path, source, target, Side((3,), (), ("a", "b", "c")), Side((3,), (), ("x", "y", "z")))
    why = "no feature goes by a name that the source knows"
    assert told(receipt, "dense1/dense_0/kernel") == told(receipt, "dense1/dense_0/bias") == ("new", why)
    assert told(receipt, "dense2/dense_0/kernel") == ("copied", "")


def test_features_without_any_names_go_by_their_place(tmp_path: Path):
    source, target = drawn((3,), table()), drawn((5,), table(), seed=1)
    receipt = carried(tmp_path, source, target, Side((3,)), Side((5,)))
    np.testing.assert_array_equal(arrays(target)["dense1/dense_0/kernel"][:3], arrays(source)["dense1/dense_0/kernel"])
    how = "3 of 5 features, by their place, for none has a name"
    assert told(receipt, "dense1/dense_0/kernel") == ("adapted", how)
    assert receipt.largest_difference is not None and receipt.largest_difference < 1e-5


def test_features_with_names_on_one_side_alone_are_new(tmp_path: Path):
    source, target = drawn((3,), table()), drawn((5,), table(), seed=1)
    receipt = carried(tmp_path, source, target, None, Side((5,), (), tuple("abcde")))
    why = "the features have names on one side alone"
    assert told(receipt, "dense1/dense_0/kernel") == ("new", why)


def test_a_new_input_layer_is_new_although_it_would_fit(tmp_path: Path):
    source, target = drawn((8, 8, 1), conv()), drawn((8, 8, 1), conv(), seed=1)
    before = arrays(target)["conv1/conv_0/kernel"]
    receipt = carried(tmp_path, source, target, Side((8, 8, 1)), Side((8, 8, 1)), new_input=True)
    np.testing.assert_array_equal(arrays(target)["conv1/conv_0/kernel"], before)
    assert told(receipt, "conv1/conv_0/kernel") == ("new", "the input layer was replaced")
    assert told(receipt, "conv1/norm_1/gamma") == ("copied", "")
    assert receipt.largest_difference is None and receipt.checked == "the input layer was replaced"
    unused = [row["tensor"] for row in receipt.rows if row["fate"] == "unused"]
    assert unused == ["conv1/conv_0/kernel", "conv1/conv_0/bias", "head/dense_0/kernel", "head/dense_0/bias"]


ANIMALS = ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("own", "kept", "fate"),
    [
        (("owl", "ant", "cat", "bee"), "2 of 4", "adapted"), (("dog",), "1 of 1", "adapted"),
        (("owl", "dog", "cat"), "3 of 3", "adapted"), (ANIMALS, "3 of 3", "copied"),
    ],
)  # fmt: skip
def test_classes_of_the_same_name_keep_their_columns(tmp_path: Path, own: tuple[str, ...], kept: str, fate: str):
    source, target = drawn((3,), table()), drawn((3,), table(), len(own), seed=1)
    before, theirs = arrays(target), arrays(source)
    receipt = carried(tmp_path, source, target, Side((3,), ANIMALS), Side((3,), own))
    for variable in ("kernel", "bias"):
        path = f"head/dense_0/{variable}"
        assert told(receipt, path) == (fate, f"{kept} classes go by the source's names and keep their columns")
        for column, name in enumerate(own):
            wanted = theirs[path][..., ANIMALS.index(name)] if name in ANIMALS else before[path][..., column]
            np.testing.assert_array_equal(arrays(target)[path][..., column], wanted)
    assert receipt.largest_difference == 0.0  # of the body: all of it was copied


def test_no_class_keeps_its_column_behind_a_body_of_another_width(tmp_path: Path):
    wider = {"dense1": [L.Dense(7, name="dense_0")]}
    source, target = drawn((3,), table(), 3), drawn((3,), wider, 3, seed=1)
    receipt = carried(tmp_path, source, target, Side((3,), ANIMALS), Side((3,), ANIMALS))
    assert told(receipt, "head/dense_0/kernel") == ("new", "the head is new: the source's takes 4 numbers, not 7")

from pathlib import Path

import keras
import numpy as np
import pytest

from tlcore.engine import transfer
from tlcore.engine.network import Network
from tlcore.engine.transfer import Tensor, match
from tlcore.networks import NETWORKS


def built(name: str = "small_cnn", shape: tuple[int, ...] = (8, 8, 1), classes: int = 37, seed: int = 0) -> Network:
    """A network whose every weight is a number of its own, statistics included."""
    keras.utils.set_random_seed(seed)
    network = Network(NETWORKS[name].whole(shape, classes), keras.layers.Rescaling(1 / 16))
    random = np.random.default_rng(seed)
    for _, variable in transfer._tensors(network):
        variable.assign(random.uniform(0.1, 1.0, variable.shape).astype(np.float32))
    return network


def arrays(network: Network) -> dict[str, np.ndarray]:
    return {tensor.path: np.asarray(variable) for tensor, variable in transfer._tensors(network)}


def saved(network: Network, folder: Path) -> Path:
    transfer.save(network, folder / "weights.npz")
    return folder / "weights.npz"


def fates(receipt: transfer.Receipt) -> dict[str, str]:
    """Fate a tensor of the target, by its path."""
    return {row["tensor"]: row["fate"] for row in receipt.rows if row["fate"] != "unused"}


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1)])
def test_the_body_is_copied_and_the_head_is_new(tmp_path: Path, shape: tuple[int, ...]):
    source, target = built(), built(shape=shape, classes=10, seed=1)
    before = arrays(target)
    path = saved(source, tmp_path)
    receipt = transfer.copy(path, target, head=False)
    theirs, now = arrays(source), arrays(target)
    for name in now:
        np.testing.assert_array_equal(now[name], before[name] if name.startswith("head/") else theirs[name], name)
    assert fates(receipt) == {name: "new" if name.startswith("head/") else "copied" for name in now}
    told = receipt.as_dict()
    body = sum(card.parameters for card in target.cards[:-1])
    head = target.cards[-1].parameters
    assert told["copied"] == {"tensors": len(now) - 2, "parameters": body, "share": round(body / (body + head), 6)}
    assert told["new"]["parameters"] == head and told["adapted"]["tensors"] == 0
    assert told["unused"]["parameters"] == source.cards[-1].parameters and told["unused"]["tensors"] == 2


@pytest.mark.parametrize("size", [8, 28])
def test_the_body_answers_exactly_as_the_source_s(tmp_path: Path, size: int):
    path = saved(built(), tmp_path)
    target = built(shape=(size, size, 1), classes=10, seed=1)
    x = np.random.default_rng(0).integers(0, 17, (16, size, size, 1)).astype(np.uint8)
    assert transfer.difference(path, target, x) > 0
    transfer.copy(path, target, head=False)
    assert transfer.difference(path, target, x) == 0.0
    variable = target.blocks[0].layers[0].weights[0]
    variable.assign(variable + 0.01)
    assert transfer.difference(path, target, x) > 0


def test_all_is_copied_the_head_too(tmp_path: Path):
    source, target = built(classes=10), built(classes=10, seed=1)
    receipt = transfer.copy(saved(source, tmp_path), target, head=True)
    for name, array in arrays(source).items():
        np.testing.assert_array_equal(arrays(target)[name], array)
    assert receipt.as_dict()["copied"]["share"] == 1.0 and receipt.as_dict()["unused"]["tensors"] == 0


def test_a_body_of_the_same_classes_leaves_the_head_when_it_is_not_asked_for(tmp_path: Path):
    source, target = built(classes=10), built(classes=10, seed=1)
    before = arrays(target)["head/dense_0/kernel"]
    transfer.copy(saved(source, tmp_path), target, head=False)
    np.testing.assert_array_equal(arrays(target)["head/dense_0/kernel"], before)


def test_nothing():
    receipt = transfer.nothing(built())
    assert set(fates(receipt).values()) == {"new"} and receipt.as_dict()["new"]["share"] == 1.0


def test_a_file_holds_plain_arrays_by_path(tmp_path: Path):
    network = built("dense_64_32", (13,), 3)
    with np.load(saved(network, tmp_path), allow_pickle=False) as kept:
        assert kept.files == [
            "dense1/dense_1/kernel", "dense1/dense_1/bias", "dense2/dense_0/kernel", "dense2/dense_0/bias",
            "head/dense_0/kernel", "head/dense_0/bias",
        ]  # fmt: skip
        for name, array in arrays(network).items():
            np.testing.assert_array_equal(kept[name], array)


def test_an_input_layer_of_another_width_is_new(tmp_path: Path):
    target = built("dense_64_32", (30,), 3, seed=1)
    receipt = transfer.copy(saved(built("dense_64_32", (13,), 3), tmp_path), target, head=False)
    told = fates(receipt)
    assert told["dense1/dense_1/kernel"] == told["dense1/dense_1/bias"] == "new"  # a layer whole or not at all
    assert told["dense2/dense_0/kernel"] == told["dense2/dense_0/bias"] == "copied"


NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def norm(layer: str, *widths: int) -> list[Tensor]:
    return [Tensor(f"{layer}/{name}", "BatchNormalization", (n,)) for name, n in zip(NORM, widths, strict=True)]


def dense(layer: str, *shape: int) -> list[Tensor]:
    return [Tensor(f"{layer}/kernel", "Dense", shape), Tensor(f"{layer}/bias", "Dense", shape[-1:])]


def test_match_by_path_before_all():
    source = [*dense("a/one", 4, 4), *dense("b/one", 4, 4)]
    assert match(source, source[::-1]) == {tensor.path: tensor.path for tensor in source}


def test_match_by_the_layer_s_name_in_another_block():
    pairs = match([*dense("old/one", 4, 4), *dense("old/two", 4, 4)], dense("new/two", 4, 4))
    assert pairs == {"new/two/kernel": "old/two/kernel", "new/two/bias": "old/two/bias"}


def test_match_by_order_of_kind_and_shape():
    source = [*dense("x/p", 4, 8), *dense("x/q", 8, 8), *dense("x/r", 8, 8)]
    target = [*dense("y/s", 8, 8), *dense("y/t", 8, 8), *dense("y/u", 8, 8)]
    assert match(source, target) == {
        "y/s/kernel": "x/q/kernel", "y/s/bias": "x/q/bias", "y/t/kernel": "x/r/kernel", "y/t/bias": "x/r/bias",
    }  # fmt: skip


def test_match_never_mixes_kinds():
    source = [Tensor("x/p/gamma", "LayerNormalization", (8,)), Tensor("x/p/beta", "LayerNormalization", (8,))]
    target = [Tensor("y/s/gamma", "GroupNormalization", (8,)), Tensor("y/s/beta", "GroupNormalization", (8,))]
    assert match(source, target) == {}


def test_a_batch_normalisation_whole_or_not_at_all():
    target = norm("a/norm", 8, 8, 8, 8)
    assert len(match(norm("a/norm", 8, 8, 8, 8), target)) == 4
    assert match(norm("a/norm", 8, 8, 8, 8)[:3], target) == {}
    assert match(norm("a/norm", 8, 8, 8, 4), target) == {}
    # Four tensors that would do, but of two layers.
    assert match(norm("a/norm", 8, 8, 4, 4) + norm("b/other", 4, 4, 8, 8), target) == {}


def test_no_source_tensor_is_taken_twice():
    pairs = match(dense("x/p", 4, 4), [*dense("y/s", 4, 4), *dense("y/t", 4, 4)])
    assert pairs == {"y/s/kernel": "x/p/kernel", "y/s/bias": "x/p/bias"}


def test_between_networks_a_layer_of_the_same_name_and_shape_is_copied(tmp_path: Path):
    source, target = built("dense_64", (13,), 32), built("dense_64_32", (13,), 3, seed=1)
    receipt = transfer.copy(saved(source, tmp_path), target, head=True)
    assert fates(receipt)["dense1/dense_1/kernel"] == "copied"
    # The old head has 64 inputs and 32 outputs, like the second hidden layer.
    np.testing.assert_array_equal(arrays(target)["dense2/dense_0/kernel"], arrays(source)["head/dense_0/kernel"])


def test_between_networks_a_layer_of_the_same_kind_and_shape_is_copied(tmp_path: Path):
    source, target = built("dense_64", (13,), 64), built("dense_64", (64,), 3, seed=1)
    transfer.copy(saved(source, tmp_path), target, head=True)
    np.testing.assert_array_equal(arrays(target)["dense1/dense_1/kernel"], arrays(source)["head/dense_0/kernel"])
    assert not np.array_equal(arrays(target)["head/dense_0/kernel"], arrays(source)["head/dense_0/kernel"])

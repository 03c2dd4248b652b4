from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest

from tlcore.engine import transfer
from tlcore.engine.network import Network
from tlcore.engine.tensors import Tensor, tensors
from tlcore.engine.transfer import Receipt, Side
from tlcore.networks import NETWORKS


def built(name: str = "small_cnn", shape: tuple[int, ...] = (8, 8, 1), classes: int = 37, seed: int = 0) -> Network:
    """A network whose every weight is a number of its own, statistics included."""
    keras.utils.set_random_seed(seed)
    network = Network(NETWORKS[name].whole(shape, classes), keras.layers.Rescaling(1 / 16), shape)
    random = np.random.default_rng(seed)
    for _, variable in tensors(network.blocks):
        rows = np.prod(variable.shape[:-1], dtype=int)  # so that no answer runs away in a deep network
        variable.assign((random.uniform(0.1, 1.0, variable.shape) / rows).astype(np.float32))
    return network


def arrays(network: Network) -> dict[str, np.ndarray]:
    return {tensor.path: np.asarray(variable) for tensor, variable in tensors(network.blocks)}


def saved(network: Network, folder: Path) -> Path:
    transfer.save(network, folder / "weights.npz")
    return folder / "weights.npz"


def fates(receipt: Receipt) -> dict[str, str]:
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
    receipt = transfer.copy(path, target, head=False)
    assert transfer.difference(path, target, receipt, x) == 0.0 and receipt.checked == ""
    variable = target.blocks[0].layers[0].weights[0]
    variable.assign(variable + 0.05)
    with pytest.raises(RuntimeError, match="does not answer as the source's does"):
        transfer.difference(path, target, receipt, x)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_ours_is_copied_whole(tmp_path: Path, name: str):
    source, target = built(name, (32, 32, 3), 10), built(name, (32, 32, 3), 7, seed=1)
    path = saved(source, tmp_path)
    receipt = transfer.copy(path, target, head=False)
    assert {fate for tensor, fate in fates(receipt).items() if not tensor.startswith("head/")} == {"copied"}
    x = np.random.default_rng(0).integers(0, 17, (4, 32, 32, 3)).astype(np.uint8)
    assert transfer.difference(path, target, receipt, x) == 0.0


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("theirs", "own"), [((32, 32, 1), (40, 40, 3)), ((32, 32, 3), (28, 28, 1))])
def test_every_network_of_ours_takes_other_pictures(tmp_path: Path, name: str, theirs: tuple, own: tuple):
    path, target = saved(built(name, theirs), tmp_path), built(name, own, 10, seed=1)
    receipt = transfer.copy(path, target, head=False, source=Side(theirs), target=Side(own))
    body = {fate for tensor, fate in fates(receipt).items() if not tensor.startswith("head/")}
    assert body == {"copied", "adapted"}
    x = np.random.default_rng(0).integers(0, 17, (4, *own)).astype(np.uint8)
    off = transfer.difference(path, target, receipt, x)
    largest = np.abs(np.asarray(target.front(len(target.cards) - 1)(x.astype(np.float32)))).max()
    assert off is not None and off < 1e-5 * largest


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


def row(fate: str, tensor: str, shape: list[int], parameters: int, origin: str | None, how: str) -> dict[str, object]:
    block = tensor.split("/")[0]
    return {"fate": fate, "tensor": tensor, "shape": shape, "parameters": parameters, "block": block,
            "from": origin, "how": how}  # fmt: skip


def test_a_receipt_word_by_word(tmp_path: Path):
    path = saved(built("dense_64_32", (3,), 2), tmp_path)
    target = built("dense_64_32", (4,), 3, seed=1)
    source = Side((3,), ("cat", "dog"), ("height", "weight", "age"))
    own = Side((4,), ("dog", "owl", "ant"), ("age", "colour", "height", "wings"))
    receipt = transfer.copy(path, target, head=False, source=source, target=own)
    receipt.largest_difference = transfer.difference(path, target, receipt, np.ones((2, 4), np.float32))
    features = "2 of 4 features go by the source's names and keep their rows"
    classes = "1 of 3 classes go by the source's names and keep their columns"
    assert receipt.as_dict() == {
        "copied": {"tensors": 3, "parameters": 64 + 64 * 32 + 32, "share": 0.857943},
        "adapted": {"tensors": 3, "parameters": 4 * 64 + 32 * 3 + 3, "share": 0.142057},
        "new": {"tensors": 0, "parameters": 0, "share": 0.0},
        "unused": {"tensors": 0, "parameters": 0, "share": 0.0},
        "rows": [
            row("adapted", "dense1/dense_1/kernel", [4, 64], 256, "dense1/dense_1/kernel", features),
            row("copied", "dense1/dense_1/bias", [64], 64, "dense1/dense_1/bias", ""),
            row("copied", "dense2/dense_0/kernel", [64, 32], 2048, "dense2/dense_0/kernel", ""),
            row("copied", "dense2/dense_0/bias", [32], 32, "dense2/dense_0/bias", ""),
            row("adapted", "head/dense_0/kernel", [32, 3], 96, "head/dense_0/kernel", classes),
            row("adapted", "head/dense_0/bias", [3], 3, "head/dense_0/bias", classes),
        ],
        "largest_difference": receipt.largest_difference,
        "checked": "on the features that both sides know",
    }
    assert receipt.largest_difference is not None and receipt.largest_difference < 1e-4


def test_the_share_of_unused_is_of_the_source(tmp_path: Path):
    target = built("dense_64", (5,), 3, seed=1)
    told = transfer.copy(saved(built("dense_64", (3,), 2), tmp_path), target, head=False).as_dict()
    assert told["adapted"]["parameters"] == 5 * 64 and told["copied"]["parameters"] == 64
    assert told["unused"]["share"] == round((64 * 2 + 2) / (3 * 64 + 64 + 64 * 2 + 2), 6)


def test_layers_added_are_new_and_layers_left_out_are_unused(tmp_path: Path):
    path = saved(built("dense_64_32", (13,), 3), tmp_path)
    shorter = built("dense_64", (13,), 3, seed=1)
    receipt = transfer.copy(path, shorter, head=False, source=Side((13,)))
    unused = [row["tensor"] for row in receipt.rows if row["fate"] == "unused"]
    assert unused == [f"{layer}/{v}" for layer in ("dense2/dense_0", "head/dense_0") for v in ("kernel", "bias")]
    assert transfer.difference(path, shorter, receipt, np.ones((2, 13))) is None
    assert receipt.checked == "a part of the source's body was left out"

    path, longer = saved(built("dense_64", (13,), 3), tmp_path), built("dense_64_32", (13,), 3, seed=1)
    receipt = transfer.copy(path, longer, head=False, source=Side((13,)))
    assert [tensor for tensor, fate in fates(receipt).items() if fate == "new" and tensor[:4] != "head"] == [
        "dense2/dense_0/kernel", "dense2/dense_0/bias",
    ]  # fmt: skip
    assert {row["how"] for row in receipt.rows if row["block"] == "dense2"} == {"the source has no such layer"}
    assert receipt.checked == "a part of the body is new" and receipt.alike is None


def foreign(network: Network, folder: Path, rename: dict[str, str]) -> Path:
    """The weights as a file of ``layer/variable``, its blocks gone and its layers called otherwise."""
    kept = {}
    for name, array in arrays(network).items():
        layer, _, variable = name.rpartition("/")
        kept[f"{rename[layer]}/{variable}"] = array
    with (folder / "foreign.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **kept)
    return folder / "foreign.npz"


THEIR_NAMES = {
    "conv1/conv_0": "conv2d", "conv1/norm_1": "batch_normalization", "conv2/conv_0": "conv2d_1",
    "conv2/norm_1": "batch_normalization_1", "conv3/conv_0": "conv2d_2", "conv3/norm_1": "batch_normalization_2",
    "head/dense_0": "predictions",
}  # fmt: skip


def test_a_foreign_file_is_matched_by_kind_shape_and_order(tmp_path: Path):
    source, target = built(), built(classes=10, seed=1)
    path = foreign(source, tmp_path, THEIR_NAMES)
    receipt = transfer.copy(path, target, head=False)
    for name, array in arrays(target).items():
        if not name.startswith("head/"):
            np.testing.assert_array_equal(array, arrays(source)[name])
    assert {row["how"] for row in receipt.rows if row["fate"] == "copied"} == {"found by kind, shape and order"}
    assert [row["tensor"] for row in receipt.rows if row["fate"] == "unused"] == [
        "predictions/kernel",
        "predictions/bias",
    ]
    # How they stood together in their own network, nobody knows.
    assert transfer.difference(path, target, receipt, np.ones((2, 8, 8, 1))) is None


def test_a_foreign_file_s_first_kernel_is_brought_to_colour(tmp_path: Path):
    source, target = built(), built(shape=(8, 8, 3), classes=10, seed=1)
    receipt = transfer.copy(foreign(source, tmp_path, THEIR_NAMES), target, head=False)
    told = {row["tensor"]: row for row in receipt.rows}
    assert told["conv1/conv_0/kernel"]["fate"] == "adapted" and told["conv1/conv_0/kernel"]["from"] == "conv2d/kernel"
    repeated = np.repeat(arrays(source)["conv1/conv_0/kernel"], 3, 2) / 3
    np.testing.assert_allclose(arrays(target)["conv1/conv_0/kernel"], repeated, rtol=1e-6)


def test_a_foreign_file_s_classifier_is_its_last_layer_of_as_many_classes(tmp_path: Path):
    animals = tuple(f"animal {n}" for n in range(37))
    source, target = built(), built(classes=2, seed=1)
    receipt = transfer.copy(
        foreign(source, tmp_path, THEIR_NAMES), target, head=False,
        source=Side((8, 8, 1), animals), target=Side((8, 8, 1), ("animal 5", "stone")),
    )  # fmt: skip
    assert fates(receipt)["head/dense_0/kernel"] == "adapted"
    theirs, own = arrays(source)["head/dense_0/kernel"], arrays(target)["head/dense_0/kernel"]
    np.testing.assert_array_equal(own[:, 0], theirs[:, 5])


def test_a_layer_found_by_its_name_in_another_block(tmp_path: Path):
    source, target = built("dense_64_32", (13,), 3), built("dense_64_32", (13,), 3, seed=1)
    names = {"dense1/dense_1": "dense_1", "dense2/dense_0": "middle", "head/dense_0": "top"}
    receipt = transfer.copy(foreign(source, tmp_path, names), target, head=False)
    told = {row["tensor"]: row["how"] for row in receipt.rows}
    assert told["dense1/dense_1/kernel"] == "found by the layer's name"
    assert told["dense2/dense_0/kernel"] == "found by kind, shape and order"


CASES = [
    (name, shape, classes)
    for name, shapes in (
        ("small_cnn", [(8, 8, 1), (12, 12, 3)]), ("dense_64", [(8, 8, 1), (9, 9, 3), (5,)]),
        ("dense_64_32", [(5,), (8,), (8, 8, 1)]),
    )
    for shape, classes in zip(shapes, (3, 64, 4), strict=False)
]  # fmt: skip


def side(shape: tuple[int, ...], classes: int) -> Side:
    columns = tuple(map(str, range(*shape))) if len(shape) == 1 else ()
    return Side(shape, tuple(map(str, range(classes))), columns)


def test_every_tensor_is_accounted_for_and_none_is_used_twice(tmp_path: Path):
    for place, one in enumerate(CASES):
        (tmp_path / str(place)).mkdir()
        saved(built(*one), tmp_path / str(place))
    for other in CASES:
        target = built(*other, seed=1)
        before = arrays(target)
        for place, head, new_input, known in product(range(len(CASES)), *[(False, True)] * 3):
            path, one = tmp_path / str(place) / "weights.npz", CASES[place]
            for tensor, variable in tensors(target.blocks):
                variable.assign(before[tensor.path])
            receipt = transfer.copy(
                path, target, head=head, new_input=new_input,
                source=side(*one[1:]) if known else None, target=side(*other[1:]),
            )  # fmt: skip
            check_the_books(receipt, [*np.load(path)], before, arrays(target))


def check_the_books(receipt: Receipt, theirs: list[str], before: dict[str, np.ndarray], now: dict[str, np.ndarray]):
    own = [row for row in receipt.rows if row["fate"] != "unused"]
    assert [row["tensor"] for row in own] == [*now]
    origins = [row["from"] for row in own if row["from"]]
    assert sorted([*origins, *(row["tensor"] for row in receipt.rows if row["fate"] == "unused")]) == sorted(theirs)
    layers: dict[str, set[bool]] = {}
    for row in own:
        new = row["fate"] == "new"
        assert np.array_equal(before[row["tensor"]], now[row["tensor"]]) == new and bool(row["from"]) != new
        layers.setdefault(Tensor(row["tensor"], "", ()).layer, set()).add(new)
    assert all(len(new) == 1 for new in layers.values())  # a layer whole or not at all
    assert receipt.alike or receipt.checked


def test_between_networks_a_layer_of_the_same_name_and_shape_is_copied(tmp_path: Path):
    source, target = built("dense_64", (13,), 32), built("dense_64_32", (13,), 3, seed=1)
    receipt = transfer.copy(saved(source, tmp_path), target, head=True)
    assert fates(receipt)["dense1/dense_1/kernel"] == "copied"
    # The old head has 64 inputs and 32 outputs, like the second hidden layer.
    np.testing.assert_array_equal(arrays(target)["dense2/dense_0/kernel"], arrays(source)["head/dense_0/kernel"])


def test_the_first_layer_is_fitted_to_the_first_rather_than_swapped_for_a_head_of_its_shape(tmp_path: Path):
    source, target = built("dense_64", (13,), 64), built("dense_64", (64,), 3, seed=1)
    transfer.copy(saved(source, tmp_path), target, head=True)
    kernel = arrays(target)["dense1/dense_1/kernel"]
    np.testing.assert_array_equal(kernel[:13], arrays(source)["dense1/dense_1/kernel"])

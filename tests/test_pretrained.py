"""ImageNet's networks: what the cards say against what Keras builds, cutting, preprocessing and weight files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tlcore import pretrained
from tlcore.engine import pretrained as building
from tlcore.engine.cuts import cut, cut_points
from tlcore.pretrained import ARCHITECTURES, Architecture

KERAS_HOME = Path(os.environ.get("TLCORE_TEST_DATA", "nowhere")) / "keras_home"
REAL = "mobilenet_2_5_224_tf_no_top.h5"
SMALL = ARCHITECTURES["mobilenet_0.25"]
PREPROCESSES = {  # in keras.applications, by the networks that do not preprocess inside
    "MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2", "ResNet50": "resnet", "ResNet50V2": "resnet_v2",
    "DenseNet121": "densenet", "InceptionV3": "inception_v3", "Xception": "xception", "NASNetMobile": "nasnet",
}  # fmt: skip


def by_keras(card: Architecture, shape: tuple[int, ...], weights: str | None = None) -> keras.Model:
    """The whole as Keras builds it when left alone, its preprocessing inside where it has one."""
    options = {key: value for key, value in card.options.items() if key != "include_preprocessing"}
    build = getattr(keras.applications, card.application)
    return build(include_top=False, weights=weights, input_shape=shape, pooling="avg", **options)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str | None]]:
    """Name, address and hash of each file that Keras would fetch; it fetches and loads nothing."""
    asked: list[tuple[str, str, str | None]] = []
    monkeypatch.setattr(
        "keras.src.utils.file_utils.get_file",
        lambda name, origin, *, file_hash=None, **_: asked.append((name, origin, file_hash)),
    )
    monkeypatch.setattr("keras.src.models.functional.Functional.load_weights", lambda *_, **__: None)
    return asked


def preprocessed_by_keras(card: Architecture, whole: keras.Model, raw: np.ndarray) -> np.ndarray:
    if card.application in PREPROCESSES:
        return getattr(keras.applications, PREPROCESSES[card.application]).preprocess_input(raw.copy())
    first = next(layer for layer in whole.layers if layer.weights)
    return np.asarray(keras.Model(whole.input, first.input)(raw))


def lively(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Biases and statistics moved off zero and one, so that none passes for another; kernels by which pictures last."""
    random, found = np.random.default_rng(0), []
    for w in weights:
        inputs = np.prod(w.shape[:2] if w.shape[-1] == 1 else w.shape[:-1])  # depthwise kernels end in 1
        more = w + random.uniform(0, 0.1, w.shape) if w.ndim == 1 else w * np.sqrt(2 / inputs) / w.std()
        found.append(more.astype(np.float32))
    return found


def kinds(models: list[keras.Model]) -> Counter[str]:
    outside = ("InputLayer", "Rescaling", "Normalization")
    return Counter(k for model in models for o in model.operations if (k := type(o).__name__) not in outside)


def assert_cards_fit(card: Architecture, blocks: list[keras.Model], shape: tuple[int, ...]) -> None:
    """Block for block: names, shapes, weights and parameters are as the card says."""
    said = card.blocks(shape)
    assert [block.name for block in said] == [block.name for block in blocks]
    for block, model in zip(said, blocks, strict=True):
        assert (block.input_shape, block.output_shape) == (model.input.shape[1:], model.output.shape[1:]), block.name
        assert block.weights == tuple(tuple(v.shape) for v in model.weights), block.name
        assert block.parameters == model.count_params()
    assert card.parameters == sum(block.parameters for block in said)


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square")
@pytest.mark.parametrize("card", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_network_in_blocks_is_the_network_of_keras(card: Architecture, fetched: list[tuple[str, str, str | None]]):
    shape = (card.least + 1, card.least + 14, 3)
    whole, blocks = by_keras(card, shape, "imagenet"), building.body(card, shape)
    assert fetched == [(card.file, card.url, card.md5 or card.sha256)]

    assert_cards_fit(card, blocks, shape)
    assert building.layout(blocks) == pretrained.layouts()[card.name], "run python -m tlcore.engine.pretrained"
    assert {key: tuple(v.shape) for key, v in building.keyed(blocks)} == card.tensors()
    operations = [o for block in blocks for o in block.operations if not isinstance(o, layers.InputLayer)]
    assert len({id(o) for o in operations}) == len(operations)
    assert kinds(blocks) == kinds([whole])

    whole.set_weights(lively(whole.get_weights()))
    values = iter(whole.get_weights())
    for block in blocks:
        block.set_weights([next(values) for _ in block.weights])
    raw = np.random.default_rng(1).integers(0, 256, (2, *shape)).astype(np.float32)
    pixels = preprocessed_by_keras(card, whole, raw)
    np.testing.assert_allclose(building.preprocess(card)(raw), pixels, rtol=1e-5, atol=1e-5)

    expected = np.asarray(whole(raw if card.options.get("include_preprocessing") is False else pixels, training=False))
    out = pixels
    for block in blocks:
        out = block(out, training=False)
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected).max()  # else they would say nothing
    assert np.abs(np.asarray(out) - expected).max() <= 1e-5 * np.abs(expected).max()


FAMILIES = [c for c in ARCHITECTURES.values() if c.name[-4:] not in ("0.25", "_0.5", "0.75", "2_b1", "2_b2", "2_b3")]


@pytest.mark.parametrize("card", FAMILIES, ids=lambda card: card.name)
def test_sizes_are_those_of_keras_at_other_sides(card: Architecture):
    shape = (card.size, 98, 3)
    assert_cards_fit(card, building.body(card, shape), shape)


@pytest.mark.parametrize("card", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_card_is_plausible(card: Architecture):
    assert card.parameters * 4 < card.download < card.parameters * 4 * 2.5
    assert 0.5 < card.top1 < 0.9 and card.least <= card.size and card.summary.endswith(".")


def test_a_card_refuses_what_its_network_cannot_take():
    for card, shape in (("inception_v3", (74, 299, 3)), ("resnet50", (224, 224, 1)), ("xception", (100,))):
        with pytest.raises(ValueError, match="pixels a side"):
            ARCHITECTURES[card].blocks(shape)


def test_the_head_follows_the_pooled_features():
    blocks = SMALL.whole((96, 96, 3), 7)
    assert blocks[-2].output_shape == blocks[-1].input_shape == (256,)
    assert blocks[-1].weights == ((256, 7), (7,))
    assert [layer[0] for layer in blocks[-1].layers] == ["dropout", "dense", "softmax"]


@pytest.mark.parametrize("name", ["inception_v3", "convnext_tiny"])
def test_names_and_weights_do_not_depend_on_what_was_built_before(name: str):
    card, found = ARCHITECTURES[name], []
    for _ in range(2):
        layers.Conv2D(3, 3).build((None, 8, 8, 3))
        keras.utils.set_random_seed(5)
        blocks = building.body(card, (card.least, card.least, 3))
        found.append({key: float(np.asarray(v).sum()) for key, v in building.keyed(blocks)})
    assert found[0] == found[1] and len(found[0]) == len(card.tensors())


@pytest.mark.parametrize("name", ["mobilenet_0.25", "densenet121", "resnet50"])
def test_preprocessing_is_saved_with_the_model(name: str, tmp_path: Path):
    inputs = keras.Input((9, 9, 3))
    model = keras.Model(inputs, building.preprocess(ARCHITECTURES[name])(inputs), name="preprocess")
    model.save(tmp_path / "p.keras")
    raw = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3)).astype(np.float32)
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "p.keras")(raw), model(raw))


def test_weights_are_looked_for_where_keras_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert pretrained.weights_file(SMALL) is None
    own = tmp_path / "home" / "keras" / "models" / REAL
    assert str(own) in pretrained.where_to_put(SMALL) and SMALL.url in pretrained.where_to_put(SMALL)
    own.parent.mkdir(parents=True)
    own.touch()
    assert pretrained.weights_file(SMALL) == own
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert pretrained.weights_file(SMALL) is None


def published(model: keras.Model, path: Path) -> Path:
    """A file as Keras 2 wrote it, which is what is published: groups by layer, names of weights as attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [f"{layer.name}/{v.name}:0".encode() for v in layer.weights]
            for variable in layer.weights:
                group[f"{layer.name}/{variable.name}:0"] = np.asarray(variable)
    return path


def test_published_weights_are_kept_by_block_and_variable(tmp_path: Path):
    whole = by_keras(SMALL, (32, 32, 3))
    whole.set_weights(lively(whole.get_weights()))
    building.convert(SMALL, published(whole, tmp_path / REAL), tmp_path / "weights.unfinished")
    with np.load(tmp_path / "weights.unfinished", allow_pickle=False) as file:
        assert list(file) == list(SMALL.tensors())
        for key, expected in zip(file, whole.get_weights(), strict=True):
            np.testing.assert_array_equal(file[key], expected, key)
        assert {"stage3/conv_pw_4/kernel", "conv1/conv1_bn/moving_variance"} <= {*file}


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_file_that_does_not_fit_is_refused_in_plain_words(tmp_path: Path):
    good = published(by_keras(SMALL, (32, 32, 3)), tmp_path / "good.h5")
    (cut_short := tmp_path / "short.h5").write_bytes(good.read_bytes()[:-5000])
    (page := tmp_path / "page.h5").write_text("<html>Sign in to this network</html>")
    wider = published(by_keras(ARCHITECTURES["mobilenet_0.5"], (32, 32, 3)), tmp_path / "wider.h5")
    with h5py.File(good, "r") as whole, h5py.File(tmp_path / "bare.h5", "w") as bare:
        whole.copy("conv1", bare)
    keras.Sequential([layers.Input((3,)), layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    for wrong in (cut_short, page, wider, tmp_path / "bare.h5", tmp_path / "other.weights.h5", tmp_path / "none.h5"):
        with pytest.raises(ValueError, match=r"does not hold the weights of MobileNet 0.25.*download it again"):
            building.convert(SMALL, wrong, tmp_path / "weights.npz")
    assert not (tmp_path / "weights.npz").exists()


def test_real_weights_give_the_features_that_keras_gives(tmp_path: Path):
    if not (KERAS_HOME / "models" / REAL).is_file():
        pytest.skip(f"TLCORE_TEST_DATA names no folder with keras_home/models/{REAL}")
    (tmp_path / "keras" / "models").mkdir(parents=True)
    copy = Path(shutil.copyfile(KERAS_HOME / "models" / REAL, tmp_path / "keras" / "models" / REAL))
    raw = {side: np.random.default_rng(side).integers(0, 256, (2, side, side, 3)) for side in (96, 224)}
    np.savez(tmp_path / "raw.npz", **{str(side): pictures for side, pictures in raw.items()})
    code = (
        "import sys, numpy as np, keras\n"
        "own = keras.applications.mobilenet; raw = np.load('raw.npz'); out = {}\n"
        "for side in raw:\n"
        "    model = own.MobileNet(input_shape=raw[side].shape[1:], alpha=0.25, include_top=False, pooling='avg')\n"
        "    out[side] = model(own.preprocess_input(raw[side].astype('float32')), training=False)\n"
        "np.savez('features.npz', **out)"
    )
    environment = {**os.environ, "KERAS_HOME": str(tmp_path / "keras")}  # Keras reads it once, when it is imported
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True)

    building.convert(SMALL, copy, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as file, np.load(tmp_path / "features.npz") as features:
        for side, pictures in raw.items():
            blocks = building.body(SMALL, (side, side, 3))
            for key, variable in building.keyed(blocks):
                variable.assign(file[key])
            out = building.preprocess(SMALL)(pictures.astype(np.float32))
            for block in blocks:
                out = block(out, training=False)
            np.testing.assert_allclose(out, features[str(side)], rtol=1e-4, atol=1e-5)
            assert features[str(side)].max() > 0.1


def residual() -> keras.Model:
    inputs = keras.Input((8, 8, 4), name="in")
    a = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    b = layers.ReLU(name="b")(layers.Conv2D(4, 3, padding="same", name="c")(a))
    x = layers.Add(name="sum")([a, b])
    d = layers.Conv2D(4, 1, name="d")(x)
    y = d + x  # an operation, no layer
    return keras.Model(inputs, layers.Dense(2, name="out")(layers.Flatten(name="flat")(y)), name="residual")


def test_a_shortcut_is_not_cut():
    assert [name for name in cut_points(residual()) if not name.startswith("add")] == ["a", "sum", "flat"]
    assert len(cut_points(residual())) == 4  # the sum without a layer is one as well


def test_branches_are_cut_where_they_meet():
    inputs = keras.Input((8, 8, 4))
    towers = [layers.Conv2D(2, 3, padding="same", name=f"t{n}")(inputs) for n in range(3)]
    meeting = layers.Concatenate(name="meeting")(towers)
    left, right = layers.Dense(3, name="left")(meeting), layers.Dense(3, name="right")(meeting)
    both = layers.Multiply(name="both")([left, right])
    assert cut_points(keras.Model(inputs, layers.Flatten()(both))) == ["meeting", "both"]
    assert cut_points(keras.Model(inputs, [left, right])) == ["meeting"]
    two = [keras.Input((3,)), keras.Input((3,))]
    joined = layers.Dense(3, name="after")(layers.Concatenate(name="joined")(two))
    assert cut_points(keras.Model(two, joined)) == ["joined"]


def test_nested_models_and_shared_layers_are_wholes():
    inner = keras.Sequential([layers.Dense(4, name="hidden"), layers.ReLU()], name="inner")
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    x = inner(shared(layers.ReLU(name="first")(inputs)))
    model = keras.Model(inputs, layers.Dense(1, name="out")(shared(x)))
    assert cut_points(model) == ["first", "inner"]  # "shared" would name two places


def test_a_sequential_model_is_cut_anywhere():
    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=f"d{n}") for n in range(4))])
    assert cut_points(model) == ["d0", "d1", "d2"]
    parts = cut(model, [("one", "d1"), ("two", "d3")])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(parts[1](parts[0](x)), model(x))
    assert parts[1].get_layer("d3") is model.get_layer("d3")


def test_parts_share_weights_and_equal_the_whole():
    model = residual()
    points = cut_points(model)
    parts = cut(model, [*((f"part{n}", layer) for n, layer in enumerate(points)), ("last", "out")])
    assert [part.name for part in parts] == ["part0", "part1", "part2", "part3", "last"]
    model.get_layer("d").kernel.assign(model.get_layer("d").kernel * 2)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype(np.float32)
    out = x
    for part in parts:
        out = part(out)
    np.testing.assert_array_equal(out, model(x))
    assert sum(part.count_params() for part in parts) == model.count_params()


@pytest.mark.parametrize(
    "ends",
    [
        [("one", "c"), ("two", "out")],
        [("one", "nothing"), ("two", "out")],
        [("one", "sum"), ("two", "a"), ("three", "out")],
        [("one", "a"), ("two", "a"), ("three", "out")],
        [("one", "a"), ("two", "flat")],
        [],
    ],
)
def test_a_cut_elsewhere_is_refused(ends: list[tuple[str, str]]):
    with pytest.raises(ValueError, match=r"cannot be cut at .* expected layers out of"):
        cut(residual(), ends)


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    for model in (Own(), keras.Sequential([layers.Dense(2)])):
        with pytest.raises(ValueError, match="expected a functional or Sequential model"):
            cut_points(model)

"""Networks from KerasHub, where it is installed: tiny ones, saved as presets on this computer."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tlcore import foreign
from tlcore.engine import fetching, foreign_network, hub
from tlcore.engine.foreign import Unwanted
from tlcore.engine.tensors import settle, tensors
from tlcore.foreign import PRESETS

installed = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None, reason="KerasHub is not installed (requirements-hub.txt)"
)


def resnet(models: Any) -> Any:
    return models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[7], stackwise_num_filters=[64, 16],
        stackwise_num_blocks=[1, 2], stackwise_num_strides=[1, 2], block_type="basic_block",
        image_shape=(None, None, 3),
    )  # fmt: skip


def vit(models: Any) -> Any:
    return models.ViTBackbone(
        image_shape=(28, 28, 3), patch_size=(4, 4), num_layers=10, num_heads=2, hidden_dim=8, mlp_dim=16
    )


def dino(models: Any) -> Any:
    return models.DINOV2Backbone(
        patch_size=14, num_layers=3, hidden_dim=8, num_heads=2, intermediate_dim=16, image_shape=(28, 28, 3),
        position_embedding_shape=(28, 28, 3),
    )  # fmt: skip


@installed
@pytest.mark.parametrize(("make", "blocks", "needs"), [(resnet, 4, ""), (vit, 8, "keras-hub"), (dino, 4, "keras-hub")])
def test_a_preset_answers_as_before(lab: Path, tmp_path: Path, make: Any, blocks: int, needs: str):
    import keras_hub

    backbone = make(keras_hub.models)
    numbers = np.random.default_rng(0)
    for variable in backbone.weights:
        if variable.dtype.startswith("float"):
            values = numbers.normal(size=variable.shape) * 0.2
            variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else values)
    preset = tmp_path / "preset"
    backbone.save_to_preset(str(preset))
    converter = {
        "module": "keras_hub.src.layers.preprocessing.image_converter", "class_name": "ImageConverter",
        "registered_name": "keras_hub>ImageConverter",
        "config": {"name": "c", "image_size": [28, 28], "scale": [0.1, 0.2, 0.3], "offset": 0.5},
    }  # fmt: skip
    (preset / "image_converter.json").write_text(json.dumps(converter))
    card = foreign.get(hub.borrow(str(preset), lambda *_: None, lambda: None))
    assert isinstance(card, foreign.ForeignNetwork) and (card.outputs, len(card.body), card.needs) == (0, blocks, needs)

    body = foreign_network.body(card)
    with np.load(card.folder / "weights.npz", allow_pickle=False) as kept:
        for tensor, variable in tensors(body):
            variable.assign(kept[tensor.path])
    settle(body)
    x: Any = numbers.normal(size=(2, *card.input_shape)).astype(np.float32)
    expected = keras_hub.models.Backbone.from_preset(str(preset))(x, training=False)
    expected = np.asarray(expected["pooler_output"] if isinstance(expected, dict) else expected)
    expected = expected.mean((1, 2)) if make is resnet else expected[:, 0]
    for block in body:
        x = block(x, training=False)
    assert x.shape == expected.shape and np.abs(np.asarray(x) - expected).max() < 1e-4 and expected.std() > 1e-4
    assert card.preprocessing == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5))


@installed
def test_nobody_answers(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "HOST", "no-such-host.invalid")
    began = time.monotonic()
    with pytest.raises(Unwanted, match="folder"):
        hub.borrow("hub/resnet_18_imagenet", lambda *_: None, lambda: None)
    assert time.monotonic() - began < 10 + fetching.PATIENCE


@installed
def test_the_table_says_what_kerashub_says():
    import keras_hub

    offered = {
        name: preset["metadata"]["params"]
        for kind in (keras_hub.models.ResNetBackbone, keras_hub.models.ViTBackbone, keras_hub.models.DINOV2Backbone)
        for name, preset in kind.presets.items()
    }
    for preset in PRESETS.values():
        assert offered[preset.name] == preset.parameters


def test_without_kerashub_it_says_what_to_install(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "available", lambda: False)
    with pytest.raises(Unwanted, match=r"requirements-hub\.txt"):
        hub.borrow("hub/resnet_18_imagenet", lambda *_: None, lambda: None)


def test_what_is_no_preset_is_refused(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "available", lambda: True)
    with pytest.raises(Unwanted, match="no preset"):
        hub.borrow(str(tmp_path), lambda *_: None, lambda: None)
    assert keras.backend.backend() == "tensorflow"

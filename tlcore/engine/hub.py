"""Networks from KerasHub's presets, cut into blocks and kept as those from files are.

KerasHub is not among what the program needs (requirements-hub.txt). Only plain layers and a few of its own come
through the same check that a stranger's network passes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .. import foreign
from ..foreign import PRESETS
from ..home import home
from . import fetching
from .foreign import Tell, Unwanted
from .network_files import Drawn, describe, keep
from .tensors import tensors
from .weight_files import Refused, Stored

HOST = "www.kaggle.com"
TOKEN = ("ViTBackbone", "DINOV2Backbone", "DeiTBackbone")
"""Backbones whose first token stands for the whole picture."""


def available() -> bool:
    """Whether KerasHub is installed."""
    return importlib.util.find_spec("keras_hub") is not None


def borrow(preset: str, tell: Tell, stop: Callable[[], None], *, label: str = "") -> str:
    """Load a preset's backbone (``hub/<name>``, or a folder on this computer), cut it and keep it; gives its id.

    Raises :class:`Unwanted` where KerasHub is not installed, nobody answers, or the network cannot be cut.
    """
    if not available():
        raise Unwanted("KerasHub is not installed. Install it with: pip install -r requirements-hub.txt")
    handle = _handle(preset)
    tell("borrowing", 0, 1)
    backbone, preprocessing = _load(handle, preset)
    stop()
    (home() / "sources").mkdir(exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home() / "sources"))
    try:
        drawn = _drawn(backbone, preset)
        keep(drawn, _stored(drawn), unfinished, lambda done, of: tell("converting", done, of))
        stop()
        hub = "keras_hub" in (unfinished / "model.json").read_text()
        title = label or (PRESETS[preset].title if preset in PRESETS else backbone.name)
        card = drawn.said | {
            "format": "KerasHub", "label": label or preset, "title": title, "created": time.time(),
            "preprocessing": preprocessing or drawn.said["preprocessing"], "needs": "keras-hub" if hub else "",
        }  # fmt: skip
        (unfinished / "card.json").write_text(json.dumps(card))
        return _moved(unfinished)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _handle(preset: str) -> str:
    if preset.startswith("hub/"):
        return PRESETS[preset].name
    if not (Path(preset) / "config.json").is_file():
        raise Unwanted(f"{preset} is no preset: expected a folder with a config.json, or one of {', '.join(PRESETS)}.")
    return str(Path(preset).absolute())


def _load(handle: str, preset: str) -> tuple[keras.Model, Any]:
    """The backbone, and what brings pixels of 0 to 255 to what it was trained on: (scale, offset) a colour."""
    import keras_hub  # type: ignore[import-not-found]

    where = f"Without a network, load the preset's folder elsewhere and name the folder instead of {preset}."
    if preset in PRESETS and not urllib.request.getproxies().get("https"):
        try:
            fetching.reach(HOST, 443)
        except fetching.Broken as error:
            raise Unwanted(f"{preset} could not be downloaded from {HOST} ({error}). {where}") from None
    try:
        backbone = keras_hub.models.Backbone.from_preset(handle)
    except Exception as error:  # whatever KerasHub, Kaggle or Keras raises
        raise Unwanted(f"{preset} could not be loaded ({str(error).strip()[:200]}). {where}") from error
    try:
        converter = keras_hub.layers.ImageConverter.from_preset(handle)
    except Exception:  # a preset need not say
        return backbone, None
    sides = [np.broadcast_to(np.asarray(own, float).reshape(-1), 3).tolist() for own in _scaling(converter)]
    return backbone, sides


def _scaling(converter: Any) -> tuple[Any, Any]:
    scale, offset = converter.scale, converter.offset
    return 1.0 if scale is None else scale, 0.0 if offset is None else offset


def _drawn(backbone: keras.Model, preset: str) -> Drawn:
    def first_token(output: Any) -> Any:
        return output[:, 0]

    pool = first_token if type(backbone).__name__ in TOKEN else None
    try:
        return describe(backbone, [f"From KerasHub's preset {preset}."], pool)
    except (Refused, ValueError) as error:
        raise Unwanted(f"{preset} cannot be cut into blocks here: {str(error)[:300]}") from error


def _stored(drawn: Drawn) -> list[Stored]:
    def pieces(variable: Any) -> Callable[[], list[np.ndarray]]:
        return lambda: [np.asarray(drawn.origins[id(variable)])]

    return [Stored(tensor.path, tensor.shape, pieces(variable)) for tensor, variable in tensors(drawn.blocks)]


def _moved(unfinished: Path) -> str:
    with (unfinished / "weights.npz").open("rb") as file:
        name = f"file-{hashlib.file_digest(file, 'sha256').hexdigest()[:8]}"
    target = foreign.folder(name)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.replace(target)
    return name

"""Keys that say all that a network's frozen part computes by: equal in all processes, and different for any change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ..digests import digest
from . import device
from .network import Network

NAMING = ("name", "keras_history", "input_layers", "output_layers")
"""Where a layer's configuration holds names of layers."""
IDLE = ("trainable", "seed", "shared_object_id")
"""What a configuration says and inference does not heed."""


def front(network: Network, blocks: int) -> str:
    """What the features behind ``blocks`` blocks follow from, but the examples: equal in all processes.

    Structure and weights of what stands before the cut, the shape of an example, Keras and its backend, and whether a
    CPU or a GPU computes.
    """
    parts = [network.preprocess, *network.blocks[:blocks]]
    weights = [np.asarray(weight).tobytes() for part in parts for weight in part.weights]
    return digest([json.dumps([network.raw_shape, device.kind()]).encode(), structure(parts), *weights]).hex()


def structure(parts: Sequence[keras.Layer]) -> bytes:
    """What the layers are, without the names that Keras counts by process."""
    said = [(type(part).__name__, _nameless(part.get_config(), {})) for part in parts]
    return json.dumps([keras.__version__, keras.backend.backend(), said], default=_plain).encode()


def _nameless(config: Any, known: dict[str, int]) -> Any:
    """A layer's configuration whose names are numbers, in order of appearance, and without what inference leaves
    alone."""
    if isinstance(config, list | tuple):
        return [_nameless(value, known) for value in config]
    if not isinstance(config, dict) or str(config.get("class_name")).endswith("DTypePolicy"):
        return config
    return {
        name: _numbered(value, known) if name in NAMING else _nameless(value, known)
        for name, value in config.items()
        if name not in IDLE
    }


def _numbered(value: Any, known: dict[str, int]) -> Any:
    if isinstance(value, list | tuple):
        return [_numbered(one, known) for one in value]
    return known.setdefault(value, len(known)) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """What JSON does not know, in a configuration: arrays and tensors by their values."""
    return np.asarray(value).tolist() if hasattr(value, "__array__") else repr(value)

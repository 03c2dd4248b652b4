"""ImageNet's networks as Keras models in blocks, their preprocessing, and their downloaded weights as ours.

``python -m tlcore.engine.pretrained`` writes the layouts that :mod:`tlcore.pretrained` reads.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..networks import Shape
from ..pretrained import ARCHITECTURES, LAYOUTS, Architecture
from . import device
from .cuts import cut
from .tensors import tensors

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""Of ImageNet's red, green and blue, from 0 to 1."""
MEAN_BGR = [103.939, 116.779, 123.68]
"""Of ImageNet's blue, green and red, from 0 to 255, as Caffe's networks were trained with."""


def body(architecture: Architecture, input_shape: Shape) -> list[keras.Model]:
    """The blocks with random weights, for preprocessed pictures of ``input_shape``, input first.

    Names and paths of variables are the same in every process.
    """
    return _blocks(_anew(lambda: _drawn(architecture, input_shape)), architecture)


def preprocess(architecture: Architecture) -> Callable[[Any], Any]:
    """What makes, of a Keras tensor of raw red, green, blue (0 to 255), what the body takes."""
    match architecture.preprocessing:
        case "tf":
            return keras.layers.Rescaling(1 / 127.5, offset=-1)
        case "torch":
            return keras.layers.Normalization(mean=255 * MEAN, variance=(255 * DEVIATION) ** 2)
        case "caffe":
            centred = keras.layers.Normalization(mean=MEAN_BGR, variance=[1.0, 1.0, 1.0])
            return lambda pixels: centred(pixels[..., ::-1])
    raise ValueError(f"unknown preprocessing {architecture.preprocessing!r}: expected 'tf', 'torch' or 'caffe'")


def convert(architecture: Architecture, downloaded: Path, target: Path) -> None:
    """Write the weights that Keras published (``.h5``, no top) as plain arrays by path, ``block/layer/variable``.

    Raises ValueError for a file that is damaged or of another network; ``target`` is not touched then.
    """
    model = _anew(lambda: _drawn(architecture, (architecture.least, architecture.least, 3)))
    try:
        model.load_weights(downloaded)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as problem:
        raise ValueError(
            f"{downloaded.name} does not hold the weights of {architecture.title} without its top "
            f"({str(problem).partition(chr(10))[0]:.200}): expected {architecture.file}; delete "
            f"the file and download it again from {architecture.url}."
        ) from problem
    with target.open("wb") as file:
        np.savez(file, allow_pickle=False, **{key: np.asarray(v) for key, v in keyed(_blocks(model, architecture))})


def keyed(blocks: list[keras.Model]) -> list[tuple[str, keras.Variable]]:
    """Every weight of the blocks by its path, ``block/layer/variable``, in Keras' order."""
    return [(tensor.path, variable) for tensor, variable in tensors(blocks)]


def _blocks(model: keras.Model, architecture: Architecture) -> list[keras.Model]:
    return cut(model, [(stage.name, stage.end) for stage in architecture.layout])


def _drawn(architecture: Architecture, input_shape: Shape) -> keras.Model:
    build = getattr(keras.applications, architecture.application)
    whole: keras.Model = build(
        include_top=False, weights=None, input_shape=input_shape, pooling="avg", **architecture.options
    )
    return whole


def _anew(make: Callable[[], keras.Model]) -> keras.Model:
    """Call it in a thread of its own: Keras counts the names it gives (``conv2d_3``) by thread, from none."""
    return device.in_new_thread(make)


def layout(blocks: list[keras.Model]) -> dict[str, dict[str, Any]]:
    """What :func:`tlcore.pretrained.layouts` knows of a network, measured on its blocks."""
    return {
        block.name: {
            "channels": block.output.shape[-1],
            "weights": {path.partition("/")[2]: list(variable.shape) for path, variable in keyed([block])},
        }
        for block in blocks
    }


def write_layouts() -> None:
    """Measure every network of the catalogue and write :data:`tlcore.pretrained.LAYOUTS`."""
    found = {name: layout(body(card, (card.least, card.least, 3))) for name, card in ARCHITECTURES.items()}
    text = json.dumps(found, separators=(",", ":"))
    LAYOUTS.write_bytes(gzip.compress(text.encode(), mtime=0))  # no date inside: the same content, the same file


if __name__ == "__main__":
    write_layouts()

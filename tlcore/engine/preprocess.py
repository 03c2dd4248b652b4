"""From raw examples to what a body takes: a part of every exported model that never learns."""

from __future__ import annotations

import keras
import numpy as np

from ..datasets import Dataset
from ..foreign import ForeignNetwork
from ..networks import Network, Shape
from ..pretrained import Architecture
from . import pretrained

CONSTANT = 1e30
"""The variance said of a column that never changed in training: whatever it is later, it counts for nothing."""


def model(
    card: Dataset, network: Network | Architecture | ForeignNetwork, shape: Shape, train: np.ndarray | None
) -> keras.Model:
    """A model from raw examples (n, *card.shape) to inputs of a body (n, *shape).

    Means and variances of a table are those of ``train`` (n, features; None for pictures), the training part alone:
    nothing is learnt from validation or test. What is missing there becomes the mean.
    """
    inputs = keras.Input(card.shape)
    outputs = _pictures(inputs, card, network, shape) if train is None else _table(inputs, train)
    return keras.Model(inputs, outputs, name="preprocess")


def _pictures(x: object, card: Dataset, network: object, shape: Shape) -> object:
    if card.shape[:2] != shape[:2]:
        x = keras.layers.Resizing(*shape[:2], interpolation="bilinear", antialias=card.shape[0] > shape[0])(x)
    if card.shape[2] < shape[2]:
        x = keras.layers.Concatenate()([x] * shape[2])
    elif card.shape[2] > shape[2]:
        x = keras.ops.mean(x, axis=-1, keepdims=True)
    if isinstance(network, Architecture):
        whole = x if card.scale == 255 else keras.layers.Rescaling(255 / card.scale)(x)
        return pretrained.preprocess(network)(whole)
    if isinstance(network, ForeignNetwork) and network.preprocessing != "unknown":
        whole = x if card.scale == 255 else keras.layers.Rescaling(255 / card.scale)(x)
        if network.preprocessing == "inside":
            return whole
        scale, offset = map(list, network.preprocessing)
        return keras.layers.Rescaling(scale, offset)(whole)
    return keras.layers.Rescaling(1 / card.scale)(x)


def _table(x: object, train: np.ndarray) -> object:
    # In float64: a sum of many float32 drifts away from the mean, and from a column's only value.
    there = np.maximum(np.isfinite(train).sum(0), 1)
    mean = np.nansum(train, axis=0, dtype=np.float64) / there
    variance = np.nansum((train - mean) ** 2, axis=0) / there
    variance = np.where(variance > 0, variance, CONSTANT)
    known = keras.layers.Normalization(mean=mean, variance=variance)(x)
    return keras.ops.nan_to_num(known)

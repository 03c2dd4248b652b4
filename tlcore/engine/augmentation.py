"""Random changes to training pictures: Keras' own layers, outside the model that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ..spec import AUGMENTATIONS

DRAWS = 64
"""More random numbers than any step asks for."""


class Draws(keras.random.SeedGenerator):
    """Seeds that follow from a step's number alone: equal in whatever order, and on however many cores, it is made."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.seed, self.step, self.drawn = seed, tf.constant(0, tf.int64), 0

    def begin(self, step: tf.Tensor) -> None:
        self.step, self.drawn = step, 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self.drawn += 1
        return tf.stack([tf.constant(self.seed, tf.int64), self.step * DRAWS + self.drawn])


class TwoOfMany:
    """Two changes a batch, drawn anew: RandAugment (Cubuk et al., 2020, arXiv:1909.13719) of Keras' single layers.

    Keras' own RandAugment makes all eleven changes and keeps two: 190 pictures of 96 pixels a second on two cores. Its
    one factor also sets very unequal strengths.
    """

    def __init__(self, most: float):
        values = (0, most)
        self.ways = [
            layers.RandomShear(0.1, 0.1), layers.RandomTranslation(0.1, 0.1), layers.RandomRotation(0.05),
            layers.RandomBrightness(0.2, values), layers.RandomContrast((0.3, 0.3), values),
            layers.RandomSharpness((0.2, 0.8), values), layers.RandomPosterization(4, values),
            layers.AutoContrast(value_range=values),
        ]  # fmt: skip
        self.paling = layers.RandomColorDegeneration(0.8, value_range=values)
        self.generator: Draws | None = None  # set like a layer's

    def __call__(self, x: tf.Tensor, training: bool = True) -> tf.Tensor:
        ways = [*self.ways, self.paling] if x.shape[-1] == 3 else self.ways
        for way in ways:
            _draw_from(way, self.generator)
        assert self.generator
        for _ in range(2):
            seed = tf.cast(self.generator.next() % (tf.int32.max - 1), tf.int32)
            which = tf.random.stateless_uniform((), seed, 0, len(ways), tf.int32)
            chosen = tf.switch_case(which, [partial(way, x, training=True) for way in ways])
            x = tf.ensure_shape(chosen, x.shape)
        return x


LAYERS: dict[str, Callable[[float], list[layers.Layer | TwoOfMany]]] = {
    "flip": lambda most: [layers.RandomFlip("horizontal")],
    "rotate": lambda most: [layers.RandomRotation(0.05)],  # of a whole turn: 18 degrees either way
    "zoom": lambda most: [layers.RandomZoom((-0.15, 0.15))],
    "shift": lambda most: [layers.RandomTranslation(0.1, 0.1)],
    # One number would only ever raise the contrast.
    "contrast": lambda most: [layers.RandomContrast((0.3, 0.3), (0, most))],
    # RandomColorJitter holds saturation to the range of pixels: above 1 it gives negative colours.
    "colour": lambda most: [layers.RandomHue(0.1, (0, most)), layers.RandomSaturation((0.4, 0.6), (0, 1))],
    "rand_augment": lambda most: [TwoOfMany(most)],
    "mix_up": lambda most: [layers.MixUp(0.2)],  # Zhang et al., 2018, arXiv:1710.09412
    # Yun et al., 2019, arXiv:1905.04899, with their Beta(1, 1): one number would draw another Beta for each batch.
    "cut_mix": lambda most: [layers.CutMix((1.0, 1.0))],
}
"""What each change is made of, for pixels from 0 to ``most``, in the order in which they are made."""
assert list(LAYERS) == list(AUGMENTATIONS)


class Change:
    """Changes to a batch ``x`` (n, height, width, channels) of pixels from 0 to ``scale`` and its labels ``y``
    (n, classes), which MixUp and CutMix mix with the pictures. Equal seeds and steps make equal changes."""

    def __init__(self, names: Sequence[str], scale: float, seed: int):
        self.draws = Draws(seed)
        # Random numbers and pictures stay where the input pipeline is, also where a GPU learns.
        with tf.device("cpu:0"):
            self.layers = [layer for name in LAYERS if name in names for layer in LAYERS[name](scale)]
        for layer in self.layers:
            _draw_from(layer, self.draws)

    def __call__(self, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Float32, whatever came in."""
        self.draws.begin(step)
        x = tf.cast(x, tf.float32)
        for layer in self.layers:
            if isinstance(layer, layers.MixUp | layers.CutMix):
                mixed = layer({"images": x, "labels": y}, training=True)
                x, y = mixed["images"], mixed["labels"]
            else:
                x = layer(x, training=True)
        return x, y


def _draw_from(layer: Any, draws: Draws | None) -> None:
    """Let a layer draw from there, also in TensorFlow's pipeline of another backend, where Keras would make a
    generator of its own."""
    layer.generator, layer._backend_generators = draws, {"tensorflow": draws}


def usable(names: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """Those of the changes that examples of ``shape`` allow: none for tables, no colours for grey pictures."""
    return tuple(name for name in LAYERS if name in names and len(shape) == 3 and (name != "colour" or shape[-1] == 3))


def preview(
    names: Sequence[str], pictures: np.ndarray, scale: float, seed: int = 0, rounds: int = 1
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """What training would make of ``pictures`` (n, height, width, channels) in so many rounds.

    Gives (rounds, n, height, width, channels) from 0 to 255. MixUp and CutMix mix the pictures with each other.
    """
    if pictures.ndim != 4:
        raise ValueError(f"received pictures {pictures.shape}, expected (n, height, width, channels); give some")
    change = Change(usable(names, pictures.shape[1:]), scale, seed)
    y = tf.zeros((len(pictures), 1))
    made = [np.asarray(change(tf.constant(pictures), y, tf.constant(step, tf.int64))[0]) for step in range(rounds)]
    return np.rint(np.clip(np.stack(made) * (255 / scale), 0, 255)).astype(np.uint8)

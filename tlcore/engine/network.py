"""A body of blocks and a head, built with Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras

from ..architectures import network
from ..foreign import ForeignNetwork
from ..networks import Block, Layer, Shape, through
from ..pretrained import Architecture
from . import pretrained

MOMENTUM = 0.9
"""Of batch normalisation's moving statistics, in every network: with few examples a run has few steps, and at the
usual 0.99 they would never catch up. A control would then look worse than it is."""


class Network:
    """Blocks in a row, input first, the head last; ``preprocess`` stands before them and never learns.

    Each block is a Keras model that the whole model, and every tail of it, share.
    """

    def __init__(
        self, cards: Sequence[Block], preprocess: keras.Layer, raw_shape: Shape | None = None, body: str | None = None
    ):
        """``raw_shape`` is of an example as the dataset has it, if the body is shown another one; ``body`` names a
        network that is not made of tuples."""
        self.preprocess, self.cards, self.body = preprocess, tuple(cards), body
        self.raw_shape = raw_shape or self.cards[0].input_shape
        drawn = _body(body, self.cards[0].input_shape)
        for layer in (layer for block in drawn for layer in leaves(block)):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
        self.blocks = [*drawn, *map(_built, self.cards[len(drawn) :])]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(card.name for card in self.cards)

    def whole(self) -> keras.Sequential:
        """From raw inputs (n, *raw_shape) to probabilities (n, classes)."""
        return keras.Sequential([keras.Input(self.raw_shape), self.preprocess, *self.blocks], name="network")

    def front(self, cut: int) -> keras.Sequential:
        """From raw inputs to what the first ``cut`` blocks make of them."""
        return keras.Sequential([keras.Input(self.raw_shape), self.preprocess, *self.blocks[:cut]])

    def tail(self, cut: int) -> keras.Sequential:
        """From the output of the first ``cut`` blocks to probabilities."""
        return keras.Sequential([keras.Input(self.cards[cut].input_shape), *self.blocks[cut:]])


def leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers of a model that hold no other layers, in order, however deep they are nested."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def _body(name: str | None, input_shape: Shape) -> list[keras.Model]:
    """The blocks of a network that others drew; none for one of ours."""
    own = network(name) if name else None
    if isinstance(own, Architecture):
        return pretrained.body(own, input_shape)
    if isinstance(own, ForeignNetwork):
        from . import foreign_network

        return foreign_network.body(own)
    return []


def _built(block: Block) -> keras.Sequential:
    layers, shape = [], block.input_shape
    for number, layer in enumerate(block.layers):
        layers.append(_layer(layer, number, shape))
        shape, _ = through(layer, shape)
    return keras.Sequential([keras.Input(block.input_shape), *layers], name=block.name)


def _layer(layer: Layer, number: int, input_shape: Shape) -> keras.Layer:
    name = f"{layer[0]}_{number}"
    match layer:
        case ("conv", filters):
            return _conv(filters, 3, 1, name)
        case ("norm",):
            return _norm(name)
        case ("residual", filters, stride):
            return _residual(input_shape, filters, stride, name)
        case ("relu",):
            return keras.layers.ReLU(name=name)
        case ("max_pool",):
            return keras.layers.MaxPooling2D(name=name)
        case ("global_pool",):
            return keras.layers.GlobalAveragePooling2D(name=name)
        case ("flatten",):
            return keras.layers.Flatten(name=name)
        case ("dense", units):
            return keras.layers.Dense(units, name=name)
        case ("dropout", rate):
            return keras.layers.Dropout(rate, name=name)
        case ("softmax",):
            return keras.layers.Softmax(name=name)
    raise ValueError(f"unknown layer {layer!r}")


def _conv(filters: int, size: int, stride: int, name: str) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )


def _norm(name: str) -> keras.layers.BatchNormalization:
    return keras.layers.BatchNormalization(momentum=MOMENTUM, name=name)


def _residual(input_shape: Shape, filters: int, stride: int, name: str) -> keras.Model:
    """Two convolutions and the way around them, projected where the shape changes (He et al., 2015, option B)."""
    inputs = keras.Input(input_shape)
    x = _norm(f"{name}_norm1")(_conv(filters, 3, stride, f"{name}_conv1")(inputs))
    x = keras.layers.ReLU(name=f"{name}_relu1")(x)
    x = _norm(f"{name}_norm2")(_conv(filters, 3, 1, f"{name}_conv2")(x))
    around = inputs
    if stride > 1 or input_shape[2] != filters:
        around = _norm(f"{name}_norm3")(_conv(filters, 1, stride, f"{name}_conv3")(inputs))
    x = keras.layers.Add(name=f"{name}_add")([x, around])
    return keras.Model(inputs, keras.layers.ReLU(name=f"{name}_relu2")(x), name=name)

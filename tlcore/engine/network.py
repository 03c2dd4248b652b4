"""A body of blocks and a head, built with Keras from :mod:`tlcore.networks`' tuples."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from ..networks import Block, Layer


class Network:
    """Blocks in a row, input first, the head last; ``preprocess`` stands before them and never learns.

    Each block is a Keras Sequential that the whole model, and every tail of it, share.
    """

    def __init__(self, blocks: Sequence[Block], preprocess: keras.Layer):
        self.preprocess = preprocess
        self.cards = tuple(blocks)
        self.blocks = [_built(block) for block in blocks]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(card.name for card in self.cards)

    def whole(self) -> keras.Sequential:
        """From raw inputs (n, *shape) to probabilities (n, classes)."""
        return keras.Sequential([keras.Input(self.cards[0].input_shape), self.preprocess, *self.blocks], name="network")

    def front(self, cut: int) -> keras.Sequential:
        """From raw inputs to what the first ``cut`` blocks make of them."""
        return keras.Sequential([keras.Input(self.cards[0].input_shape), self.preprocess, *self.blocks[:cut]])

    def tail(self, cut: int) -> keras.Sequential:
        """From the output of the first ``cut`` blocks to probabilities."""
        return keras.Sequential([keras.Input(self.cards[cut].input_shape), *self.blocks[cut:]])

    def freeze_all_but(self, learning: Sequence[str]) -> None:
        """Let the named blocks learn and no other. Takes effect at the next compile.

        Batch normalisation is set layer by layer, after its block: only its own ``trainable`` keeps its moving
        statistics still.
        """
        for block in self.blocks:
            block.trainable = block.name in learning
            for layer in block.layers:
                layer.trainable = block.name in learning


def _built(block: Block) -> keras.Sequential:
    layers = [_layer(layer, number) for number, layer in enumerate(block.layers)]
    return keras.Sequential([keras.Input(block.input_shape), *layers], name=block.name)


def _layer(layer: Layer, number: int) -> keras.Layer:
    name = f"{layer[0]}_{number}"
    match layer:
        case ("conv", filters):
            return keras.layers.Conv2D(
                filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
            )
        case ("norm",):
            # With few examples a run has few steps: at the usual 0.99 the moving statistics would never catch up.
            return keras.layers.BatchNormalization(momentum=0.9, name=name)
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

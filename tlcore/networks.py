"""Networks as data: a body of named blocks and a head, so that a plan can be drawn before a weight exists.

A layer is a tuple, its kind first: ``("conv", 32)`` (3×3, same padding, no bias), ``("norm",)`` (batch normalisation),
``("relu",)``, ``("max_pool",)`` (2×2), ``("global_pool",)``, ``("flatten",)``, ``("dense", 128)``,
``("dropout", 0.2)``, ``("softmax",)``, ``("residual", 32, 2)`` (two convolutions with batch normalisation and a
shortcut around them, the first one with stride 2). :mod:`tlcore.engine.network` builds the same tuples with Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any

from .catalogue import Catalogue

Layer = tuple[Any, ...]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """A stretch of layers that is frozen or learns as one. Shapes are without the batch."""

    name: str
    layers: tuple[Layer, ...]
    input_shape: Shape
    output_shape: Shape
    weights: tuple[Shape, ...]  # shapes in the order in which Keras lists them, BatchNorm's statistics included
    parameters: int
    variables: tuple[str, ...]  # what Keras calls each of the weights: "kernel", "bias", "gamma" ...

    def trainable(self, only: str = "weights", rank: int = 0) -> int:
        """Parameters that learn where ``only`` these do: all "weights", "biases", "norms", or "adapters" of a rank."""
        named = zip(self.variables, self.weights, strict=True)
        if only == "adapters":
            return sum(rank * (prod(shape[:-1]) + shape[-1]) for name, shape in named if adaptable(name, shape))
        return sum(prod(shape) for name, shape in named if ONLY[only](name))


_STATISTICS = ("moving_mean", "moving_variance")
ONLY: dict[str, Callable[[str], bool]] = {
    "weights": lambda name: name not in _STATISTICS,
    "biases": lambda name: name in ("bias", "beta"),
    "norms": lambda name: name in ("gamma", "beta"),
    "adapters": lambda name: name.startswith("lora_"),
}
"""What may learn of a block, by the names of its weights. A normalisation's shift (beta) is its bias."""


def adaptable(name: str, shape: Shape) -> bool:
    """Whether low-rank adapters can stand beside a weight: dense and convolution kernels, but no depthwise ones."""
    return name == "kernel" and len(shape) in (2, 3, 4) and (len(shape) < 4 or shape[-1] > 1)


@dataclass(frozen=True)
class Network:
    """A body's layout. It has no sizes of its own: :meth:`blocks` gives it those of an input."""

    name: str
    title: str
    summary: str
    layout: tuple[tuple[str, tuple[Layer, ...]], ...]
    head_dropout: float = 0.0

    @property
    def convolutional(self) -> bool:
        """Whether it takes pictures only, of any size."""
        return any(layer[0] in ("conv", "residual") for _, layers in self.layout for layer in layers)

    def blocks(self, input_shape: Shape) -> tuple[Block, ...]:
        """The body's blocks, input first, for inputs of ``input_shape``."""
        blocks: list[Block] = []
        for name, layers in self.layout:
            blocks.append(_block(name, layers, input_shape))
            input_shape = blocks[-1].output_shape
        return tuple(blocks)

    def head(self, body_output: Shape, classes: int) -> Block:
        """The new last layer: one output a class."""
        dropout: tuple[Layer, ...] = (("dropout", self.head_dropout),) if self.head_dropout else ()
        return _block("head", (*dropout, ("dense", classes), ("softmax",)), body_output)

    def whole(self, input_shape: Shape, classes: int) -> tuple[Block, ...]:
        """Body and head, input first."""
        body = self.blocks(input_shape)
        return (*body, self.head(body[-1].output_shape, classes))


def _block(name: str, layers: tuple[Layer, ...], input_shape: Shape) -> Block:
    shape, weights = input_shape, list[Shape]()
    for layer in layers:
        shape, added = through(layer, shape)
        weights += added
    return Block(
        name, layers, input_shape, shape, tuple(weights), sum(prod(w) for w in weights), variables(weights)
    )  # fmt: skip


def variables(shapes: Sequence[Shape]) -> tuple[str, ...]:
    """What weights are called, from their shapes in Keras' order: a kernel, perhaps its bias, perhaps a normalisation
    with or without statistics, and so on."""
    names = list[str]()
    for several, run in groupby(shapes, key=lambda shape: shape if len(shape) == 1 else None):
        count = len([*run])
        names += (
            ["kernel"] * count
            if several is None
            else _NARROW.get(count, (*["bias"] * (count % 4), *_NARROW[4] * (count // 4)))
        )
    return tuple(names)


_NARROW: dict[int, tuple[str, ...]] = {
    1: ("bias",), 2: ("gamma", "beta"), 3: ("bias", "gamma", "beta"), 4: ("gamma", "beta", *_STATISTICS),
}  # fmt: skip
"""What vectors of one length in a row are, by their number; five and more are biases and batch normalisations."""


def through(layer: Layer, shape: Shape) -> tuple[Shape, list[Shape]]:
    """The shape behind a layer and the shapes of the weights in it."""
    match layer:
        case ("conv", filters):
            return (*shape[:2], filters), [(3, 3, shape[2], filters)]
        case ("norm",):
            return shape, [(shape[-1],)] * 4
        case ("residual", filters, stride):
            norm, changed = [(filters,)] * 4, stride > 1 or shape[2] != filters
            inner = [(3, 3, shape[2], filters), *norm, (3, 3, filters, filters)]
            shortcut = [(1, 1, shape[2], filters), *norm, *norm] if changed else norm
            return (-(-shape[0] // stride), -(-shape[1] // stride), filters), [*inner, *shortcut]
        case ("dense", units):
            return (units,), [(shape[-1], units), (units,)]
        case ("max_pool",):
            return (shape[0] // 2, shape[1] // 2, shape[2]), []
        case ("global_pool",):
            return (shape[-1],), []
        case ("flatten",):
            return (prod(shape),), []
        case ("relu",) | ("softmax",) | ("dropout", _):
            return shape, []
    raise ValueError(f"unknown layer {layer!r}")


def _conv(filters: int, *after: Layer) -> tuple[Layer, ...]:
    return (("conv", filters), ("norm",), ("relu",), *after)


def _dense(*units: int, dropout: float = 0.0) -> Iterable[tuple[str, tuple[Layer, ...]]]:
    """Hidden layers, one a block; pictures are flattened on the way in."""
    for number, width in enumerate(units, 1):
        first: tuple[Layer, ...] = (("flatten",),) if number == 1 else ()
        after: tuple[Layer, ...] = (("dropout", dropout),) if dropout else ()
        yield f"dense{number}", (*first, ("dense", width), ("relu",), *after)


NETWORKS = Catalogue(
    "network",
    (
        (network.name, network)
        for network in (
            Network(
                "small_cnn",
                "Small convolutional network",
                "Three convolutional blocks; takes pictures of any size.",
                (
                    ("conv1", _conv(32)),
                    ("conv2", _conv(64, ("max_pool",))),
                    ("conv3", _conv(128, ("max_pool",), ("global_pool",))),
                ),
            ),
            Network(
                "resnet_20",
                "ResNet-20",
                "Nineteen convolutions with shortcuts, made for small photographs such as CIFAR-10 (He et al., 2015).",
                (
                    ("conv1", _conv(16)),
                    ("stage1", (("residual", 16, 1),) * 3),
                    ("stage2", (("residual", 32, 2), ("residual", 32, 1), ("residual", 32, 1))),
                    ("stage3", (("residual", 64, 2), ("residual", 64, 1), ("residual", 64, 1), ("global_pool",))),
                ),
            ),
            Network(
                "dense_128", "Dense 128", "One hidden layer of 128 units, dropout 0.2.", (*_dense(128, dropout=0.2),)
            ),
            Network("dense_64", "Dense 64", "One hidden layer of 64 units.", (*_dense(64),)),
            Network("dense_64_32", "Dense 64-32", "Two hidden layers, of 64 and 32 units.", (*_dense(64, 32),)),
        )
    ),
)

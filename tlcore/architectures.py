"""All networks by name: our own small ones, ImageNet's, and those that a person brought."""

from __future__ import annotations

from . import foreign
from .catalogue import UnknownName
from .foreign import ForeignNetwork
from .networks import NETWORKS, Network, Shape
from .pretrained import ARCHITECTURES, Architecture

Body = Network | Architecture | ForeignNetwork
"""Whatever offers ``title``, ``summary``, ``blocks(input_shape)``, ``head(...)`` and ``whole(...)``."""

COMFORTABLE = 96
"""Pixels to which ImageNet's networks are shown pictures that are no larger: a sixth of the work of 224."""


def network(name: str) -> Body:
    """The card of a network. Raises UnknownName."""
    if name in NETWORKS:
        return NETWORKS[name]
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    brought = {own.id: own for own in foreign.networks()}
    if name in brought:
        return brought[name]
    raise UnknownName("network", name, [*NETWORKS, *ARCHITECTURES, *brought])


def input_shape(name: str, dataset: Shape, image_size: int | None) -> Shape:
    """The shape of what a network is shown: pictures are resized, grey ones repeated where it wants three colours."""
    own = network(name)
    if isinstance(own, ForeignNetwork):
        return own.input_shape
    if len(dataset) == 1:
        return dataset
    side = image_size or dataset[0]
    return (side, side, 3 if isinstance(own, Architecture) else dataset[2])


def comfortable_size(name: str, dataset: Shape) -> int | None:
    """The side at which to show a network a dataset's pictures when nobody says; None for as they are."""
    own = network(name)
    if len(dataset) == 1 or not isinstance(own, Architecture):
        return None
    side = max(own.least, min(own.size, max(COMFORTABLE, dataset[0])))
    return None if side == dataset[0] else side


def takes(name: str, dataset: Shape) -> bool:
    """Whether a network can be shown such examples at all."""
    own = network(name)
    if isinstance(own, ForeignNetwork):
        if len(dataset) == 1 or len(own.input_shape) != len(dataset):
            return own.input_shape == dataset
        # Grey pictures are repeated for each colour, and colours made one grey; anything else is no picture's form.
        return own.input_shape[2] in (1, dataset[2]) or dataset[2] == 1
    return len(dataset) == 3 or (isinstance(own, Network) and not own.convolutional)


def related(one: str, other: str) -> bool:
    """Whether layers of one network can have a counterpart in another: the same one, or dense layers on both sides."""
    return one == other or not any(name not in NETWORKS or NETWORKS[name].convolutional for name in (one, other))


def fitting(shape: Shape) -> list[str]:
    """The networks that can be trained from random weights on inputs of that shape."""
    return [name for name in (*NETWORKS, *ARCHITECTURES) if takes(name, shape)]


def usual(shape: Shape) -> str:
    """The network taken when nobody names one."""
    return "small_cnn" if len(shape) == 3 else "dense_64_32"

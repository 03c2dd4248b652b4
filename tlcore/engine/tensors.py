"""The weights of a network as tensors with paths, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import keras

Shape = tuple[int, ...]
Layers = dict[str, list["Tensor"]]


@dataclass(frozen=True)
class Tensor:
    """One weight: ``path`` is ``block/layer/variable``, in a foreign file ``layer/variable``; ``kind`` the class of
    its layer, empty where that is not known."""

    path: str
    kind: str
    shape: tuple[int, ...]

    @property
    def layer(self) -> str:
        return self.path.rpartition("/")[0] or self.path

    @property
    def variable(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def block(self) -> str:
        return self.path.partition("/")[0]

    @property
    def parameters(self) -> int:
        return prod(self.shape)


def by_layer(tensors: Iterable[Tensor]) -> Layers:
    """Tensors by the path of their layer, in order."""
    layers: Layers = {}
    for tensor in tensors:
        layers.setdefault(tensor.layer, []).append(tensor)
    return layers


def names(layer: str) -> list[str]:
    """What a layer may be called elsewhere: its path without the block, or the whole of it in a file without blocks."""
    inner = layer.partition("/")[2]
    return [inner, layer] if inner else [layer]


def tensors(blocks: Iterable[keras.Model]) -> list[tuple[Tensor, Any]]:
    """All weights with their paths, statistics included; seeds and counters are no weights."""
    found: dict[str, tuple[Tensor, Any]] = {}
    for layer, path in leaves(blocks):
        for variable in layer.weights:
            if keras.backend.is_float_dtype(variable.dtype):
                own = _unique(f"{path}/{_inside(variable.path, layer.name)}", found)
                found[own] = (Tensor(own, type(layer).__name__, tuple(variable.shape)), variable)
    return [*found.values()]


def leaves(blocks: Iterable[keras.Model], above: str = "") -> Iterator[tuple[keras.Layer, str]]:
    """All layers that are no models, in order, with their paths: those of the models around them and their name."""
    for block in blocks:
        for layer in block.layers:
            if isinstance(layer, keras.Model):
                yield from leaves([layer], f"{above}{block.name}/")
            else:
                yield layer, f"{above}{block.name}/{layer.name}"


def _inside(path: str, layer: str) -> str:
    """A variable's path from its layer on: Keras begins it with the model's name, or not, as that was built."""
    parts = path.split("/")
    names = [number for number, part in enumerate(parts[:-1]) if part == layer]
    return "/".join(parts[names[-1] + 1 :] if names else parts[-1:])


def _unique(path: str, taken: Iterable[str]) -> str:
    """Two sublayers of one layer may have the same name: the second one is given a number."""
    layer, _, variable = path.rpartition("/")
    number = 2
    while path in taken:
        path, number = f"{layer}_{number}/{variable}", number + 1
    return path


def pictures(blocks: Iterable[keras.Model]) -> dict[str, Shape]:
    """What a Flatten took, (height, width, channels), by the dense layer behind it."""
    found: dict[str, Shape] = {}
    picture: Shape = ()
    for layer, path in leaves(blocks):
        if isinstance(layer, keras.layers.Flatten):
            picture = tuple(layer.input.shape[1:])
        elif isinstance(layer, keras.layers.Dense):
            if len(picture) == 3 and layer.kernel.shape[0] == prod(picture):
                found[path] = picture
            picture = ()
    return found


def settle(blocks: Iterable[keras.Model]) -> None:
    """Let layers that compute something from their weights once and for all do it again, after these were set."""
    for layer, _ in leaves(blocks):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()

"""A source's weights into a network, with a receipt of what was copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .network import Network

COPIED, ADAPTED, NEW, UNUSED = "copied", "adapted", "new", "unused"


@dataclass(frozen=True)
class Tensor:
    """One weight: ``path`` is ``block/layer/variable``; ``kind`` the class of its layer."""

    path: str
    kind: str
    shape: tuple[int, ...]

    @property
    def layer(self) -> str:
        return self.path.rsplit("/", 1)[0]

    @property
    def block(self) -> str:
        return self.path.split("/", 1)[0]

    @property
    def name(self) -> str:
        """Layer and variable without the block."""
        return self.path.split("/", 1)[1]

    @property
    def parameters(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Receipt:
    """What became of every tensor: each target tensor is copied, adapted or new; a source tensor may stay unused."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    largest_difference: float | None = None

    def note(self, fate: str, tensor: Tensor, origin: Tensor | None = None) -> None:
        self.rows.append(
            {"fate": fate, "tensor": tensor.path, "shape": list(tensor.shape), "parameters": tensor.parameters,
             "block": tensor.block, "from": origin.path if origin else None}
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Tensors, parameters and share a fate. The shares of copied, adapted and new are of the target's parameters,
        that of unused is of the source's."""
        totals: dict[str, dict[str, float]] = {}
        for fate in (COPIED, ADAPTED, NEW, UNUSED):
            own = [row["parameters"] for row in self.rows if row["fate"] == fate]
            totals[fate] = {"tensors": len(own), "parameters": sum(own)}
        target = sum(totals[fate]["parameters"] for fate in (COPIED, ADAPTED, NEW))
        source = sum(totals[fate]["parameters"] for fate in (COPIED, ADAPTED, UNUSED))
        for fate, total in totals.items():
            whole = source if fate == UNUSED else target
            total["share"] = round(total["parameters"] / whole, 6) if whole else 0.0
        return {**totals, "rows": self.rows, "largest_difference": self.largest_difference}


def match(source: Sequence[Tensor], target: Sequence[Tensor]) -> dict[str, str]:
    """Which source tensor goes into which target tensor, by path: ``{target path: source path}``.

    By path and shape, then by layer name and shape, then by order of equal kind and shape. A layer is taken whole
    or not at all: half a BatchNorm would be worse than none.
    """
    pairs: dict[str, str] = {}
    alike: tuple[Callable[[Tensor, Tensor], bool], ...] = (
        lambda a, b: a.path == b.path,
        lambda a, b: a.name == b.name,
        lambda a, b: a.kind == b.kind and a.path.rsplit("/", 1)[1] == b.path.rsplit("/", 1)[1],
    )
    for same in alike:
        taken = set(pairs.values())
        free = _by_layer(t for t in source if t.path not in taken)
        for wanted in _by_layer(t for t in target if t.path not in pairs).values():
            for layer, offered in free.items():
                found = [next((f for f in offered if f.shape == t.shape and same(f, t)), None) for t in wanted]
                if None not in found:
                    pairs |= {t.path: f.path for t, f in zip(wanted, found, strict=True) if f}
                    del free[layer]
                    break
    return pairs


def _by_layer(tensors: Iterable[Tensor]) -> dict[str, list[Tensor]]:
    layers: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        layers.setdefault(tensor.layer, []).append(tensor)
    return layers


def save(network: Network, path: Path) -> None:
    """Keep the weights of body and head as plain arrays by path, in order."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{t.path: np.asarray(v) for t, v in _tensors(network)})


def copy(path: Path, network: Network, *, head: bool) -> Receipt:
    """Copy what :func:`save` kept into the network's body, and into its head if asked to."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    receipt, variables = Receipt(), dict(_tensors(network))
    kinds = {_stem(t.path): t.kind for t in variables}
    source = [Tensor(name, kinds.get(_stem(name), ""), array.shape) for name, array in arrays.items()]
    offered = [t for t in source if head or t.block != "head"]
    pairs = match(offered, [t for t in variables if head or t.block != "head"])
    by_path = {t.path: t for t in source}
    for tensor, variable in variables.items():
        if origin := pairs.get(tensor.path):
            variable.assign(arrays[origin])
            receipt.note(COPIED, tensor, by_path[origin])
        else:
            receipt.note(NEW, tensor)
    for tensor in source:
        if tensor.path not in pairs.values():
            receipt.note(UNUSED, tensor)
    return receipt


def _stem(path: str) -> str:
    """What a layer is called without its number: the same for all layers of one kind."""
    return path.split("/")[-2].rsplit("_", 1)[0]


def nothing(network: Network) -> Receipt:
    """The receipt of a network that borrows nothing."""
    receipt = Receipt()
    for tensor, _ in _tensors(network):
        receipt.note(NEW, tensor)
    return receipt


def difference(path: Path, network: Network, examples: np.ndarray) -> float:
    """The largest difference between the body's answers to raw ``examples`` and those of the source's own body.

    The source's body is built anew from its file, at the size of these examples; 0.0 when all of it was copied.
    """
    body = len(network.cards) - 1
    twin = Network(network.cards[:body], network.preprocess)
    with np.load(path, allow_pickle=False) as file:
        for tensor, variable in _tensors(twin):
            variable.assign(file[tensor.path])
    answers, expected = (n.front(body)(examples, training=False) for n in (network, twin))
    return float(np.max(np.abs(np.asarray(answers) - np.asarray(expected))))


def _tensors(network: Network) -> list[tuple[Tensor, Any]]:
    found = []
    for block in network.blocks:
        for layer in block.layers:
            for variable in layer.weights:
                if str(variable.dtype).startswith("float"):  # a dropout layer's seed is no weight
                    path = f"{block.name}/{layer.name}/{variable.name}"
                    found.append((Tensor(path, type(layer).__name__, tuple(variable.shape)), variable))
    return found

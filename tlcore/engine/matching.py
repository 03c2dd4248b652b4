"""Which of a source's layers goes into which layer of a network, by names and shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .tensors import Tensor, by_layer, names


def match(source: Sequence[Tensor], target: Sequence[Tensor]) -> dict[str, str]:
    """Which source tensor goes into which target tensor, by path: ``{target path: source path}``.

    By path and shape, then by layer name and shape, then by order of equal kind and shape. A layer is taken whole
    or not at all: half a BatchNorm would be worse than none.
    """
    pairs: dict[str, str] = {}
    free, wanted = by_layer(source), by_layer(target)
    for keys in (_path, _names, _make):
        offered: dict[object, list[str]] = {}
        for layer, tensors in free.items():
            for key in keys(tensors):
                offered.setdefault(key, []).append(layer)
        for layer, tensors in [*wanted.items()]:
            near = (other for key in keys(tensors) for other in offered.get(key, ()) if other in free)
            if found := next((other for other in near if _fits(free[other], tensors, keys)), None):
                origins = {tensor.variable: tensor.path for tensor in free.pop(found)}
                pairs |= {tensor.path: origins[tensor.variable] for tensor in wanted.pop(layer)}
    return pairs


Keys = Callable[[list[Tensor]], Sequence[object]]


def _path(layer: list[Tensor]) -> Sequence[object]:
    return [layer[0].layer]


def _names(layer: list[Tensor]) -> Sequence[object]:
    return names(layer[0].layer)


def _make(layer: list[Tensor]) -> Sequence[object]:
    return [tuple(sorted((tensor.variable, tensor.shape) for tensor in layer))]


def _fits(own: list[Tensor], wanted: list[Tensor], keys: Keys) -> bool:
    """The same variables in the same shapes; of the same kind, as far as known, where no name speaks for it."""
    kinds = {own[0].kind, wanted[0].kind} - {""}
    return _make(own) == _make(wanted) and (keys is not _make or len(kinds) < 2)

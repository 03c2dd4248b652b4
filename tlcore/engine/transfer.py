"""A source's weights into a network, with a receipt of what was copied, adapted, left new and not used."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from . import adaptation
from .adaptation import Fitted, Side
from .matching import match
from .network import Network
from .tensors import Layers, Shape, Tensor, by_layer, names, pictures, settle, tensors

__all__ = ["Receipt", "Side", "Tensor", "copy", "difference", "match", "nothing", "save"]

COPIED, ADAPTED, NEW, UNUSED = "copied", "adapted", "new", "unused"

ROUNDING, ROUNDING_ADAPTED = 1e-4, 1e-2
"""What answers may differ by for the rounding of the device, as a share of the largest one. Other kernels round
otherwise, and some GPUs multiply with 10 bits only."""

Decided = dict[str, tuple[str | None, Fitted]]
"""Layers of the network that go their own way: whose weights of the source are theirs, and how these fit. With None
a layer may still find another one by order; with an empty name it may not."""


@dataclass
class Receipt:
    """What became of every tensor: each target tensor is copied, adapted or new; a source tensor may stay unused.

    ``alike`` says on what inputs the body answers as the source's, None where that cannot be said; ``checked`` says
    it in words, or why not.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    largest_difference: float | None = None
    checked: str = ""
    alike: Fitted | None = None
    lent: int = 0  # parameters of the source's tensors that were of use

    def note(self, fate: str, tensor: Tensor, origin: Tensor | None = None, how: str = "") -> None:
        self.rows.append(
            {"fate": fate, "tensor": tensor.path, "shape": list(tensor.shape), "parameters": tensor.parameters,
             "block": tensor.block, "from": origin.path if origin else None, "how": how}
        )  # fmt: skip
        self.lent += origin.parameters if origin else 0

    def borrowed(self) -> set[str]:
        """The paths of the tensors whose values came from the source."""
        return {row["tensor"] for row in self.rows if row["fate"] in (COPIED, ADAPTED)}

    def as_dict(self) -> dict[str, Any]:
        """Tensors, parameters and share a fate. The shares of copied, adapted and new are of the target's parameters,
        that of unused is of the source's."""
        totals: dict[str, dict[str, float]] = {}
        for fate in (COPIED, ADAPTED, NEW, UNUSED):
            own = [row["parameters"] for row in self.rows if row["fate"] == fate]
            totals[fate] = {"tensors": len(own), "parameters": sum(own)}
        target = sum(totals[fate]["parameters"] for fate in (COPIED, ADAPTED, NEW))
        for fate, total in totals.items():
            whole = self.lent + total["parameters"] if fate == UNUSED else target
            total["share"] = round(total["parameters"] / whole, 6) if whole else 0.0
        answers = {"largest_difference": self.largest_difference, "checked": self.checked}
        return {**totals, "rows": self.rows, **answers}


def save(network: Network, path: Path) -> None:
    """Keep the weights of body and head as plain arrays by path, in order."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{t.path: np.asarray(v) for t, v in _tensors(network)})


def copy(
    path: Path,
    network: Network,
    *,
    head: bool,
    new_input: bool = False,
    only: Collection[str] | None = None,
    source: Side | None = None,
    target: Side | None = None,
) -> Receipt:
    """Bring what :func:`save` kept into the network's body, and into its head if asked to.

    What has another shape is adapted where :mod:`tlcore.engine.adaptation` knows how. Of a head that is not copied
    whole, the columns of classes that go by the same names on both sides come along. ``new_input`` leaves the first
    layer with a kernel new even where the source's would fit, ``only`` all but the blocks of these names. Without
    ``source`` nothing is known of the file but its tensors: names and shapes alone decide.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    case = _Case.of(network, arrays, source or Side(), target or Side())
    decided = _decided_body(case, pictures(network.blocks), new_input) | _decided_head(case, whole=head)
    if only is not None:
        anew = (layer for layer in case.mine if layer.partition("/")[0] not in only)
        decided |= dict.fromkeys(anew, ("", Fitted({}, "this block starts anew")))
    taken = {mate for mate, _ in decided.values()} | (set() if head else case.lent_heads)
    apart = {layer for layer, (mate, _) in decided.items() if mate is not None}
    pairs = match(
        [tensor for layer, own in case.theirs.items() if layer not in taken for tensor in own],
        [tensor for layer, own in case.mine.items() if layer not in apart for tensor in own],
    )
    receipt = _carried_out(case, decided, pairs)
    receipt.alike, receipt.checked = _alike(case, receipt, decided, new_input)
    settle(network.blocks)
    return receipt


def nothing(network: Network) -> Receipt:
    """The receipt of a network that borrows nothing."""
    receipt = Receipt()
    for tensor, _ in _tensors(network):
        receipt.note(NEW, tensor)
    return receipt


def difference(path: Path, network: Network, receipt: Receipt, examples: np.ndarray) -> float | None:
    """The largest difference between the body's answers and those of the source's own body; None if it has no answer.

    The source's body is built anew from its file. Raw ``examples`` are made such that both must answer alike: 0.0 when
    all was copied as it is, rounding where something was adapted. Raises RuntimeError for more than that. Where every
    weight is bit for bit the source's, and the body is shown what the source's was, it is the same function: nothing
    needs to be computed to know that.
    """
    if receipt.alike is None:
        return None
    if not receipt.alike.arrays and _same_weights(path, network):
        return 0.0
    inputs = np.asarray(network.preprocess(np.asarray(examples, np.float32), training=False))
    own, theirs = adaptation.views(inputs, receipt.alike)
    twin = _twin(path, network, receipt.alike.input_shape)
    answers, expected = _through(network.blocks[:-1], own), _through(twin, theirs)
    off, most = (float(np.nan_to_num(np.abs(x), nan=np.inf).max()) for x in (answers - expected, expected))
    if off > (ROUNDING_ADAPTED if receipt.alike.arrays else ROUNDING) * max(1e-3, most):
        raise RuntimeError(
            f"The borrowed body does not answer as the source's does: off by {off:.2g} where answers reach {most:.2g}, "
            "expected rounding alone. The weights cannot be trusted; choose another source."
        )
    return off


@dataclass(frozen=True)
class _Case:
    """What is known before a tensor moves: both sides' layers, weights and names."""

    mine: Layers
    theirs: Layers
    variables: dict[Tensor, Any]
    arrays: dict[str, np.ndarray]
    source: Side
    target: Side
    lent_heads: set[str]

    @classmethod
    def of(cls, network: Network, arrays: dict[str, np.ndarray], source: Side, target: Side) -> _Case:
        if not target.input_shape:
            target = Side(tuple(network.blocks[0].input_shape[1:]), target.classes, target.columns)
        variables = dict(_tensors(network))
        theirs = by_layer(_described(arrays, variables))
        mine, heads = by_layer(variables), {layer for layer in theirs if _is_head(layer)}
        if not heads and not mine.keys() & theirs.keys():
            heads = _classifier(theirs, source)
        return cls(mine, theirs, variables, arrays, source, target, heads)

    def weights(self, layer: str, mate: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """A layer's own weights and those of its counterpart, by variable."""
        own = {tensor.variable: np.asarray(self.variables[tensor]) for tensor in self.mine[layer]}
        return own, {tensor.variable: self.arrays[tensor.path] for tensor in self.theirs[mate]}

    def same_shapes(self, layer: str, mate: str) -> bool:
        own, theirs = ({t.variable: t.shape for t in side} for side in (self.mine[layer], self.theirs[mate]))
        return own == theirs


def _decided_body(case: _Case, pictures: dict[str, Shape], new_input: bool) -> Decided:
    """Layers whose counterpart by name has other shapes, and the first one, whose rows may mean something else."""
    decided: Decided = {}
    first = _first(layer for layer in case.mine.items() if not _is_head(layer[0]))
    mates = _mates(case, first)
    if new_input:
        decided[first] = (mates.pop(first, ""), Fitted({}, "the input layer was replaced"))
    for layer, mate in mates.items():
        picture, same = pictures.get(layer, ()), case.same_shapes(layer, mate)
        if same and not (layer == first and _reads_otherwise(case, picture)):
            continue
        kind = case.mine[layer][0].kind
        fitted = adaptation.layer(
            *case.weights(layer, mate), kind, case.source, case.target, picture, first=layer == first
        )
        decided[layer] = (mate if fitted.arrays or same else None, fitted)
    return decided


def _mates(case: _Case, first: str) -> dict[str, str]:
    """Layers of the body and the source's of the same path, else of the same name; the first goes with the first."""
    free = {layer: tensors for layer, tensors in case.theirs.items() if layer not in case.lent_heads}
    mates = {layer: layer for layer in case.mine if layer in free and not _is_head(layer)}
    used = {*mates.values()}
    named: dict[str, list[str]] = {}
    for layer in free:
        for name in names(layer) if layer not in mates else ():
            named.setdefault(name, []).append(layer)
    for layer in case.mine:
        near = {other for name in names(layer) for other in named.get(name, ())}
        if layer not in mates and not _is_head(layer) and len(near) == 1 and not near & used:
            mates[layer] = near.pop()
            used.add(mates[layer])
    theirs = _first(free.items())
    if first not in mates and theirs and theirs not in used:
        mates[first] = theirs
    return mates


def _reads_otherwise(case: _Case, picture: Shape) -> bool:
    """Whether the rows of the first layer's kernel stand for other inputs, although they may be as many."""
    source, target = case.source, case.target
    if picture:
        return len(source.input_shape) == 3 and picture == target.input_shape != source.input_shape
    return bool(source.columns and target.columns) and source.columns != target.columns


def _decided_head(case: _Case, *, whole: bool) -> Decided:
    """The head: to be matched whole, else new but for the classes that both sides know by name."""
    layers = [layer for layer in case.mine if _is_head(layer)]
    dense = _first((layer, case.mine[layer]) for layer in reversed(layers))
    lent = _first((layer, case.theirs[layer]) for layer in reversed(case.theirs) if layer in case.lent_heads)
    if whole and dense and lent and case.same_shapes(dense, lent):
        return {}
    decided: Decided = {} if whole else {layer: ("", Fitted({}, "the head is new")) for layer in layers}
    if dense and lent:
        fitted = adaptation.head(*case.weights(dense, lent), case.source, case.target)
        decided[dense] = (lent if fitted.arrays else None if whole else "", fitted)
    return decided


def _carried_out(case: _Case, decided: Decided, pairs: dict[str, str]) -> Receipt:
    """Set every weight that the source has something for, and write down what became of each."""
    receipt, used = Receipt(), set[str]()
    origins = {t.path: t for tensors in case.theirs.values() for t in tensors}
    for tensor, variable in case.variables.items():
        mate, fitted = decided.get(tensor.layer, (None, Fitted({}, "the source has no such layer")))
        if fitted.arrays:
            origin = next(t for t in case.theirs[mate or ""] if t.variable == tensor.variable)
            value = fitted.arrays[tensor.variable]
            whole = value is case.arrays[origin.path]
            how = "" if whole and not _is_head(tensor.layer) else fitted.how
            receipt.note(COPIED if whole else ADAPTED, tensor, origin, how)
        elif tensor.path in pairs:
            origin = origins[pairs[tensor.path]]
            value = case.arrays[origin.path]
            receipt.note(COPIED, tensor, origin, _found(tensor, origin))
        else:
            receipt.note(NEW, tensor, how=fitted.how)
            continue
        variable.assign(value)
        used.add(origin.path)
    for tensor in origins.values():
        if tensor.path not in used:
            receipt.note(UNUSED, tensor)
    return receipt


def _found(tensor: Tensor, origin: Tensor) -> str:
    if tensor.path == origin.path:
        return ""
    alike = {*names(tensor.layer)} & {*names(origin.layer)}
    return "found by the layer's name" if alike else "found by kind, shape and order"


def _alike(case: _Case, receipt: Receipt, decided: Decided, new_input: bool) -> tuple[Fitted | None, str]:
    """On what inputs the body must answer as the source's, and this in words; or None, and why that cannot be said."""
    rows = [row for row in receipt.rows if Tensor(row["tensor"], "", ()).layer not in case.lent_heads]
    body = [row for row in rows if not _is_head(row["tensor"])]
    fits = [fitted for layer, (_, fitted) in decided.items() if fitted.arrays and not _is_head(layer)]
    if new_input:
        return None, "the input layer was replaced"
    if any(row["fate"] == NEW for row in body):
        return None, "a part of the body is new"
    if any(row["fate"] == UNUSED for row in body):
        return None, "a part of the source's body was left out"
    if any(row["from"] != row["tensor"] for row in body):
        return None, "its layers were found by name or order alone"
    if not all(fitted.exact for fitted in fits):
        return None, "it was adapted in a way that changes its answers"
    alike = fits[0] if fits else Fitted({}, "", case.target.input_shape)
    return alike, adaptation.views_said(alike, case.target.input_shape)


def _described(arrays: dict[str, np.ndarray], variables: Iterable[Tensor]) -> list[Tensor]:
    """The tensors of a file. It says nothing of kinds: layers that are called alike but for a number are of one."""
    kinds: dict[str, set[str]] = {}
    for tensor in variables:
        kinds.setdefault(_stem(tensor.layer), set()).add(tensor.kind)
    known = {stem: own.pop() for stem, own in kinds.items() if len(own) == 1}
    layers = {path: Tensor(path, "", ()).layer for path in arrays}
    return [Tensor(path, known.get(_stem(layers[path]), ""), array.shape) for path, array in arrays.items()]


def _stem(layer: str) -> str:
    """What a layer is called without its number."""
    return re.sub(r"_\d+$", "", layer.rpartition("/")[2])


def _first(layers: Iterable[tuple[str, Sequence[Tensor]]]) -> str:
    """The first layer with a kernel."""
    return next((layer for layer, own in layers if any(len(t.shape) > 1 for t in own)), "")


def _is_head(path: str) -> bool:
    return path.partition("/")[0] == "head"


def _classifier(theirs: Layers, source: Side) -> set[str]:
    """The head of a file without blocks: its last dense layer with as many units as the source has classes."""
    for layer, own in reversed(theirs.items()):
        if source.classes and any(len(t.shape) == 2 and t.shape[1] == len(source.classes) for t in own):
            return {layer}
    return set()


def _same_weights(path: Path, network: Network) -> bool:
    with np.load(path, allow_pickle=False) as file:
        body = ((tensor.path, variable) for tensor, variable in tensors(network.blocks[:-1]))
        return all(own in file and np.array_equal(file[own], np.asarray(variable)) for own, variable in body)


def _twin(path: Path, network: Network, shape: Shape) -> list[keras.Model]:
    """The source's body from its file, for inputs of ``shape``."""
    twin: list[keras.Model] = []
    for block in network.blocks[:-1]:
        other = None if tuple(block.input_shape[1:]) == shape else keras.Input(shape)
        twin.append(keras.models.clone_model(block, input_tensors=other))
        shape = tuple(twin[-1].output_shape[1:])
    with np.load(path, allow_pickle=False) as file:
        for tensor, variable in tensors(twin):
            variable.assign(file[tensor.path])
    settle(twin)
    return twin


def _through(blocks: Iterable[keras.Model], x: np.ndarray) -> np.ndarray:
    for block in blocks:
        x = block(x, training=False)
    return np.asarray(x)


def _tensors(network: Network) -> list[tuple[Tensor, Any]]:
    return tensors(network.blocks)

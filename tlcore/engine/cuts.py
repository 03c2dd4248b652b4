"""Where a network can be cut in two, found on its graph; and the cutting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

import keras

Call = tuple[str, int]
"""One call of a layer or operation: its name, and the how-manieth call it is."""
Tensor = tuple[str, int, int]
"""What came out of a call: its name, the call, and the how-manieth of its outputs."""


def cut_points(model: keras.Model) -> list[str]:
    """Names of the layers behind which ``model`` can be cut in two, input first.

    A layer counts when every path from input to output goes through its one output, and when it is called once.
    Operations without a layer (``x + y``) count as layers, nested models as one. The last layer is none: nothing
    comes after it. Raises ValueError for a model that is neither functional nor Sequential.
    """
    return _points(*_graph(model))


def _points(needs: dict[Call, list[Tensor]], outputs: list[Tensor]) -> list[str]:
    calls = Counter(name for name, _ in needs)
    wanted = Counter(tensor for needed in needs.values() for tensor in needed) + Counter(outputs)
    made: dict[Call, set[Tensor]] = {call: set() for call in needs}
    for tensor in wanted:
        made[tensor[:2]].add(tensor)

    points: list[str] = []
    alive: set[Tensor] = set()  # made by now, and wanted by a call to come
    for call in TopologicalSorter({call: {t[:2] for t in needed} for call, needed in needs.items()}).static_order():
        wanted.subtract(needs[call])
        alive = {tensor for tensor in alive if wanted[tensor]} | made[call]
        alone = len(alive) == 1 and alive == made[call]
        if alone and needs[call] and calls[call[0]] == 1 and alive.isdisjoint(outputs):
            points.append(call[0])
    return points


def cut(model: keras.Model, ends: Sequence[tuple[str, str]]) -> list[keras.Model]:
    """The parts of ``model``, input first: each ``(name, layer)`` is a part and the layer whose output it ends at.

    The parts share the model's layers and weights; the last one ends at the model's output. Raises ValueError for a
    layer behind which the model cannot be cut.
    """
    needs, outputs = _graph(model)
    possible = [*_points(needs, outputs), outputs[-1][0]]
    chosen = [layer for _, layer in ends]
    if chosen[-1:] != possible[-1:] or chosen != [layer for layer in possible if layer in chosen]:
        raise ValueError(
            f"{model.name} cannot be cut at {chosen}: expected layers out of {possible}, in this order, and the last "
            "one at the end; choose among these."
        )
    functional = _functional(model)
    operations = {operation.name: operation for operation in functional.operations}
    tensors = [functional.input, *(operations[layer].output for layer in chosen[:-1]), functional.output]
    return [keras.Model(a, b, name=name) for (name, _), (a, b) in zip(ends, pairwise(tensors), strict=True)]


def _functional(model: keras.Model) -> keras.Model:
    """The same graph as a functional model; a Sequential one has one too."""
    try:
        inputs, outputs = (own[0] if len(own) == 1 else own for own in (model.inputs, model.outputs))
        return keras.Model(inputs, outputs)
    except (AttributeError, TypeError, ValueError) as problem:
        raise ValueError(
            f"{type(model).__name__} {model.name!r} has no graph: expected a functional or Sequential model with a "
            "known input; build it as one of these."
        ) from problem


def _graph(model: keras.Model) -> tuple[dict[Call, list[Tensor]], list[Tensor]]:
    """What each call needs, and what the model gives; read from its configuration, as Keras would save it."""
    config = _functional(model).get_config()
    needs: dict[Call, list[Tensor]] = {}
    for layer in config["layers"]:
        for number, call in enumerate(layer["inbound_nodes"] or [None]):  # an input is not called
            needs[layer["name"], number] = [*dict.fromkeys(_histories(call))]
    outputs = config["output_layers"]
    if outputs and isinstance(outputs[0], str):
        outputs = [outputs]
    return needs, [(name, call, number) for name, call, number in outputs]


def _histories(call: Any) -> Iterator[Tensor]:
    """Every tensor in a saved call's arguments, however nested."""
    if isinstance(call, dict):
        if call.get("class_name") == "__keras_tensor__":
            name, number, output = call["config"]["keras_history"]
            yield name, number, output
        else:
            for value in call.values():
                yield from _histories(value)
    elif isinstance(call, (list, tuple)):
        for value in call:
            yield from _histories(value)

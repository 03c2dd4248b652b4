"""A stranger's ``.keras`` file: a checked configuration, built without a single weight, and its arrays read by us.

Runs in the limited process of :mod:`tlcore.engine.inspect_weights`. Inside a stateless scope Keras gives variables
shapes and no memory: a network of any size is measured before anything is made of it.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras

from . import hdf5_files, network_config
from .cuts import cut, cut_points
from .foreign_network import anew, build, inner
from .hdf5_files import Found
from .known_layers import ROWS
from .tensors import tensors
from .weight_files import MOST_PARAMETERS, MOST_TENSORS, Refused, Stored, write

MOST_BLOCKS = 8
MOST_ACTIVATIONS = 100_000_000
"""Numbers that one layer may make of one example."""
BETWEEN = (
    "Activation", "BatchNormalization", "Dropout", "ELU", "GroupNormalization", "LayerNormalization", "LeakyReLU",
    "Normalization", "PReLU", "RMSNormalization",
)  # fmt: skip
"""Layers with weights, or none, that belong to the one before them: no block begins with one."""

Told = Callable[[int, int], None]


def network(
    config: dict[str, Any], notes: list[str], archive: zipfile.ZipFile, folder: Path, told: Told
) -> dict[str, Any]:
    """Write ``model.json`` and ``weights.npz`` into ``folder``; gives what the card says. Raises Refused.

    ``config`` is the checked configuration of the ``.keras`` file ``archive``.
    """
    stored = folder / "stored.h5"
    with archive.open("model.weights.h5") as source, stored.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with h5py.File(stored) as file:
        hdf5_files.check(file)
        with keras.StatelessScope(initialize_variables=False):
            model = build(config)
            check_size(model)
            known = {id(variable): data for variable, data in placed(model, file)}
            drawn = describe(model, notes)
            keep(drawn, _stored(drawn, known, stored), folder, told)
    stored.unlink()
    return drawn.said


class Drawn:
    """A network laid out in blocks: what its card says, its blocks, and what builds them again.

    ``origins`` gives, by the id of a variable of the blocks, the variable of the network that it stands for.
    """

    def __init__(
        self, said: dict[str, Any], blocks: list[keras.Model], config: dict[str, Any], origins: dict[int, Any]
    ):
        self.said, self.blocks, self.config, self.origins = said, blocks, config, origins


def check_size(model: keras.Model) -> None:
    """Hold what was built, still without memory, against the caps. Raises Refused."""
    if not isinstance(model, keras.Model) or len(model.inputs or ()) != 1 or len(model.outputs or ()) != 1:
        raise Refused("Expected a network with one input and one output. Bring its weights alone.")
    parameters, count = sum(prod(own.shape) for own in model.weights), len(model.weights)
    if parameters > MOST_PARAMETERS or count > MOST_TENSORS:
        raise Refused(
            f"It would have {parameters:,} parameters in {count:,} tensors; expected at most {MOST_PARAMETERS:,} in "
            f"{MOST_TENSORS:,}. Bring a smaller network."
        )
    for operation in _operations(model):
        for tensor in keras.tree.flatten(operation.output):
            if prod(side or 1 for side in tensor.shape) > MOST_ACTIVATIONS:
                raise Refused(
                    f"Its layer {operation.name!r} would make {tensor.shape[1:]} of one example; expected at most "
                    f"{MOST_ACTIVATIONS:,} numbers. Bring a smaller network."
                )


def _operations(model: keras.Model) -> Iterator[Any]:
    for one in (model, *(layer for layer in inner(model) if isinstance(layer, keras.Model))):
        functional = getattr(one, "_functional", None) or one
        for operation in functional.operations:
            if operation._inbound_nodes:
                yield operation


def placed(layer: keras.Layer, group: h5py.Group) -> Iterator[tuple[Any, h5py.Dataset]]:
    """Every variable of a layer with the dataset that is its own, as Keras 3 lays them out in a file.

    Sublayers are found by the attribute that holds them; those in a list by their class and how-manieth they are.
    """
    if isinstance(own := group.get("vars"), h5py.Group):
        numbers = sorted((name for name in own if name.isdigit()), key=int)
        for variable, number in zip(layer.weights, numbers, strict=False):
            yield variable, own[number]
    if isinstance(layer, keras.Model):
        yield from _listed(layer.layers, group.get("layers"))
        return
    for name in group:
        if name == "vars" or not re.fullmatch(r"[a-z_]{1,60}", name):
            continue
        held = getattr(layer, name, None)
        if isinstance(held, keras.Layer) and held is not layer:
            yield from placed(held, group[name])
        elif isinstance(held, (list, tuple)):
            yield from _listed([one for one in held if isinstance(one, keras.Layer)], group[name])


def _listed(layers: list[keras.Layer], group: h5py.Group | None) -> Iterator[tuple[Any, h5py.Dataset]]:
    used: dict[str, int] = {}
    for layer in layers:
        name = _snake_case(type(layer).__name__)
        number = used[name] = used.get(name, -1) + 1
        own = group.get(f"{name}_{number}" if number else name) if group is not None else None
        if isinstance(own, h5py.Group):
            yield from placed(layer, own)


def _snake_case(name: str) -> str:
    """Keras' way: ``Conv2DTranspose`` is ``conv2d_transpose``."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)).lower()


def describe(model: keras.Model, notes: list[str], pool: Callable[[Any], Any] | None = None) -> Drawn:
    """Lay a network out in a body of at most eight blocks. What its head was is only counted.

    A body that does not end in a vector gets one: the mean over places, or what ``pool`` makes of its output.
    """
    flat, _, of_flat = _again(_flat(model))
    body, outputs = _without_head(flat)
    if len(body.output.shape) != 2:
        body = keras.Model(body.input, (pool or _mean)(body.output), name=body.name)
    body, config, of_body = _again(body)
    ends = _ends(body)
    blocks = cut(body, [(f"block{number}", end) for number, end in enumerate(ends, 1)])
    whole = tensors(blocks)
    if not whole:
        raise Refused("Before its last dense layer it has no weights: there is nothing to borrow.")
    cards = []
    for block, end in zip(blocks, ends, strict=True):
        shapes = [list(tensor.shape) for tensor, _ in whole if tensor.block == block.name]
        cards.append({
            "name": block.name, "last_layer": end, "input_shape": [*block.input.shape[1:]],
            "output_shape": [*block.output.shape[1:]], "weights": shapes, "parameters": sum(map(prod, shapes)),
        })  # fmt: skip
    said = {
        "title": model.name, "parameters": sum(card["parameters"] for card in cards),
        "tensors": [[tensor.path, list(tensor.shape)] for tensor, _ in whole], "notes": notes,
        "input_shape": [*body.input.shape[1:]], "outputs": outputs, "blocks": cards,
        "preprocessing": "inside" if _preprocesses(body) else "unknown",
    }  # fmt: skip
    return Drawn(said, blocks, config, {own: of_flat[id(old)] for own, old in of_body.items()})


def _stored(drawn: Drawn, known: dict[int, h5py.Dataset], file: Path) -> list[Stored]:
    """The weights of a network's blocks in an HDF5 file. Raises Refused where one is missing or of another shape."""
    found = []
    for tensor, variable in tensors(drawn.blocks):
        data = known.get(id(drawn.origins[id(variable)]))
        if data is None or tuple(data.shape) != tensor.shape:
            has = "nothing" if data is None else f"the shape {tuple(data.shape)}"
            raise Refused(f"For {tensor.path} of shape {tensor.shape} the file has {has}. Save the network again.")
        if data.dtype.kind != "f":
            raise Refused(
                f"The file has {data.dtype} for {tensor.path}; expected floating-point numbers. Save it again."
            )
        found.append(Found(data.name, tensor.path, data))
    return hdf5_files.tensors(file, found, [])


def keep(drawn: Drawn, stored: list[Stored], folder: Path, told: Told) -> None:
    """Write a network's configuration and the weights of its blocks, in the order of its card."""
    assert [own.path for own in stored] == [path for path, _ in drawn.said["tensors"]]
    write(stored, folder / "weights.npz", told, drawn.said["parameters"])
    (folder / "model.json").write_text(json.dumps(drawn.config))


def _flat(model: keras.Model) -> keras.Model:
    """The same network with nested ones laid open, and without random changes, which only act in training."""

    def dissolves(operation: Any) -> bool:
        # Keras converts what a nested network takes: here everything is float32 already.
        kind = type(operation).__name__
        return isinstance(operation, keras.Model) or kind in ("ConvertToTensor", *ROWS) or kind.startswith("Random")

    def call(operation: Any, *given: Any, **named: Any) -> Any:
        if isinstance(operation, keras.Model) or type(operation).__name__ in ROWS:
            return operation.call(*given, **named)
        return given[0] if dissolves(operation) else operation(*given, **named)

    flat = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    for _ in range(network_config.MOST_DEPTH + 3):
        if not any(map(dissolves, flat.operations)):
            return flat
        flat = keras.models.clone_model(flat, clone_function=lambda layer: layer, call_function=call)
    raise Refused("It nests networks too deep. Bring its weights alone.")


def _again(model: keras.Model) -> tuple[keras.Model, dict[str, Any], dict[int, Any]]:
    """The same network built from its configuration, as it will be built later; that configuration, checked; and
    which variable stands for which.

    Laying nested networks open called their layers a second time: Keras finds no way through such a graph.
    """
    config, _ = network_config.checked(json.dumps(keras.saving.serialize_keras_object(model)))
    again = anew(config, without_weights=True)
    layers, origins = {layer.name: layer for layer in model.layers}, dict[int, Any]()
    for layer in again.layers:
        for own, old in zip(layer.weights, layers[layer.name].weights, strict=True):
            assert own.name == old.name and own.shape == old.shape
            origins[id(own)] = old
    return again, config, origins


def _without_head(model: keras.Model) -> tuple[keras.Model, int]:
    """The network up to its last dense layer, and how many outputs that had; all of it and 0 where it has none."""
    operations = {operation.name: operation for operation in model.operations}
    row = [*cut_points(model), cut_last(model)]
    while row and type(operations[row[-1]]).__name__ in ("Softmax", "Activation"):
        row.pop()
    if len(row) < 2 or type(operations[row[-1]]).__name__ != "Dense" or len(operations[row[-1]].output.shape) != 2:
        return model, 0
    outputs = operations[row.pop()].output.shape[-1]
    while len(row) > 1 and type(operations[row[-1]]).__name__ == "Dropout":
        row.pop()
    return keras.Model(model.input, operations[row[-1]].output, name=model.name), outputs


def cut_last(model: keras.Model) -> str:
    """The name of what makes a functional network's output."""
    ends = model.get_config()["output_layers"]
    return str(ends[0] if isinstance(ends[0], str) else ends[0][0])


def _mean(output: Any) -> Any:
    """The mean over all places: what follows needs one vector an example."""
    for rank, layer in ((3, "GlobalAveragePooling1D"), (4, "GlobalAveragePooling2D"), (5, "GlobalAveragePooling3D")):
        if len(output.shape) == rank:
            return getattr(keras.layers, layer)(name="pooled")(output)
    raise Refused(f"Its output has the shape {output.shape[1:]}; expected numbers, a picture or a sequence.")


def _ends(body: keras.Model) -> list[str]:
    """Layers behind which the body is cut: at most eight, with about as many layers of weights between them.

    A block begins with a layer of weights, and holds the norms and activations behind it.
    """
    row = [*cut_points(body), cut_last(body)]
    parts = cut(body, [(f"part{number}", end) for number, end in enumerate(row)])
    depth, padding = 0, None
    starts, depths = list[int](), list[int]()  # parts that a block can begin with, and how deep they lie
    for number, part in enumerate(parts):
        kinds = [type(layer).__name__ for layer in part.layers[1:]]
        work = sum(bool(layer.weights) and type(layer).__name__ not in BETWEEN for layer in part.layers)
        if work and kinds[0] not in BETWEEN:
            starts.append(number if padding is None else padding)
            depths.append(depth)
        # A picture's padding belongs to the convolution behind it.
        padding = number if kinds and kinds[0].startswith("ZeroPadding") else None
        depth += work
    wanted = min(MOST_BLOCKS, len(starts))
    chosen = {0}  # what comes before the first weights belongs to the first block
    for turn in range(1, wanted):
        free = [one for one in range(1, len(starts)) if one not in chosen]
        chosen.add(min(free, key=lambda one: abs(depths[one] - turn * depth / wanted)))
    return [row[starts[one] - 1] for one in sorted(chosen) if one] + [row[-1]]


def _preprocesses(body: keras.Model) -> bool:
    """Whether the network itself rescales what it is shown."""
    for layer in body.layers:
        if isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization)):
            return True
        if layer.weights:
            return False
    return False

"""A stranger's network as data: what its ``config.json`` may say, checked before Keras reads a word of it.

Keras builds whatever classes a configuration names, and ``safe_mode`` only stops some of them. Here a configuration
is written anew from the parts that are known: layers of Keras' own that compute from their weights alone, plain
numbers and names. No class outside the lists, no code, no file, no address comes through.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .known_layers import ACTIVATIONS, COMPUTED, FLOATS, HUB_LAYERS, LAYERS, MODELS, OPERATIONS, PARTS, WHOLE_NUMBERS
from .weight_files import Refused, members

MOST_LAYERS = 1_500
MOST_DEPTH = 12
MOST_VALUES = 500_000
MOST_SIZE = 10_000_000
"""The largest whole number that a network may name, a width for one."""
MOST_TEXT = 5_000_000
ANY_SIZE = 224
"""The side in pixels at which a network is used that takes pictures of any size."""


@dataclass
class _Seen:
    """What was counted so far."""

    values: int = 0
    layers: int = 0
    names: set[str] = field(default_factory=set)


def of_file(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Any], list[str]]:
    """The checked configuration of a ``.keras`` file, and notes. Raises Refused."""
    infos = {info.filename: info for info in members(archive, path)}
    if strange := [name for name in infos if name not in ("config.json", "metadata.json", "model.weights.h5")]:
        raise Refused(f"It brings {strange[0][:80]!r}, which could be read as a file. Bring its weights alone.")
    if "model.weights.h5" not in infos:
        raise Refused("It has no model.weights.h5: a .keras file of Keras 3 was expected. Save it again with Keras 3.")
    if infos["config.json"].file_size > MOST_TEXT:
        raise Refused(
            f"Its config.json is {infos['config.json'].file_size:,} bytes long; expected at most {MOST_TEXT:,}."
        )
    return checked(archive.read("config.json"))


def checked(text: str | bytes) -> tuple[dict[str, Any], list[str]]:
    """The configuration of a network, written anew, and notes. Raises Refused with the reason."""
    if len(text) > MOST_TEXT:
        raise Refused(f"Its config.json is {len(text):,} bytes long; expected at most {MOST_TEXT:,}.")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"Its config.json cannot be read ({str(error)[:100]}). Save the network again with Keras."
        ) from None
    notes: list[str] = []
    network = _model(config, _Seen(), 0)
    _fix_input(network, notes)
    return network, notes


def _model(node: Any, seen: _Seen, depth: int) -> dict[str, Any]:
    """A functional or Sequential network, nested ones included."""
    kind, config = _class(node)
    if kind not in MODELS:
        raise Refused(f"It is a {kind[:60]}; expected a functional or Sequential network. Bring its weights alone.")
    if depth > MOST_DEPTH:
        raise Refused(f"It nests networks more than {MOST_DEPTH} deep.")
    layers = config.get("layers")
    if not isinstance(layers, list) or not layers:
        raise Refused("It has no layers, or its config.json is damaged. Save the network again with Keras.")
    renamed: dict[str, str] = {}
    own = {"name": _name(config), "trainable": True, "layers": [_layer(one, seen, depth, renamed) for one in layers]}
    if kind == "Sequential":
        if shape := config.get("build_input_shape"):
            own["build_input_shape"] = _value(shape, seen, "")
        return {"module": MODELS[kind], "class_name": kind, "config": own, "registered_name": None}
    for ends in ("input_layers", "output_layers"):
        own[ends] = _ends(_value(config.get(ends), seen, ""), renamed)
    return {"module": MODELS[kind], "class_name": "Functional", "config": own, "registered_name": "Functional"}


def _layer(node: Any, seen: _Seen, depth: int, renamed: dict[str, str]) -> dict[str, Any]:
    """One layer of a network: with its name and calls where the network is functional."""
    kind, config = _class(node)
    seen.layers += 1
    if seen.layers > MOST_LAYERS:
        raise Refused(f"It has more than {MOST_LAYERS:,} layers. Bring its weights alone.")
    own = _model(node, seen, depth + 1) if kind in MODELS else _object(node, seen, depth + 1)
    if isinstance(config.get("name"), str):
        old = _name(config)
        new = _new_name(old, seen)
        renamed[old] = own["config"]["name"] = new
    if "inbound_nodes" in node:
        own["name"] = own["config"].get("name", "")
        own["inbound_nodes"] = _calls(_value(node["inbound_nodes"], seen, ""), renamed)
    return own


def _object(node: Any, seen: _Seen, depth: int) -> dict[str, Any]:
    """A layer, an operation, or a part of a layer."""
    kind, config = _class(node)
    module = node.get("module") or ""
    if depth > MOST_DEPTH + 4:
        raise Refused("It nests layers too deep.")
    parts = module.split(".") if isinstance(module, str) else []
    if module.startswith("keras.src.ops.") and kind in OPERATIONS.get(parts[-1], ()):
        own = {key: _value(value, seen, key, depth) for key, value in config.items()}
        return {"module": module, "class_name": kind, "config": own, "registered_name": kind}
    registered = node.get("registered_name")
    if module.startswith("keras_hub.src.models.") and kind in HUB_LAYERS and registered in (kind, f"keras_hub>{kind}"):
        config = {key: value for key, value in config.items() if key not in COMPUTED.get(kind, ())}
        return _rewritten(module, kind, config, seen, depth) | {"registered_name": registered}
    if registered not in (None, kind) or parts[:1] not in ([], ["keras"], ["tensorflow"]):
        raise Refused(_foreign_class(kind, module, registered))
    for home, classes in PARTS.items():
        if kind in classes and (not module or home in module or kind not in LAYERS):
            return _rewritten(home, kind, config, seen, depth)
    if kind not in LAYERS or not (not module or "layers" in parts):
        raise Refused(_foreign_class(kind, module, registered))
    return _rewritten("keras.layers", kind, config, seen, depth)


def _rewritten(module: str, kind: str, config: dict[str, Any], seen: _Seen, depth: int) -> dict[str, Any]:
    own = {}
    for key, value in config.items():
        if key == "quantization_config":
            if value is not None:
                raise Refused(f"A {kind} in it is quantized. Save the network in floating point.")
            continue
        own[key] = _dtype(value, kind) if key == "dtype" else _value(value, seen, key, depth)
    return {"module": module, "class_name": kind, "config": own, "registered_name": None}


def _value(value: Any, seen: _Seen, key: str, depth: int = 0) -> Any:
    """Anything in a configuration: numbers within reason, short names, lists, known parts. Raises Refused."""
    seen.values += 1
    if seen.values > MOST_VALUES or depth > 60:
        raise Refused("Its config.json holds far more values than a network needs.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MOST_SIZE and "seed" not in key:
            raise Refused(
                f"It says {key or 'a size'} = {value:,}; expected at most {MOST_SIZE:,}. Bring a smaller network."
            )
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused(f"It says {key} = {value}: that is no number.")
        return value
    if isinstance(value, str):
        if len(value) > 200 or "://" in value or "\\" in value or value.startswith(("/", "~", ".")):
            raise Refused(f"It says {key} = {value[:60]!r}; expected a plain name, no file, no address and no code.")
        if key.endswith("activation") and value not in ACTIVATIONS:
            raise Refused(f"It uses the activation {value[:60]!r}; expected one of Keras' own.")
        return value
    if isinstance(value, list):
        return [_value(one, seen, key, depth + 1) for one in value]
    return _mapping(value, seen, key, depth)


def _mapping(value: dict[str, Any], seen: _Seen, key: str, depth: int) -> Any:
    kind = value.get("class_name")
    if kind is None:
        return {str(one)[:200]: _value(own, seen, str(one), depth + 1) for one, own in value.items()}
    config = value.get("config")
    if kind in ("__keras_tensor__", "__slice__", "__ellipsis__", "__tensor__", "__numpy__"):
        return {"class_name": kind, "config": _value(config, seen, key, depth + 1)}
    if kind == "function":
        if not isinstance(config, str) or config not in ACTIVATIONS:
            raise Refused(f"It uses a function {str(config)[:60]!r} of its own. Bring its weights alone.")
        return config
    if kind == "DTypePolicy":
        return _dtype(value, "part")
    if kind in MODELS:
        return _model(value, seen, depth + 1)
    return _object(value, seen, depth + 1)


def _class(node: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(node, dict) or not isinstance(node.get("class_name"), str):
        raise Refused("Its config.json does not describe a network. Save the network again with Keras.")
    config = {} if node.get("config") is None else node["config"]
    if not isinstance(config, dict):
        raise Refused(f"Its config.json describes a {node['class_name'][:60]} by no fields. Save it again with Keras.")
    return node["class_name"], config


def _foreign_class(kind: str, module: object, registered: object) -> str:
    whose = f" ({str(registered or module)[:80]})" if (registered or module) else ""
    return (
        f"It has a {kind[:60]}{whose}, which is not among the layers that are taken: it could run code, read files, "
        "or is a class of its author's own. Bring the weights alone, for a network that is here."
    )


def _dtype(value: Any, kind: str) -> str:
    """All floating point becomes float32, and so do inputs of whole numbers: layers that want those convert them."""
    if isinstance(value, dict):
        named = value.get("config") if value.get("class_name") in ("DTypePolicy", "Policy") else None
        value = named.get("name", "") if isinstance(named, dict) else value.get("class_name", "")
    if value is None or (isinstance(value, str) and value in FLOATS):
        return "float32"
    if kind == "InputLayer" and isinstance(value, str) and value in WHOLE_NUMBERS:
        return "float32"
    raise Refused(f"A {kind} in it computes with {str(value)[:40]!r}; expected floating-point numbers.")


def _name(config: dict[str, Any]) -> str:
    """A name as Keras takes it, and as it can stand in a path."""
    name = config.get("name")
    own = "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in str(name or "network"))
    return own[:80].strip(".") or "layer"


def _new_name(name: str, seen: _Seen) -> str:
    """Names are unique over all nested networks, so that they can be laid out as one."""
    new, number = name, 1
    while new in seen.names:
        number += 1
        new = f"{name}__{number}"
    seen.names.add(new)
    return new


def _calls(value: Any, renamed: dict[str, str]) -> Any:
    """Calls of a layer, with the new names of the layers that they take from."""

    def history(node: dict[str, Any]) -> dict[str, Any]:
        config = node.get("config") or {}
        where = config.get("keras_history")
        if not isinstance(where, list) or len(where) != 3:
            raise Refused("Its config.json does not say how its layers follow. Save the network again with Keras.")
        config = config | {"keras_history": [_renamed(where[0], renamed), *where[1:]]}
        return {"class_name": "__keras_tensor__", "config": config}

    return _mapped(value, history)


def _mapped(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return change(value)
        return {key: _mapped(own, change) for key, own in value.items()}
    return [_mapped(own, change) for own in value] if isinstance(value, list) else value


def _ends(value: Any, renamed: dict[str, str]) -> Any:
    """One end ``[layer, 0, 0]``, or a list of such."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [_renamed(value[0], renamed), *value[1:]]
    return [_ends(one, renamed) for one in value] if isinstance(value, list) else value


def _renamed(name: object, renamed: dict[str, str]) -> str:
    return renamed.get(_name({"name": name}), "")


def _fix_input(network: dict[str, Any], notes: list[str]) -> None:
    """Let the network's own input have one shape, with any number of examples."""
    config = network["config"]
    inputs = [one for one in config["layers"] if one["class_name"] == "InputLayer"]
    if not inputs and network["class_name"] == "Sequential" and isinstance(config.get("build_input_shape"), list):
        shapes = [config["build_input_shape"]]
    else:
        shapes = [one["config"].get("batch_shape") or one["config"].get("batch_input_shape") for one in inputs]
    if len(shapes) != 1 or not isinstance(shapes[0], list) or len(shapes[0]) < 2:
        raise Refused("Expected a network with one input of a known shape. Bring its weights alone.")
    shape = shapes[0]
    if None in shape[1:]:
        if len(shape) != 4:
            raise Refused(f"Its input has the shape {shape[1:]}; expected one with no side left open.")
        notes.append(f"It takes pictures of any size; it is used with {ANY_SIZE} × {ANY_SIZE} pixels.")
        shape[1:3] = [shape[1] or ANY_SIZE, shape[2] or ANY_SIZE]
    shape[0] = None

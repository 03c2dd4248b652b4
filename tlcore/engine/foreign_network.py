"""A foreign network built again from its checked configuration, in the blocks that its card names."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import keras

from ..foreign import ForeignNetwork
from . import device, network_config
from .cuts import cut
from .weight_files import Refused


def body(card: ForeignNetwork) -> list[keras.Model]:
    """Its blocks with random weights, input first. Its file is checked anew, whoever wrote it."""
    if card.needs == "keras-hub":
        import keras_hub  # type: ignore[import-not-found] # noqa: F401  # it tells Keras of its layers

    config, _ = network_config.checked((card.folder / "model.json").read_bytes())
    model = anew(config)
    return cut(model, [(block.name, last) for block, last in zip(card.body, card.last_layers, strict=True)])


def anew(config: dict[str, Any], *, without_weights: bool = False) -> keras.Model:
    """The network of a checked configuration, with the same names and paths of variables in every process.

    Keras counts the names that it gives itself (``gru_cell_3``) by thread: in a new one it begins anew. Without
    weights its variables have shapes, and no memory.
    """

    def make() -> keras.Model:
        if not without_weights:
            return build(config)
        with keras.StatelessScope(initialize_variables=False):
            return build(config)

    return device.in_new_thread(make)


def build(config: dict[str, Any]) -> keras.Model:
    """The network of a checked configuration. Raises Refused where Keras cannot build it."""
    try:
        return keras.saving.deserialize_keras_object(deepcopy(config), safe_mode=True)  # it takes it apart
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, NotImplementedError) as error:
        innermost = str(error).rpartition("Exception encountered:")[2]
        reason = next((line.strip() for line in innermost.splitlines() if line.strip()), type(error).__name__)
        raise Refused(f"Keras cannot build this network ({reason[:200]}). Bring its weights alone.") from error


def inner(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers of a network, those of nested networks included."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from inner(layer)

"""What learns in a phase and what does not: blocks, variables in them, adapters beside them, and a pull back."""

from __future__ import annotations

import gc
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import keras

from ..networks import ONLY, adaptable
from ..spec import Phase, RunSpec
from .network import Network, leaves
from .tensors import tensors


def apply(network: Network, phase: Phase, spec: RunSpec) -> None:
    """Let learn what the phase says and nothing else. Takes effect at the next compile, with a new optimizer.

    Whatever an earlier phase had set is undone, and adapters that it left are merged. Which variables learn is set one
    by one; a layer's own ``trainable`` only says whether batch normalisation is in training mode, where it normalises
    by the batch's statistics and moves its own.
    """
    merge(network)
    head = network.names[-1]
    for block in network.blocks:
        learns = block.name in phase.learning
        only = "weights" if block.name == head else phase.only
        block.trainable = learns
        for number, layer in enumerate(leaves(block)):
            # Setting a layer's trainable sets it for all its variables that can learn at all: it has to come first.
            layer.trainable = True
            if learns and only == "adapters":
                _adapt(layer, spec, f"{block.name}/{number}")
            able = layer.trainable_variables
            layer.trainable = learns and (block.name == head or not phase.keeps_statistics(block.name))
            for variable in able:
                variable.trainable = learns and ONLY[only](variable.name)


def _adapt(layer: keras.Layer, spec: RunSpec, place: str) -> None:
    """Put low-rank adapters beside the kernels of a layer and of the layers in it (Hu et al., 2021)."""
    for own in _adaptable(layer):
        drawn = keras.initializers.HeUniform(seed=_seed(spec.seed, f"{place}/{own.name}"))
        own.enable_lora(spec.lora_rank, lora_alpha=spec.lora_alpha, a_initializer=drawn)


def _seed(seed: int, place: str) -> int:
    """A seed of its own for each adapter, whatever else is drawn before it."""
    return (seed + zlib.crc32(place.encode())) % 2**31


def _adaptable(layer: keras.Layer) -> Iterator[Any]:
    for own in layer._flatten_layers():
        # An embedding takes adapters too, but has no kernel; Keras refuses them where a kernel is kept within bounds.
        able = hasattr(own, "enable_lora") and hasattr(own, "kernel") and not own.kernel_constraint
        if able and adaptable("kernel", tuple(own.kernel.shape)):
            yield own


def merge(network: Network) -> None:
    """Add adapters to the kernels that they stand beside, and take them away as if there never were any."""
    inner = (own for block in network.blocks for leaf in leaves(block) for own in leaf._flatten_layers())
    if adapted := [layer for layer in inner if getattr(layer, "lora_enabled", False)]:
        gc.freeze()  # Keras collects garbage after each variable that goes: seconds, with all that a process holds
        try:
            for layer in adapted:
                _merge(layer)
        finally:
            gc.unfreeze()


def _merge(layer: Any) -> None:
    # While adapters are there, layer.kernel is a sum in the precision that the layer computes in: too coarse to keep.
    gained = keras.ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b) * (layer.lora_alpha / layer.lora_rank)
    layer.lora_enabled = False
    layer.kernel.assign_add(gained)
    layer.lora_kernel_b.assign(keras.ops.zeros_like(layer.lora_kernel_b))  # or a model traced before would add it twice
    del layer.lora_kernel_a, layer.lora_kernel_b
    layer.lora_rank = layer.lora_alpha = None


class Pull(keras.Regularizer):
    """Half of ``pull`` times the squared distance from ``start``, or from zero where there is none."""

    def __init__(self, pull: float, start: Any = None, instead: Any = None):
        """``instead`` is the regularizer that the variable had before, for :func:`release`."""
        self.pull, self.instead = pull, instead
        self.start = None if start is None else keras.ops.convert_to_tensor(start)

    def __call__(self, x: Any) -> Any:
        away = x if self.start is None else x - self.start
        return self.pull / 2 * keras.ops.sum(keras.ops.square(away))


def pull(network: Network, spec: RunSpec, borrowed: Collection[str]) -> None:
    """Pull copied weights towards their values now, and new ones, as the head's, towards zero (L2-SP: Li et al., 2018).

    ``borrowed`` are the paths of the copied tensors as in :func:`tlcore.engine.tensors.tensors`. The loss of the pull
    is among a model's ``losses``, for the weights that learn; statistics are never pulled.
    """
    for tensor, variable in tensors(network.blocks):
        if ONLY["weights"](tensor.variable):
            start = keras.ops.convert_to_numpy(variable).copy() if tensor.path in borrowed else None
            variable.regularizer = Pull(spec.pull, start, variable.regularizer)


def release(network: Network) -> None:
    """Take the pull away."""
    for _, variable in tensors(network.blocks):
        if isinstance(variable.regularizer, Pull):
            variable.regularizer = variable.regularizer.instead

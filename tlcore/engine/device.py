"""Which devices a run computes on, and in what precision.

Weights are float32 everywhere and always, and so is what is kept, evaluated and exported. In mixed precision only the
layers of a body compute in fewer bits, and only while they learn: see :func:`narrowed`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import keras
import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

from ..networks import Block
from .tensors import leaves

if TYPE_CHECKING:
    from .network import Network  # whose parts are built in threads of this module

FLOAT32, BFLOAT16, FLOAT16 = "float32", "mixed_bfloat16", "mixed_float16"
LARGE = 500_000
"""Parameters of a body below which fewer bits save nothing: a GPU is through with it before it is warm."""

Scope = Callable[[], AbstractContextManager[object]]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Gpu:
    """A graphics card: ``capability`` is what NVIDIA calls its compute capability, (0, 0) where it has none."""

    name: str
    capability: tuple[int, int]


@dataclass(frozen=True)
class _Chosen:
    scope: Scope
    precision: str
    kind: str


_chosen: ContextVar[_Chosen | None] = ContextVar("chosen", default=None)


def prepare() -> None:
    """Once a process, before anything is computed: take GPU memory as it is needed, and compute the same way each
    time."""
    cards = tf.config.list_physical_devices("GPU")
    if keras.backend.backend() != "tensorflow":
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        tf.config.set_visible_devices([], "GPU")  # TensorFlow only brings batches there
    else:
        for card in cards:
            tf.config.experimental.set_memory_growth(card, True)
    if not cards:
        tf.config.experimental.enable_op_determinism()


def forget() -> None:
    """Between two runs in one process: let go of what the last one has left. TensorFlow would keep the graph of every
    training, and all that it holds, in its registry of gradients: an optimizer's step is put there, though nobody ever
    differentiates it."""
    known: dict[str, Any] = getattr(gradient_registry, "_registry", {})
    for name in [name for name in known if str(name).startswith("CustomGradient-")]:
        del known[name]
    keras.utils.clear_session()  # collects garbage, too


def gpus() -> list[Gpu]:
    """The GPUs that this process may compute on, its own first."""
    if keras.backend.backend() == "jax":
        import jax  # type: ignore[import-not-found, unused-ignore]

        cards = [card for card in jax.devices() if card.platform in ("gpu", "cuda", "rocm")]
        return [Gpu(card.device_kind, _version(getattr(card, "compute_capability", ""))) for card in cards]
    told = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [Gpu(own.get("device_name", "GPU"), own.get("compute_capability", (0, 0))) for own in told]


def _version(text: object) -> tuple[int, int]:
    major, _, minor = str(text).partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def chosen(device: str, blocks: Sequence[Block] = ()) -> tuple[str, AbstractContextManager[object]]:
    """The device's name for people, and the scope to compute in: to build networks in, too.

    ``blocks`` are those of the network that will learn, from which the precision follows. "gpus" takes all that there
    are, and deals out each batch among them. Raises RuntimeError where there is no GPU, or no way to take several.
    """
    found = [] if device == "cpu" else gpus()
    if device in ("gpu", "gpus") and not found:
        raise RuntimeError(f"{_backend()} sees no GPU here: choose the device 'auto' or 'cpu'")
    if not found:
        return "CPU", computing(lambda: keras.device("cpu:0"), kind="cpu")
    several = device == "gpus" and len(found) > 1
    if several and keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"{_backend()} takes one GPU only here, and 'gpus' asks for {len(found)}: choose 'gpu'")
    taken = found if several else found[:1]
    bits = precision(min(gpu.capability for gpu in taken), blocks)
    names = [gpu.name for gpu in taken]
    called = f"{len(taken)} × {names[0]}" if several and len({*names}) == 1 else ", ".join(names)
    scope = together([f"GPU:{number}" for number in range(len(taken))]) if several else lambda: keras.device("gpu:0")
    return called + ("" if bits == FLOAT32 else f", {bits.replace('_', ' ')}"), computing(scope, bits, "gpu")


def one(device: str) -> str:
    """The same without several devices at once, for steps that are no training and must be made by one."""
    return "gpu" if device == "gpus" else device


def _backend() -> str:
    return {"tensorflow": "TensorFlow", "jax": "JAX"}.get(keras.backend.backend(), keras.backend.backend())


def together(devices: Sequence[str]) -> Scope:
    """The scope of several devices as one: each has a copy of the weights and takes its share of every batch.

    Networks, companions and optimizers are made in it, and ``fit`` is called in it. Batch normalisation sees each
    device's share alone; without it the weights are those of one device, to rounding, where the shares are equal
    (:func:`tlcore.engine.batches.even_batch_size` sees to that).
    """
    strategy = tf.distribute.MirroredStrategy([*devices])
    return lambda: strategy.scope()


@contextmanager
def computing(scope: Scope, bits: str = FLOAT32, kind: str = "") -> Iterator[None]:
    """Compute in a scope, on a ``kind`` of device, and in a precision where :func:`narrowed` asks for it; all end with
    it."""
    before = _chosen.set(_Chosen(scope, bits, kind))
    try:
        with scope():
            yield
    finally:
        _chosen.reset(before)


def in_new_thread(make: Callable[[], Made]) -> Made:
    """Call it in a thread of its own, on the same device: scopes do not reach into a thread by themselves, and a
    network built outside several devices' scope cannot be trained by them."""
    own = _chosen.get()

    def there() -> Made:
        if own is None:
            return make()
        with computing(own.scope, own.precision, own.kind):
            return make()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result()


def precision(capability: tuple[int, int], blocks: Sequence[Block]) -> str:
    """In how many bits a body computes best: fewer where it is one of ImageNet's with more than :data:`LARGE`
    parameters and the GPU has units for it, which Volta brought for float16 and Ampere for bfloat16."""
    body = [block for block in blocks if any(layer[0] == "pretrained" for layer in block.layers)]
    if sum(block.parameters for block in body) <= LARGE or capability < (7, 0):
        return FLOAT32
    return BFLOAT16 if capability >= (8, 0) else FLOAT16


def kind() -> str:
    """On what is computed here: "cpu" or "gpu". They round differently."""
    own = _chosen.get()
    return (own.kind if own else "") or ("gpu" if gpus() else "cpu")


def current_precision() -> str:
    """What :func:`narrowed` would compute in here."""
    own = _chosen.get()
    return own.precision if own else FLOAT32


@contextmanager
def narrowed(network: Network) -> Iterator[None]:
    """Let the network's layers compute in the precision that was chosen, and in float32 again afterwards.

    Its weights stay float32, and so do preprocessing and the softmax with all behind it. A model sees the change only
    if it is made from the network (``whole``, ``tail``, ``front``) inside, and is not used afterwards.
    """
    changed: list[keras.Layer] = []
    try:
        if (bits := current_precision()) != FLOAT32:
            for layer, _ in leaves(network.blocks):
                if not isinstance(layer, keras.layers.Softmax) and layer.dtype_policy.name == FLOAT32:
                    layer.dtype_policy = bits
                    changed.append(layer)
        yield
    finally:
        for layer in changed:
            layer.dtype_policy = FLOAT32


def guarded(optimizer: Any) -> Any:
    """The optimizer, with its loss scaled where gradients would else vanish: float16 reaches down to 6e-8 only."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if current_precision() == FLOAT16 else optimizer

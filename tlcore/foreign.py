"""What people brought: weights and networks from files, kept as plain arrays and cards. Nothing of them is run here.

:mod:`tlcore.engine.foreign` takes files in; this module only reads what a limited process made of them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from .catalogue import Catalogue, UnknownName
from .home import home
from .networks import Block, Network, Shape, variables

ENDINGS = (".h5", ".keras", ".npz", ".safetensors")
"""Endings of files that weights come in."""
_ID = re.compile(r"file-[0-9a-f]{8}")
_HEAD = Network("", "", "", (), head_dropout=0.2)


@dataclass(frozen=True)
class Foreign:
    """What a file holds. ``label`` is the name it came by; ``tensors`` are (path, shape) in the file's order."""

    id: str
    label: str
    format: str
    title: str
    created: float
    parameters: int
    tensors: tuple[tuple[str, Shape], ...]
    notes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return folder(self.id)

    @property
    def summary(self) -> str:
        count = f"{len(self.tensors):,} tensors" if len(self.tensors) != 1 else "1 tensor"
        return f"{count} with {self.parameters:,} parameters, read from {self.label} ({self.format})."


@dataclass(frozen=True)
class ForeignWeights(Foreign):
    """Weights alone: they need a network that we build."""


@dataclass(frozen=True)
class ForeignNetwork(Foreign):
    """A network with its weights, cut into blocks. ``outputs`` is what its own last layer gave, 0 where it had none.

    ``last_layers`` names the layer at each block's end. ``preprocessing`` is "inside" where the network itself
    rescales what it is shown, else "unknown"; or the numbers that are known to bring pixels of 0 to 255 to what it
    was trained on, ``(scale, offset)`` a colour.
    """

    input_shape: Shape
    outputs: int
    body: tuple[Block, ...]
    last_layers: tuple[str, ...]
    preprocessing: str | tuple[tuple[float, ...], tuple[float, ...]] = "unknown"
    needs: str = ""  # a package without which it cannot be built

    def blocks(self, input_shape: Shape) -> tuple[Block, ...]:
        """The body's blocks, input first. They take inputs of one shape only."""
        if tuple(input_shape) != self.input_shape:
            raise ValueError(f"{self.title}: received inputs of {tuple(input_shape)}, expected {self.input_shape}")
        return self.body

    def head(self, body_output: Shape, classes: int) -> Block:
        """The new last layer: one output a class."""
        return _HEAD.head(body_output, classes)

    def whole(self, input_shape: Shape, classes: int) -> tuple[Block, ...]:
        """Body and head, input first."""
        body = self.blocks(input_shape)
        return (*body, self.head(body[-1].output_shape, classes))


@dataclass(frozen=True)
class Preset:
    """A network that KerasHub offers: ``name`` is KerasHub's own; ``download`` is in bytes."""

    name: str
    title: str
    parameters: int
    size: int  # the side of its pictures in pixels
    reference: str

    @property
    def download(self) -> int:
        return 4 * self.parameters


_RESNET, _VIT = "He et al., 2015, arXiv:1512.03385", "Dosovitskiy et al., 2020, arXiv:2010.11929"
PRESETS = Catalogue(
    "preset",
    (
        (f"hub/{preset.name}", preset)
        for preset in (
            Preset("resnet_18_imagenet", "ResNet-18, ImageNet", 11_186_112, 224, _RESNET),
            Preset("resnet_50_imagenet", "ResNet-50, ImageNet", 23_561_152, 224, _RESNET),
            Preset("vit_base_patch16_224_imagenet", "ViT-B/16, ImageNet", 85_798_656, 224, _VIT),
            Preset("vit_base_patch16_224_imagenet21k", "ViT-B/16, ImageNet-21k", 85_798_656, 224, _VIT),
            Preset("dinov2_small", "DINOv2 small", 22_582_656, 224, "Oquab et al., 2023, arXiv:2304.07193"),
            Preset("dinov2_base", "DINOv2 base", 87_632_640, 224, "Oquab et al., 2023, arXiv:2304.07193"),
        )
    ),
)
"""What can be borrowed where KerasHub is installed (requirements-hub.txt): figures as of KerasHub 0.32."""


def hub_installed() -> bool:
    """Whether KerasHub, which brings the presets, is installed. It is not loaded."""
    return find_spec("keras_hub") is not None


def folder(name: str) -> Path:
    """Where it is kept. Ids are made from the content and never typed: anything else is unknown."""
    if not _ID.fullmatch(name):
        raise UnknownName("file", name, _ids())
    return home() / "sources" / name


def kept() -> list[Foreign]:
    """All that people brought, newest first."""
    return sorted((get(name) for name in _ids()), key=lambda own: -own.created)


def networks() -> list[ForeignNetwork]:
    """The whole networks among them, newest first."""
    return [own for own in kept() if isinstance(own, ForeignNetwork)]


def get(name: str) -> Foreign:
    """One of them. Raises UnknownName."""
    path = folder(name) / "card.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise UnknownName("file", name, _ids()) from None


def delete(name: str) -> None:
    """Remove one for good. Raises UnknownName."""
    shutil.rmtree(get(name).folder)


def _ids() -> list[str]:
    return [path.parent.name for path in (home() / "sources").glob("file-*/card.json")]


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> Foreign:
    told: dict[str, Any] = json.loads(path.read_text())
    card = {name: told[name] for name in ("label", "format", "title", "created", "parameters")} | {
        "id": path.parent.name,
        "tensors": tuple((own, tuple(shape)) for own, shape in told["tensors"]),
        "notes": tuple(told["notes"]),
    }
    if "blocks" not in told:
        return ForeignWeights(**card)
    known = told["preprocessing"]
    return ForeignNetwork(
        **card,
        input_shape=tuple(told["input_shape"]),
        outputs=told["outputs"],
        body=tuple(_block(own) for own in told["blocks"]),
        last_layers=tuple(own["last_layer"] for own in told["blocks"]),
        preprocessing=known if isinstance(known, str) else (tuple(known[0]), tuple(known[1])),
        needs=told.get("needs", ""),
    )


def _block(told: dict[str, Any]) -> Block:
    weights = tuple(tuple(shape) for shape in told["weights"])
    return Block(
        told["name"], (), tuple(told["input_shape"]), tuple(told["output_shape"]), weights, told["parameters"],
        variables(weights),
    )  # fmt: skip


def recognised(card: Foreign, networks: Iterable[tuple[str, Sequence[Shape]]]) -> tuple[str, float] | None:
    """Which of these networks the tensors most likely belong to, and the share of its parameters that fit.

    ``networks`` are (name, shapes of its weights in order). Tensors fit where their shapes follow one another in the
    same order. The best network is the one with which most of both sides fits; None where nothing does.
    """
    own = [shape for _, shape in card.tensors]
    best, best_overlap = None, 0.0
    for name, shapes in networks:
        wanted = [tuple(shape) for shape in shapes]
        matcher = SequenceMatcher(None, own, wanted, autojunk=False)
        fitting = sum(_parameters(wanted[at : at + size]) for _, at, size in matcher.get_matching_blocks())
        overlap = fitting / max(1, card.parameters + _parameters(wanted) - fitting)
        if overlap > best_overlap:
            best, best_overlap = (name, fitting / _parameters(wanted)), overlap
    return best


def _parameters(shapes: Sequence[Shape]) -> int:
    return sum(prod(shape) for shape in shapes)

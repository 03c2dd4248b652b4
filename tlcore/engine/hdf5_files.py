"""Weights in HDF5 files, of Keras 3 and of the Keras before it. Links, virtual and outside data are refused unread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np

from .weight_files import Refused, Stored, check_amount, named, pieces_of

MOST_OBJECTS = 20_000
MOST_DEPTH = 30
MOST_CHUNK = 256_000_000
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}

NORM = ("gamma", "beta", "moving_mean", "moving_variance")
VARIABLES = {
    "batch_normalization": NORM,
    "layer_normalization": ("gamma", "beta"),
    "group_normalization": ("gamma", "beta"),
    "rms_normalization": ("scale",),
    "normalization": ("mean", "variance", "count"),
    "embedding": ("embeddings",),
    "separable_conv1d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "p_re_lu": ("alpha",),
    "cell": ("kernel", "recurrent_kernel", "bias"),
    **dict.fromkeys(
        (
            "dense", "einsum_dense", "conv1d", "conv2d", "conv3d", "conv1d_transpose", "conv2d_transpose",
            "conv3d_transpose", "depthwise_conv1d", "depthwise_conv2d",
            "query_dense", "key_dense", "value_dense", "output_dense",
        ),
        ("kernel", "bias"),
    ),
}  # fmt: skip
"""What Keras calls a layer's variables, in the order in which it numbers them."""
_OLD = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}


@dataclass(frozen=True)
class Found:
    """One dataset of a file: where it lies there, and under which name it is kept."""

    place: str
    path: str
    data: h5py.Dataset


def hdf5(path: Path, file: h5py.File) -> tuple[list[Stored], list[str]]:
    """The weights of a Keras file, in its network's order, and notes. Raises Refused."""
    check(file)
    group, notes = file, []
    if "model_weights" in file and isinstance(file["model_weights"], h5py.Group):
        group = file["model_weights"]
        notes.append("The file holds a whole network; only its weights were read. A .keras file can bring the network.")
    if "optimizer_weights" in file or "optimizer" in file:
        notes.append("What the optimizer remembers was left out.")
    found = [*_legacy(group)] if _names(group, "layer_names") else [*_numbered(group)]
    return tensors(path, found, notes), notes


def tensors(path: Path, found: list[Found], notes: list[str]) -> list[Stored]:
    """Datasets held against the caps, those of floating-point numbers alone. Raises Refused."""
    floats = [own for own in found if own.data.dtype.kind == "f"]
    if len(floats) < len(found):
        notes.append(f"{len(found) - len(floats)} tensors were left out: they hold no floating-point numbers.")
    check_amount([(own.data.shape, own.data.dtype.itemsize) for own in floats], path)
    for own in floats:
        _check_storage(own)
    return named(Stored(own.path, own.data.shape, _reader(own.data)) for own in floats)


def _reader(data: h5py.Dataset) -> Any:
    return lambda: pieces_of(data.shape, lambda where: data[where])


def check(file: h5py.File) -> None:
    """Look at everything in a file without reading any of it. Raises Refused."""
    seen = 0
    waiting: list[tuple[h5py.Group, str, int]] = [(file, "", 0)]
    while waiting:
        group, where, depth = waiting.pop()
        seen += len(group)
        if depth > MOST_DEPTH or seen > MOST_OBJECTS:
            raise Refused(
                f"It is nested deeper than {MOST_DEPTH} or holds more than {MOST_OBJECTS:,} things: no network."
            )
        for name in group:
            place = f"{where}/{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise Refused(f"{place[:120]!r} is a link to another place or file. Save the weights themselves.")
            own = group[name]
            if isinstance(own, h5py.Group):
                waiting.append((own, place, depth + 1))
            elif not isinstance(own, h5py.Dataset):
                raise Refused(f"{place[:120]!r} is neither a group nor an array. Save it again with Keras.")
            elif own.is_virtual or own.id.get_create_plist().get_external_count():
                raise Refused(f"{place[:120]!r} takes its numbers from other files. Save the weights themselves.")


def _check_storage(own: Found) -> None:
    plist = own.data.id.get_create_plist()
    filters = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    if not filters <= FILTERS:
        raise Refused(f"{own.place[:120]!r} is packed in an unusual way. Save it again with Keras.")
    if own.data.chunks and prod(own.data.chunks) * own.data.dtype.itemsize > MOST_CHUNK:
        raise Refused(f"{own.place[:120]!r} lies in pieces larger than {MOST_CHUNK:,} bytes. Save it again with Keras.")
    if own.data.size and not own.data.id.get_storage_size():
        raise Refused(f"{own.place[:120]!r} claims {own.data.size:,} numbers and holds none. Save it again with Keras.")


def _numbered(file: h5py.Group) -> Iterator[Found]:
    """The variables of a ``.weights.h5`` of Keras 3, layer by layer in the order in which they were written.

    HDF5 lists groups by name. Each was written at the end of the file, or into a gap before it: the farthest of what
    belongs to a layer tells its turn.
    """
    layers = sorted((_turn(group), place, labels, group) for place, labels, group in _layers(file, "", ()))
    for _, place, labels, group in layers:
        numbers = sorted((name for name in group if name.isdigit()), key=int)
        kind = re.sub(r"_\d+$", "", place.rpartition("/")[2])
        for number, variable in zip(numbers, _variables(kind, len(numbers)), strict=True):
            yield Found(f"{place}/vars/{number}", "/".join((*labels, variable)), group[number])


def _layers(
    group: h5py.Group, place: str, labels: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], h5py.Group]]:
    own = group.get("vars")
    if isinstance(own, h5py.Group):
        name = own.attrs.get("name") if place else None  # the network's own name says nothing about a layer
        if isinstance(name, str) and name:
            labels = (*labels[:-1], name)
        if any(isinstance(own[one], h5py.Dataset) for one in own):
            yield place, labels, own
    for name in group:
        if name == "vars" or (not place and name in ("optimizer", "optimizer_weights")):
            continue
        if isinstance(group[name], h5py.Group):
            here = () if name in ("layers", "_layer_checkpoint_dependencies") else (name,)
            yield from _layers(group[name], f"{place}/{name}".strip("/"), (*labels, *here))


def _turn(group: h5py.Group) -> int:
    return max(
        h5py.h5o.get_info(group.id).addr,
        *(max(h5py.h5o.get_info(group[one].id).addr, group[one].id.get_offset() or 0) for one in group),
    )


def _variables(kind: str, count: int) -> list[str]:
    """What a layer's variables are called. Batch normalisation with three has no gamma: networks leave that one out."""
    known = VARIABLES.get(kind, ())
    if kind == "batch_normalization" and count in (2, 3):
        known = known[4 - count :]
    return [known[number] if number < len(known) else str(number) for number in range(count)]


def _legacy(group: h5py.Group) -> Iterator[Found]:
    """The variables of a file of Keras 2, or of Keras 3's legacy format: named by the file itself."""
    for layer in _names(group, "layer_names"):
        if layer not in group or not isinstance(group[layer], h5py.Group):
            raise Refused(f"It names a layer {layer[:80]!r} that is not in it: the file is damaged. Save it again.")
        for name in _names(group[layer], "weight_names"):
            data = group[layer].get(name)
            if not isinstance(data, h5py.Dataset):
                raise Refused(f"It names a tensor {name[:80]!r} that is not in it: the file is damaged. Save it again.")
            yield Found(f"{layer}/{name}", _legacy_path(layer, name), data)


def _legacy_path(layer: str, name: str) -> str:
    *inner, variable = re.sub(r":\d+$", "", name).split("/")
    if old := re.fullmatch(r".*?_(W|b|gamma|beta|running_mean|running_std)(_\d+)?", variable):
        variable = _OLD.get(old[1], old[1])
    inner = inner[1:] if inner and inner[0] == layer else inner
    return "/".join((layer, *inner, variable))


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names kept as an attribute; Keras spreads long ones over several, numbered from 0."""
    kept = [attribute] if attribute in group.attrs else []
    while not kept or kept[-1] != attribute:
        if (following := f"{attribute}{len(kept)}") not in group.attrs:
            break
        kept.append(following)
    found: list[str] = []
    for one in kept:
        about = group.attrs.get_id(one)
        if prod(about.shape or (0,)) > MOST_OBJECTS or about.dtype.itemsize > 4_000:
            raise Refused(f"Its attribute {one!r} is far too long: the file is damaged. Save it again.")
        values = np.atleast_1d(group.attrs[one])
        found += [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in values]
    return found

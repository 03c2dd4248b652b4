"""A source's layer fitted to other sizes: colours, picture sizes, features, classes. Arrays in, arrays out.

Every rule keeps a relation by which the fitted layer can be checked: on inputs of a certain make it answers as the
source's own layer does. Where there is none, ``exact`` is False.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from .tensors import Shape

Arrays = Mapping[str, np.ndarray]
Kept = tuple[tuple[int, int], ...]

CHANNELWISE = ("BatchNormalization", "DepthwiseConv2D", "Normalization")
"""Layers that keep channels apart: what they make of three equal channels is three equal channels."""


@dataclass(frozen=True)
class Side:
    """What is known of a source or of a target: the shape of an input, and names of classes and of features.

    What is empty is not known.
    """

    input_shape: Shape = ()
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """A layer's weights by variable, none if it cannot be fitted; ``how``, or why not, in a few words.

    ``input_shape`` is that of the inputs on which the source's body answers the same, ``kept`` are the features
    (the target's place, the source's place) that both sides know, if these are features.
    """

    arrays: Arrays
    how: str
    input_shape: Shape = ()
    kept: Kept = ()
    exact: bool = True


def layer(own: Arrays, theirs: Arrays, kind: str, source: Side, target: Side, picture: Shape, first: bool) -> Fitted:
    """The source's layer (``theirs``) in the shapes of the network's (``own``), both by variable.

    ``picture`` is the (height, width, channels) that a Flatten before this layer took, ``first`` tells whether this
    is the network's first layer with a kernel.
    """
    if own.keys() != theirs.keys():
        return Fitted({}, "the source's layer has other weights")
    if picture:
        return _picture(own, theirs, source, target, picture, first)
    if first and len(target.input_shape) == 1:
        return _features(own, theirs, source, target)
    return _channels(own, theirs, kind, source, target, first)


def _channels(own: Arrays, theirs: Arrays, kind: str, source: Side, target: Side, first: bool) -> Fitted:
    """Grey to colour and back, for every array with an axis of the input's channels.

    From grey, a kernel that adds channels up is repeated and divided: on a grey picture, the same in all channels, it
    answers as before. To grey, it is summed over the channels, which says the same the other way round. A layer that
    keeps channels apart is repeated; back, it can only be averaged, which is not exact.
    """
    unfit = Fitted({}, f"the source's shape {_largest(theirs)} does not fit {_largest(own)}")
    if len(target.input_shape) != 3:
        return unfit
    channels = target.input_shape[-1]
    if len(source.input_shape) == 3:
        theirs_channels = source.input_shape[-1]
    elif first:
        theirs_channels = _largest(theirs)[-2]
    else:
        return unfit
    if channels == theirs_channels or 1 not in (channels, theirs_channels):
        return unfit
    arrays, exact = dict[str, np.ndarray](), True
    for name, array in own.items():
        apart = kind in CHANNELWISE or name == "depthwise_kernel"
        fitted = _along_channels(theirs[name], array.shape, channels, theirs_channels, mean=apart)
        if fitted is None or (array.ndim < 2 and not apart and fitted is not theirs[name]):
            return unfit
        arrays[name] = fitted
        exact &= not (apart and channels == 1)
    seen = (*target.input_shape[:-1], theirs_channels)
    return Fitted(arrays, _said(channels, theirs_channels, kind, exact), seen, exact=exact)


def _along_channels(array: np.ndarray, shape: Shape, many: int, few: int, *, mean: bool) -> np.ndarray | None:
    """An array whose channels (its last axis but one, of a vector the last) go from ``few`` to ``many``."""
    if array.shape == shape:
        return array
    axis = max(0, array.ndim - 2)
    if array.shape[axis] % few or shape != (
        *array.shape[:axis],
        array.shape[axis] // few * many,
        *array.shape[axis + 1 :],
    ):
        return None
    if few == 1:
        repeated = np.concatenate([array] * many, axis)
        return repeated if mean else repeated / np.float32(many)
    split = array.reshape(*array.shape[:axis], few, array.shape[axis] // few, *array.shape[axis + 1 :])
    return split.mean(axis) if mean else split.sum(axis)


def _said(channels: int, theirs: int, kind: str, exact: bool) -> str:
    if theirs == 1:
        done = "the weights repeated" if kind in CHANNELWISE else f"the kernel repeated and divided by {channels}"
        return f"{channels} colour channels from 1: {done}"
    return f"1 grey channel from {theirs}: " + ("the kernel summed over them" if exact else "the mean of their weights")


def _picture(own: Arrays, theirs: Arrays, source: Side, target: Side, picture: Shape, first: bool) -> Fitted:
    """A dense kernel behind a Flatten, (height * width * channels, units), fitted to pictures of another size.

    It is resized as a picture, by the transpose of the bilinear, antialiased resizing that brings a picture to the
    source's size: it answers as the source's would on the picture brought to that size. So it is divided, too, as
    the number of pixels grows: the sum of a unit's weights, and with it the size of its answers, stays. The same
    thought, the other way round, as in FlexiViT (Beyer et al., 2023, arXiv:2212.08013).
    """
    rows, direct = theirs["kernel"].shape[0], first and picture == target.input_shape
    if len(source.input_shape) != 3:
        return Fitted({}, "the size of the source's pictures is not known")
    seen = source.input_shape if direct else _behind(rows, picture[2], source.input_shape)
    same_size = source.input_shape[:2] == target.input_shape[:2] and not direct  # then the bodies differ
    if same_size or prod(seen) != rows or own["kernel"].shape[1] != theirs["kernel"].shape[1]:
        return Fitted({}, f"the source's shape {theirs['kernel'].shape} does not fit {own['kernel'].shape}")
    kernel = theirs["kernel"].reshape(*seen, -1)
    said = []
    if seen[2] != picture[2]:
        if 1 not in (seen[2], picture[2]):
            return Fitted({}, f"{picture[2]} channels cannot be made from {seen[2]}")
        coloured = _along_channels(kernel, (*seen[:2], picture[2], kernel.shape[-1]), picture[2], seen[2], mean=False)
        assert coloured is not None
        kernel = coloured
        said.append(_said(picture[2], seen[2], "", True))
    if seen[:2] != picture[:2]:
        high, wide = (resizing(a, b) for a, b in zip(seen[:2], picture[:2], strict=True))
        kernel = np.einsum("ah,bw,abcu->hwcu", high, wide, kernel, optimize=True)
        said.append(
            f"{picture[0]}×{picture[1]} from {seen[0]}×{seen[1]}: the kernel resized as a picture, its sum kept"
        )
    fitted = kernel.reshape(own["kernel"].shape).astype(np.float32)
    arrays = {name: fitted if name == "kernel" else theirs[name] for name in own}
    return Fitted(arrays, "; ".join(said), source.input_shape, exact=direct)


def _behind(rows: int, channels: int, picture: Shape) -> Shape:
    """What a Flatten of ``rows`` numbers took of the source's pictures: as tall for its width as they are."""
    height = max(1, round((rows / channels * picture[0] / picture[1]) ** 0.5))
    return height, max(1, round(rows / channels / height)), channels


def resizing(source: int, target: int) -> np.ndarray:
    """The matrix (source, target) that brings a line of ``target`` pixels to ``source``: bilinear, antialiased when
    it shrinks; each row adds up to 1."""
    scale = target / source
    centres = (np.arange(source) + 0.5) * scale
    away = np.abs(np.arange(target) + 0.5 - centres[:, None]) / max(1.0, scale)
    weights = np.maximum(0.0, 1.0 - away)
    return weights / weights.sum(1, keepdims=True)


def _features(own: Arrays, theirs: Arrays, source: Side, target: Side) -> Fitted:
    """The first dense kernel of a table: a feature that both sides know by name keeps its row, the rest is new.

    Without any names, features are taken to be the same from the first on.
    """
    mine, rows = own["kernel"].shape[0], theirs["kernel"].shape[0]
    if own["kernel"].shape[1] != theirs["kernel"].shape[1]:
        return Fitted({}, f"the source's shape {theirs['kernel'].shape} does not fit {own['kernel'].shape}")
    if not source.columns and not target.columns:
        kept: Kept = tuple((i, i) for i in range(min(mine, rows)))
        how = f"{len(kept)} of {mine} features, by their place, for none has a name"
    elif (len(source.columns), len(target.columns)) != (rows, mine):
        return Fitted({}, "the features have names on one side alone")
    else:
        kept = shared(target.columns, source.columns)
        how = f"{len(kept)} of {mine} features go by the source's names and keep their rows"
    if not kept:
        return Fitted({}, "no feature goes by a name that the source knows")
    kernel = _taken(own["kernel"], theirs["kernel"], kept, axis=0)
    return Fitted({**theirs, "kernel": kernel}, how, (rows,), kept)


def head(own: Arrays, theirs: Arrays, source: Side, target: Side) -> Fitted:
    """The head's kernel and bias: a class that goes by the same name keeps its column, the rest is new."""
    if own.keys() != theirs.keys():
        return Fitted({}, "the head is new")
    widths = own["kernel"].shape[0], theirs["kernel"].shape[0]
    counts = own["kernel"].shape[1], theirs["kernel"].shape[1]
    kept = shared(target.classes, source.classes)
    if not kept or counts != (len(target.classes), len(source.classes)):
        return Fitted({}, "the head is new")
    if widths[0] != widths[1]:
        return Fitted({}, f"the head is new: the source's takes {widths[1]} numbers, not {widths[0]}")
    how = f"{len(kept)} of {counts[0]} classes go by the source's names and keep their columns"
    if target.classes == source.classes:
        return Fitted(theirs, how)
    return Fitted({name: _taken(own[name], theirs[name], kept, axis=-1) for name in own}, how)


def shared(mine: Sequence[str], theirs: Sequence[str]) -> Kept:
    """Where the same names stand, (in mine, in theirs)."""
    place = {name: number for number, name in enumerate(theirs)}
    return tuple((number, place[name]) for number, name in enumerate(mine) if name in place)


def _taken(own: np.ndarray, theirs: np.ndarray, kept: Kept, axis: int) -> np.ndarray:
    """``own`` with the kept slices of ``theirs``."""
    fitted = np.moveaxis(own.copy(), axis, 0)
    to, origin = (list(places) for places in zip(*kept, strict=True))
    fitted[to] = np.moveaxis(theirs, axis, 0)[origin]
    return np.moveaxis(fitted, 0, axis)


def _largest(arrays: Arrays) -> Shape:
    return max((array.shape for array in arrays.values()), key=lambda shape: (len(shape), prod(shape)))


def views(inputs: np.ndarray, fitted: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the network (n, *shape) as it is to see them, and as the source's body is, to answer alike.

    Features that one side does not know are 0, a picture without colour is the same in all channels.
    """
    shape = fitted.input_shape
    if fitted.kept:
        to, origin = (list(places) for places in zip(*fitted.kept, strict=True))
        own, theirs = np.zeros_like(inputs), np.zeros((len(inputs), *shape), inputs.dtype)
        own[:, to] = theirs[:, origin] = inputs[:, to]
        return own, theirs
    own = theirs = inputs
    if inputs.shape[-1] != shape[-1]:
        theirs = inputs.mean(-1, keepdims=True).repeat(shape[-1], -1)
        own = theirs.repeat(inputs.shape[-1], -1) if shape[-1] == 1 else inputs
    if inputs.shape[1:3] != shape[:2] and len(shape) == 3:
        high, wide = (resizing(a, b) for a, b in zip(shape[:2], inputs.shape[1:3], strict=True))
        theirs = np.einsum("ah,bw,nhwc->nabc", high, wide, theirs, optimize=True).astype(inputs.dtype)
    return own, theirs


def views_said(fitted: Fitted, input_shape: Shape) -> str:
    """What is special about these inputs; empty where nothing is."""
    if fitted.kept:
        return "on the features that both sides know"
    said = ["without colour"] if fitted.input_shape[-1] < input_shape[-1] else []
    if len(input_shape) == 3 and fitted.input_shape[:2] != input_shape[:2]:
        said.append(f"brought to {fitted.input_shape[0]}×{fitted.input_shape[1]} pixels")
    return f"on pictures {' and '.join(said)}" if said else ""

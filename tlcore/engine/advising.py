"""What a person's examples look like from inside several sources: features at a few depths, and a probe at each.

:func:`advise` measures; :mod:`tlcore.advice` makes a recommendation of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .. import admission, architectures
from ..datasets import Arrays, Dataset, Own, dataset, split
from ..networks import NETWORKS, Block
from ..probing import learnt_from, most_examples
from ..sources import NONE, Source, source
from ..spec import RunSpec
from . import batches, borrow, preprocess, probes, transfer
from .network import Network, leaves
from .teller import Teller

MOST_CUTS, MOST_NUMBERS = 6, 2_048
RAW_SIDE = 16
"""Pixels a side of the pictures that the raw probe is given."""

Heard = Callable[[int], None]
"""Hears how many more units of work are done; may raise."""


@dataclass(frozen=True)
class Material:
    """The chosen examples as they are, training part first, at the size that one network is shown."""

    card: Dataset
    x: np.ndarray
    train: np.ndarray
    """What a table's means are taken from: all of the training part, as in a run; of pictures only the chosen ones."""


@dataclass(frozen=True)
class Chosen:
    """Positions of the examples in the dataset, training part first; their labels; and the folds over them."""

    positions: np.ndarray
    labels: np.ndarray
    folds: list[probes.Fold]
    fitted: int
    learnt: int
    """Examples that a run would learn from."""
    a_class: int
    """The same, of the smallest class."""


def advise(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """The figures of a question of :func:`tlcore.probing.question`.

    ``examples`` (how many were fitted and tried, how many a run would learn from and how many of the smallest class),
    ``classes``, ``folds``, ``chance`` (the share of the most frequent class), ``raw`` (the probe without a network),
    ``sources`` (by source: its ``cuts`` and those of the same network with random weights, each with the accuracy in
    each fold), ``left_out`` (names and reasons) and ``seconds``.
    """
    began = time.perf_counter()
    spec = RunSpec.from_json(json.dumps(question["spec"]))
    asked, left_out = _asked(spec, question["sources"])
    weights = {own.source: _weights(own, teller) for own in asked}
    teller("stage", stage="advising", doing="preparing the examples")
    card = dataset(spec.dataset)
    chosen = _chosen(card.load(), spec, most_examples(asked))
    looked = _Looked(teller, len(chosen.positions), asked)
    rows: list[dict[str, Any]] = []
    raw: dict[str, Any] = {}
    for own in asked:
        looked.at(source(own.source))
        blocks = admission.blocks(own)
        material = _material(dataset(own.dataset).at(own.image_size), chosen, own, teller)
        raw = raw or _raw(material, chosen)
        try:
            rows.append(_source(own, blocks, weights[own.source], material, chosen, looked.heard))
        except borrow.Unfit as unfit:
            left_out.append({"source": own.source, "reason": str(unfit)})
    if not rows:
        raise ValueError("None of the sources could be looked through: " + "; ".join(o["reason"] for o in left_out))
    return {
        "examples": {
            "fitted": chosen.fitted, "tried": len(chosen.labels), "learnt": chosen.learnt, "a_class": chosen.a_class,
        },
        "unit": card.unit, "classes": len(card.classes), "folds": len(chosen.folds),
        "chance": float(np.bincount(chosen.labels).max() / len(chosen.labels)),
        "raw": raw, "sources": rows, "left_out": left_out, "seconds": round(time.perf_counter() - began, 2),
    }  # fmt: skip


class _Looked:
    """How far all is: for each source its pictures and those of the random twin, and as much again for the probes."""

    def __init__(self, teller: Teller, examples: int, asked: Sequence[RunSpec]):
        self.teller, self.of, self.done = teller, 3 * examples * len(asked), 0
        self.each, self.begun, self.sources = 3 * examples, 0, len(asked)

    def at(self, origin: Source) -> None:
        """The next source. One stage for all, so that the time left is of the whole."""
        if not self.begun:
            several = f" through {self.sources} sources" if self.sources > 1 else f" through “{origin.title}”"
            self.teller("stage", stage="advising", doing=f"looking at {self.each // 3:,} examples{several}")
        self.done = self.begun * self.each
        self.begun += 1

    def heard(self, more: int) -> None:
        self.done += more
        self.teller.progress(min(self.done, self.of), self.of)
        self.teller.stop_here_if_asked()


def _asked(spec: RunSpec, names: Sequence[str]) -> tuple[list[RunSpec], list[dict[str, str]]]:
    """A run's question for each source that is here, and why others are left out. Nothing is downloaded unasked."""
    asked, left_out = list[RunSpec](), list[dict[str, str]]()
    for name in names:
        origin = source(name)
        own = spec.revised(source=name, network=spec.network if origin.network is None else None)
        if origin.kind == NONE:
            continue
        if not origin.ready and not (origin.dataset and origin.dataset.ready):
            left_out.append({"source": name, "reason": f"{origin.title} is not on this computer: fetch it first"})
        else:
            asked.append(admission.admit(own.revised(strategy="linear_probe", control=False)))
    if not asked:
        told = "; ".join(own["reason"] for own in left_out)
        raise ValueError(f"No source to look through: expected one that is on this computer. {told}")
    return asked, left_out


def _weights(spec: RunSpec, teller: Teller) -> Path:
    from .journey import _source_weights  # which knows this module by its jobs

    path = _source_weights(spec, teller)
    assert path
    return path


def _chosen(arrays: Arrays, spec: RunSpec, most: int) -> Chosen:
    """At most so many examples of the training and (a quarter) the validation part of this very run; the test part is
    not looked at."""
    where = split(
        arrays, samples_per_class=spec.samples_per_class, validation_share=spec.validation_share,
        test_share=spec.test_share, seed=spec.seed,
    )  # fmt: skip
    validation = _some(where.validation, arrays.y, min(most // 4, len(where.validation)))
    train = _some(where.train, arrays.y, min(most - len(validation), len(where.train)))
    own, held = arrays.y[train].astype(np.int64), arrays.y[validation].astype(np.int64)
    counts = np.bincount(arrays.y[where.train])
    return Chosen(
        np.concatenate([train, validation]), np.concatenate([own, held]), probes.folds(own, held, spec.seed),
        len(train), len(where.train), int(counts[counts > 0].min()),
    )  # fmt: skip


def _some(positions: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """So many of these positions, of each class about its share and at least two where there are two."""
    if count >= len(positions):
        return positions
    own = labels[positions]
    _, inverse = np.unique(own, return_inverse=True)
    rank = np.empty(len(own))  # the how-manieth of its class, as a share of the class; the first two come first
    for label in range(inverse.max() + 1):
        mine = np.flatnonzero(inverse == label)
        rank[mine] = np.where(np.arange(len(mine)) < 2, -1, np.arange(len(mine)) / len(mine))
    return positions[np.sort(np.argsort(rank, kind="stable")[:count])]


def _material(card: Dataset, chosen: Chosen, spec: RunSpec, teller: Teller) -> Material:
    if isinstance(card, Own) and card.is_image and not card.array.is_file():
        from .journey import _resize

        _resize(card, teller)
    arrays = card.load()
    order = np.argsort(chosen.positions)  # a file is read from front to back
    x = np.empty((len(order), *card.shape), arrays.x.dtype)
    x[order] = arrays.x[chosen.positions[order]]
    if card.is_image:
        return Material(card, x, x[: chosen.fitted])
    where = split(
        arrays, samples_per_class=spec.samples_per_class, validation_share=spec.validation_share,
        test_share=spec.test_share, seed=spec.seed,
    )  # fmt: skip
    return Material(card, x, np.asarray(arrays.x[where.train]))


def _source(
    spec: RunSpec, blocks: tuple[Block, ...], weights: Path, material: Material, chosen: Chosen, heard: Heard
) -> dict[str, Any]:
    """The figures of one source, and of its network with random weights."""
    began, origin = time.perf_counter(), source(spec.source)
    keras.utils.set_random_seed(spec.seed)
    network = _network(spec, blocks, material)
    below = _cuts(len(blocks) - 1)
    model, size = _watched(network, below), batches.batch_size(network.whole())
    random = _probed(_features(model, material.x, size, heard), below, blocks, chosen, heard, evidence=False)
    known = origin.dataset
    receipt = transfer.copy(
        weights, network, head=False,
        source=transfer.Side(origin.input_shape, origin.classes, known.columns if known else ())
        if origin.network else None,
        target=transfer.Side(network.cards[0].input_shape, material.card.classes, material.card.columns),
    )  # fmt: skip
    if not any(row["fate"] in (transfer.COPIED, transfer.ADAPTED) for row in receipt.rows):
        raise borrow.Unfit(f"Nothing of {origin.title} fits the network {spec.network}")
    if any(isinstance(layer, keras.layers.Normalization) for block in network.blocks for layer in leaves(block)):
        model.make_predict_function(force=True)  # the first one holds what these computed from random weights
    clock = time.perf_counter()
    features = _features(model, material.x, size, heard)
    forward = (time.perf_counter() - clock) / len(material.x)
    cuts = _probed(features, below, blocks, chosen, heard, evidence=True)
    return {
        "source": spec.source, "title": origin.title, "network": spec.network, "image_size": spec.image_size,
        "blocks": [block.name for block in blocks[:-1]], "cuts": cuts, "random": random,
        "seen": learnt_from(spec.source, spec.dataset), "seconds": round(time.perf_counter() - began, 2),
        "pass_seconds": round(forward * chosen.learnt, 3),
    }  # fmt: skip


def _network(spec: RunSpec, blocks: tuple[Block, ...], material: Material) -> Network:
    card, own = material.card, architectures.network(spec.network or "")
    train = None if card.is_image else material.train
    body = spec.network if spec.network not in NETWORKS else None
    return Network(blocks, preprocess.model(card, own, blocks[0].input_shape, train), card.shape, body)


def _cuts(blocks: int) -> list[int]:
    """Behind how many blocks to look: spread over the body, behind the last one always."""
    if blocks <= MOST_CUTS:
        return [*range(1, blocks + 1)]
    return sorted({round(place) for place in np.linspace(1, blocks, MOST_CUTS)})


def _watched(network: Network, below: Sequence[int]) -> keras.Model:
    """From raw inputs to what comes out behind each of these numbers of blocks, pooled: once through for all."""
    inputs = keras.Input(network.raw_shape)
    state, outputs = network.preprocess(inputs), []
    for number, block in enumerate(network.blocks[: below[-1]], 1):
        state = block(state)
        if number in below:
            outputs.append(_pooled(state))
    return keras.Model(inputs, outputs)


def _features(model: keras.Model, x: np.ndarray, size: int, heard: Heard) -> list[np.ndarray]:
    """What the model makes of ``x`` in inference mode, at most ``size`` at a time."""
    size = batches.even_batch_size(len(x), size)
    out = [np.empty((len(x), output.shape[1]), np.float32) for output in model.outputs]
    for start in range(0, len(x), size):
        batch = x[start : start + size]
        count = len(batch)
        if count < size:  # another size would be another graph to build
            batch = np.concatenate([batch, np.repeat(batch[:1], size - count, axis=0)])
        answers = model.predict_on_batch(batch)
        for kept, own in zip(out, answers if isinstance(answers, list) else [answers], strict=True):
            kept[start : start + count] = own[:count]
        heard(count)
    return [_narrowed(np.nan_to_num(own, posinf=0.0, neginf=0.0)) for own in out]


def _pooled(state: Any) -> Any:
    """Means over height and width, or over tokens."""
    while len(state.shape) > 2:
        state = keras.ops.mean(state, axis=1)
    return state


def _narrowed(features: np.ndarray) -> np.ndarray:
    """At most :data:`MOST_NUMBERS` a row: wider ones are projected at random, which hardly changes distances."""
    width = features.shape[1]
    if width <= MOST_NUMBERS:
        return features
    directions = np.random.default_rng(0).standard_normal((width, MOST_NUMBERS), np.float32)
    return features @ directions / np.float32(np.sqrt(MOST_NUMBERS))


def _probed(
    features: Sequence[np.ndarray], below: Sequence[int], blocks: Sequence[Block], chosen: Chosen, heard: Heard, *,
    evidence: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    rows = []
    for own, number in zip(features, below, strict=True):
        row = {"block": blocks[number - 1].name, "below": number, **_figures(own, chosen)}
        if evidence:
            row["logme"] = probes.logme(own[: chosen.fitted], chosen.labels[: chosen.fitted])
        rows.append(row)
        heard(len(own) // (2 * len(below)))
    return rows


def _figures(features: np.ndarray, chosen: Chosen) -> dict[str, Any]:
    found = probes.accuracies(features, chosen.labels, chosen.folds)
    error = float(np.std(found, ddof=1) / np.sqrt(len(found))) if len(found) > 1 else None
    return {"dimension": features.shape[1], "accuracy": float(np.mean(found)), "error": error, "folds": found}


def _raw(material: Material, chosen: Chosen) -> dict[str, Any]:
    """The probe on the examples themselves: pictures made small, tables with their gaps filled with the mean."""
    x = material.x.astype(np.float32)
    if not material.card.is_image:
        x = np.asarray(preprocess.model(material.card, NETWORKS["dense_64"], material.card.shape, material.train)(x))
    elif x.shape[1] > RAW_SIDE:
        x = np.asarray(keras.ops.image.resize(x, (RAW_SIDE, RAW_SIDE), antialias=True))
    return _figures(x.reshape(len(x), -1), chosen)

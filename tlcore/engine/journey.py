"""The way of one run: its examples, its source, its arms, its answer.

The ``result`` event holds ``test`` (figures of the main arm), ``control`` (figures of the control, or None), ``gain``
(of the first over the second, with its interval over test examples, or None), ``elsewhere`` (figures on
``evaluate_on``, or None) and ``seconds``. Beside it, in the run's folder: ``model.keras`` (raw inputs to
probabilities), ``weights.npz`` (what a later run borrows), ``predictions.npz`` and ``mistakes.npz``.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import admission, evaluation, runs
from ..datasets import DATASETS, Damaged, Dataset, split
from ..events import SCRATCH, TRANSFER
from ..networks import Block
from ..runs import Run
from ..sources import NONE, source
from ..spec import Refused, RunSpec
from ..strategies import STRATEGIES, arms, told
from . import device, download, training, transfer
from .network import Network
from .teller import Stopped, Teller
from .training import Examples

device.prepare()

ROUNDING = 1e-4
"""What a copied body's answers may differ from its source's: nothing on a CPU, rounding on a GPU."""


@dataclass(frozen=True)
class Parts:
    """The three parts of a dataset, and the layer that brings raw inputs to what a body takes."""

    train: Examples
    validation: Examples
    test: Examples
    test_labels: np.ndarray
    preprocess: Callable[[], keras.Layer]


def carry_out(run: Run, parent: Teller | None = None) -> None:
    """Carry a run out from its question to its end, whatever that is."""
    teller = Teller(run.id, parent)
    began = time.perf_counter()
    try:
        if run.task == runs.FETCH:
            teller("stage", stage="downloading")
            download.fetch(DATASETS[json.loads(run.question)["dataset"]], teller)
            teller("finished", seconds={"total": time.perf_counter() - began, "training": 0.0})
        else:
            spec = admission.admit(run.spec)
            name, scope = device.chosen(spec.device)
            teller("device", name=name)
            with scope:
                _train(run, spec, teller, began)
    except Stopped:
        teller("stopped")
    except Exception as error:
        teller("failed", reason=_in_plain_words(error), details=traceback.format_exc())


def _in_plain_words(error: Exception) -> str:
    """One line on why a run could not go on."""
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return "There was not enough memory: choose fewer examples or a smaller batch size."
    if isinstance(error, Refused | Damaged | download.Failed):
        return str(error)
    lines = (line.strip() for line in str(error).splitlines())
    # TensorFlow begins its messages with a line that says nothing.
    return next((line[:300] for line in lines if line and line != "Graph execution error:"), type(error).__name__)


def _train(run: Run, spec: RunSpec, teller: Teller, began: float) -> None:
    blocks = admission.blocks(spec)
    plans = arms(spec, [block.name for block in blocks])
    weights = _source_weights(spec, teller)
    parameters = {block.name: block.parameters for block in blocks}
    teller("plan", arms={arm: [told(phase, parameters) for phase in plan] for arm, plan in plans.items()})
    teller("stage", stage="preparing")
    dataset = DATASETS[spec.dataset]
    if not dataset.ready:
        teller("stage", stage="downloading")
        download.fetch(dataset, teller)
    parts = _parts(dataset, spec)
    main, answers, in_training = next(iter(plans)), dict[str, np.ndarray](), 0.0
    for arm, plan in plans.items():
        network = _begun(blocks, spec, weights, parts, teller, main=arm == main)
        clock = time.perf_counter()
        complete = training.carry_out(network, plan, arm, spec, parts.train, parts.validation, teller)
        in_training += time.perf_counter() - clock
        if arm == main:
            if not teller.learnt:
                raise Stopped
            model = network.whole()
            teller("stage", stage="saving", arm=arm)
            _save(run.folder, model, network)
        if not complete:
            teller("stopped")
        if complete or arm == main:
            teller("stage", stage="evaluating", arm=arm)
            answers[arm] = network.whole().predict(parts.test.x, batch_size=256, verbose=0)
        if not complete:
            break
    elsewhere = _elsewhere(spec, model)
    seconds = {"total": round(time.perf_counter() - began, 3), "training": round(in_training, 3)}
    teller("result", **_answer(run.folder, spec, parts, answers, main), elsewhere=elsewhere, seconds=seconds)
    if complete:
        teller("finished", seconds=seconds)


def _begun(
    blocks: tuple[Block, ...], spec: RunSpec, weights: Path | None, parts: Parts, teller: Teller, *, main: bool
) -> Network:
    """An arm's network before its training: the main one's with the source's weights, where it has a source.

    Both arms start from the same random state: the same head, the same order of examples.
    """
    keras.utils.set_random_seed(spec.seed)
    network = Network(blocks, parts.preprocess())
    if main and weights:
        teller("stage", stage="copying", arm=TRANSFER)
        receipt = transfer.copy(weights, network, head=STRATEGIES[spec.strategy].copies == "all")
        receipt.largest_difference = transfer.difference(weights, network, parts.validation.x[:64])
        if (off := receipt.largest_difference) > ROUNDING:
            raise RuntimeError(f"The copied body does not answer as the source's does: off by {off:.2g}.")
        teller("receipt", **receipt.as_dict())
    elif main:
        teller("receipt", **transfer.nothing(network).as_dict())
    keras.utils.set_random_seed(spec.seed)  # copying and comparing may have drawn from it
    return network


def _source_weights(spec: RunSpec, teller: Teller) -> Path | None:
    """The file of the source's weights; a shipped source that was never trained is trained first."""
    if spec.source == NONE:
        return None
    origin = source(spec.source)
    with runs.named_lock(spec.source.replace(":", "-")):  # two engines must not train one source twice
        own = origin.run
        if own is None:
            assert origin.spec
            run, lock = runs.begin(admission.admit(origin.spec), label=f"Source: {origin.title}")
            teller("stage", stage="source", run=run.id)
            try:
                carry_out(run, parent=teller)
            finally:
                lock.release(force=True)
            own, ended = run.id, runs.get(run.id)
            if ended.status == "stopped":
                raise Stopped
            if ended.status != "finished":
                reason = next(e.data["reason"] for e in runs.events(own) if e.kind == "failed")
                raise RuntimeError(f"The source {spec.source} could not be trained: {reason}")
    path = runs.folder(own) / "weights.npz"
    if not path.is_file():
        raise RuntimeError(f"The weights of the source {spec.source} are gone: {path} was expected. Train it again.")
    return path


def _parts(dataset: Dataset, spec: RunSpec) -> Parts:
    arrays = dataset.load()
    where = split(
        arrays.y, arrays.test_from, samples_per_class=spec.samples_per_class,
        validation_share=spec.validation_share, test_share=spec.test_share, seed=spec.seed,
    )  # fmt: skip

    def examples(positions: np.ndarray) -> Examples:
        return Examples(arrays.x[positions], np.eye(len(dataset.classes), dtype=np.float32)[arrays.y[positions]])

    train = examples(where.train)

    def preprocess() -> keras.Layer:
        if dataset.is_image:
            return keras.layers.Rescaling(1 / dataset.scale, name="preprocess")
        # Means and variances of the training part alone: nothing is learnt from validation or test.
        return keras.layers.Normalization(mean=train.x.mean(0), variance=train.x.var(0), name="preprocess")

    return Parts(train, examples(where.validation), examples(where.test), arrays.y[where.test], preprocess)


def _answer(folder: Path, spec: RunSpec, parts: Parts, answers: dict[str, np.ndarray], main: str) -> dict[str, Any]:
    """Figures of the arms that were tried; predictions and the surest mistakes go into the run's folder."""
    classes, labels = DATASETS[spec.dataset].classes, parts.test_labels
    if not np.isfinite(answers[main]).all():
        raise FloatingPointError("The training blew up (its answers are no numbers): choose a lower learning rate.")
    answers = {arm: own for arm, own in answers.items() if np.isfinite(own).all()}  # a control that did is none
    np.savez_compressed(folder / "predictions.npz", allow_pickle=False, labels=labels, **answers)
    wrong = evaluation.surest_mistakes(answers[main], labels)
    np.savez_compressed(
        folder / "mistakes.npz", allow_pickle=False,
        x=parts.test.x[wrong], labels=labels[wrong], probabilities=answers[main][wrong],
    )  # fmt: skip
    right = {arm: own.argmax(1) == labels for arm, own in answers.items()}
    control = SCRATCH if main != SCRATCH and SCRATCH in answers else None
    return {
        "test": evaluation.figures(answers[main], labels, classes),
        "control": evaluation.figures(answers[control], labels, classes) if control else None,
        "gain": evaluation.paired_gain(right[main], right[control]) if control else None,
    }


def _elsewhere(spec: RunSpec, model: keras.Model) -> dict[str, Any] | None:
    """Figures of the finished model on all examples of another dataset."""
    if spec.evaluate_on is None:
        return None
    other = DATASETS[spec.evaluate_on]
    arrays = other.load()
    probabilities = model.predict(arrays.x, batch_size=256, verbose=0)
    return {"dataset": other.name, **evaluation.figures(probabilities, arrays.y, other.classes)}


def _save(folder: Path, model: keras.Model, network: Network) -> None:
    """Model and weights, each whole or not at all."""
    for name, write in (("model.keras", model.save), ("weights.npz", lambda path: transfer.save(network, path))):
        unfinished = folder / f"unfinished.{name}"
        write(unfinished)
        unfinished.replace(folder / name)

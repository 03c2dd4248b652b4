"""The way of one run: its examples, its source, its arms, its answer.

The ``result`` event holds ``test`` (figures of the main arm), ``control`` (figures of the control, or None), ``gain``
(of the first over the second, with its interval over test examples, or None), ``elsewhere`` (figures on
``evaluate_on``, or None), ``beside`` (what became of a second task, or None), ``seconds`` and the program's
``version``. Beside it, in the run's folder: ``model.keras`` (raw inputs to probabilities), ``weights.npz`` (what a
later run borrows), ``predictions.npz`` and ``mistakes.npz``.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from filelock import Timeout

from .. import __version__, admission, architectures, artefacts, comparison, evaluation, runs, worker
from ..datasets import Damaged, Dataset, Own, dataset, split
from ..events import SCRATCH, TRANSFER
from ..networks import NETWORKS, Block
from ..runs import Run
from ..sources import NONE, Source, source
from ..spec import Refused, RunSpec
from ..strategies import STRATEGIES, Plan, arms, told
from . import (
    batches,
    borrow,
    companions,
    device,
    download,
    features,
    fetching,
    freezing,
    preprocess,
    training,
    transfer,
)
from .companions import Companion
from .jobs import JOBS
from .network import Network
from .teller import Stopped, Teller
from .training import Examples

device.prepare()


@dataclass(frozen=True)
class Parts:
    """The three parts of a dataset, and the model that brings raw examples to what a body takes."""

    card: Dataset
    train: Examples
    validation: Examples
    test: Examples
    test_labels: np.ndarray
    preprocess: Callable[[], keras.Model]


def carry_out(run: Run, parent: Teller | None = None) -> None:
    """Carry a run out from its question to its end, whatever that is."""
    teller = Teller(run.id, parent)
    began = time.perf_counter()
    try:
        if job := JOBS.get(run.task):
            if answer := job(run, json.loads(run.question), teller):
                teller("result", **answer)
            teller("finished", seconds={"total": time.perf_counter() - began, "training": 0.0})
        else:
            spec = admission.admit(run.spec)
            name, scope = device.chosen(spec.device, admission.blocks(spec))
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
    if isinstance(error, Refused | Damaged | download.Failed | fetching.Failed | borrow.Unfit):
        return str(error)
    lines = (line.strip() for line in str(error).splitlines())
    # TensorFlow begins its messages with a line that says nothing.
    return next((line[:300] for line in lines if line and line != "Graph execution error:"), type(error).__name__)


def _train(run: Run, spec: RunSpec, teller: Teller, began: float) -> None:
    blocks = admission.blocks(spec)
    plans = arms(spec, [block.name for block in blocks])
    weights = _source_weights(spec, teller)
    of_arms = {arm: [told(phase, blocks, spec.lora_rank) for phase in plan] for arm, plan in plans.items()}
    teller("plan", arms=of_arms)
    teller("stage", stage="preparing")
    card = dataset(spec.dataset).at(spec.image_size)
    if not card.ready:
        teller("stage", stage="downloading")
        download.fetch(card, teller)
    if isinstance(card, Own) and not card.array.is_file():
        _resize(card, teller)
    parts = _parts(card, spec, blocks)
    main, answers, in_training = next(iter(plans)), dict[str, np.ndarray](), 0.0
    beside: dict[str, Any] | None = None
    for arm, plan in plans.items():
        if arm != main and (known := _known_control(spec, parts, teller)) is not None:
            answers[arm] = known
            continue
        network, companion = _begun(blocks, spec, weights, parts, teller, main=arm == main)
        clock = time.perf_counter()
        complete = training.carry_out(
            network, plan, arm, spec, parts.train, parts.validation, teller, companion, later=parts.test.x
        )  # fmt: skip
        in_training += time.perf_counter() - clock
        if arm == main:
            if not teller.learnt:
                raise Stopped
            freezing.release(network)
            teller("stage", stage="saving", arm=arm)
            _save(run.folder, network.whole(), network)
            finished = network
        if not complete:
            teller("stopped")
        if companion:
            beside = companion.report()
        if complete or arm == main:
            teller("stage", stage="evaluating", arm=arm)
            answers[arm] = _answers(network, plan, parts, teller)
        if not complete:
            break
    elsewhere = _elsewhere(spec, finished)
    seconds = {"total": round(time.perf_counter() - began, 3), "training": round(in_training, 3)}
    answer = _answer(run.folder, spec, parts, answers, main)
    teller("result", **answer, elsewhere=elsewhere, beside=beside, seconds=seconds, version=__version__)
    if complete:
        teller("finished", seconds=seconds)


def _begun(
    blocks: tuple[Block, ...], spec: RunSpec, weights: Path | None, parts: Parts, teller: Teller, *, main: bool
) -> tuple[Network, Companion | None]:
    """An arm's network before its training: the main one's with the source's weights, where it has a source, and with
    what brings its second loss, where its strategy has one.

    Both arms start from the same random state: the same head, the same order of examples.
    """
    keras.utils.set_random_seed(spec.seed)
    body = spec.network if spec.network not in NETWORKS else None
    network, companion = Network(blocks, parts.preprocess(), parts.card.shape, body), None
    strategy = STRATEGIES[spec.strategy]
    if main and weights and strategy.copies != "teacher":
        teller("stage", stage="copying", arm=TRANSFER)
        receipt = _copied(weights, network, spec, parts)
        teller("receipt", **receipt.as_dict())
        if strategy.objective == "l2_sp":
            freezing.pull(network, spec, receipt.borrowed())
    elif main:
        teller("receipt", **transfer.nothing(network).as_dict())
    if main and weights:
        companion = companions.of(spec, network, parts.train, parts.card, weights, teller)
    keras.utils.set_random_seed(spec.seed)  # copying and comparing may have drawn from it
    return network, companion


def _answers(network: Network, plan: Plan, parts: Parts, teller: Teller) -> np.ndarray:
    """The trained network's answers to the test examples. What their frozen front computes is kept for later runs."""
    cut = training.untouched(network, plan)
    if not cut or not features.keepable(network, cut, len(parts.test)):
        return batches.predict(network.whole(), parts.test.x, teller)
    seen = features.compute(network, cut, parts.test.x, teller.progress).rows
    return batches.predict(network.tail(cut), seen)


def _known_control(spec: RunSpec, parts: Parts, teller: Teller) -> np.ndarray | None:
    """The answers of an equal control that an earlier run has trained, its epochs told again; None without one.

    A control borrows nothing: it is the same whatever is compared with it, so nothing is gained by training it twice.
    """
    earlier = comparison.same_control(spec, runs.all_runs())
    if earlier is None or (found := artefacts.answers(earlier, SCRATCH, parts.test_labels)) is None:
        return None
    story = worker.follow(earlier.id)
    teller("control", run=earlier.id)
    for phase in (own for own in story.phases if own["arm"] == SCRATCH):
        teller("phase", **phase)
        for epoch in (own for own in story.epochs if own["arm"] == SCRATCH and own["phase"] == phase["index"]):
            teller("epoch", **epoch)
    return found


def _copied(weights: Path, network: Network, spec: RunSpec, parts: Parts) -> transfer.Receipt:
    """Copy the source's weights, and see that the body answers as the source's own does. Gives the receipt."""
    origin, card, copies = source(spec.source), parts.card, STRATEGIES[spec.strategy].copies
    known = origin.dataset
    lender = transfer.Side(origin.input_shape, origin.classes, known.columns if known else ())
    receipt = transfer.copy(
        weights, network, head=copies == "all", new_input=spec.new_input,
        only=network.names[: spec.blocks] if copies == "first" else None,
        source=lender if origin.network else None,
        target=transfer.Side(network.cards[0].input_shape, card.classes, card.columns),
    )  # fmt: skip
    if not any(row["fate"] in (transfer.COPIED, transfer.ADAPTED) for row in receipt.rows):
        raise borrow.Unfit(
            f"Nothing of the source {spec.source} fits the network {spec.network}: of its {len(receipt.rows)} tensors "
            "none has a counterpart of its shape. Choose the network that it was made for."
        )
    receipt.largest_difference = transfer.difference(weights, network, receipt, parts.validation.x[:64])
    return receipt


def _resize(card: Own, teller: Teller) -> None:
    """Have the intake bring the pictures to this card's size, and wait for it."""
    teller("stage", stage="resizing")
    while not card.array.is_file():
        job = worker.order(runs.RESIZE, dataset=card.import_id, size=card.shape[0], channels=card.shape[2])
        story = worker.follow(job)
        while not (runs.get(job).over and not runs.is_held(job)):
            worker.wake()
            time.sleep(0.2)
            worker.follow(job, story)
            teller.progress(story.progress.get("done", 0), story.progress.get("of", 1))
            if teller.stop_asked():
                runs.ask_to_stop(job)
                raise Stopped
        # One that was stopped was asked for by another run, too, which is no reason to do without the pictures.
        if runs.get(job).status != "stopped" and not card.array.is_file():
            failure = worker.follow(job, story).failure or {"reason": "its engine was killed: run it again"}
            raise RuntimeError(f"The pictures could not be brought to {card.shape[0]} pixels: {failure['reason']}")


def _source_weights(spec: RunSpec, teller: Teller) -> Path | None:
    """The file of the source's weights; a shipped source that was never trained is trained first."""
    if spec.source == NONE:
        return None
    origin = source(spec.source)
    if origin.spec is None:
        return borrow.weights(origin, teller)
    with _alone(spec.source.replace(":", "-"), teller):  # two engines must not train one source twice
        own = origin.run or _trained_first(origin, teller)
    path = runs.folder(own) / "weights.npz"
    if not path.is_file():
        raise RuntimeError(f"The weights of the source {spec.source} are gone: {path} was expected. Train it again.")
    return path


@contextmanager
def _alone(name: str, teller: Teller) -> Iterator[None]:
    """What only one engine does at a time; a stop is heard while another one is at it."""
    lock = runs.named_lock(name)
    while not lock.is_locked:
        teller.stop_here_if_asked()
        with suppress(Timeout):
            lock.acquire(timeout=0.25)
    try:
        yield
    finally:
        lock.release()


def _trained_first(origin: Source, teller: Teller) -> str:
    """The run of a shipped source that nobody has asked for yet."""
    assert origin.spec
    run, lock = runs.begin(admission.admit(origin.spec), label=f"Source: {origin.title}")
    teller("stage", stage="source", run=run.id)
    try:
        carry_out(run, parent=teller)
    finally:
        lock.release(force=True)
    ended = runs.get(run.id)
    if ended.status == "stopped":
        raise Stopped
    if ended.status != "finished":
        reason = next(e.data["reason"] for e in runs.events(run.id) if e.kind == "failed")
        raise RuntimeError(f"The source {origin.name} could not be trained: {reason}")
    return run.id


def _parts(card: Dataset, spec: RunSpec, blocks: tuple[Block, ...]) -> Parts:
    arrays = card.load()
    where = split(
        arrays, samples_per_class=spec.samples_per_class, validation_share=spec.validation_share,
        test_share=spec.test_share, seed=spec.seed,
    )  # fmt: skip

    def examples(positions: np.ndarray) -> Examples:
        x = arrays.x[positions] if isinstance(arrays.x, np.ndarray) else arrays.x.subset(positions)
        return Examples(batches.held(x), np.eye(len(card.classes), dtype=np.float32)[arrays.y[positions]])

    train, network = examples(where.train), architectures.network(spec.network or "")

    def before_the_body() -> keras.Model:
        return preprocess.model(card, network, blocks[0].input_shape, train.x[:] if not card.is_image else None)

    return Parts(card, train, examples(where.validation), examples(where.test), arrays.y[where.test], before_the_body)


def _answer(folder: Path, spec: RunSpec, parts: Parts, answers: dict[str, np.ndarray], main: str) -> dict[str, Any]:
    """Figures of the arms that were tried; predictions and the surest mistakes go into the run's folder."""
    classes, labels = parts.card.classes, parts.test_labels
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


def _elsewhere(spec: RunSpec, network: Network) -> dict[str, Any] | None:
    """Figures of the finished model on all examples of another dataset."""
    if spec.evaluate_on is None:
        return None
    other = dataset(spec.evaluate_on)
    arrays = other.load()
    probabilities = batches.predict(network.whole(), arrays.x)
    return {"dataset": other.name, **evaluation.figures(probabilities, arrays.y, other.classes)}


def _save(folder: Path, model: keras.Model, network: Network) -> None:
    """Model and weights, each whole or not at all."""
    for name, write in (("model.keras", model.save), ("weights.npz", lambda path: transfer.save(network, path))):
        unfinished = folder / f"unfinished.{name}"
        write(unfinished)
        unfinished.replace(folder / name)

"""The ways in which a run's way can end, carried out in this process."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import until
from filelock import Timeout
from PIL import Image

from tlcore import RunSpec, runs, worker
from tlcore.admission import admit, blocks
from tlcore.datasets import DATASETS, Own, dataset, intake, library
from tlcore.datasets.cards import Download
from tlcore.engine import journey
from tlcore.engine.teller import Stopped, Teller
from tlcore.sources import source
from tlcore.spec import Refused

VECTORS = RunSpec(dataset="vectors_b", source="vectors_a", strategy="fine_tune", samples_per_class=20, epochs=2)


def carried_out(run: str) -> runs.Run:
    taken, lock = runs.claim()
    assert taken.id == run
    with lock:
        journey.carry_out(taken)
    return runs.get(run)


def stopped_once(true) -> threading.Thread:
    """Ask every running run to stop as soon as ``true()`` is; the thread's ``asked`` is when."""

    def watch() -> None:
        until(true)
        thread.asked = time.monotonic()
        for run in runs.all_runs():
            if worker.follow(run.id).stage and not run.label.startswith("Source"):
                runs.ask_to_stop(run.id)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_source_is_trained_first_and_only_once(lab: Path):
    first, second = runs.create(admit(VECTORS)), runs.create(admit(VECTORS.revised(seed=1)))
    assert carried_out(first).status == "finished", worker.follow(first).failure
    card = source("vectors_a")
    assert runs.get(card.run).status == "finished" and runs.get(card.run).spec == card.spec
    stages = [event.data for event in runs.events(first) if event.kind == "stage"]
    assert stages[0] == {"stage": "source", "run": card.run}
    carried_out(second)
    assert len(runs.all_runs()) == 2 and len(runs.all_runs(runs.SOURCE)) == 1
    story = worker.follow(second)
    assert story.receipt["copied"]["tensors"] == 4 and story.receipt["largest_difference"] == 0.0
    # Both arms answer the same test examples.
    with np.load(runs.folder(second) / "predictions.npz") as kept:
        assert kept["transfer"].shape == kept["scratch"].shape == (len(kept["labels"]), 10)


def test_a_stop_while_the_source_is_in_training_stops_both(lab: Path):
    run = runs.create(admit(RunSpec()))  # its source learns for seconds after the first epoch
    thread = stopped_once(lambda: any(worker.follow(one.id).epochs for one in runs.all_runs(runs.SOURCE)))
    assert carried_out(run).status == "stopped"
    assert time.monotonic() - thread.asked < 4
    thread.join()
    assert {one.status for one in runs.all_runs(runs.TRAIN, runs.SOURCE)} == {"stopped"} and source(
        "letters"
    ).run is None


def test_a_stop_in_the_control_keeps_the_answer_without_a_control(lab: Path, source_run: str):
    spec = RunSpec(
        dataset="digits", source=f"run:{source_run}", strategy="linear_probe", samples_per_class=30, epochs=30,
        learning_rate=0.001, batch_size=256,
    )  # fmt: skip
    run = runs.create(admit(spec))
    thread = stopped_once(lambda: any(e["arm"] == "scratch" for e in worker.follow(run).epochs))
    assert carried_out(run).status == "stopped"
    thread.join()
    answer = runs.get(run).result
    assert answer["test"]["accuracy"] > 0 and answer["control"] is None and answer["gain"] is None
    assert (runs.folder(run) / "model.keras").is_file()


def test_a_source_that_cannot_be_trained_is_why(lab: Path, monkeypatch: pytest.MonkeyPatch):
    nowhere = Download("no-such-host.invalid", 1000, (60_000, 10_000))
    for name in ("mnist", "fashion_mnist"):
        monkeypatch.setitem(DATASETS, name, dataclasses.replace(DATASETS[name], download=nowhere))
    run = runs.create(admit(RunSpec(dataset="fashion_mnist", source="mnist", strategy="fine_tune")))
    assert carried_out(run).status == "failed"
    reason = worker.follow(run).failure["reason"]
    assert "source mnist could not be trained" in reason and "mnist.npz" in reason
    assert {one.status for one in runs.all_runs(runs.TRAIN, runs.SOURCE)} == {"failed"}


def test_a_source_that_somebody_waits_for_is_not_deleted(lab: Path, source_run: str):
    spec = RunSpec(dataset="printed_digits", source=f"run:{source_run}", samples_per_class=2, epochs=2)
    run = runs.create(admit(spec))
    with pytest.raises(Refused, match=run):
        runs.delete(source_run)
    assert carried_out(run).status == "finished", worker.follow(run).failure


def test_a_source_whose_weights_are_gone_is_named(lab: Path, source_run: str):
    spec = RunSpec(dataset="printed_digits", source=f"run:{source_run}", samples_per_class=2, epochs=2)
    run = runs.create(admit(spec))
    (runs.folder(source_run) / "weights.npz").unlink()
    assert carried_out(run).status == "failed"
    assert "weights.npz" in worker.follow(run).failure["reason"]


def test_a_newer_version_s_question_fails_with_a_plain_reason(lab: Path):
    run = runs.create({"dataset": "digits", "colour": "red"})
    assert carried_out(run).status == "failed"
    assert "colour" in worker.follow(run).failure["reason"]


WINE = RunSpec(dataset="wine", source="none", strategy="scratch", network="dense_64_32", epochs=40, control=False)


def test_answers_that_are_no_numbers_are_no_result(tmp_path: Path):
    parts = journey._parts(DATASETS["wine"], WINE, blocks(WINE))
    answers = np.eye(3)[parts.test_labels]
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        journey._answer(tmp_path, WINE, parts, {"scratch": answers * np.nan}, "scratch")
    told = journey._answer(tmp_path, WINE, parts, {"transfer": answers, "scratch": answers * np.nan}, "transfer")
    assert told["test"]["accuracy"] == 1.0 and told["control"] is None and told["gain"] is None


def test_a_stop_before_the_first_step_keeps_nothing(lab: Path):
    run = runs.create(admit(WINE))
    taken, lock = runs.claim()
    runs.ask_to_stop(run)
    with lock:
        journey.carry_out(taken)
    assert runs.get(run).status == "stopped" and runs.get(run).result is None
    assert not (runs.folder(run) / "model.keras").exists()


@pytest.fixture
def animals(lab: Path, tmp_path: Path) -> Own:
    """Pictures of 20 pixels in two classes, imported at 8."""
    for place, name in enumerate(("cat", "dog")):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng(100 * place + number).integers(0, 255, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "animals" / name / f"{number}.png")
    unfinished = library.begin()
    taken = intake.take_in(tmp_path / "animals", unfinished, size=8, tell=lambda *_: None, stop=lambda: None)
    name, _ = library.keep(taken, unfinished, label="animals", origin="animals")
    return dataset(name)


def test_a_run_waits_for_its_pictures_at_another_size(animals: Own):
    spec = RunSpec(
        dataset=animals.name, source="none", strategy="scratch", samples_per_class=None, epochs=1, image_size=16
    )
    run = runs.create(admit(spec))
    assert carried_out(run).status == "finished", worker.follow(run).failure
    assert animals.at(16).array.is_file()
    stages = [event.data["stage"] for event in runs.events(run) if event.kind == "stage"]
    assert stages[:3] == ["preparing", "resizing", "training"]


def test_what_another_run_no_longer_wants_is_asked_for_once_more(animals: Own):
    """Two runs wait for one job; the first is stopped, and the job with it."""
    job = runs.create({"dataset": animals.import_id, "size": 16, "channels": 3}, task=runs.RESIZE)
    taken, lock = runs.claim("intake")
    waits = threading.Thread(target=journey._resize, args=(animals.at(16), Teller(runs.create(admit(WINE)))))
    waits.start()
    until(lambda: any(worker.follow(run.id).stage for run in runs.all_runs()))
    runs.tell(job, "stopped")
    lock.release()
    waits.join(30)
    assert taken.id == job and not waits.is_alive() and animals.at(16).array.is_file()
    assert [own.status for own in runs.all_runs(runs.RESIZE)] == ["finished", "stopped"]


def test_pictures_that_cannot_be_resized_are_why(animals: Own):
    (animals.array.parent / "originals.bin").write_bytes(b"")
    spec = RunSpec(dataset=animals.name, source="none", strategy="scratch", samples_per_class=None, image_size=16)
    run = runs.create(admit(spec))
    assert carried_out(run).status == "failed"
    assert "could not be brought to 16 pixels" in worker.follow(run).failure["reason"]


def test_a_stop_is_heard_while_another_engine_is_at_it(lab: Path):
    stopped, other = (runs.create(admit(RunSpec(seed=seed))) for seed in range(2))
    with runs.named_lock("letters"):
        runs.ask_to_stop(stopped)
        with pytest.raises(Stopped), journey._alone("letters", Teller(stopped)):
            raise AssertionError("both are at it")
    with journey._alone("letters", Teller(other)), pytest.raises(Timeout):
        runs.named_lock("letters").acquire(timeout=0)
    with runs.named_lock("letters").acquire(timeout=0):
        pass

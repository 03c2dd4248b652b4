"""Real engines: one run from start to finish, kills, stops and queues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import LONG, PRETRAINING, until

from tlcore import RunSpec, runs, worker
from tlcore.admission import admit
from tlcore.spec import Refused

QUICK = PRETRAINING.revised(network="dense_64")


def pid(run: str) -> int:
    """The process that carries a run out."""
    return next(event.data["pid"] for event in runs.events(run) if event.kind == "started")


def figures(run: str) -> tuple[list, dict]:
    """All that two equal runs must agree on: all but times."""
    story = worker.follow(run)
    return [{k: v for k, v in epoch.items() if k not in ("seconds", "rate")} for epoch in story.epochs], {
        key: value for key, value in story.result.items() if key != "seconds"
    }


def training(run: str) -> Callable[[], bool]:
    return lambda: bool(worker.follow(run).epochs)


def test_a_run_from_start_to_finish(pretrained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLCORE_HOME", str(pretrained[0]))
    run = runs.get(pretrained[1])
    story = worker.follow(run.id)
    kinds = [event.kind for event in runs.events(run.id) if event.kind not in ("progress", "stage")]
    assert kinds == ["started", "device", "plan", "receipt", "phase", "epoch", "epoch", "result", "finished"]
    stages = [event.data["stage"] for event in runs.events(run.id) if event.kind == "stage"]
    assert stages == ["preparing", "training", "saving", "evaluating"]
    assert run.spec == admit(PRETRAINING) and story.share_done == 1.0
    assert story.receipt["copied"]["tensors"] == 0 and story.receipt["new"]["share"] == 1.0
    assert {path.name for path in run.folder.iterdir()} == {
        "lock", "model.keras", "weights.npz", "predictions.npz", "mistakes.npz",
    }  # fmt: skip
    test = story.result["test"]
    with np.load(run.folder / "predictions.npz") as kept:
        labels, answers = kept["labels"], kept["scratch"]
    assert len(labels) == test["examples"] and np.allclose(answers.sum(1), 1, atol=1e-5)
    assert (answers.argmax(1) == labels).mean() == pytest.approx(test["accuracy"])
    with np.load(run.folder / "mistakes.npz") as kept:
        assert (kept["probabilities"].argmax(1) != kept["labels"]).all() and kept["x"].shape[1:] == (8, 8, 1)
    history = worker.Outcome(run.id, run.status, story).history
    assert history["epoch"].tolist() == [0, 1] and history["loss"].is_monotonic_decreasing
    assert story.result["control"] is None and story.result["gain"] is None


def test_a_warm_engine_gives_the_numbers_of_a_fresh_one(
    source_run: str, pretrained: tuple[Path, str], wait_for: Callable[..., runs.Run]
):
    # One engine carries out all of these, the third being what a fresh engine did for `pretrained`.
    borrowing = RunSpec(dataset="printed_digits", source=f"run:{source_run}", samples_per_class=2, epochs=4)
    first = worker.start(borrowing)
    bad = runs.create(RunSpec(dataset="no such dataset"))
    same, tried = worker.start(PRETRAINING), worker.start(QUICK.revised(evaluate_on="printed_digits"))
    again = worker.start(borrowing)
    assert wait_for(again, "finished", "failed").status == "finished", worker.follow(again).failure
    assert len({pid(run) for run in (first, bad, same, tried, again)}) == 1
    assert figures(same) == figures(source_run) and figures(first) == figures(again)
    assert pid(same) != pid(source_run)

    story = worker.follow(first)
    assert story.receipt["copied"]["tensors"] > 0 and story.receipt["largest_difference"] == 0.0
    assert story.result["control"] and story.result["gain"] and story.result["elsewhere"] is None
    elsewhere = runs.get(tried).result["elsewhere"]
    assert elsewhere["dataset"] == "printed_digits" and elsewhere["examples"] == 3520
    assert {epoch["arm"] for epoch in story.epochs} == {"transfer", "scratch"}
    assert len(story.epochs) == 8 and story.total_epochs == 8

    failed = runs.get(bad)
    failure = worker.follow(bad).failure
    assert failed.status == "failed" and "no such dataset" in failure["reason"] and "digits" in failure["reason"]
    assert "Traceback" in failure["details"] and "Traceback" not in failure["reason"]


def test_stop_keeps_the_model(lab: Path, wait_for: Callable[..., runs.Run], capsys: pytest.CaptureFixture[str]):
    run, following = worker.start(LONG.revised(early_stopping=9_000)), worker.start(LONG)
    until(training(run))
    runs.ask_to_stop(following)
    assert runs.get(following).status == "stopped"  # it only waited
    asked = time.monotonic()
    runs.ask_to_stop(run)
    wait_for(run, "stopped")
    took = time.monotonic() - asked
    with capsys.disabled():
        print(f" [stopped in {took:.2f} s]", end="")
    assert took < 4
    until(lambda: not runs.is_held(run))
    story = worker.follow(run)
    assert story.stop_asked and story.result["test"]["accuracy"] > 0.1 and story.failure is None
    assert (runs.folder(run) / "model.keras").is_file() and (runs.folder(run) / "weights.npz").is_file()
    kinds = [event.kind for event in runs.events(run)]
    assert kinds.index("stop") < kinds.index("stopped") < kinds.index("result") and "finished" not in kinds
    # What was broken off is no epoch: all that were told are whole and in order.
    assert [epoch["epoch"] for epoch in story.epochs] == [*range(len(story.epochs))]
    assert [event.kind for event in runs.events(following)] == ["stop", "stopped"]


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups there")
def test_what_kills_an_engine_costs_one_run_and_not_the_queue(lab: Path, wait_for: Callable[..., runs.Run]):
    first, second, third = worker.start(LONG), worker.start(LONG), worker.start(QUICK)
    until(training(first))
    os.kill(pid(first), signal.SIGKILL)
    # The outer half starts another worker; nobody wakes it.
    until(lambda: runs.get(first).status == "lost", 10)
    until(training(second))
    assert runs.get(first).status == "lost" and pid(second) != pid(first)
    os.killpg(os.getpgid(pid(second)), signal.SIGKILL)
    until(lambda: runs.get(second).status == "lost", 10)
    assert runs.get(third).status == "waiting"
    wait_for(third, "finished")
    runs.delete(first)
    assert [run.status for run in runs.all_runs()] == ["finished", "lost"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_outer_half_leaves_a_worker_that_drains_the_queue(lab: Path):
    long, last = worker.start(LONG), worker.start(QUICK)
    until(training(long))
    os.kill(os.getpgid(pid(long)), signal.SIGKILL)
    until(lambda: not runs.held(worker.slot_lock("train0")))
    assert runs.get(long).status == "running"
    runs.ask_to_stop(long)
    until(lambda: runs.get(last).status == "finished")
    assert pid(last) == pid(long)


def test_two_servers_that_wake_at_once_start_one_engine(lab: Path):
    made = [runs.create(admit(QUICK)) for _ in range(2)]
    code = "import time\nfrom tlcore import worker\nfor _ in range(20): worker.wake(); time.sleep(0.05)"
    servers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [server.wait(30) for server in servers] == [0, 0]
    until(lambda: all(runs.get(run).status == "finished" for run in made))
    assert len({pid(run) for run in made}) == 1


def test_a_question_that_is_refused_leaves_no_run(lab: Path):
    with pytest.raises(Refused):
        worker.start(RunSpec(epochs=0))
    assert runs.all_runs() == []


def test_a_damaged_home_ends_the_engine(lab: Path):
    runs.create(admit(QUICK))
    (lab / "lab.db").unlink()
    for extra in lab.glob("lab.db-*"):
        extra.unlink()
    (lab / "lab.db").write_bytes(b"garbage " * 1000)
    done = subprocess.run([sys.executable, "-m", "tlcore.engine"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "lab.db" in done.stderr and "cannot be read" in done.stderr


def test_a_worker_that_cannot_start_says_so_in_the_run(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLCORE_LINGER", "not a number")
    log = worker.log_file("train0")
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * (worker.LOG_BYTES + 1))
    run = worker.start(QUICK)
    until(lambda: runs.get(run).over)
    failure = worker.follow(run).failure
    assert "could not start" in failure["reason"] and "not a number" in failure["details"]
    assert log.stat().st_size < 100_000  # a long log begins anew
    (engine,) = (engine for (home, _), (_, engine) in worker._woken.items() if home == lab)
    until(lambda: worker.wake() or engine.returncode is not None, 10)  # no zombie is left


def test_a_dataset_is_asked_for_once(lab: Path):
    job = runs.create({"dataset": "mnist"}, task=runs.FETCH, label="mnist")
    assert worker.fetch("mnist") == job and len(runs.all_runs(runs.FETCH)) == 1
    assert json.loads(runs.get(job).question) == {"dataset": "mnist"} and runs.all_runs() == []

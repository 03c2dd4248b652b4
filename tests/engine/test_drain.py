from pathlib import Path

import pytest
from conftest import PRETRAINING

from tlcore import runs
from tlcore.admission import admit
from tlcore.engine import drain, queue

QUICK = PRETRAINING.revised(network="dense_64", epochs=1)


def test_an_idle_worker_ends_at_once_where_nobody_wants_it_to_stay(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["drain"])
    monkeypatch.setattr(queue, "LINGER", 0.0)
    run = runs.create(admit(QUICK))
    queue.drain(drain.carry_out, drain.RUNS)
    assert runs.get(run).status == "finished" and not runs.is_held(run)


def test_a_worker_makes_room_for_a_fresh_one(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["drain"])
    first, second = runs.create(admit(QUICK)), runs.create(admit(QUICK))
    queue.drain(drain.carry_out, 1)
    assert [runs.get(run).status for run in (first, second)] == ["finished", "waiting"]

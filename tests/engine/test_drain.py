import gc
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import PRETRAINING

from tlcore import runs
from tlcore.admission import admit
from tlcore.engine import batches, drain, queue

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


def test_nothing_of_a_run_stays_in_memory(source_run: str):
    """Neither examples nor weights: TensorFlow keeps the graph of every step of an optimizer, and what hangs on it."""
    question = PRETRAINING.revised(
        dataset="printed_digits", source=f"run:{source_run}", strategy="last_blocks", network=None, control=True,
        samples_per_class=5,
    )  # fmt: skip
    before = {id(own) for own in gc.get_objects() if isinstance(own, tf.Tensor | keras.Model)}
    run = runs.create(admit(question))
    taken, lock = runs.claim()
    with lock:
        drain.carry_out(taken)
    assert runs.get(run).status == "finished"
    left = [own for own in gc.get_objects() if isinstance(own, tf.Tensor | keras.Model) and id(own) not in before]
    assert len(left) < 10


def test_a_data_set_lets_go_of_its_examples():
    x = np.ones((10, 3), np.float32)
    held, fed = weakref.ref(x), batches.in_order(x, None, 4)
    assert sum(len(part) for (part,) in fed) == 10
    assert sum(len(part) for (part,) in fed) == 10  # again from the beginning
    del x, fed
    gc.collect()
    assert held() is None

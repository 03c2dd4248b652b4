"""An engine's inner half: takes waiting runs one after the other and carries them out."""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from filelock import FileLock

from .. import runs, worker
from ..home import home

# Keras reads this once, when it is imported: a person's own keras.json does not change what a run computes.
os.environ.setdefault("KERAS_HOME", str(home() / "keras"))

import keras

from . import journey

LINGER = float(os.environ.get("TLCORE_LINGER", 60))
"""Seconds for which an idle worker stays: the next run then starts without loading TensorFlow again."""


RUNS = 25
"""Runs after which a worker makes room for a fresh one: TensorFlow keeps up to 30 MB of every training."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slot", type=int, default=0)
    slot = parser.parse_args().slot
    # A worker whose outer half was killed may still be at work here: wait for it.
    with FileLock(worker.slot_lock(slot).with_suffix(".worker.lock")):
        drain()


def drain() -> None:
    idle_since, done = time.monotonic(), 0
    while done < RUNS:
        taken = runs.claim()
        if taken is None:
            if time.monotonic() - idle_since >= LINGER:
                return
            time.sleep(0.2)
            continue
        run, lock = taken
        with lock:
            journey.carry_out(run)
        lock.release(force=True)
        keras.utils.clear_session()
        idle_since, done = time.monotonic(), done + 1


if __name__ == "__main__":
    main()

"""An engine's inner half: takes what waits in its lane, one after the other, and carries it out."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from filelock import FileLock

from .. import runs, worker
from ..runs import Run

LINGER = float(os.environ.get("TLCORE_LINGER", 60))
"""Seconds for which an idle worker stays: the next run then starts without loading TensorFlow again."""


def drain(carry_out: Callable[[Run], None], most: int) -> None:
    """Carry out what waits, until nothing has come for a while or ``most`` are done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lane", choices=[*runs.LANES], default=runs.TRAIN)
    parser.add_argument("--number", type=int, default=0)
    arguments = parser.parse_args()
    # A worker whose outer half was killed may still be at work here: wait for it.
    with FileLock(worker.slot_lock(f"{arguments.lane}{arguments.number}").with_suffix(".worker.lock")):
        idle_since, done = time.monotonic(), 0
        while done < most:
            taken = runs.claim(arguments.lane)
            if taken is None:
                if time.monotonic() - idle_since >= LINGER:
                    return
                time.sleep(0.2)
                continue
            run, lock = taken
            with lock:
                carry_out(run)
            lock.release(force=True)
            idle_since, done = time.monotonic(), done + 1

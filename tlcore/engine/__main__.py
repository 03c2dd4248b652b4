"""An engine's outer half: holds a slot of a lane, and keeps a worker alive while something waits there.

It is small and loads no Keras, so that whatever kills a worker (out of memory, a fault in a driver) leaves somebody
to start the next one. If this half is killed, the worker drains the queue alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from filelock import FileLock, Timeout

from .. import devices, runs, worker


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tlcore.engine", description="Carry out what waits in a lane.")
    parser.add_argument("--lane", choices=[*runs.LANES], default=runs.TRAIN, help="which kind of work")
    parser.add_argument("--number", type=int, default=0, help="which slot of the lane to hold; one engine a slot")
    arguments = parser.parse_args()
    lane, number = arguments.lane, arguments.number
    try:
        # Who asks whether it is held, holds it for a moment.
        with FileLock(worker.slot_lock(f"{lane}{number}"), timeout=1):
            keep_draining(lane, number)
    except Timeout:
        pass  # the slot has its engine
    # A run asked for between the last look and the end of the lock would wait for the next page that looks.
    worker.wake()


def keep_draining(lane: str, number: int) -> None:
    """Start workers until one ends well and nothing waits."""
    worker_module = "tlcore.engine.intake" if lane == "intake" else "tlcore.engine.drain"
    while True:
        # An import needs no GPU; a look ahead takes the first alone, as it must tell of this very machine.
        gpus = devices.environment(None if lane == "intake" else number, others=lane == runs.TRAIN)
        began = time.time()
        ended = subprocess.call(
            [sys.executable, "-m", worker_module, "--lane", lane, "--number", str(number)], env=os.environ | gpus
        )
        if ended != 0:
            _report_failed_start(lane, number, began, ended)
        if not runs.waiting(lane):
            return


def _report_failed_start(lane: str, number: int, began: float, ended: int) -> None:
    """A worker that died before it took any run would die again: tell the run that waits why."""
    if runs.started_since(began, lane) or not (taken := runs.claim(lane)):
        return
    run, lock = taken
    log = worker.log_file(f"{lane}{number}").read_text(errors="replace")[-4000:]
    runs.tell(run.id, "failed", reason=f"The engine could not start (exit status {ended}).", details=log)
    lock.release()


if __name__ == "__main__":
    main()

"""An engine's outer half: holds a slot, and keeps a worker alive while something waits.

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
    parser = argparse.ArgumentParser(prog="python -m tlcore.engine", description="Carry out the runs that wait.")
    parser.add_argument("--slot", type=int, default=0, help="which slot to hold; one engine a slot")
    slot = parser.parse_args().slot
    try:
        with FileLock(worker.slot_lock(slot), timeout=1):  # who asks whether it is held, holds it for a moment
            keep_draining(slot)
    except Timeout:
        pass  # the slot has its engine
    # A run asked for between the last look and the end of the lock would wait for the next page that looks.
    worker.wake()


def keep_draining(slot: int) -> None:
    """Start workers until one ends well and nothing waits."""
    while True:
        environment = dict(os.environ)
        if visible := devices.visible_gpus():
            environment["CUDA_VISIBLE_DEVICES"] = visible[slot]
        began = time.time()
        ended = subprocess.call([sys.executable, "-m", "tlcore.engine.drain", "--slot", str(slot)], env=environment)
        if ended != 0:
            _report_failed_start(slot, began, ended)
        if not runs.waiting():
            return


def _report_failed_start(slot: int, began: float, ended: int) -> None:
    """A worker that died before it took any run would die again: tell the run that waits why."""
    if runs.started_since(began) or not (taken := runs.claim()):
        return
    run, lock = taken
    log = worker.log_file(slot).read_text(errors="replace")[-4000:]
    runs.tell(run.id, "failed", reason=f"The engine could not start (exit status {ended}).", details=log)
    lock.release()


if __name__ == "__main__":
    main()

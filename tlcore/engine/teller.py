"""The engine's voice and ear: tells a run's events, and hears when it is asked to stop."""

from __future__ import annotations

import time
from typing import Any

import keras

from .. import runs

PAUSE = 0.25
"""Least seconds between two reports of progress, and between two looks for a request to stop."""


class Stopped(Exception):
    """Somebody asked the run to stop where nothing of it can be kept yet."""


class Teller:
    """Speaks for one run. A source that is trained on the way also listens for its ``parent``'s stop."""

    def __init__(self, run: str, parent: Teller | None = None):
        self.run, self.parent = run, parent
        self.learnt = False  # whether any step of training was taken
        self._told = self._listened = 0.0
        self._stop = False

    def __call__(self, kind: str, /, **data: Any) -> None:
        runs.tell(self.run, kind, **data)

    def progress(self, done: int, of: int) -> None:
        """Report progress, now and then."""
        if time.monotonic() - self._told >= PAUSE:
            self._told = time.monotonic()
            self("progress", done=done, of=of)

    def stop_asked(self) -> bool:
        """Whether somebody asked; looks now and then, and remembers."""
        if not self._stop and time.monotonic() - self._listened >= PAUSE:
            self._listened = time.monotonic()
            self._stop = runs.asked_to_stop(self.run) or bool(self.parent and self.parent.stop_asked())
        return self._stop

    def stop_here_if_asked(self) -> None:
        if self.stop_asked():
            raise Stopped


class EpochTeller(keras.callbacks.Callback):
    """Tells each epoch of one phase, and ends the training when asked to: an epoch broken off is not told."""

    # Keras then need not wait for each batch's figures before it starts the next: 3 % of the time of small batches.
    async_safe = True

    def __init__(self, teller: Teller, arm: str, phase: int, first_epoch: int, examples: int, batch_size: int):
        super().__init__()
        self.teller, self.arm, self.phase, self.first_epoch = teller, arm, phase, first_epoch
        self.examples, self.batches = examples, -(-examples // batch_size)
        self.broken_off = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.teller.learnt = True
        self.teller.progress(batch + 1, self.batches)
        self._listen()

    def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._listen()

    def _listen(self) -> None:
        if self.teller.stop_asked():
            self.broken_off = True
            self.model.stop_training = self.model.stop_evaluating = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.broken_off:
            return
        seconds = time.perf_counter() - self.began
        figures = {name: round(float(value), 6) for name, value in (logs or {}).items()}
        self.teller(
            "epoch", arm=self.arm, phase=self.phase, epoch=self.first_epoch + epoch,
            **figures, seconds=round(seconds, 4), rate=round(self.examples / seconds, 1),
        )  # fmt: skip

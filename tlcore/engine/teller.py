"""The engine's voice and ear: tells a run's events, and hears when it is asked to stop. It needs no Keras."""

from __future__ import annotations

import time
from typing import Any

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

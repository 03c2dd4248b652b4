"""Homes to try things in, and a patient eye on runs."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from tests import browser
from tests.browser import Server
from tlcore import RunSpec, runs, worker

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PRETRAINING = RunSpec(
    dataset="digits", source="none", strategy="scratch", network="small_cnn", samples_per_class=20, epochs=2,
    batch_size=32, control=False,
)  # fmt: skip
"""The one small pre-training that the tests share."""

LONG = PRETRAINING.revised(network="dense_64", samples_per_class=50, epochs=10_000)
"""A run that is still training when a test stops or kills it."""


def settle(home: Path) -> None:
    """End the engines of a home: those that this process started at once, others by their linger's end."""
    for (own, slot), (_, engine) in [*worker._woken.items()]:
        if own == home:
            if engine.poll() is None:
                os.killpg(engine.pid, signal.SIGKILL)
                engine.wait(10)
            del worker._woken[own, slot]
    until(lambda: not any(runs.held(path) for path in (home / "slots").glob("*.lock")), 30)


def heed_interrupts() -> None:
    """In a process about to start: hear SIGINT, even where the tests run in the background of a shell without."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until ``true()`` is; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; its engines do not outlive the test."""
    home = tmp_path / "home"
    monkeypatch.setenv("TLCORE_HOME", str(home))
    monkeypatch.setenv("TLCORE_LINGER", "0.5")
    monkeypatch.delenv("TLCORE_DATA", raising=False)
    yield home
    settle(home)


@pytest.fixture
def taken_slot(lab: Path) -> Iterator[Path]:
    """A home whose only slot is taken, so that what is asked stays in the queue."""
    with FileLock(worker.slot_lock("train0")):
        yield lab


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home in which :data:`PRETRAINING` was carried out, to be read only; and the run's id."""
    home = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLCORE_HOME", str(home))
        patch.setenv("TLCORE_LINGER", "0.1")
        outcome = worker.train(PRETRAINING, label="Pre-training")
        assert outcome.status == "finished", outcome.story.failure
        settle(home)
    return home, outcome.run


@pytest.fixture
def source_run(lab: Path, pretrained: tuple[Path, str]) -> str:
    """The shared pre-trained run, in a home of the test's own; its id."""
    home, run = pretrained
    shutil.copytree(home, lab, dirs_exist_ok=True)
    return run


@pytest.fixture
def wait_for(lab: Path) -> Callable[..., runs.Run]:
    """``wait_for(run, "finished", ...)``: wait for one of these statuses, waking engines; gives the run."""

    def wait(run: str, *statuses: str, seconds: float = 60.0) -> runs.Run:
        def so() -> bool:
            worker.wake()
            return runs.get(run).status in statuses

        until(so, seconds)
        return runs.get(run)

    return wait


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A web server whose home, shared with this process and by a module's tests, has a ready source of letters."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("browser")
        patch.setenv("TLCORE_HOME", str(home))
        patch.delenv("TLCORE_DATA", raising=False)
        browser.letters_at_once()
        with browser.serving(home) as server:
            yield server


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser.chromium() as chrome:
        yield chrome


@pytest.fixture
def page(chrome: Browser) -> Iterator[Page]:
    """One visitor's tab."""
    context = chrome.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()

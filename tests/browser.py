"""The app's web server in a home of its own, and a headless Chromium to look at it with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

from tlcore import worker
from tlcore.admission import admit
from tlcore.database import connection
from tlcore.sources import SOURCES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PRIMARY = "[data-testid=stMain] [data-testid=stBaseButton-primary]:not([disabled]):not([inert] *):visible"
"""The page's primary button; Streamlit may keep a double of a button that is not shown."""
_CALM = """() => {
    const app = document.querySelector('[data-testid=stApp]')
    return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
        && document.querySelector('[data-testid=stMain] h1')
}"""


def missing() -> str:
    """Why no browser can be had here; nothing where one can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "Playwright is not installed"
    return "" if CHROMIUM else "there is no Chromium on the path (set CHROMIUM to one)"


class Server:
    """``streamlit run app.py`` on one port and one home; it can be killed and started again on the same port."""

    def __init__(self, home: Path, linger: float = 60.0):
        self.home, self.linger = home, linger
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        environment = {**os.environ, "TLCORE_HOME": str(self.home), "TLCORE_LINGER": str(self.linger)}
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true",
                 "--server.port", str(self.port), "--server.fileWatcherType", "none"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._answers, 60, "the web server answers")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the web server ended: {(self.home / 'server.log').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=2):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        self.process.wait(10)

    def url(self, path: str = "", run: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{path}" + (f"?run={run}" if run else "")

    @property
    def memory(self) -> int:
        """Bytes of memory that the whole process holds."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextmanager
def serving(home: Path, linger: float = 60.0) -> Iterator[Server]:
    """A server that is gone afterwards, the engines of its home with it."""
    home.mkdir(parents=True, exist_ok=True)
    server = Server(home, linger)
    try:
        yield server
    finally:
        server.kill()
        end_engines(home)


@contextmanager
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        try:
            yield browser
        finally:
            browser.close()


def engines(home: Path) -> list[psutil.Process]:
    """Living processes of the engines of a home, outer and inner halves."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                any(word.startswith("tlcore.engine") for word in process.cmdline())
                and process.environ().get("TLCORE_HOME") == str(home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end_engines(home: Path) -> None:
    """Kill the engines of a home as ``kill -9`` does, each with its whole process group."""
    for group in {os.getpgid(process.pid) for process in engines(home)} - {os.getpgrp()}:
        os.killpg(group, signal.SIGKILL)
    until(lambda: not engines(home), 10, "the engines are gone")


def until(true: Callable[[], object], seconds: float, what: str, pause: float = 0.02) -> float:
    """Wait until ``true()`` is, and give the seconds it took; raises TimeoutError after ``seconds``."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not so after {seconds:g} s: {what}")
        time.sleep(pause)
    return time.monotonic() - began


def settle(page: Page) -> None:
    """Wait until a page has its heading and its script has run."""
    page.wait_for_function(_CALM, timeout=30_000)


def press_primary(page: Page, heading: str, seconds: float = 60.0) -> None:
    """Press the page's one primary button, as soon as there is one, and wait for the heading that follows."""
    page.locator(PRIMARY).first.click(timeout=1000 * seconds)
    page.locator("h1", has_text=heading).wait_for(timeout=30_000)
    settle(page)


def letters_at_once() -> str:
    """A source "Printed letters" of one short epoch for the home in use, where its quality plays no part; its run."""
    spec = SOURCES["letters"].spec
    assert spec
    outcome = worker.train(spec.revised(epochs=1, samples_per_class=10), label="Source: Printed letters")
    if outcome.status != "finished":
        raise RuntimeError(f"the source could not be trained: {outcome.story.failure}")
    with connection() as db:
        db.execute("UPDATE runs SET question = ? WHERE id = ?", (admit(spec).to_json(), outcome.run))
    return outcome.run

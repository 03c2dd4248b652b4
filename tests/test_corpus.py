"""Hostile and odd uploads: each is refused in plain words or repaired, quickly, in little memory, and nowhere else."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest

from tests.corpus import CASES

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 10.0
"""On an idle machine; where others wait for the processors too, as many times more."""
MEMORY = 2**30
"""Bytes of the process that takes an upload in, and of all that it starts."""


class Taker:
    """A process that takes uploads in, one after the other, and is watched while it does."""

    def __init__(self, surroundings: Path):
        self.surroundings = surroundings
        for name in ("home/sources", "temporary", "here", "outside"):
            (surroundings / name).mkdir(parents=True)
        (surroundings / "outside" / "secret").write_bytes(bytes(128))
        self.process: subprocess.Popen[str] | None = None

    def _started(self) -> subprocess.Popen[str]:
        own = self.surroundings
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "TLCORE_HOME": str(own / "home"), "TMPDIR": str(own / "temporary"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "tests.corpus.running"], cwd=own / "here", env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def take(self, case: str, upload: dict[str, Any], folder: Path) -> tuple[list[str], float, int]:
        """What was wrong, the seconds that it took, and the most bytes of memory, seen looked at all the time."""
        if self.process and memory(self.process.pid) > MEMORY / 4:
            self.end()  # what earlier uploads left in it is not this one's
        if self.process is None or self.process.poll() is not None:
            self.process = self._started()
        process, most, begun = self.process, 0, time.monotonic()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"case": case, "upload": upload, "folder": str(folder)}, default=str) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not selector.select(0.03):
                most = max(most, memory(process.pid))
                if time.monotonic() - begun > patience() or most > 4 * MEMORY:
                    self.end()
                    return ["ended: too slow or too large"], time.monotonic() - begun, most
        most = max(most, memory(process.pid))
        said = process.stdout.readline()
        return json.loads(said) if said else ["the process ended"], time.monotonic() - begun, most

    def end(self) -> None:
        if self.process is None:
            return
        try:
            family = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        except psutil.NoSuchProcess:
            family = []
        for member in family:
            member.kill()
        self.process.wait(10)
        self.process = None


def memory(process: int) -> int:
    """Bytes that a process and all below it hold, what they share counted once for each."""
    total = 0
    try:
        parent = psutil.Process(process)
        for member in (parent, *parent.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.Error:  # one of them ended meanwhile
        pass
    return total


def patience() -> float:
    waiting = os.getloadavg()[0] if hasattr(os, "getloadavg") else 1.0
    return SECONDS * max(1.0, waiting / (os.cpu_count() or 1))


def listing(folder: Path, *besides: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and the time of its last change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not any(path.is_relative_to(own) for own in besides):
            seen = path.lstat()
            found[str(path)] = (seen.st_size if not path.is_dir() else 0, 0 if path.is_dir() else seen.st_mtime_ns)
    return found


@dataclass(frozen=True)
class Outcome:
    wrong: list[str]
    seconds: float
    most: int
    changed: set[str]


def outcome(name: str, taker: Taker) -> Outcome:
    """Build a case's upload, have it taken in, and look around afterwards."""
    case, surroundings = CASES[name], taker.surroundings
    at, folder = surroundings / f"{name}-upload", surroundings / f"{name}-folder"
    at.mkdir()
    folder.mkdir()
    built = case.build(at)
    upload = built if isinstance(built, dict) else {"path": built}
    before = listing(surroundings, folder)
    wrong, seconds, most = taker.take(name, upload, folder)
    after = listing(surroundings, folder)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    shutil.rmtree(at)
    shutil.rmtree(folder)
    return Outcome(wrong, seconds, most, changed)


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What will have become of each case that was asked for: two processes are at work on them."""
    names = [item.callspec.params["name"] for item in request.session.items
             if isinstance(item, pytest.Function) and item.function is test_upload]  # fmt: skip
    takers = [Taker(tmp_path_factory.mktemp("corpus")) for _ in range(2)]
    idle = SimpleQueue[Taker]()
    for taker in takers:
        idle.put(taker)

    def carried_out(name: str) -> Outcome:
        taker = idle.get()
        try:
            return outcome(name, taker)
        finally:
            idle.put(taker)

    with ThreadPoolExecutor(len(takers)) as pool:
        yield {name: pool.submit(carried_out, name) for name in names}
        pool.shutdown(cancel_futures=True)
    for taker in takers:
        taker.end()


@pytest.mark.parametrize("name", CASES)
def test_upload(name: str, outcomes: dict[str, Any]) -> None:
    seen = outcomes[name].result()
    print(f"{name}: {seen.seconds:.2f} s, {seen.most / 2**20:.0f} MiB")
    assert not seen.wrong, "\n".join(seen.wrong)
    assert seen.most < MEMORY
    assert not seen.changed

"""Worker processes that decode: they read originals.bin, write pixels, and may die without taking the import along."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from io import FileIO
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from .containers import Unreadable
from .decoding import decode, guard

BATCH = 128
BATCH_BYTES = 8 * 2**20
AHEAD = 3
"""Batches that a worker owes at most: the one in hand, and some to go on with while others are read."""
STUCK = 60.0
"""Seconds after which one picture has taken too long."""
MOST = 12
DEATHS = 50
HEADER = 128
"""Bytes of a .npy file before its pixels: NumPy pads to this much, and leaves room for the rows to grow."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures to decode: where each lies in originals.bin, and the row that it is to fill."""

    rows: list[int]
    offsets: list[int]
    lengths: list[int]

    def only(self, place: int) -> Batch:
        return Batch([self.rows[place]], [self.offsets[place]], [self.lengths[place]])

    def without(self, place: int) -> Batch:
        return Batch(*([*items[:place], *items[place + 1 :]] for items in (self.rows, self.offsets, self.lengths)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What was seen of a batch's pictures, one item each; ``errors``: place in the batch and reason."""

    width: list[int]
    height: list[int]
    mode: list[str]
    grey: np.ndarray
    phash: np.ndarray
    errors: dict[int, str]


@dataclass(frozen=True)
class Task:
    """What all batches have in common: ``pixels`` becomes (rows, ``size``, ``size``, ``channels``) uint8."""

    originals: Path
    pixels: Path
    size: int
    channels: int


class Crew:
    """Processes, one a core. ``take(batch, answer)`` is called for each batch in the order in which they are done."""

    def __init__(self, task: Task, pictures: int, take: Callable[[Batch, Answer], None], stop: Callable[[], None]):
        self.task, self.take, self.stop = task, take, stop
        self.deaths = self.early = 0
        self.suspects: set[int] = set()
        needed = -(-pictures // BATCH)
        self.workers = [_Worker(task) for _ in range(max(1, min(cores(), MOST, needed)))]

    def give(self, batch: Batch) -> None:
        """Hand a batch to the least busy worker, once one has room."""
        self._collect(0)
        while len((least := min(self.workers, key=lambda worker: len(worker.owed))).owed) >= AHEAD:
            self._collect(0.5)
        least.give(batch)

    def finish(self) -> None:
        """Wait until all that was given is done."""
        while any(worker.owed for worker in self.workers):
            self._collect(0.5)

    def end(self) -> None:
        """End the processes, whatever they do."""
        for worker in self.workers:
            worker.pipe.close()
        for worker in self.workers:
            worker.end()
        self.task.pixels.with_suffix(".lock").unlink(missing_ok=True)

    def _collect(self, seconds: float) -> None:
        self.stop()
        owing = [worker for worker in self.workers if worker.owed]
        ready = wait([worker.pipe for worker in owing], seconds) if owing else []
        for worker in owing:
            if worker.pipe in ready:
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    self._bury(worker, "the process that read it was ended, for want of memory perhaps")
                else:
                    self.take(worker.owed.popleft(), answer)
            elif worker.stuck():
                self._bury(worker, f"reading it takes more than {STUCK:.0f} seconds")

    def _bury(self, worker: _Worker, reason: str) -> None:
        """Give what a dead worker owed to a new one; a picture that two died of is answered for."""
        worker.end()
        place, (batch, *later) = worker.place.value, worker.owed
        self.deaths, self.early = self.deaths + 1, self.early + (place < 0)
        if self.deaths > DEATHS or self.early > 3:
            raise RuntimeError(f"{self.deaths} processes that read pictures were ended; free some memory and try again")
        owed = [batch, *later]
        if place >= 0:
            suspect = batch.only(place)
            owed = [batch.without(place), *later]
            if suspect.rows[0] in self.suspects:
                nothing = np.zeros(1, np.uint64)
                self.take(suspect, Answer([0], [0], [""], nothing.astype(bool), nothing, {0: reason}))
            else:
                self.suspects.add(suspect.rows[0])
                owed.append(suspect)  # alone and last: it may have been another that took the memory
        new = _Worker(self.task)
        self.workers[self.workers.index(worker)] = new
        for batch in owed:
            if batch.rows:
                new.give(batch)


class _Worker:
    """One process, its pipe, and the batches that it owes."""

    def __init__(self, task: Task):
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        # Which picture of the batch is in hand: shared memory, so that it can be read after a death.
        self.place: Any = spawn.RawValue("q", -1)
        self.process = spawn.Process(target=work, args=(task, theirs, self.place), daemon=True)
        self.process.start()
        theirs.close()
        self.owed: deque[Batch] = deque()
        self.seen, self.since = -1, monotonic()

    def give(self, batch: Batch) -> None:
        self.owed.append(batch)
        with suppress(OSError):  # it died meanwhile: its pipe says so when it is read
            self.pipe.send(batch)

    def stuck(self) -> bool:
        if self.place.value != self.seen:
            self.seen, self.since = self.place.value, monotonic()
        return self.seen >= 0 and monotonic() - self.since > STUCK

    def end(self) -> None:
        self.pipe.close()
        self.process.join(0.2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(task: Task, pipe: Connection, place: Any) -> None:
    """A worker's life: batches in, pixels to the file, answers out, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard()
    # One buffer for all batches: fresh memory for each would cost more than reading the files.
    square = np.zeros((BATCH, task.size, task.size, task.channels), np.uint8)
    with FileIO(task.originals, "r") as originals, FileIO(task.pixels, "r+") as pixels:
        while True:
            try:
                batch = pipe.recv()
            except (EOFError, OSError):
                return
            answer = _decoded(batch, task, square[: len(batch.rows)], originals, pixels, place)
            place.value = -1
            try:
                pipe.send(answer)
            except OSError:
                return


def _decoded(batch: Batch, task: Task, square: np.ndarray, originals: FileIO, pixels: FileIO, place: Any) -> Answer:
    from imagehash import dhash

    size, channels = task.size, task.channels
    hashes = np.zeros((len(batch.rows), 8, 8), bool)
    width, height, mode = list[int](), list[int](), list[str]()
    errors: dict[int, str] = {}

    def alone() -> AbstractContextManager[object]:
        from filelock import FileLock  # the system drops it when its holder dies

        return FileLock(task.pixels.with_suffix(".lock"))

    for at, (offset, length) in enumerate(zip(batch.offsets, batch.lengths, strict=True)):
        place.value = at
        try:
            originals.seek(offset)
            picture = decode(originals.read(length), size, alone)
        except Unreadable as error:
            errors[at] = str(error)
            square[at] = 0
            facts = 0, 0, ""
        else:
            own = picture.pixels if channels == 3 or picture.pixels.mode == "L" else picture.pixels.convert("L")
            square[at] = np.frombuffer(own.tobytes(), np.uint8).reshape(size, size, -1)
            hashes[at] = dhash(picture.hashed).hash
            facts = picture.width, picture.height, picture.mode
        for kept, fact in ((width, facts[0]), (height, facts[1])):
            kept.append(fact)
        mode.append(facts[2])
    _write(pixels, square, batch.rows)
    phash = np.packbits(hashes.reshape(-1, 64), axis=1).view(">u8")[:, 0].astype(np.uint64)
    return Answer(width, height, mode, greys(square), phash, errors)


def greys(square: np.ndarray) -> np.ndarray:
    """Which of (n, h, w, c) have no colour: a few pixels tell of most, and only the others are looked at whole."""
    few = square[:, ::16, ::16]
    grey: np.ndarray = (few == few[..., :1]).all((1, 2, 3))
    for at in np.flatnonzero(grey):
        grey[at] = (square[at] == square[at, ..., :1]).all()
    return grey


def _write(pixels: FileIO, square: np.ndarray, rows: list[int]) -> None:
    each = square[0].nbytes
    whole = rows == [*range(rows[0], rows[0] + len(rows))]
    for row, part in [(rows[0], square)] if whole else zip(rows, square, strict=True):
        pixels.seek(HEADER + row * each)
        view = memoryview(part.data).cast("B")
        while view:  # an unbuffered write may take only a part
            view = view[pixels.write(view) :]

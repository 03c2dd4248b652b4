"""How fast a zip of 60,000 JPEG files becomes a dataset, against a bare loop of Pillow on all cores; and its memory.

Both sides are fresh processes, their start counted, and take turns. The bare loop reads the same zip, decodes, resizes
with the same filter and stores into a memory-mapped array; it hashes nothing, keeps no original and survives nothing.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import bench
import psutil
from bench import Figure, amount, at_most

BAR, MEMORY, TURNS, SIZE = 0.75, 1024.0, 3, 96
ARCHIVE = Path(os.environ.get("TLCORE_TEST_DATA", "nowhere")) / "cifar10.zip"

BARE = f"""
import io, os, sys, zipfile
import numpy as np
from PIL import Image
first, step = int(sys.argv[3]), int(sys.argv[4])
x = np.load(sys.argv[2], mmap_mode="r+")
with zipfile.ZipFile(sys.argv[1]) as archive:
    names = archive.namelist()
    for at in range(first, len(names), step):
        image = Image.open(io.BytesIO(archive.read(names[at]))).convert("RGB")
        x[at] = np.asarray(image.resize(({SIZE}, {SIZE}), Image.Resampling.BILINEAR))
"""
OURS = f"""
import sys
from pathlib import Path
from tlcore.datasets.intake import take_in
intake = take_in(Path(sys.argv[1]), Path(sys.argv[2]), size={SIZE}, tell=lambda *_: None, stop=lambda: None)
assert len(intake.entries) == 60_000 and len(intake.classes) == 10 and intake.shape == ({SIZE}, {SIZE}, 3)
intake.entries.to_parquet(Path(sys.argv[2]) / "entries.parquet")
"""


def bare(folder: Path) -> None:
    """One process a core, each with its share of the members."""
    import numpy as np

    path, cores = (
        folder / "x.npy",
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(60_000, SIZE, SIZE, 3))
    code = [sys.executable, "-c", BARE, str(ARCHIVE), str(path)]
    shares = [subprocess.Popen([*code, str(at), str(cores)]) for at in range(cores)]
    if any(share.wait() for share in shares):
        raise SystemExit("the bare loop broke")


def ours(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", OURS, str(ARCHIVE), str(folder)])


def imported(folder: Path) -> None:
    if ours(folder).wait():
        raise SystemExit("the import broke")


def seconds(work: Callable[[Path], None]) -> float:
    """How long one side takes, from nothing, on a folder of its own that is emptied afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="transfer-lab-benchmark-"))
    try:
        return bench.seconds(lambda: work(folder))
    finally:
        shutil.rmtree(folder)


def most_memory() -> float:
    """MB that an import and its processes hold at most, memory that they share counted once."""
    folder = Path(tempfile.mkdtemp(prefix="transfer-lab-benchmark-"))
    most, over = 0.0, threading.Event()
    try:
        process = ours(folder)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            most = max(most, sum(map(held, [watched, *watched.children(recursive=True)])))
            over.wait(0.05)
    finally:
        shutil.rmtree(folder)
    return most


def held(process: psutil.Process) -> float:
    """MB, shared pages in shares; 0 for a process that has just ended."""
    try:
        memory = process.memory_full_info()
        return float(getattr(memory, "pss", memory.rss)) / 2**20
    except psutil.Error:
        return 0.0


def main() -> None:
    if not ARCHIVE.is_file():
        bench.report([Figure("the import of 60,000 JPEG files", "skipped: no cifar10.zip in TLCORE_TEST_DATA")])
    turns = [(seconds(bare), seconds(imported)) for _ in range(TURNS)]
    loop, own = (statistics.median(side) for side in zip(*turns, strict=True))
    ratio = loop / own
    began = time.perf_counter()
    memory = most_memory()
    watched = time.perf_counter() - began
    bench.report(
        [
            Figure("bare loop: 60,000 JPEG files from a zip to 96 px, median of 3", amount(loop, "s")),
            Figure("the import of the same zip, median of 3", amount(own, "s")),
            Figure("importing: speed against a bare loop's", f"{ratio:.2f}", f"≥ {BAR:g}", ratio >= BAR),
            at_most(f"importing: most memory of all processes, weighed for {watched:.0f} s", memory, MEMORY, "MB"),
        ]
    )


if __name__ == "__main__":
    main()

"""Taking in a stranger's file of weights: a process with limits looks into it, and only what that wrote is kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .. import foreign
from ..home import home
from .inspect_weights import MEMORY, REFUSED

MOST_BYTES = 2_000_000_000
PATIENCE = 180.0
"""Seconds after which a file is given up."""

Tell = Callable[[str, int, int], None]


class Unwanted(ValueError):
    """A file that is not taken; the message says why, and what to bring instead."""


def take_in(path: Path, tell: Tell, stop: Callable[[], None], *, label: str = "", patience: float = PATIENCE) -> str:
    """Convert and keep what a file holds; gives its id, made from its content: the same file is the same id.

    ``tell(stage, done, of)`` reports; ``stop()`` raises when the person cancelled. Raises :class:`Unwanted`.
    """
    label = label or path.name
    if not path.is_file():
        raise Unwanted(f"{label}: there is no such file. Bring one with weights.")
    if not 0 < (size := path.stat().st_size) <= MOST_BYTES:
        raise Unwanted(f"{label} has {size:,} bytes; expected at least one and at most {MOST_BYTES:,}.")
    name = f"file-{_hash(path, tell, stop)[:8]}"
    target = foreign.folder(name)
    if (target / "card.json").is_file():
        return name
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=_sources()))
    try:
        _inspect(path, unfinished, label, tell, stop, patience)
        card = json.loads((unfinished / "card.json").read_text())
        card |= {"label": label[:200], "created": time.time(), "title": label[:200] or card["title"]}
        (unfinished / "card.json").write_text(json.dumps(card))
        shutil.rmtree(target, ignore_errors=True)  # half a folder, without a card
        unfinished.replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return name


def _sources() -> Path:
    folder = home() / "sources"
    folder.mkdir(exist_ok=True)
    return folder


def _hash(path: Path, tell: Tell, stop: Callable[[], None]) -> str:
    whole, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            whole.update(piece)
            done += len(piece)
            tell("reading", done, size)
            stop()
    return whole.hexdigest()


def _inspect(path: Path, folder: Path, label: str, tell: Tell, stop: Callable[[], None], patience: float) -> None:
    """Let a process of its own look into the file, and watch it. Raises Unwanted, or what ``stop()`` raises."""
    private = folder / "private"
    private.mkdir()
    with (private / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tlcore.engine.inspect_weights", str(path.absolute()), str(folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=private, env=_environment(private),
        )  # fmt: skip
    assert child.stdout
    progress: list[tuple[int, int]] = []
    reader = threading.Thread(target=_read, args=(child.stdout, progress), daemon=True)
    reader.start()
    end = time.monotonic() + patience
    try:
        while child.poll() is None:
            if time.monotonic() > end:
                raise Unwanted(f"{label}: looking into it took more than {patience:.0f} s. Bring a smaller network.")
            if _memory(child.pid) > MEMORY:
                raise Unwanted(_too_much(label))
            tell("converting", *(progress[-1] if progress else (0, 1)))
            stop()
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()
        reader.join(5)
        child.stdout.close()
    _judge(child.returncode, folder, label, (private / "log").read_text(errors="replace")[-500:])
    shutil.rmtree(private)


def _judge(status: int, folder: Path, label: str, last_words: str) -> None:
    if status == 0:
        return
    if status == REFUSED:
        reason = json.loads((folder / "refused.json").read_text())["reason"]
        raise Unwanted(f"{label} was not taken. {reason}")
    if status < 0 or "bad_alloc" in last_words or "MemoryError" in last_words:
        raise Unwanted(_too_much(label))
    raise Unwanted(f"{label}: looking into it failed (exit status {status}). Save it again, or bring another file.")


def _too_much(label: str) -> str:
    return (
        f"{label} was not taken. Opening it wants more than {MEMORY // 10**6:,} MB of memory or far too much time. "
        "Bring a smaller network."
    )


def _environment(private: Path) -> dict[str, str]:
    """What the process is told: where Python finds things, and nothing of the person's own."""
    root = str(Path(__file__).resolve().parents[2])
    kept = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        "HOME": str(private), "USERPROFILE": str(private), "TLCORE_HOME": str(private), "KERAS_HOME": str(private),
        "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
        "HDF5_PLUGIN_PRELOAD": "::",  # no plugins of anybody's
    }  # fmt: skip


def _read(out: IO[bytes], progress: list[tuple[int, int]]) -> None:
    """Keep the last ``done of`` that the process printed; what else it may print is passed over."""
    while line := out.readline(200):
        parts = line.split()
        if len(parts) == 2 and all(part.isdigit() for part in parts):
            progress[:] = [(int(parts[0]), int(parts[1]))]


def _memory(process: int) -> int:
    """Bytes of memory that a process holds; 0 where nobody can tell."""
    try:
        if Path("/proc/self/status").exists():
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        elif sys.platform != "win32":
            told: Any = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, timeout=5)
            return int(told.stdout or 0) * 1024
    except (OSError, ValueError, subprocess.TimeoutExpired):
        pass
    return 0

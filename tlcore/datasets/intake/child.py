"""A call in a process of its own, which may cost so much memory and time and no more."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .limits import Rejected

SECONDS = 60.0
MEMORY = 450 * 2**20
"""Bytes of address space beyond what the process has when its work begins; where the system can limit it."""


class Ended(RuntimeError):
    """The call failed, or cost too much; the message says which, in plain words."""


def in_child(call: Callable[..., Any], *arguments: Any, seconds: float = SECONDS, memory: int = MEMORY) -> Any:
    """``call(*arguments)`` from another process. Raises :class:`Rejected` as it does, else :class:`Ended`."""
    spawn = multiprocessing.get_context("spawn")
    pipe, theirs = spawn.Pipe()
    process = spawn.Process(target=_called, args=(theirs, memory), daemon=True)
    process.start()
    theirs.close()
    try:
        pipe.send((call, arguments))
        if not pipe.poll(seconds):
            raise Ended(f"reading it takes more than {seconds:.0f} seconds")
        answer = pipe.recv()
    except (EOFError, OSError):
        raise Ended("reading it needs too much memory, or it is damaged") from None
    finally:
        process.kill()
        process.join()
        pipe.close()
    if isinstance(answer, Rejected):
        raise answer
    if isinstance(answer, str):
        raise Ended(answer)
    return answer


def _called(pipe: Connection, memory: int) -> None:
    call, arguments = pipe.recv()
    _limit(memory)
    try:
        answer = call(*arguments)
    except Rejected as error:
        answer = error
    except MemoryError:
        answer = "reading it needs too much memory"
    except BaseException as error:  # readers of five formats, some of which panic: what they raise is about the file
        answer = " ".join(str(error).split())[:200] or type(error).__name__
    pipe.send(answer)


def _limit(memory: int) -> None:
    with suppress(ImportError, OSError, ValueError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_used() + memory,) * 2)


def _used() -> int:
    """Bytes of address space in use, libraries loaded."""
    import_module("pandas")
    import_module("pyarrow.parquet")
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    return 4 * 2**30

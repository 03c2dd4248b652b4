"""What there is to compute on, told without loading TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """Names of this computer's NVIDIA GPUs, whether or not a process may use them."""
    if not (tool := shutil.which("nvidia-smi")):
        return ()
    query = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(told.stdout.split("\n")[:-1]) if told.returncode == 0 else ()


def visible_gpus() -> tuple[str, ...]:
    """What to set ``CUDA_VISIBLE_DEVICES`` to, for each GPU that a process started from here may use."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not gpus() or allowed == "-1":
        return ()
    return tuple(filter(None, allowed.split(","))) if allowed is not None else tuple(map(str, range(len(gpus()))))


def environment(number: int | None, *, others: bool = False) -> dict[str, str]:
    """What an engine has to be started with to see the GPU of its number alone, or none with None.

    With ``others`` it sees all, its own first: it computes on that one unless a run asks for all GPUs together. The
    price is a few hundred megabytes of each GPU's memory for each engine, which CUDA takes where it is seen.
    """
    if not (visible := visible_gpus()):
        return {}
    if number is None:
        return {"CUDA_VISIBLE_DEVICES": "-1"}
    own = visible[number % len(visible)]
    return {"CUDA_VISIBLE_DEVICES": ",".join((own, *(gpu for gpu in visible if others and gpu != own)))}


def slots() -> int:
    """How many runs may train at once: one for each GPU, else one."""
    return max(1, len(visible_gpus()))

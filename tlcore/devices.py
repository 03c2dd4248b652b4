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


def slots() -> int:
    """How many runs may train at once: one for each GPU, else one."""
    return max(1, len(visible_gpus()))

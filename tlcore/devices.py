"""What there is to compute on, told without loading TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """Names of the NVIDIA GPUs that a process started from here can see."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not (tool := shutil.which("nvidia-smi")):
        return ()
    try:
        told = subprocess.run(
            [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(told.stdout.split("\n")[:-1]) if told.returncode == 0 else ()


def slots() -> int:
    """How many runs may train at once: one for each GPU, else one."""
    return max(1, len(gpus()))

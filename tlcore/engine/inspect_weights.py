"""Looks into a stranger's file: ``python -m tlcore.engine.inspect_weights FILE FOLDER``, in a process with limits.

Writes ``weights.npz`` and ``card.json`` into FOLDER, for a whole network ``model.json`` too; or ``refused.json`` with
the reason. Progress goes to standard output, a line ``done of`` each.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

MEMORY = 1_000_000_000
SECONDS = 120
FILE_SIZE = 1_200_000_000
"""Limits of this process: bytes of memory, seconds of work, bytes of any one file that it writes."""
REFUSED = 3
"""The exit status that says: ``refused.json`` tells why."""

PICKLE = (
    "It is a Python pickle: opening it could run a program, so it is not opened. Save the weights as .safetensors, "
    ".npz or .weights.h5."
)


def main() -> None:
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    limit()
    from .weight_files import Refused

    try:
        card = look_into(path, folder)
    except Refused as error:
        reason = str(error)
    except MemoryError:
        reason = f"Opening it takes more than {MEMORY // 10**6:,} MB of memory. Bring a smaller network."
    except Exception as error:  # a damaged file can make any reader fail in any way
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        reason = f"It cannot be read ({type(error).__name__}: {first[:200]}). Save it again."
    else:
        (folder / "card.json").write_text(json.dumps(card))
        return
    (folder / "refused.json").write_text(json.dumps({"reason": reason}))
    sys.stdout.flush()
    os._exit(REFUSED)  # whatever threads are still at work


def limit() -> None:
    """Let the system end this process when a file makes it want too much."""
    try:
        import resource
    except ImportError:  # Windows has no such limits: there the caps on what files claim stand alone
        return
    for kind, most in (
        # Not the address space: TensorFlow reserves gigabytes of it that it never touches.
        ("RLIMIT_DATA", MEMORY), ("RLIMIT_CPU", SECONDS), ("RLIMIT_FSIZE", FILE_SIZE), ("RLIMIT_CORE", 0),
    ):  # fmt: skip
        _, hard = resource.getrlimit(getattr(resource, kind))
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, kind), (most, most))


def told(done: int, of: int) -> None:
    """Say how far it is, now and then."""
    if time.monotonic() - told.last > 0.2 or done == of:  # type: ignore[attr-defined]
        told.last = time.monotonic()  # type: ignore[attr-defined]
        print(done, of, flush=True)


told.last = 0.0  # type: ignore[attr-defined]


def look_into(path: Path, folder: Path) -> dict[str, Any]:
    """Find out what a file is by its first bytes, and convert it. Raises Refused and whatever readers raise."""
    from .weight_files import Refused, is_safetensors

    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return _zip(path, folder)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        import h5py  # type: ignore[import-untyped]

        from .hdf5_files import hdf5

        with h5py.File(path) as archive:
            stored, notes = hdf5(path, archive)
            return _weights(".weights.h5" if path.name.endswith(".weights.h5") else ".h5", stored, notes, folder)
    if start.startswith(b"\x80") and len(start) > 1 and start[1] in range(2, 6):
        raise Refused(PICKLE)
    if is_safetensors(start):
        from .weight_files import safetensors

        stored, notes = safetensors(path)
        return _weights("safetensors", stored, notes, folder)
    raise Refused(
        f"It begins with {start[:8]!r}, which no file of weights does. Bring a .weights.h5, .h5, .npz, .safetensors or "
        ".keras file."
    )


def _zip(path: Path, folder: Path) -> dict[str, Any]:
    from .weight_files import Refused, npz

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "config.json" in names:
            from . import network_config

            config, notes = network_config.of_file(path, archive)  # most of what is bad ends here, before Keras loads
            from .network_files import network

            return {"format": ".keras"} | network(config, notes, archive, folder, told)
        if any(name.endswith("data.pkl") for name in names):
            raise Refused(PICKLE)
        stored, notes = npz(path, archive)
        return _weights(".npz", stored, notes, folder)


def _weights(kind: str, stored: list[Any], notes: list[str], folder: Path) -> dict[str, Any]:
    from .weight_files import Refused, write

    if not stored:
        raise Refused("It holds no weights. Bring a file that a trained network was saved to.")
    parameters = sum(own.parameters for own in stored)
    write(stored, folder / "weights.npz", told, parameters)
    return {
        "format": kind, "title": "", "parameters": parameters, "notes": notes,
        "tensors": [[own.path, list(own.shape)] for own in stored],
    }  # fmt: skip


if __name__ == "__main__":
    main()

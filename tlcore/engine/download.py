"""Datasets that Keras' own loaders fetch, kept as ready files in the home folder."""

from __future__ import annotations

import os
import socket
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import Dataset
from ..home import home
from .teller import Teller

PATIENCE = 8.0
"""Seconds to wait for a host to answer."""


class Failed(RuntimeError):
    """A download that could not be had; the message says what to do instead."""


def fetch(dataset: Dataset, teller: Teller) -> None:
    """Download a dataset and keep it as ``NAME.npz``. Raises :class:`Failed`, within 10 s where nobody answers."""
    import keras

    assert dataset.download
    if dataset.ready:
        return
    if not urllib.request.getproxies().get("https"):  # behind a proxy only the loader itself can tell
        _reach(dataset)
    socket.setdefaulttimeout(PATIENCE)  # for the loader's own connections
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    before = _size(folder)
    outcome: dict[str, object] = {}

    def load() -> None:
        try:
            outcome["arrays"] = getattr(keras.datasets, dataset.name).load_data()
        except Exception as error:
            outcome["error"] = error

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.25)
        teller.progress(min(_size(folder) - before, dataset.download.size), dataset.download.size)
        teller.stop_here_if_asked()
    if "error" in outcome:
        raise _failed(dataset, outcome["error"])
    arrays: Any = outcome["arrays"]
    (x_train, y_train), (x_test, y_test) = arrays
    target = home() / "datasets" / f"{dataset.name}.npz"
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            x_train=x_train,
            y_train=y_train.reshape(-1),
            x_test=x_test,
            y_test=y_test.reshape(-1),
        )
    unfinished.replace(target)


def _reach(dataset: Dataset) -> None:
    """Find out at once whether the host answers: behind some firewalls a loader would wait for minutes."""
    assert dataset.download
    outcome: list[object] = []

    def connect() -> None:
        try:
            socket.create_connection((dataset.download.host, 443), timeout=PATIENCE).close()  # type: ignore[union-attr]
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not outcome or outcome[0] is not None:
        raise _failed(dataset, outcome[0] if outcome else f"no answer within {PATIENCE:.0f} s")


def _failed(dataset: Dataset, error: object) -> Failed:
    host = dataset.download.host if dataset.download else ""
    return Failed(
        f"{dataset.name} could not be downloaded from {host} ({error}). Without a network, {dataset.where_to_put()}."
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0

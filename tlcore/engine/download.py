"""Datasets that Keras' own loaders read, kept as ready files in the home folder.

Their files are fetched first, to where the loaders look before they ask the network: a download that was broken off
is gone on with, which the loaders cannot.
"""

from __future__ import annotations

import socket
import threading
import urllib.request
from typing import Any, NamedTuple

import numpy as np

from ..datasets import Dataset
from ..home import home, keras_home
from . import fetching
from .fetching import PATIENCE, Failed
from .teller import Teller

__all__ = ["Failed", "fetch"]

_TENSORFLOW = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
_TORONTO = "https://www.cs.toronto.edu/~kriz"


class File(NamedTuple):
    """A file as its loader expects it: address, place in Keras' folder of datasets, bytes, SHA-256 where published."""

    url: str
    place: str
    size: int
    sha256: str | None


FILES = {
    "mnist": (
        File(f"{_TENSORFLOW}/mnist.npz", "mnist.npz", 11_490_434,
             "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),
    ),
    "fashion_mnist": tuple(
        File(f"{_TENSORFLOW}/{name}", f"fashion-mnist/{name}", size, None)
        for name, size in (
            ("train-labels-idx1-ubyte.gz", 29_515), ("train-images-idx3-ubyte.gz", 26_421_880),
            ("t10k-labels-idx1-ubyte.gz", 5_148), ("t10k-images-idx3-ubyte.gz", 4_422_102),
        )
    ),
    "cifar10": (
        File(f"{_TORONTO}/cifar-10-python.tar.gz", "cifar-10-batches-py-target_archive", 170_498_071,
             "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
    ),
    "cifar100": (
        File(f"{_TORONTO}/cifar-100-python.tar.gz", "cifar-100-python-target_archive", 169_001_437,
             "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"),
    ),
}  # fmt: skip
"""What each of Keras 3.15's loaders reads."""


def fetch(dataset: Dataset, teller: Teller) -> None:
    """Download a dataset and keep it as ``NAME.npz``. Raises :class:`Failed`, within 10 s where nobody answers."""
    assert dataset.download
    if dataset.ready:
        return
    if not urllib.request.getproxies().get("https"):  # behind a proxy only the download itself can tell
        _reach(dataset)
    _fetch_files(dataset, teller)
    (x_train, y_train), (x_test, y_test) = _loaded(dataset, teller)
    target = home() / "datasets" / f"{dataset.name}.npz"
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.savez_compressed(
            file, allow_pickle=False,
            x_train=x_train, y_train=y_train.reshape(-1), x_test=x_test, y_test=y_test.reshape(-1),
        )  # fmt: skip
    unfinished.replace(target)


def _fetch_files(dataset: Dataset, teller: Teller) -> None:
    """Have the loader's files, all of them whole."""
    assert dataset.download
    folder, earlier = keras_home() / "datasets", 0

    def told(done: int, of: int) -> None:
        assert dataset.download
        teller.progress(earlier + done, dataset.download.size)
        teller.stop_here_if_asked()

    for file in FILES.get(dataset.name, ()):
        try:
            fetching.fetch(file.url, folder / file.place, size=file.size, sha256=file.sha256, told=told)
        except Failed as error:
            raise Failed(f"{error} Or {dataset.where_to_put()}.") from None
        earlier += file.size


def _loaded(dataset: Dataset, teller: Teller) -> Any:
    """What Keras' loader makes of its files; beside it, so that a request to stop is heard."""
    import keras

    socket.setdefaulttimeout(PATIENCE)  # for the loader's own connections, where it still makes any
    outcome: dict[str, Any] = {}

    def load() -> None:
        try:
            outcome["arrays"] = getattr(keras.datasets, dataset.name).load_data()
        except Exception as error:
            outcome["error"] = error

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.25)
        teller.stop_here_if_asked()
    if "error" in outcome:
        raise _failed(dataset, outcome["error"])
    return outcome["arrays"]


def _reach(dataset: Dataset) -> None:
    """Find out at once whether the host answers, so that nobody waits for one file after the other."""
    assert dataset.download
    try:
        fetching.reach(dataset.download.host, 443)
    except fetching.Broken as error:
        raise _failed(dataset, error) from None


def _failed(dataset: Dataset, error: object) -> Failed:
    host = dataset.download.host if dataset.download else ""
    return Failed(
        f"{dataset.name} could not be downloaded from {host} ({error}). Without a network, {dataset.where_to_put()}."
    )

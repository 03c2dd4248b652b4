"""Where everything is kept: one folder, ``TLCORE_HOME``, or the platform's user data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The home folder, made when it is not there. Read anew each time, so that a process can be moved."""
    path = Path(os.environ.get("TLCORE_HOME") or platformdirs.user_data_dir("transfer-lab", appauthor=False))
    path = path.expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def dataset_folders() -> tuple[Path, ...]:
    """Folders searched for ready ``NAME.npz`` files: ``TLCORE_DATA`` first, then the home folder's own."""
    own = home() / "datasets"
    given = os.environ.get("TLCORE_DATA")
    return (Path(given).expanduser().absolute(), own) if given else (own,)


def keras_home() -> Path:
    """Where Keras keeps what it downloads: the folder that ``KERAS_HOME`` names, else one in the home folder."""
    given = os.environ.get("KERAS_HOME")
    return Path(given).expanduser().absolute() if given else home() / "keras"

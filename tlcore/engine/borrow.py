"""The weights of networks that others trained: fetched, and kept by block and variable as our own are."""

from __future__ import annotations

from pathlib import Path

from .. import pretrained, runs
from ..home import home, keras_home
from ..sources import IMAGENET, Source
from . import fetching
from . import pretrained as building
from .teller import Teller


class Unfit(ValueError):
    """Weights that fit nothing here; the message says what was expected."""


def weights(origin: Source, teller: Teller) -> Path:
    """The file of a source's weights; ImageNet's are downloaded and converted once."""
    if own := origin.weights:
        return own
    if origin.kind != IMAGENET:
        raise Unfit(f"The weights of the source {origin.name} are gone: bring its file again.")
    architecture = pretrained.ARCHITECTURES[origin.network or ""]
    with runs.named_lock(f"imagenet-{architecture.name}"):
        if own := origin.weights:  # another engine was quicker
            return own
        file = pretrained.weights_file(architecture) or _download(architecture, teller)
        target = home() / "sources" / f"imagenet-{architecture.name}" / "weights.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        teller("stage", stage="converting")
        unfinished = target.with_suffix(".unfinished")
        building.convert(architecture, file, unfinished)
        unfinished.replace(target)
    return target


def _download(architecture: pretrained.Architecture, teller: Teller) -> Path:
    teller("stage", stage="borrowing")
    target = keras_home() / "models" / architecture.file
    target.parent.mkdir(parents=True, exist_ok=True)

    def told(done: int, of: int) -> None:
        teller.progress(done, of)
        teller.stop_here_if_asked()

    fetching.fetch(architecture.url, target, md5=architecture.md5, sha256=architecture.sha256, told=told)
    return target

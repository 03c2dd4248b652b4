"""A small zip of pictures to show: pieces of the two photographs that scikit-learn brings, with a few faults in it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

SIDE = 106
CLASSES = ("temple", "flower")


def write(path: Path) -> None:
    """Class folders in a train and a test part; one picture is in both, one in two classes, and one is cut off."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, whole in zip(CLASSES, load_sample_images().images, strict=True):
            pieces = [
                Image.fromarray(whole[top : top + SIDE, left : left + SIDE])
                for top in range(0, whole.shape[0] - SIDE + 1, SIDE)
                for left in range(0, whole.shape[1] - SIDE + 1, SIDE)
            ]
            for number, piece in enumerate(pieces):
                part = "test" if number % 4 == 3 else "train"
                archive.writestr(f"pictures/{part}/{name}/{name}-{number:02d}.jpg", _jpeg(piece))
            archive.writestr(f"pictures/test/{name}/{name}-copy.jpg", _jpeg(pieces[8]))
            archive.writestr(f"pictures/train/{CLASSES[0]}/odd-{name}.jpg", _jpeg(pieces[13]))
        archive.writestr("pictures/train/flower/broken.jpg", _jpeg(pieces[0])[:1500])
        archive.writestr("__MACOSX/._flower-00.jpg", b"")


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()

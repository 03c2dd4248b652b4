"""Pictures to look at, made from examples (Pillow)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .datasets import Dataset, Preview

SHEET = 640
"""Pixels across that a sheet of small pictures is enlarged to, in whole steps."""


def one(x: np.ndarray, scale: float, side: int = 128) -> Image.Image:
    """One example (h, w, 1 or 3) whose values run from 0 to ``scale``, as a square of ``side`` pixels."""
    image = _image((x * (255.0 / scale)).clip(0, 255).astype(np.uint8))
    small = max(image.size) < side
    return image.resize((side, side), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)


def sheet(dataset: Dataset, preview: Preview, columns: int, rows: int) -> Image.Image:
    """Sample pictures on one sheet, a column a class; at most ``columns`` classes, spread over all."""
    classes = np.linspace(0, len(dataset.classes) - 1, min(columns, len(dataset.classes))).round().astype(int)
    return grid([list(preview.x[preview.y == label][:rows]) for label in classes], dataset.scale)


def grid(columns: list[list[np.ndarray]], scale: float) -> Image.Image:
    """Examples of one size side by side, column by column."""
    height, width, channels = next(x for column in columns for x in column).shape
    rows = max(len(column) for column in columns)
    paper = np.zeros((rows * (height + 1) - 1, len(columns) * (width + 1) - 1, channels), np.uint8)
    for place, column in enumerate(columns):
        for row, x in enumerate(column):
            top, left = row * (height + 1), place * (width + 1)
            paper[top : top + height, left : left + width] = (x * (255.0 / scale)).clip(0, 255).astype(np.uint8)
    image = _image(paper)
    zoom = max(1, SHEET // image.width)
    return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)

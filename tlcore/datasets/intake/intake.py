"""What an import found and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str, int, int], None]
"""``tell(stage, done, of)``: how far an import is."""
Stop = Callable[[], None]
"""Raises when the person no longer wants it."""


@dataclass(frozen=True)
class Intake:
    """Examples on disk, one row of ``entries`` for each, and everything that was found out on the way.

    ``entries``: ``row`` (int64, in pixels or x; identical pictures share one), ``name``, ``label`` (int64, in
    ``classes``), ``part`` ("", "train", "validation" or "test"). Pictures also: ``offset`` and ``length`` (int64, in
    originals.bin), ``sha`` (hex of the first 16 bytes of SHA-256), ``width`` and ``height`` (pixels of the original,
    upright), ``mode`` (Pillow's), ``grey`` (bool), ``phash`` (uint64, imagehash's dhash).
    """

    kind: str  # "pictures", "table" or "arrays"
    classes: tuple[str, ...]
    entries: pd.DataFrame
    shape: tuple[int, ...]  # of one example as kept
    scale: float  # what divides the values to reach 0..1
    columns: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()  # (file, reason), the first 1,000
    passed_over: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    label_column: str | None = None
    label_candidates: tuple[str, ...] = ()
    giveaways: tuple[tuple[str, str], ...] = ()

"""Printed letters drawn the way scikit-learn's handwritten digits were made.

The digits are 32x32 bitmaps, stretched to full height, thickened or thinned to about
30 % ink, and counted in 4x4 cells: 8x8 values from 0 to 16. The letters here go through
the same steps, from the fonts that come with matplotlib, so nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Capitals, and the lower-case letters whose shape is not that of the capital.
CHARACTERS: tuple[str, ...] = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
# For evaluation only ("printed_digits"): a source that has seen digits would be no transfer.
PRINTED_DIGITS: tuple[str, ...] = tuple("0123456789")
VARIANTS: int = 16

# The other fonts in the folder hold symbols, accents or script capitals, no Latin alphabet.
FONT_NAMES: tuple[str, ...] = (
    *(f"DejaVuSans{s}" for s in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSansMono{s}" for s in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSerif{s}" for s in ("", "-Bold", "-BoldItalic", "-Italic")),
    *(f"STIXGeneral{s}" for s in ("", "Bol", "BolIta", "Italic")),
    *("cmb10", "cmmi10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)

SEED = 0
CANVAS = 64  # pixels on a side of the glyph before it is bent
GLYPH = 40  # pixels of the glyph's longer side on the canvas
BITMAP = 32  # pixels on a side of the black-and-white picture
CELL = 4  # pixels on a side of a counted cell


def fonts() -> tuple[Path, ...]:
    """Files of matplotlib's fonts that have all Latin letters, in a fixed order."""
    spec = find_spec("matplotlib")  # finds the folder without importing matplotlib
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("The letters need the fonts that come with matplotlib.")
    folder = Path(spec.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    found = tuple(path for name in FONT_NAMES if (path := folder / f"{name}.ttf").is_file())
    if not found:
        raise FileNotFoundError(f"No Latin fonts in {folder}.")
    return found


@lru_cache(maxsize=64)
def _typeface(font: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font), CANVAS)


@lru_cache(maxsize=64)
def _glyph(character: str, font: Path) -> np.ndarray:
    """(64, 64) float32 in 0..1: the character upright in the middle of the canvas."""
    large = Image.new("L", (3 * CANVAS, 3 * CANVAS))
    ImageDraw.Draw(large).text((CANVAS, CANVAS // 2), character, fill=255, font=_typeface(font))
    box = large.getbbox()
    if box is None:
        raise ValueError(f"{font.name} has no {character!r}.")
    tight = large.crop(box)
    scale = GLYPH / max(tight.size)
    size = (max(1, round(tight.width * scale)), max(1, round(tight.height * scale)))
    canvas = Image.new("L", (CANVAS, CANVAS))
    canvas.paste(
        tight.resize(size, Image.Resampling.BOX),
        ((CANVAS - size[0]) // 2, (CANVAS - size[1]) // 2),
    )
    return np.asarray(canvas, np.float32) / 255


@lru_cache(maxsize=1)
def _waves() -> tuple[np.ndarray, np.ndarray]:
    """Grid (64,) from -1 to 1 and bumps (64, 5) that spread 5 random numbers smoothly."""
    grid = np.linspace(-1, 1, CANVAS)
    bumps = np.exp(-0.5 * ((grid[:, None] - np.linspace(-0.8, 0.8, 5)) / 0.3) ** 2)
    return grid, bumps


def _bend(glyph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(64, 64) float32 in 0..1: slanted, turned, squeezed and wobbled like a hand's."""
    from scipy.ndimage import map_coordinates  # the pages know the characters and never draw

    grid, bumps = _waves()
    turn, slant = rng.normal(0, 0.12), rng.normal(0, 0.2)
    width = np.exp(rng.normal(0, 0.1))
    dy, dx = bumps @ rng.normal(0, 0.05, (2, 5, 5)) @ bumps.T
    y, x = grid[:, None] + dy, grid[None, :] + dx
    x = x / width + slant * y
    y, x = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    middle = (CANVAS - 1) / 2
    bent: np.ndarray = map_coordinates(glyph, [(y + 1) * middle, (x + 1) * middle], order=1)
    return bent


def _bitmap(shape: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(32, 32) bool: cropped, stretched to the digits' box and inked like them."""
    from scipy.ndimage import gaussian_filter

    on = shape > 0.3
    rows, columns = np.flatnonzero(on.any(1)), np.flatnonzero(on.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    # The digits are about 23 pixels wide whatever they were; only narrow strokes stay narrower.
    natural = (right - left) * BITMAP / (bottom - top)
    width = int(np.clip(rng.normal(23, 2), 0.6 * natural, 2.0 * natural).clip(6, BITMAP))
    part = Image.fromarray(shape[top:bottom, left:right])
    part = part.resize((width, BITMAP), Image.Resampling.BILINEAR)
    picture = np.zeros((BITMAP, BITMAP), np.float32)
    start = int(np.clip(round((BITMAP - width) / 2 + rng.normal(0, 1)), 0, BITMAP - width))
    picture[:, start : start + width] = np.asarray(part)
    # A threshold on the blurred picture thickens thin strokes and thins thick ones.
    blurred: np.ndarray = gaussian_filter(picture, 1.5, mode="nearest", truncate=3)
    ink = int(np.clip(rng.normal(313, 33), 200, 430))  # pixels on, as counted in the digits
    level = np.partition(blurred, -ink, axis=None)[-ink]
    inked: np.ndarray = blurred >= max(level, 0.08)
    return inked


def example(character: str, font: Path, variant: int) -> np.ndarray:
    """(8, 8) uint8 in 0..16: one drawing, the same whenever and wherever it is asked for."""
    rng = np.random.default_rng([SEED, ord(character), crc32(font.stem.encode()), variant])
    bitmap = _bitmap(_bend(_glyph(character, font), rng), rng)
    cells = BITMAP // CELL
    counted: np.ndarray = bitmap.reshape(cells, CELL, cells, CELL).sum((1, 3), dtype=np.uint8)
    return counted


def render(characters: Sequence[str], variants: int = VARIANTS) -> tuple[np.ndarray, np.ndarray]:
    """x (n, 8, 8, 1) uint8 in 0..16 and y (n,) int64, the place in `characters`.

    n = characters * fonts * variants, in that order: the variant changes fastest.
    """
    paths = fonts()
    x = [example(c, path, v) for c in characters for path in paths for v in range(variants)]
    y = np.repeat(np.arange(len(characters), dtype=np.int64), len(paths) * variants)
    return np.stack(x)[..., None], y

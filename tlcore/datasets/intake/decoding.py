"""One picture: from the bytes that a person gave to a small square of pixels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from .containers import Unreadable
from .limits import BIG_PIXELS, MAX_PIXELS

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
ENDINGS = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"))
FILTER = Image.Resampling.BILINEAR
"""Pillow widens it when it shrinks, so nothing is left out between the samples."""
HASHED = 128
"""A picture that is no longer than this on a side is hashed as it is, a larger one in its small form."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What undoes each EXIF orientation."""
ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: ``pixels`` "L" or "RGB" of the size asked for; ``width`` and ``height`` of the original."""

    pixels: Image.Image
    width: int
    height: int
    mode: str
    hashed: Image.Image


def guard() -> None:
    """Make Pillow refuse what is too large, in this process."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def decode(data: bytes, size: int, alone: Callable[[], AbstractContextManager[object]] = nullcontext) -> Picture:
    """The whole picture, upright, over white, squashed to ``size`` x ``size`` pixels.

    A big one is decoded inside ``alone()``. Raises :class:`Unreadable` with the reason, in plain words.
    """
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise Image.DecompressionBombError
        with alone() if pixels > BIG_PIXELS else nullcontext():
            return _decoded(image, size)
    except UnidentifiedImageError:
        raise Unreadable("it is no picture of a kind that is read here, whatever its name says") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(f"it has more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise Unreadable("it needs more memory than there is") from None
    except Exception as error:  # decoders of six formats, on bytes of strangers: whatever they raise is about the file
        raise Unreadable(f"it is damaged or cut short ({_said(error)})") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _decoded(image: Image.Image, size: int) -> Picture:
    width, height = image.size
    mode = image.mode
    if image.format == "JPEG" and min(width, height) >= 6 * size:
        image.draft(image.mode, (3 * size, 3 * size))  # decodes at a half, a quarter or an eighth: many times faster
    image.load()
    turn = _orientation(image)
    plain = _plain(image, size)
    small = plain.resize((size, size), FILTER)
    hashed = plain if max(plain.size) <= HASHED else small
    if turn in UPRIGHT:
        small, hashed = small.transpose(UPRIGHT[turn]), hashed.transpose(UPRIGHT[turn])
        if turn >= 5:
            width, height = height, width
    return Picture(small, width, height, mode, hashed)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken note about the camera is no reason to refuse the picture
        return 1


def _plain(image: Image.Image, size: int) -> Image.Image:
    """ "L" or "RGB", over white; much larger pictures come out reduced, to at least 3 ``size``."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return _reduced(image, size)
    if image.mode.startswith(("I", "F")):
        return _levels(image, size)
    if image.mode in ("RGBA", "LA", "RGBa", "La", "PA") or "transparency" in image.info:
        grey = image.mode in ("LA", "La", "L", "1")
        reduced = _reduced(image.convert("RGBA"), size)
        white = Image.new("RGBA", reduced.size, "white")
        over = Image.alpha_composite(white, reduced)
        return over.convert("L" if grey else "RGB")
    return _reduced(image.convert("L" if image.mode == "1" else "RGB"), size)


def _reduced(image: Image.Image, size: int) -> Image.Image:
    factor = (max(1, image.width // (3 * size)), max(1, image.height // (3 * size)))
    return image if factor == (1, 1) else image.reduce(factor)


def _levels(image: Image.Image, size: int) -> Image.Image:
    """16 bits, 32 bits and floats as 8 bits: 0..65535 by 257, 0..1 by 255, 0..255 as they are, others stretched."""
    floats = image.mode == "F"
    values = np.array(image, np.float32) if floats else np.asarray(image)
    if floats:
        np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if not floats and low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0
    elif floats and low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    reduced = np.asarray(_reduced(Image.fromarray(values.astype(np.float32, copy=False)), size))
    per_level = (high - low) / 255 or 1.0
    return Image.fromarray(np.rint((reduced - low) / per_level).clip(0, 255).astype(np.uint8))

"""Pictures that are too large, cut short, none at all, or merely unusual."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

from .cases import Check, png, repaired, taken, with_sound

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(owned) (w) file closefile showpage\n%%EOF\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def _png(width: int, height: int, packed: bytes, *more: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _saved(image: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _image(mode: str = "RGB") -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(png(20, 60))).convert(mode)


def _seen(width: int, height: int, mode: str, *corners: tuple[int, int, int]) -> Check:
    """The odd picture was taken with this size and mode, and these colours top left and bottom right."""

    def check(intake: Any, folder: Path) -> bool:
        import numpy as np

        one = intake.entries[intake.entries.name.str.startswith("cats/odd")]
        if len(one) != 1 or len(intake.entries) != 7:
            return False
        one = one.iloc[0]
        pixels = np.load(next(folder.glob("pixels_*.npy")), mmap_mode="r")[one.row]
        near = [np.abs(pixels[place].astype(int) - colour).max() < 40
                for place, colour in zip(((4, 4), (-5, -5)), corners, strict=False)]  # fmt: skip
        return (one.width, one.height, one["mode"]) == (width, height, mode) and all(near)

    return check


@repaired(taken(), "pixels")
def a_picture_of_169_megapixels(at: Path) -> Path:
    packed = zlib.compress(bytes(13_000 * (13_000 // 8 + 1)), 9)
    huge = _png(13_000, 13_000, packed, depth=1, colour=0)
    assert len(huge) < 25_000
    return with_sound(at, huge__png=huge)


@repaired(taken(), "pixels")
def a_picture_that_claims_sixteen_gigapixels(at: Path) -> Path:
    return with_sound(at, lying__png=_png(2**17, 2**17, zlib.compress(bytes(99))))


@repaired(taken(), "damaged")
def pictures_that_claim_60_megapixels(at: Path) -> Path:
    lying = {f"lying{n}__png": _png(7_700 + n, 7_700, zlib.compress(bytes(99 + n))) for n in range(8)}
    return with_sound(at, **lying)


@repaired(taken(*(f"cats/large{n}.png" for n in range(4))))
def pictures_of_60_megapixels(at: Path) -> Path:
    """True ones, of few bytes each: taken, but never two in memory at once."""
    large = {f"large{n}__png": _png(7_700, 7_700 + n, zlib.compress(bytes((7_700 + n) * 964), 9), depth=1, colour=0)
             for n in range(4)}  # fmt: skip
    return with_sound(at, **large)


@repaired(taken(), "damaged")
def pictures_cut_short(at: Path) -> Path:
    jpeg = _saved(_image(), "JPEG")
    return with_sound(at, a__jpg=jpeg[: len(jpeg) // 2], b__png=png(21)[: len(png(21)) // 2], c__png=png(22)[:30])


@repaired(taken(), "no picture")
def files_renamed_to_pictures(at: Path) -> Path:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    return with_sound(at, a__jpg=b"just text\n", b__png=b"<html><script>alert(1)</script>", c__png=svg, d__gif=b"")


@repaired(taken(), "no picture")
def postscript_renamed_to_a_picture(at: Path) -> Path:
    return with_sound(at, program__png=EPS, other__jpg=b"8BPS\0\1" + bytes(99), icon__bmp=b"icns" + bytes(99))


@repaired(_seen(60, 60, "RGB"))
def jpeg_named_png(at: Path) -> Path:
    return with_sound(at, odd__png=_saved(_image(), "JPEG"))


@repaired(_seen(24, 24, "P", (255, 0, 0), (255, 0, 0)))
def gif_that_moves(at: Path) -> Path:
    from PIL import Image

    frames = [Image.new("RGB", (24, 24), colour).convert("P") for colour in ("red", "lime", "blue")]
    return with_sound(at, odd__gif=_saved(frames[0], "GIF", save_all=True, append_images=frames[1:] * 40))


@repaired(_seen(60, 60, "CMYK", (255, 255, 255)))
def jpeg_of_four_inks(at: Path) -> Path:
    from PIL import Image

    return with_sound(at, odd__jpg=_saved(Image.new("CMYK", (60, 60), (0, 0, 0, 0)), "JPEG"))


@repaired(_seen(30, 30, "I;16", (128, 128, 128)))
def png_of_16_bits(at: Path) -> Path:
    import numpy as np
    from PIL import Image

    return with_sound(at, odd__png=_saved(Image.fromarray(np.full((30, 30), 2**15, np.uint16)), "PNG"))


@repaired(_seen(30, 30, "P", (255, 255, 255)))
def png_with_a_clear_palette(at: Path) -> Path:
    from PIL import Image

    return with_sound(at, odd__png=_saved(Image.new("RGBA", (30, 30), (0, 0, 0, 0)).quantize(), "PNG"))


@repaired(_seen(30, 30, "1", (255, 255, 255)))
def tiff_of_one_bit(at: Path) -> Path:
    from PIL import Image

    return with_sound(at, odd__tif=_saved(Image.new("1", (30, 30), 1), "TIFF"))


@repaired(_seen(30, 30, "RGB", (255, 0, 0)))
def tiff_of_many_pages(at: Path) -> Path:
    from PIL import Image

    pages = [Image.new("RGB", (30, 30), colour) for colour in ("red", "lime", "blue")]
    return with_sound(at, odd__tiff=_saved(pages[0], "TIFF", save_all=True, append_images=pages[1:] * 20))


@repaired(_seen(30, 30, "F"))
def tiff_of_floats_with_holes(at: Path) -> Path:
    import numpy as np
    from PIL import Image

    values = np.linspace(-5, 5e30, 900, dtype=np.float32).reshape(30, 30)
    values[3:6], values[8] = np.nan, np.inf
    return with_sound(at, odd__tiff=_saved(Image.fromarray(values), "TIFF"))


@repaired(taken(), "damaged")
def tiff_that_points_to_itself(at: Path) -> Path:
    """Its one directory is followed by itself, and its strips lie beyond the file."""
    tags = [(256, 4, 1, 30), (257, 4, 1, 30), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 2**31),
            (277, 3, 1, 1), (278, 4, 1, 30), (279, 4, 1, 2**31)]  # fmt: skip
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHLL", *tag) for tag in tags) + struct.pack("<L", 8)
    return with_sound(at, loop__tif=b"II*\0" + struct.pack("<L", 8) + body)


@repaired(_seen(40, 60, "RGB", (255, 0, 0), (0, 0, 255)))
def jpeg_on_its_side(at: Path) -> Path:
    """Lying with red to the left, and turned by its EXIF note so that red is on top."""
    from PIL import Image

    image = Image.new("RGB", (60, 40), "blue")
    image.paste("red", (0, 0, 30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    return with_sound(at, odd__jpg=_saved(image, "JPEG", exif=exif, quality=95))


@repaired(_seen(60, 60, "RGB"))
def jpeg_with_a_broken_exif(at: Path) -> Path:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff" * 40
    return with_sound(at, odd__jpg=_saved(_image(), "JPEG", exif=exif))


@repaired(_seen(1, 1, "RGB"))
def a_picture_of_one_pixel(at: Path) -> Path:
    return with_sound(at, odd__png=_png(1, 1, zlib.compress(b"\0abc")))


@repaired(_seen(1, 20_000, "RGB"))
def a_picture_of_one_column(at: Path) -> Path:
    return with_sound(at, odd__png=_png(1, 20_000, zlib.compress(b"\0abc" * 20_000)))


@repaired(taken(), "none.png")
def a_picture_without_area(at: Path) -> Path:
    return with_sound(at, none__png=_png(0, 0, zlib.compress(b"")))


@repaired(lambda intake, _: len(intake.entries) in (6, 7))
def png_with_a_comment_that_swells(at: Path) -> Path:
    swelling = _chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(200 * 2**20), 9))
    return with_sound(at, odd__png=_png(1, 1, zlib.compress(b"\0abc"), swelling))

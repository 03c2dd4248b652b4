"""Zips that climb out, swell, lie or are broken."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

from .cases import Raw, png, raw_sound, raw_zip, refused, repaired, sound, taken, text, zeros, zipped

LINK = 0o120777 << 16


@repaired(taken("cats/climbed.png"))
def path_climbs_out(at: Path) -> Path:
    return zipped(at, sound() | {"../../../cats/climbed.png": png(20)})


@repaired(taken())
def path_is_absolute(at: Path) -> Path:
    return zipped(at, {f"{at.parent}/outside/{name}": data for name, data in sound().items()})


@repaired(taken())
def path_has_a_drive_letter(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [Raw(f"C:\\pictures\\{m.name.decode()}".encode(), m.data) for m in raw_sound()])


@repaired(taken("cats/climbed.png"))
def path_climbs_with_backslashes(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"..\\..\\cats\\climbed.png", png(20))])


@repaired(taken(), "link")
def links(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/passwd.png", b"/etc/passwd", outer=LINK)])


@repaired(lambda intake, _: not (intake.entries["name"] == "cats").any(), "link")
def a_folder_that_is_a_link(at: Path) -> Path:
    outside = at.parent / "outside"
    linked = Raw(b"cats", str(outside).encode(), outer=LINK)
    return raw_zip(at / "upload.zip", [linked, *raw_sound(), Raw(b"cats/through.png", png(20))])


@repaired(taken(), "unpacks")
def one_member_swells(at: Path) -> Path:
    packed, crc = zeros(256)
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/big.png", packed=packed, size=2**28, crc=crc)])


@refused("unpack")
def many_members_swell(at: Path) -> Path:
    """4 GB in 4 MB, and no member of more than 4 MiB."""
    packed, crc = zeros(4)
    swelling = (Raw(f"cats/{n + 3}.png".encode(), packed=packed, size=4 * 2**20, crc=crc) for n in range(1000))
    return raw_zip(at / "upload.zip", [*raw_sound(), *swelling])


@repaired(taken(), "promises")
def a_member_swells_beyond_what_it_says(at: Path) -> Path:
    packed, crc = zeros(256)
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/big.png", packed=packed, size=1000, crc=crc)])


@repaired(taken(), "unpacks")
def a_member_claims_four_gigabytes(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/big.png", png(20), size=2**32 - 2)])


@refused("no picture")
def zips_in_zips_in_zips(at: Path) -> Path:
    packed, crc = zeros(100)
    inner = raw_zip(at / "inner", [Raw(b"0.png", packed=packed, size=100 * 2**20, crc=crc)]).read_bytes()
    for _ in range(4):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for n in range(16):
                archive.writestr(f"{n}.zip", inner)
        inner = file.getvalue()
    (at / "inner").unlink()
    return text(at, inner, "upload.zip")


@refused("class")
def members_overlap(at: Path) -> Path:
    """200 members, all of them one and the same kernel of 100 MiB."""
    packed, crc = zeros(100)
    members = (Raw(f"c{n % 2}/{n:04}.png".encode(), packed=packed, size=4 * 2**20, crc=crc) for n in range(200))
    return raw_zip(at / "upload.zip", members, one_body=True)


@refused("encrypted")
def encrypted(at: Path) -> Path:
    locked = [Raw(m.name, bytes(12) + m.data, size=len(m.data), flags=1) for m in raw_sound()]
    return raw_zip(at / "upload.zip", locked)


@repaired(taken(), "encrypted")
def one_encrypted(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/locked.png", bytes(99), flags=1)])


@repaired(taken(), "damaged")
def wrong_checksum(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/wrong.png", png(20), crc=1)])


@repaired(taken(), "method")
def unknown_compression(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/odd.png", png(20), method=98)])


@repaired(lambda intake, _: len(intake.entries) in (6, 7))
def names_differ_in_head_and_directory(at: Path) -> Path:
    path = raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/3.png", png(20))])
    return text(at, path.read_bytes().replace(b"cats/3.png", b"../../.png", 1), path.name)


@refused("zip")
def zip_cut_short(at: Path) -> Path:
    path = zipped(at, sound())
    return text(at, path.read_bytes()[: path.stat().st_size // 2], path.name)


@refused("no file")
def zip_of_nothing(at: Path) -> Path:
    return zipped(at, {})


@refused("zip")
def zip_of_no_bytes(at: Path) -> Path:
    return text(at, b"", "upload.zip")


@refused("zip")
def zip_of_noise(at: Path) -> Path:
    return text(at, b"PK\3\4" + bytes(range(256)) * 40 + b"PK\5\6" + b"\xff" * 18, "upload.zip")


@refused("hidden and system")
def zip_of_only_macosx(at: Path) -> Path:
    return zipped(at, {f"__MACOSX/{name.replace('/', '/._')}": data for name, data in sound().items()})


@repaired(taken("cats/0.png", amount=6))
def doubled_members(at: Path) -> Path:
    return raw_zip(at / "upload.zip", [*raw_sound(), Raw(b"cats/0.png", png(20))])


@repaired(taken())
def zip_after_a_program(at: Path) -> Path:
    """As a self-extracting archive is."""
    return text(at, b"MZ" + bytes(5000) + zipped(at, sound(), "inner").read_bytes(), "upload.zip")


def _crowd(path: Path, count: int, stated: int) -> Path:
    member = Raw(b"cats/1.png", png(1))
    entry = b"PK\1\2" + struct.pack("<H", 0x314) + member.record()
    entry += struct.pack("<HHHLL", 0, 0, 0, member.outer, 0) + member.name
    with path.open("wb") as file:
        start = file.write(b"PK\3\4" + member.record() + member.name + member.data)
        file.write(entry * count)
        file.write(b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, stated, stated, len(entry) * count, start, 0))
    return path


@refused("files")
def a_million_members(at: Path) -> Path:
    return _crowd(at / "upload.zip", 1_000_000, 65_535)


@refused("files")
def a_million_members_said_to_be_one(at: Path) -> Path:
    return _crowd(at / "upload.zip", 1_000_000, 1)


@refused("upload.zip")
def directory_of_terabytes(at: Path) -> Path:
    """The larger form of a zip's end, with a directory far beyond the file."""
    end = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**45, 2**50)
    end += (
        b"PK\6\7"
        + struct.pack("<LQL", 0, 30, 1)
        + b"PK\5\6"
        + struct.pack("<HHHHLLH", *[2**16 - 1] * 4, *[2**32 - 1] * 2, 0)
    )
    return text(at, b"PK\3\4" + bytes(26) + end, "upload.zip")

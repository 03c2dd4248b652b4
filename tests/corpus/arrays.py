"""Arrays that are programs, lie about their size, or do not fit each other."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

from .cases import Raw, raw_zip, refused, repaired, text, zeros


class _Program:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("touch owned",)


def _npy(array: Any, **options: Any) -> bytes:
    import numpy as np

    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def _npz(at: Path, **arrays: Any) -> Path:
    import numpy as np

    np.savez(at / "upload.npz", **arrays)
    return at / "upload.npz"


def _header(shape: str, dtype: str = "'<f4'", fortran: bool = False) -> bytes:
    head = f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode().ljust(118) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head


def _x(*shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).random(shape, np.float32)


Y = [0, 1] * 10


def _fine(intake: Any, folder: Path) -> bool:
    import numpy as np

    return bool(np.isfinite(np.load(folder / "x.npy")).all()) and len(intake.entries) == 20


@repaired(lambda intake, _: intake.classes == ("0", "1") and intake.shape == (3,))
def arrays(at: Path) -> Path:
    return _npz(at, x=_x(20, 3), y=Y)


@refused("pickled")
def arrays_of_programs(at: Path) -> Path:
    import numpy as np

    return _npz(at, x=np.array([_Program()] * 20, object), y=Y)


@refused("pickled")
def labels_of_programs(at: Path) -> Path:
    import numpy as np

    return _npz(at, x=_x(20, 3), y=np.array([_Program()] * 20, object))


@refused("array")
def a_pickle_named_npz(at: Path) -> Path:
    import pickle

    return text(at, pickle.dumps(_Program()), "upload.npz")


@refused("bytes")
def arrays_of_terabytes(at: Path) -> Path:
    members = [Raw(b"x.npy", _header("(1000000000000, 3)")), Raw(b"y.npy", _npy(Y))]
    return raw_zip(at / "upload.npz", members)


@refused("array")
def arrays_with_a_header_that_runs(at: Path) -> Path:
    deep = "(" * 5000 + ")" * 5000
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {deep}}}".encode()
    member = b"\x93NUMPY\2\0" + struct.pack("<L", len(head)) + head
    return raw_zip(at / "upload.npz", [Raw(b"x.npy", member), Raw(b"y.npy", _npy(Y))])


@refused("array")
def arrays_with_a_header_of_gigabytes(at: Path) -> Path:
    member = b"\x93NUMPY\2\0" + struct.pack("<L", 2**32 - 1) + b"{'descr'"
    return raw_zip(at / "upload.npz", [Raw(b"x.npy", member), Raw(b"y.npy", _npy(Y))])


@refused("x")
def arrays_with_a_shape_that_overflows(at: Path) -> Path:
    members = [Raw(b"x.npy", _header(f"(20, {2**62}, 4)")), Raw(b"y.npy", _npy(Y))]
    return raw_zip(at / "upload.npz", members)


@refused("shape")
def arrays_with_a_negative_shape(at: Path) -> Path:
    return raw_zip(at / "upload.npz", [Raw(b"x.npy", _header("(-20, 3)")), Raw(b"y.npy", _npy(Y))])


@refused("upload.npz", "unpack")
def arrays_that_swell(at: Path) -> Path:
    packed, crc = zeros(800)
    return raw_zip(at / "upload.npz", [Raw(b"x.npy", packed=packed, size=800 * 2**20, crc=crc), Raw(b"y.npy", _npy(Y))])


@refused("labels")
def arrays_that_do_not_fit(at: Path) -> Path:
    return _npz(at, x=_x(20, 3), y=Y[:-1])


@refused("upload.npz")
def arrays_without_examples(at: Path) -> Path:
    return _npz(at, x=_x(0, 3), y=Y[:0])


@refused("x")
def arrays_of_examples_alone(at: Path) -> Path:
    return _npz(at, x=_x(20, 3))


@refused("y")
def one_array(at: Path) -> Path:
    return text(at, _npy(_x(20, 3)), "upload.npy")


def _turned(intake: Any, folder: Path) -> bool:
    import numpy as np

    return bool(np.array_equal(np.load(folder / "x.npy").reshape(20, -1), _x(20, 3, 4).reshape(20, -1)))


@repaired(_turned)
def arrays_in_fortran_order(at: Path) -> Path:
    import numpy as np

    with zipfile.ZipFile(at / "upload.zip", "w") as archive:
        archive.writestr("x.npy", _npy(np.asfortranarray(_x(20, 3, 4))))
        archive.writestr("y.npy", _npy(Y))
    return at / "upload.zip"


@refused("numbers")
def arrays_of_records(at: Path) -> Path:
    import numpy as np

    return _npz(at, x=np.zeros(20, [("a", "<f4"), ("b", "<i8")]), y=Y)


@repaired(lambda intake, _: len(intake.entries) == 20, "finite")
def arrays_with_holes(at: Path) -> Path:
    import numpy as np

    x = _x(20, 8, 8)
    x[3, 2], x[4, 1] = np.nan, np.inf
    return _npz(at, x=x, y=Y)


@repaired(lambda intake, _: set(intake.classes) == {"-1", "1"})
def labels_below_zero(at: Path) -> Path:
    return _npz(at, x=_x(20, 3), y=[-1, 1] * 10)


@refused("class")
def labels_that_measure(at: Path) -> Path:
    return _npz(at, x=_x(200, 3), y=_x(200))


@repaired(lambda intake, _: intake.classes == ("0", "1") and len(intake.entries) == 20)
def labels_as_whole_floats(at: Path) -> Path:
    return _npz(at, x=_x(20, 3), y=[0.0, 1.0] * 10)


@repaired(lambda intake, _: len(intake.classes) == 2 and len(intake.entries) == 20)
def labels_one_hot(at: Path) -> Path:
    import numpy as np

    return _npz(at, x=_x(20, 3), y=np.eye(2)[Y])


@repaired(lambda intake, _: len(intake.entries) == 20)
def arrays_of_the_other_byte_order(at: Path) -> Path:
    return _npz(at, x=_x(20, 3).astype(">f8"), y=Y)

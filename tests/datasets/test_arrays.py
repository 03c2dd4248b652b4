from pathlib import Path

import numpy as np
import pytest

from tlcore.datasets import arrays
from tlcore.datasets.arrays import Damaged

SHAPE, CLASSES = (4, 4, 1), 3
GOOD = {
    "x_train": np.random.default_rng(0).integers(0, 256, (30, 4, 4)).astype(np.uint8),
    "y_train": np.repeat([2, 0, 1], 10),
    "x_test": np.zeros((6, 4, 4), np.uint8),
    "y_test": np.array([0, 0, 0, 1, 1, 2]),
}


def written(folder: Path, compress: bool = True, **changes: np.ndarray | None) -> Path:
    kept = {name: array for name, array in (GOOD | changes).items() if array is not None}
    (np.savez_compressed if compress else np.savez)(folder / "own.npz", **kept)
    return folder / "own.npz"


def test_read(tmp_path: Path):
    whole = arrays.read(written(tmp_path), SHAPE, CLASSES)
    assert whole.x.shape == (36, 4, 4, 1) and whole.test_from == 30 and whole.y.dtype == np.int64
    assert (whole.x[:30, ..., 0] == GOOD["x_train"]).all()
    assert whole.y.tolist() == [*GOOD["y_train"], *GOOD["y_test"]]


def test_labels_in_a_column(tmp_path: Path):
    assert arrays.read(written(tmp_path, y_train=GOOD["y_train"][:, None]), SHAPE, CLASSES).y.shape == (36,)


def test_glance_counts_all_and_shows_the_beginning(tmp_path: Path):
    facts, preview = arrays.glance(written(tmp_path), SHAPE, CLASSES, each=2)
    assert facts.counts == (10, 10, 10) and facts.official_test == (3, 2, 1) and facts.examples == 36
    assert preview.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert (preview.x[..., 0] == GOOD["x_train"][[10, 11, 20, 21, 0, 1]]).all()


def test_glance_sees_a_changed_file(tmp_path: Path):
    path = written(tmp_path)
    arrays.glance(path, SHAPE, CLASSES)
    path.unlink()
    path = written(tmp_path, x_test=np.zeros((3, 4, 4)), y_test=np.array([0, 1, 2]))
    assert arrays.glance(path, SHAPE, CLASSES)[0].official_test == (1, 1, 1)


BAD = {
    "no y": {"y_train": None},
    "another shape": {"x_train": np.zeros((30, 5, 5), np.uint8)},
    "one label short": {"y_train": GOOD["y_train"][:-1]},
    "a label too high": {"y_train": GOOD["y_train"] + 1},
    "a negative label": {"y_train": GOOD["y_train"] - 1},
    "labels that are fractions": {"y_train": GOOD["y_train"] + 0.5},
    "labels that are words": {"y_train": GOOD["y_train"].astype(str)},
    "pictures that are words": {"x_train": np.full((30, 4, 4), "a")},
    "pictures that are Python objects": {"x_train": np.full((30, 4, 4), {})},
    "nothing": {"x_train": np.zeros((0, 4, 4)), "y_train": np.zeros(0, int)},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_file_that_does_not_hold_what_it_should(tmp_path: Path, changes: dict[str, np.ndarray | None]):
    path = written(tmp_path, **changes)
    for look in (arrays.read, arrays.glance):
        with pytest.raises(Damaged, match=r"own\.npz"):
            look(path, SHAPE, CLASSES)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + b"\0" * 200])
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    for look in (arrays.read, arrays.glance):
        with pytest.raises(Damaged, match=r"own\.npz"):
            look(path, SHAPE, CLASSES)


@pytest.mark.parametrize("compress", [True, False])
def test_damaged_anywhere_it_reads_well_or_says_so(tmp_path: Path, compress: bool):
    path = written(tmp_path, compress)
    whole = path.read_bytes()
    told = 0
    for place in range(0, len(whole), 23):
        path.write_bytes(whole[:place] + bytes(255 - byte for byte in whole[place : place + 8]) + whole[place + 8 :])
        for look in (arrays.read, arrays.glance):
            try:
                look(path, SHAPE, CLASSES)
            except Damaged:
                told += 1
    assert told > 10


def test_cut_short(tmp_path: Path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Damaged):
        arrays.read(path, SHAPE, CLASSES)

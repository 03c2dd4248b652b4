"""The health check: planted faults are found, nothing else is, and each remedy mends what it is offered for."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tlcore.datasets import copies, health

CIFAR = Path(os.environ.get("TLCORE_TEST_DATA", "nowhere")) / "cifar10.zip"
CLASSES = ("cat", "dog")


def scene(seed: int) -> np.ndarray:
    """A smooth colour picture, 96 × 96, unlike any other seed's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC))


def recompressed(picture: np.ndarray) -> np.ndarray:
    """As it comes back from a web page: half the size, and JPEG."""
    file = io.BytesIO()
    Image.fromarray(picture).resize((48, 48)).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file).resize((96, 96)))


def dhash(picture: np.ndarray) -> int:
    bits = imagehash.dhash(Image.fromarray(picture)).hash
    return int(np.packbits(bits).view(">u8")[0])


def pictures(
    contents: Sequence[np.ndarray], rows: Sequence[int], label: Sequence[int], part: Sequence[str] | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Entries that show ``contents[row]`` each, and the pixels."""
    hashes = np.array([dhash(content) for content in contents], np.uint64)
    entries = pd.DataFrame(
        {
            "row": rows, "name": [f"{place}.png" for place in range(len(rows))], "label": label,
            "part": part or [""] * len(rows), "used": True, "sha": [f"{row:032x}" for row in rows],
            "width": 96, "height": 96, "mode": "RGB", "grey": False, "phash": hashes[list(rows)],
        }
    )  # fmt: skip
    return entries, np.stack(contents)


def found(checked: health.Health) -> dict[str, str]:
    return {one.kind: one.level for one in checked.findings}


def finding(checked: health.Health, kind: str) -> health.Finding:
    return next(one for one in checked.findings if one.kind == kind)


def test_a_sound_dataset_has_no_findings() -> None:
    entries, pixels = pictures([*map(scene, range(20))], range(20), [0] * 10 + [1] * 10)
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert checked.findings == ()
    assert (checked.examples, checked.counts, checked.parts, checked.imbalance) == (20, (10, 10), {"": (10, 10)}, 1.0)
    assert (checked.sizes, checked.enlarged, checked.grey) == (((96, 96),) * 3, 0, 0)


def test_exact_copies_are_told_apart_by_where_they_stand() -> None:
    """Row 0 twice in one class, row 1 in two classes, row 2 to learn from and in the test part, thrice."""
    rows = [0, 0, 1, 1, 2, 2, 2, *range(3, 21)]
    label = [0, 0, 0, 1, 1, 1, 1, *[0, 1] * 9]
    part = ["train", "train", "train", "train", "train", "", "test", *["train"] * 10, *["test"] * 8]
    entries, pixels = pictures([*map(scene, range(21))], rows, label, part)
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert found(checked) == {"conflict": "warning", "leak": "warning", "copies": "note"}
    assert finding(checked, "copies").groups == ((0, 1),)
    assert finding(checked, "conflict").groups == ((2, 3),)
    assert finding(checked, "leak").groups == ((4, 5, 6),)
    assert finding(checked, "leak").remedies[0].positions == (4, 5)
    assert finding(checked, "conflict").remedies[0].positions == (2, 3)
    assert finding(checked, "conflict").remedies[1].labels == ((0, 1),)
    json.dumps(checked.as_dict())


def test_the_safe_remedies_leave_a_sound_dataset() -> None:
    rows = [0, 0, 1, 1, 2, 2, 2, *range(3, 21)]
    label = [0, 0, 0, 1, 1, 1, 1, *[0, 1] * 9]
    part = ["train", "train", "train", "train", "train", "", "test", *["train"] * 10, *["test"] * 8]
    entries, pixels = pictures([*map(scene, range(21))], rows, label, part)
    for one in health.check(entries, CLASSES, "pictures", pixels).findings:
        remedy = one.remedies[0]
        change = (
            health.take_as_one(entries, remedy.groups)
            if remedy.action == "take as one"
            else health.leave_out(entries, remedy.positions)
        )
        entries = change.to(entries)
    assert entries.index[~entries.used].tolist() == [1, 2, 3, 4, 5]
    assert health.check(entries, CLASSES, "pictures", pixels).findings == ()


def test_a_recompressed_copy_is_found_and_another_colour_is_none() -> None:
    contents = [*map(scene, range(20))]
    contents += [recompressed(contents[3]), np.ascontiguousarray(contents[4][:, :, ::-1])]
    entries, pixels = pictures(contents, range(22), [0, 1] * 11)
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert found(checked) == {"conflict near": "warning"}  # 3 is a dog, 20 a cat
    assert finding(checked, "conflict near").groups == ((3, 20),)
    entries.loc[20, "label"] = 1
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert finding(checked, "copies near").groups == ((3, 20),)
    entries["part"] = ["train"] * 14 + ["test"] * 8
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert finding(checked, "leak near").remedies[0].positions == (3,)


def test_a_near_copy_of_copies_brings_all_of_them() -> None:
    contents = [*map(scene, range(12))]
    contents.append(recompressed(contents[0]))
    entries, pixels = pictures(contents, [0, 0, *range(1, 13)], [0, 0, *[1, 0] * 5, 1, 0])
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert finding(checked, "copies").groups == ((0, 1),)
    assert finding(checked, "copies near").groups == ((0, 1, 13),)


def test_pictures_that_are_left_out_are_not_looked_at() -> None:
    entries, pixels = pictures([*map(scene, range(20))], [*range(20), 0], [0] * 10 + [1] * 11)
    assert found(health.check(entries, CLASSES, "pictures", pixels)) == {"conflict": "warning"}
    entries.loc[20, "used"] = False
    assert health.check(entries, CLASSES, "pictures", pixels).findings == ()


@pytest.mark.parametrize(
    ("label", "part", "kinds"),
    [
        ([0] * 9 + [1] * 2, [""] * 11, {"too few": "stop", "imbalance": "note"}),
        ([0] * 6 + [1] * 4, [""] * 10, {"few": "warning"}),
        ([0] * 10, [""] * 10, {"classes": "stop"}),
        ([0] * 60 + [1] * 5, [""] * 65, {"imbalance": "warning"}),
        ([0, 1] * 2 + [0, 1] * 4, ["train"] * 4 + ["test"] * 8, {}),
        ([0, 1, 1, 1] + [0, 1] * 4, ["train"] * 4 + ["test"] * 8, {"too few": "stop"}),
    ],
)
def test_amounts(label: list[int], part: list[str], kinds: dict[str, str]) -> None:
    entries, pixels = pictures([*map(scene, range(len(label)))], range(len(label)), label, part)
    assert found(health.check(entries, CLASSES, "pictures", pixels)) == kinds


def test_a_class_of_too_few_can_be_left_out() -> None:
    label = [0] * 6 + [1] * 6 + [2] * 2
    entries, pixels = pictures([*map(scene, range(14))], range(14), label)
    three = ("cat", "dog", "hen")
    (remedy,) = finding(health.check(entries, three, "pictures", pixels), "too few").remedies
    assert (remedy.action, remedy.positions) == ("leave out", (12, 13))
    without = health.leave_out(entries, remedy.positions).to(entries)
    checked = health.check(without, three, "pictures", pixels)
    assert checked.findings == () and checked.imbalance == 1.0
    entries["label"] = [0] * 12 + [2] * 2  # one class is no task: nothing to leave out
    assert finding(health.check(entries, three, "pictures", pixels), "too few").remedies == ()


def test_sizes_and_colours() -> None:
    entries, pixels = pictures([*map(scene, range(20))], range(20), [0] * 10 + [1] * 10)
    entries["width"], entries["height"] = [30] * 5 + [200] * 14 + [4000], [20] * 5 + [100] * 14 + [3000]
    entries["grey"] = [True] * 9 + [False] * 11
    checked = health.check(entries, CLASSES, "pictures", pixels)
    assert (checked.sizes, checked.enlarged, checked.grey) == (((30, 20), (200, 100), (4000, 3000)), 5, 9)
    assert found(checked) == {"grey": "warning", "enlarged": "note"}
    assert "90% of “cat”, 0% of “dog”" in finding(checked, "grey").sentence
    assert finding(checked, "enlarged").positions == (0, 1, 2, 3, 4)
    assert health.check(entries, CLASSES, "pictures", pixels, size=224).enlarged == 19


def test_a_table() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    x[5], x[7], x[:11, 2] = x[4], x[6], np.nan
    entries = pd.DataFrame({"row": range(20), "name": "", "label": [0] * 7 + [1] * 13, "part": "", "used": True})
    checked = health.check(
        entries, CLASSES, "table", x, columns=("length", "width", "depth"),
        giveaways=[("diagnosis code", "each value has one class")], skipped=[("notes.pdf", "no table")],
    )  # fmt: skip
    assert checked.missing == {"depth": 11}
    assert finding(checked, "missing").level == "warning"
    assert finding(checked, "copies").groups == ((4, 5),)
    assert finding(checked, "conflict").groups == ((6, 7),)
    assert finding(checked, "conflict").level == "note"
    assert "diagnosis code" in finding(checked, "giveaway").sentence
    assert "notes.pdf" in finding(checked, "skipped").sentence


def test_equal_rows_are_equal_however_zero_is_written() -> None:
    x = np.array([[0.0, 1], [-0.0, 1], [1, 0], [np.nan, 1], [np.nan, 1]])
    assert copies.same_content(x).tolist() == [0, 0, 1, 2, 2]
    assert copies.same_content(np.zeros((3, 4, 4), np.uint8)).tolist() == [0, 0, 0]


def test_candidates_are_those_of_comparing_each_with_each() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 400, dtype=np.uint64)
    flips = random.integers(0, 2**64, (6, 400), dtype=np.uint64)
    near = hashes ^ np.bitwise_and.reduce(flips[:4])  # some four bits of each are turned
    hashes = np.concatenate([hashes, near, hashes[:3]])
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    wanted = {(i, j) for i, j in np.argwhere(distance <= 6).tolist() if i < j}
    got = {(i, j) for i, j in copies.candidates(hashes).tolist()}
    assert wanted <= got
    assert all(distance[i, j] <= copies.BITS for i, j in got)
    assert copies.candidates(hashes[:1]).shape == copies.candidates(hashes[:0]).shape == (0, 2)


def test_many_nearly_blank_pictures_take_no_longer() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(250, 253, (1, 16, 16, 3), dtype=np.uint8).repeat(30_000, 0)
    pixels += random.integers(0, 3, pixels.shape, dtype=np.uint8)
    hashes = np.zeros(30_000, np.uint64)
    hashes[::2] = random.integers(0, 8, 15_000, dtype=np.uint64)
    begun = time.perf_counter()
    pairs = copies.near_pairs(hashes, pixels, np.arange(30_000))
    assert time.perf_counter() - begun < 15
    assert len(pairs) < 300  # blank as they are, they differ by as much as varies within each


def test_moving_and_taking_as_one() -> None:
    entries, _ = pictures([*map(scene, range(4))], [0, 0, 1, 1], [0, 0, 0, 1], ["train", "test", "", ""])
    moved = health.move(entries, [2, 3], 1, "dog")
    assert (moved.label.tolist(), moved.note) == ([0, 0, 1, 1], "Moved 1 picture to dog.")
    assert entries.label.tolist() == [0, 0, 0, 1]
    one = health.take_as_one(entries, [(0, 1)])
    assert (one.used.tolist(), one.part.tolist()) == ([False, True, True, True], ["train", "test", "", ""])
    assert one.note == "Counted 1 group of copies as one: left out 1 picture."
    assert health.leave_out(one.to(entries), [0, 2]).note == "Left out 1 picture."
    with pytest.raises(ValueError, match=r"received .* expected .*; leave"):
        health.take_as_one(entries, [(2, 3)])


def test_photographs_with_known_near_copies() -> None:
    """CIFAR-10 has pictures twice, once to learn from and once to be tested on, never byte for byte."""
    if not CIFAR.is_file():
        pytest.skip("TLCORE_TEST_DATA names no folder with cifar10.zip")
    with zipfile.ZipFile(CIFAR) as archive:
        names = sorted(name for name in archive.namelist() if "/automobile/" in name)
        names = [name for name in names if name.startswith("test") or int(name[-8:-4]) < 1500]
        contents = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    part = [name.split("/")[0] for name in names]
    entries, pixels = pictures(contents, range(len(names)), [0, 1] * (len(names) // 2), part)
    entries["label"] = 0
    leak = finding(health.check(entries, ("automobile",), "pictures", pixels), "leak near")
    assert {tuple(names[place][-8:-4] for place in group) for group in leak.groups} == {
        ("0129", "1010"), ("0277", "1146"), ("0318", "0742"), ("0624", "0988"), ("0834", "1085"), ("0945", "0186"),
    }  # fmt: skip
    left = health.leave_out(entries, leak.remedies[0].positions).to(entries)
    assert left.used[left.part == "test"].all()
    assert "leak near" not in found(health.check(left, ("automobile",), "pictures", pixels))

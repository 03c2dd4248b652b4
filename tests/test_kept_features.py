"""Kept features: bounded, shared, and at everybody's mercy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tlcore import __main__ as command_line
from tlcore import features
from tlcore.digests import of_each
from tlcore.features import Memory, Store
from tlcore.spec import Refused

ROOT = Path(__file__).resolve().parents[1]


def examples(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3)).astype(np.uint8)


def store(key: str = "a", shape: tuple[int, ...] = (3,), dtype: str = "float32") -> Store:
    return Store(key, shape, dtype, {"title": f"front {key}"})


def filled(key: str, n: int = 10, width: int = 3) -> None:
    with store(key, (width,)) as own:
        assert own.append(of_each(examples(n)), np.ones((n, width), np.float32))


def used(key: str, when: float) -> None:
    os.utime(features._root() / f"{key}-float32" / "used", (when, when))


def test_a_digest_is_of_an_examples_bytes_and_type_alone():
    x = examples(50)
    found = of_each(x)
    assert len(np.unique(found)) == 50 and found.dtype == "S16"
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_array_equal(of_each(x[order]), found[order])
    assert not np.isin(of_each(x.astype(np.float32)), found).any()
    assert not np.isin(of_each(x.view(np.int8)), found).any()
    assert of_each(x[:0]).shape == (0,)


def test_a_large_picture_has_the_digest_of_a_small_part(monkeypatch: pytest.MonkeyPatch):
    x = examples(50)
    whole = of_each(x)
    monkeypatch.setattr("tlcore.digests._AT_ONCE", 100)
    np.testing.assert_array_equal(of_each(x), whole)


def test_rows_are_found_by_their_digests_in_any_order(lab: Path):
    x, rows = examples(20), np.random.default_rng(0).random((20, 2, 3), np.float32)
    known = of_each(x)
    with store("a", (2, 3)) as own:
        assert (own.look_up(known) == -1).all() and own.append(known[:15], rows[:15])
    with store("a", (2, 3)) as own:
        where = own.look_up(known[[3, 19, 0, 3]])
        assert where.tolist() == [3, -1, 0, 3]
        np.testing.assert_array_equal(own.rows(where[[0, 2]]), rows[[3, 0]])
        assert own.append(known, rows) and len(own) == 20  # the first fifteen are not kept twice
        np.testing.assert_array_equal(own.rows(own.look_up(known[::-1])), rows[::-1])


def test_many_rows_are_read_when_they_are_asked_for(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "HELD", 0)
    rows = np.random.default_rng(0).random((20, 3), np.float32)
    with store() as own:
        own.append(of_each(examples(20)), rows)
        lazy = own.rows(np.arange(20)[::-1])
    assert not isinstance(lazy, np.ndarray) and lazy.shape == (20, 3) and lazy.dtype == np.float32
    features.clear()
    np.testing.assert_array_equal(lazy[np.array([0, 5])], rows[::-1][[0, 5]])  # it goes on with what it holds


@pytest.mark.parametrize("damage", ["half a row", "a row without a name", "half a name", "no index", "no rows"])
def test_what_was_left_half_written_is_not_there(damage: str, lab: Path):
    x, rows = examples(6), np.random.default_rng(0).random((6, 3), np.float32)
    known = of_each(x)
    with store() as own:
        own.append(known[:4], rows[:4])
        kept, index = own.folder / "rows.bin", own.folder / "index.bin"
    match damage:
        case "half a row":
            kept.write_bytes(kept.read_bytes() + bytes(5))
        case "a row without a name":
            kept.write_bytes(kept.read_bytes() + bytes(12))
        case "half a name":
            kept.write_bytes(kept.read_bytes() + bytes(12))
            index.write_bytes(index.read_bytes() + known[4][:7])
        case "no index":
            index.unlink()
        case "no rows":
            kept.unlink()
    left = 0 if damage.startswith("no") else 4
    with store() as own:
        assert len(own) == left and (own.look_up(known) >= 0).sum() == left
        assert own.append(known, rows)
        np.testing.assert_array_equal(own.rows(own.look_up(known)), rows)


def test_an_entry_that_is_deleted_under_way_goes_on_for_who_has_it_open(lab: Path):
    x, rows = examples(6), np.random.default_rng(0).random((6, 3), np.float32)
    known = of_each(x)
    with store() as own:
        own.append(known[:3], rows[:3])
        shutil.rmtree(lab / "features")
        with store() as other:  # which begins anew
            assert len(other) == 0 and other.append(known[5:], rows[5:])
        assert own.append(known[3:], rows[3:])
        np.testing.assert_array_equal(own.rows(own.look_up(known)), rows)
    with store() as own:
        assert own.look_up(known).tolist() == [-1] * 5 + [0]


def test_the_least_recently_used_goes_first_and_never_what_is_in_use(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "limit", lambda: 10_000)
    for age, key in enumerate(["new", "middle", "old", "oldest"]):
        filled(key, 10, 50)  # 2,000 bytes and a little
        used(key, time.time() - 100 * (age + 1))
    with store("oldest", (50,)):
        used("oldest", 1.0)
        filled("next", 10, 100)
    assert {entry.title for entry in features.usage()} == {"front next", "front new", "front oldest"}
    assert sum(entry.bytes for entry in features.usage()) <= 10_000


def test_what_does_not_fit_is_not_kept_and_drives_nobody_out(lab: Path, monkeypatch: pytest.MonkeyPatch):
    filled("a")
    monkeypatch.setenv(features.SETTING, "0.000002")
    with store("b", (100,)) as own:
        assert not own.room(1000) and not own.append(of_each(examples(10)), np.ones((10, 100), np.float32))
        assert len(own) == 0
    assert any(entry.key.startswith("a") and entry.rows == 10 for entry in features.usage())


def test_a_full_disk_is_left_alone(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "SPARE", shutil.disk_usage(lab.parent).total)
    with store() as own:
        assert not own.append(of_each(examples(2)), np.ones((2, 3), np.float32))


def test_the_limit_is_a_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(features.SETTING, raising=False)
    assert features.limit() == 10 * 10**9
    monkeypatch.setenv(features.SETTING, "0.5")
    assert features.limit() == 500_000_000
    assert features.kind(1000, (100,)) == "float32" and features.kind(400_000, (100,)) == "float16"
    for small in ("0", "0.000001"):  # what cannot be kept anyway loses nothing of its precision
        monkeypatch.setenv(features.SETTING, small)
        assert features.kind(1000, (100,)) == "float32"
    for nonsense in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv(features.SETTING, nonsense)
        with pytest.raises(Refused, match="gigabytes"):
            features.limit()


def test_half_precision_is_close_and_never_infinite(lab: Path):
    rows = np.array([[1.0001, -3.5, 1e9]], np.float32)
    for own in (store(dtype="float16"), Memory((3,), "float16")):
        with own:
            assert own.append(of_each(examples(1)), rows)
            found = own.rows(np.array([0]))
        assert found.dtype == np.float16
        np.testing.assert_allclose(found[0], [1.0, -3.5, 65504], rtol=1e-3)


WRITER = """
import sys, numpy as np
from tlcore.features import Store
from tlcore.digests import of_each
x = np.arange(4000, dtype=np.float32).reshape(2000, 2)
mine = range(int(sys.argv[1]), 2000, 10)
for start in mine:
    with Store("a", (2,), "float32", {}) as own:
        assert own.append(of_each(x[start : start + 30]), x[start : start + 30] + 0.5)
"""


def test_several_processes_keep_rows_of_one_entry(lab: Path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, first], cwd=ROOT) for first in ("0", "5")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    x = np.arange(4000, dtype=np.float32).reshape(2000, 2)
    with store("a", (2,)) as own:
        assert len(own) == 2000
        np.testing.assert_array_equal(own.rows(own.look_up(of_each(x))), x + 0.5)


def test_an_entry_that_another_process_reads_stays(lab: Path, monkeypatch: pytest.MonkeyPatch):
    filled("a")
    code = (
        "import sys\nfrom tlcore.features import Store\n"
        "with Store('a', (3,), 'float32', {}):\n    print('open', flush=True)\n    sys.stdin.readline()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout and reader.stdout.readline() == "open\n"
    monkeypatch.setattr(features, "limit", lambda: 1000)
    with store("b", (100,)) as own:
        assert not own.append(of_each(examples(2)), np.ones((2, 100), np.float32))
        reader.communicate("\n", 30)
        assert own.append(of_each(examples(2)), np.ones((2, 100), np.float32))
    assert not (lab / "features" / "a-float32").exists()


def test_the_command_lists_and_clears(lab: Path, capsys: pytest.CaptureFixture[str]):
    filled("a")
    assert command_line.main(["features", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["rows"], row["about"]["dtype"]) == ("front a", 10, "float32") and row["bytes"] > 280
    assert command_line.main(["features"]) == 0
    assert "of at most 10,000 MB" in capsys.readouterr().out
    assert command_line.main(["features", "--clear"]) == 0
    assert "were deleted" in capsys.readouterr().out and not features.usage()
    assert command_line.main(["features", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []

"""What a frozen front computes is computed once, whoever asks, whatever happens on the way."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import until

from tests.engine.test_fingerprint import built
from tlcore import Phase, RunSpec
from tlcore import features as kept
from tlcore.engine import features, fingerprint, freezing
from tlcore.engine.augmentation import Change
from tlcore.engine.network import Network
from tlcore.engine.teller import Stopped

ROOT = Path(__file__).resolve().parents[2]


def pictures(n: int, seed: int = 0, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 17, (n, side, side, 1)).astype(np.float32)


def quiet(done: int, of: int) -> None:
    pass


def direct(network: Network, blocks: int, x: np.ndarray) -> np.ndarray:
    return np.asarray(network.front(blocks)(x, training=False))


def never(*_: object) -> object:
    raise AssertionError("the front was built although nothing was missing")


@pytest.mark.parametrize("name", ["small_cnn", "dense_128"])  # batch normalisation and dropout
def test_features_are_what_the_front_computes(name: str, lab: Path, monkeypatch: pytest.MonkeyPatch):
    network, x, heard = built(name), pictures(700), []
    first = features.compute(network, 1, x, lambda *told: heard.append(told))
    np.testing.assert_allclose(first.rows, direct(network, 1, x), atol=1e-5)
    assert (first.found, first.computed, first.stored) == (0, 700, True) and first.rows.dtype == np.float32
    assert heard[-1] == (700, 700) and heard == sorted(heard)
    monkeypatch.setattr(network, "front", never)
    again = features.compute(network, 1, x[::-1], lambda *told: heard.append(told))
    assert (again.found, again.computed) == (700, 0) and heard[-1] == (700, 700)
    np.testing.assert_array_equal(again.rows, first.rows[::-1])


def test_parts_share_what_is_known_and_twins_are_computed_once(lab: Path):
    network, x = built(), pictures(100)
    features.compute(network, 2, x[:40], quiet)
    heard: list[tuple[int, int]] = []
    train, validation = features.compute_each(network, 2, [x[20:80], x[:30]], lambda *told: heard.append(told))
    assert (train.found, train.computed, validation.found, validation.computed) == (20, 40, 30, 0)
    assert heard[0] == (50, 90) and heard[-1] == (90, 90)
    np.testing.assert_allclose(train.rows, direct(network, 2, x[20:80]), atol=1e-5)
    np.testing.assert_allclose(validation.rows, direct(network, 2, x[:30]), atol=1e-5)
    twins = features.compute(network, 1, np.repeat(x[:5], 3, axis=0), quiet)
    assert (twins.found, twins.computed) == (0, 5) and len(kept.usage()) == 2
    np.testing.assert_array_equal(twins.rows[::3], twins.rows[2::3])


def test_without_blocks_nothing_is_kept(lab: Path):
    network, x = built(), pictures(10)
    found = features.compute(network, 0, x, quiet)
    np.testing.assert_allclose(found.rows, x / 16, atol=1e-6)
    assert not kept.usage() and not found.stored


def test_many_features_stay_in_their_file(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "HELD", 0)
    network, x = built(), pictures(60)
    one, other = features.compute_each(network, 2, [x[:40], x[40:]], quiet)
    assert not isinstance(one.rows, np.ndarray) and one.rows.shape[0] == 40
    np.testing.assert_allclose(other.rows[:], direct(network, 2, x[40:]), atol=1e-5)


def test_what_cannot_be_kept_is_computed_all_the_same(lab: Path, monkeypatch: pytest.MonkeyPatch):
    network, x = built(), pictures(60)
    known = features.compute(network, 2, x[:20], quiet)
    monkeypatch.setenv(kept.SETTING, "0")
    found = features.compute(network, 2, x, quiet)
    assert (found.found, found.computed, found.stored) == (20, 40, False) and found.rows.dtype == np.float32
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)
    np.testing.assert_array_equal(found.rows[:20], known.rows)


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(lab: Path):
    network, x = built(), pictures(30)
    lab.mkdir()
    (lab / "features").mkdir()
    (lab / "features" / f"{fingerprint.front(network, 2)}-float32").write_text("in the way")
    found = features.compute(network, 2, x, quiet)
    assert not found.stored and found.computed == 30
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)


def test_too_many_features_are_halved(lab: Path, monkeypatch: pytest.MonkeyPatch):
    network, x = built(), pictures(60)
    monkeypatch.setenv(kept.SETTING, "0.0008")  # 800 kB, of which float32 would take 246
    found = features.compute(network, 2, x, quiet)
    assert found.rows.dtype == np.float16 and found.stored
    np.testing.assert_allclose(found.rows, direct(network, 2, x), rtol=2e-3, atol=1e-3)
    assert kept.usage()[0].about["dtype"] == "float16"


def test_whether_features_can_be_kept(lab: Path, monkeypatch: pytest.MonkeyPatch):
    network = built()
    monkeypatch.setattr(kept, "available", lambda *entry: 3 * 10**9)
    assert features.keepable(network, 2, 100) and features.keepable(network, 2, 10**6)  # 4 GB, halved, on disk
    assert not features.keepable(network, 2, 2 * 10**6)
    monkeypatch.setattr(features, "BUDGET", 0)
    assert not features.keepable(network, 2, 1) and features.keepable(network, 0, 10**9)


def test_a_stop_keeps_what_was_made(lab: Path, monkeypatch: pytest.MonkeyPatch):
    network, x = built(), pictures(1000)
    monkeypatch.setattr(features, "OFTEN", 0.0)

    def impatient(done: int, of: int) -> None:
        if done > 600:
            raise Stopped

    with pytest.raises(Stopped):
        features.compute(network, 2, x, impatient)
    found = features.compute(network, 2, x, quiet)
    assert found.found == 512
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)


@pytest.mark.parametrize("only", ["everything", "rows.bin", "index.bin"])
def test_features_may_be_deleted_while_they_are_made(only: str, lab: Path, monkeypatch: pytest.MonkeyPatch):
    network, x = built(), pictures(1000)
    monkeypatch.setattr(features, "OFTEN", 0.0)

    def deleting(done: int, of: int) -> None:
        if done == 512:
            if only == "everything":
                shutil.rmtree(lab / "features")
            else:
                next((lab / "features").glob(f"*/{only}")).unlink()

    found = features.compute(network, 2, x, deleting)
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)
    again = features.compute(network, 2, x, quiet)
    np.testing.assert_allclose(again.rows, found.rows, atol=1e-5)
    assert features.compute(network, 2, x, quiet).computed == 0


def test_another_ones_rows_are_not_computed_again(lab: Path, monkeypatch: pytest.MonkeyPatch):
    network, x = built(), pictures(2000)
    monkeypatch.setattr(features, "OFTEN", 0.0)
    made = []

    def interrupted(done: int, of: int) -> None:
        made.append(done)
        if done == 256:
            features.compute(network, 2, x[700:], quiet)

    found = features.compute(network, 2, x, interrupted)
    assert len(made) <= 4 and made[-1] == 2000
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)


SLOWLY = """
import sys, time
sys.path[:0] = ["tests", "tests/engine"]
from test_features import built, pictures, features, fingerprint
network, x = built(), pictures(3000)
print(fingerprint.front(network, 2), flush=True)
features.OFTEN = 0.0
features.compute(network, 2, x, lambda done, of: time.sleep(float(sys.argv[1])))
print("done", flush=True)
"""


def child(pause: float) -> subprocess.Popen[str]:
    # It draws names in another order, which must not matter.
    code = "import keras\nfor _ in range(3): keras.layers.Rescaling(2.0), keras.Input((2,))\n" + SLOWLY
    return subprocess.Popen(
        [sys.executable, "-c", code, str(pause)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_what_a_killed_process_has_made_is_not_made_again(lab: Path):
    network, x = built(), pictures(3000)
    killed = child(0.5)
    until(lambda: any(entry.rows >= 512 for entry in kept.usage()))
    killed.send_signal(signal.SIGKILL)
    assert killed.stdout and killed.stdout.read().split() == [fingerprint.front(network, 2)]
    killed.wait(10)
    found = features.compute(network, 2, x, quiet)
    assert found.found >= 512 and found.found + found.computed == 3000 and found.computed
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)


def test_two_processes_at_once(lab: Path):
    both = [child(0.05), child(0.05)]
    told = [process.communicate(timeout=120)[0].split() for process in both]
    assert told[0] == told[1] == [fingerprint.front(built(), 2), "done"]
    network, x = built(), pictures(3000)
    found = features.compute(network, 2, x, quiet)
    assert found.computed == 0 and kept.usage()[0].rows == 3000
    np.testing.assert_allclose(found.rows, direct(network, 2, x), atol=1e-5)


@pytest.mark.parametrize("names", [("flip", "rotate"), ("rand_augment", "mix_up")], ids=["kept", "mixed"])
def test_views_are_changed_pictures_through_the_front(
    names: tuple[str, ...], lab: Path, monkeypatch: pytest.MonkeyPatch
):
    network, x, y = built(), pictures(70), np.eye(10, dtype=np.float32)[np.arange(70) % 10]
    heard: list[tuple[int, int]] = []
    seen, labels = features.views(network, 2, x, y, Change(names, 16, 3), 3, lambda *told: heard.append(told))
    assert seen.rows.shape == (210, *network.cards[1].output_shape) and labels.shape == (210, 10)
    assert seen.computed == 210 and heard[-1] == (210, 210)
    change, step = tf.function(Change(names, 16, 3)), 0  # a graph draws otherwise, and is what training changes by
    for view in range(3):
        for start in range(0, 70, 32):
            pictures_, labels_ = change(x[start : start + 32], y[start : start + 32], tf.constant(step, tf.int64))
            here = slice(70 * view + start, 70 * view + min(start + 32, 70))
            np.testing.assert_allclose(seen.rows[here], direct(network, 2, np.asarray(pictures_)), atol=1e-3)
            np.testing.assert_allclose(labels[here], labels_, atol=1e-6)
            step += 1
    assert not np.allclose(seen.rows[:70], seen.rows[70:140])
    monkeypatch.setattr(network, "front", never)
    again, labels_again = features.views(network, 2, x, y, Change(names, 16, 3), 3, quiet)
    assert again.computed == 0
    np.testing.assert_array_equal(again.rows, seen.rows)
    np.testing.assert_array_equal(labels_again, labels)


def test_views_of_another_seed_are_others_and_labels_alone_can_be_made_again(lab: Path):
    network, x, y = built(), pictures(40), np.eye(10, dtype=np.float32)[np.arange(40) % 10]
    _, labels = features.views(network, 2, x, y, Change(("cut_mix",), 16, 0), 2, quiet)
    other, _ = features.views(network, 2, x, y, Change(("cut_mix",), 16, 1), 2, quiet)
    assert other.found == 0
    for entry in kept.usage():
        if "labels" in entry.title:
            shutil.rmtree(entry.folder)
    seen, again = features.views(network, 2, x, y, Change(("cut_mix",), 16, 0), 2, quiet)
    assert seen.computed == 0
    np.testing.assert_array_equal(labels, again)


@pytest.mark.parametrize("checks_raw", [True, False])
@pytest.mark.parametrize("name", ["small_cnn", "dense_128", "noisy"])
def test_a_front_that_runs_along_infers(name: str, checks_raw: bool):
    """Its batch normalisation's statistics stay and its dropout is off, while the tail learns."""
    network = built("small_cnn" if name == "noisy" else name)
    if name == "noisy":  # as loud as dropout can be: were it on, nothing would come through
        network.blocks[0] = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Dropout(0.999), network.blocks[0]])
    blocks = 1
    freezing.apply(network, Phase("x", 1, 0.01, network.names[blocks:]), RunSpec())
    front, x, y = network.front(blocks), pictures(64), np.eye(10, dtype=np.float32)[np.arange(64) % 10]
    before = [weight.numpy() for weight in front.weights]
    tail_before = [weight.numpy() for weight in network.tail(blocks).trainable_weights]
    model = features.Behind(front, network.tail(blocks), checks_raw=checks_raw)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
    checked = x if checks_raw else direct(network, blocks, x)
    kept_tail = keras.models.clone_model(network.tail(blocks))
    kept_tail.set_weights(network.tail(blocks).get_weights())
    history = model.fit(x, y, batch_size=64, epochs=2, shuffle=False, verbose=0, validation_data=(checked, y)).history
    for weight, was in zip(front.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), was)
    after = network.tail(blocks).trainable_weights
    assert any(not np.array_equal(np.asarray(w), was) for w, was in zip(after, tail_before, strict=True))
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    whole = network.whole()
    whole.compile(loss="categorical_crossentropy")
    assert history["val_loss"][-1] == pytest.approx(whole.evaluate(x, y, batch_size=64, verbose=0), abs=1e-4)
    if name == "noisy":  # the first loss is that of features that dropout has left alone
        kept_tail.compile(optimizer=keras.optimizers.SGD(0.01), loss="categorical_crossentropy")
        own = kept_tail.fit(direct(network, blocks, x), y, batch_size=64, shuffle=False, verbose=0).history
        assert history["loss"][0] == pytest.approx(own["loss"][0], abs=1e-4)


def test_a_rerun_is_quick(lab: Path):
    network, x = built(), pictures(1000)
    features.compute(network, 2, x, quiet)
    seconds = []
    for _ in range(5):
        clock = time.perf_counter()
        features.compute(network, 2, x, quiet)
        seconds.append(time.perf_counter() - clock)
    assert min(seconds) < 0.2


def test_views_of_more_examples_are_not_taken_for_those_of_fewer(lab: Path):
    """What is drawn follows from the step, and the step from how many examples there are."""
    network, x, y = built(), pictures(96), np.eye(10, dtype=np.float32)[np.arange(96) % 10]
    features.views(network, 2, x[:64], y[:64], Change(("mix_up",), 16, 3), 2, quiet)
    more, labels = features.views(network, 2, x, y, Change(("mix_up",), 16, 3), 2, quiet)
    kept.clear()
    anew, own = features.views(network, 2, x, y, Change(("mix_up",), 16, 3), 2, quiet)
    np.testing.assert_array_equal(labels, own)
    np.testing.assert_allclose(more.rows, anew.rows, atol=1e-5)

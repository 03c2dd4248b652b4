"""The larger data sets, where the folder that ``TLCORE_TEST_DATA`` names holds them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tlcore import worker
from tlcore.datasets import DATASETS
from tlcore.recipes import RECIPES

FOLDER = Path(os.environ.get("TLCORE_TEST_DATA", "nowhere"))
NEEDED = ("mnist.npz", "fashion_900.npz")


@pytest.fixture
def data(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``TLCORE_DATA`` folder with MNIST, and 900 pictures of Fashion-MNIST: 60 of each class to learn from."""
    if missing := [name for name in NEEDED if not (FOLDER / name).is_file()]:
        pytest.skip(f"TLCORE_TEST_DATA names no folder with {', '.join(missing)}")
    (tmp_path / "mnist.npz").symlink_to(FOLDER / "mnist.npz")
    with np.load(FOLDER / "fashion_900.npz") as file:
        x, y = file["x"], file["y"]
    own = [np.flatnonzero(y == label) for label in range(10)]
    train, test = (np.concatenate([places[part] for places in own]) for part in (slice(60), slice(60, None)))
    np.savez(tmp_path / "fashion_mnist.npz", x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])
    monkeypatch.setenv("TLCORE_DATA", str(tmp_path))
    monkeypatch.setenv("TLCORE_LINGER", "10")
    return tmp_path


def test_ready_files_are_counted_and_shown(data: Path) -> None:
    assert sum(DATASETS["mnist"].facts().counts) == 60_000
    assert DATASETS["fashion_mnist"].facts().counts == (60,) * 10
    preview = DATASETS["fashion_mnist"].preview()
    assert preview
    assert set(preview.y.tolist()) == set(range(10))


def test_mnist_moves_to_fashion_with_its_head_and_with_a_new_one(data: Path) -> None:
    copied, renewed = (worker.train(spec) for spec in RECIPES["mnist-to-fashion"].specs)
    for outcome in (copied, renewed):
        assert outcome.status == "finished", outcome.story.failure
        assert outcome.result
        assert 0.5 < outcome.result["control"]["accuracy"] < 0.85
        assert outcome.story.receipt
    assert copied.story.receipt and copied.story.receipt["copied"]["parameters"] == 784 * 128 + 128 + 128 * 10 + 10
    assert renewed.story.receipt and renewed.story.receipt["new"]["parameters"] == 128 * 10 + 10
    # Published: 0.49 to 0.55 copied whole against 0.66 to 0.70 from scratch. It hurts, and that is what is said.
    assert copied.result and copied.result["gain"]["interval"][1] < 0

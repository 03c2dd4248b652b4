"""What is done to raw examples before a body sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tlcore.architectures import network
from tlcore.datasets import Dataset
from tlcore.engine import preprocess

TABLE = Dataset("table", "", "", (3,), ("a", "b"))
PICTURES = Dataset("pictures", "", "", (8, 8, 3), ("a", "b"), scale=255)
DENSE, CONVOLUTIONAL, IMAGENET = map(network, ("dense_64", "small_cnn", "mobilenet_v2"))


def answered(model, x: np.ndarray) -> np.ndarray:
    return model.predict(x, verbose=0)


def test_a_table_is_brought_to_the_training_parts_mean_and_variance() -> None:
    train = np.random.default_rng(0).normal((2, -3, 1e6), (1, 10, 100), (500, 3)).astype(np.float32)
    seen = answered(preprocess.model(TABLE, DENSE, (3,), train), train)
    assert np.abs(seen.mean(0)).max() < 1e-2 and np.abs(seen.std(0) - 1).max() < 1e-2


def test_what_is_missing_becomes_the_mean_and_what_never_changed_counts_for_nothing() -> None:
    train = np.array([[1, 0.1, np.nan], [3, 0.1, np.nan], [np.nan, 0.1, np.nan]], np.float32)
    model = preprocess.model(TABLE, DENSE, (3,), train)
    assert answered(model, train).tolist() == [[-1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert np.abs(answered(model, np.array([[2, 7, 9]], np.float32))).max() < 1e-12


def test_many_rows_do_not_blur_the_mean() -> None:
    """Summed in float32, 3,000,000 times 0.1 is off by a hundredth, and a column that never changed seems to."""
    train = np.full((3_000_000, 3), (0.1, 2024, 0), np.float32)
    train[::2, 2] = 1
    model = preprocess.model(TABLE, DENSE, (3,), train)
    seen = answered(model, np.array([[0.1, 2024, 1], [5, 1990, 0]], np.float32))
    assert np.allclose(seen, [[0, 0, 1], [0, 0, -1]], atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 16.0, 255.0, 65_535.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_body_sees_the_same_whatever_the_scale(scale: float, channels: int) -> None:
    x = np.random.default_rng(0).random((4, 8, 8, channels)).astype(np.float32)
    card = replace(PICTURES, shape=(8, 8, channels), scale=scale)
    ours = answered(preprocess.model(card, CONVOLUTIONAL, card.shape, None), x * scale)
    assert np.allclose(ours, x, atol=1e-6)
    theirs = answered(preprocess.model(card, IMAGENET, (8, 8, 3), None), x * scale)
    whole = np.repeat(x, 3 // channels, axis=-1) * 255
    assert np.allclose(theirs, whole / 127.5 - 1, atol=1e-4)  # MobileNetV2's


def test_pictures_are_resized_and_made_grey_where_the_network_wants_that() -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert answered(preprocess.model(PICTURES, IMAGENET, (32, 32, 3), None), x).shape == (2, 32, 32, 3)
    grey = answered(preprocess.model(PICTURES, CONVOLUTIONAL, (8, 8, 1), None), x)
    assert np.allclose(grey[..., 0], x.mean(-1) / 255, atol=1e-6)

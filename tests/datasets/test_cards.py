from pathlib import Path

import numpy as np
import pytest

from tlcore.datasets import DATASETS, Damaged, Missing
from tlcore.datasets.cards import PREVIEWS, write_previews

pytestmark = pytest.mark.usefixtures("lab")

EMBEDDED = [name for name, dataset in DATASETS.items() if dataset.loader]
DOWNLOADED = [name for name, dataset in DATASETS.items() if dataset.download]


def test_every_dataset_comes_with_the_program_or_is_downloaded():
    assert {*EMBEDDED, *DOWNLOADED} == {*DATASETS} and not {*EMBEDDED} & {*DOWNLOADED}


def test_previews_are_what_would_be_written_now(tmp_path: Path):
    write_previews(tmp_path / "previews.npz")
    with np.load(PREVIEWS) as kept, np.load(tmp_path / "previews.npz") as now:
        assert sorted(kept.files) == sorted(now.files)
        for name in kept.files:
            np.testing.assert_array_equal(kept[name], now[name], name)


@pytest.mark.parametrize("name", [name for name in EMBEDDED if name not in ("letters", "printed_digits")])
def test_an_embedded_dataset_is_what_its_card_says(name: str):
    card, whole = DATASETS[name], DATASETS[name].load()
    assert whole.x.shape[1:] == card.shape and len(whole.x) == len(whole.y) == card.facts().examples
    assert np.bincount(whole.y).tolist() == [*card.facts().counts] and whole.y.dtype == np.int64
    assert np.isfinite(whole.x).all() and whole.test_from is None
    assert not card.columns or len(card.columns) == card.shape[0]
    again = card.load()
    assert (again.x == whole.x).all() and (again.y == whole.y).all()
    if card.is_image:
        assert whole.x.min() >= 0 and whole.x.max() == card.scale


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_preview_shows_every_class(name: str):
    card = DATASETS[name]
    preview = card.preview()
    assert preview.x.shape[1:] == card.shape and np.bincount(preview.y).tolist() == [8] * len(card.classes)


def test_the_labels_of_what_a_picture_shows():
    assert DATASETS["digits"].classes == tuple("0123456789") == DATASETS["mnist"].classes
    assert DATASETS["letters"].classes[0] == "A" and len(DATASETS["letters"].classes) == 37
    assert DATASETS["fashion_mnist"].classes[9] == "Ankle boot" and len(DATASETS["fashion_mnist"].classes) == 10
    assert DATASETS["cifar10"].classes[3] == "cat"
    hundred = DATASETS["cifar100"].classes
    assert len(set(hundred)) == 100 and list(hundred) == sorted(hundred) and hundred[1] == "aquarium fish"
    assert all(name == name.strip() and "\n" not in name for name in hundred)
    assert DATASETS["breast_cancer"].classes == ("malignant", "benign")


def test_the_two_made_up_tasks_share_features_but_no_example():
    a, b = DATASETS["vectors_a"].load(), DATASETS["vectors_b"].load()
    assert a.x.shape == (6000, 100) and b.x.shape == (2000, 100)
    assert not {row.tobytes() for row in a.x} & {row.tobytes() for row in b.x}


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_dataset_that_is_not_here_yet(name: str, lab: Path):
    card = DATASETS[name]
    assert not card.ready and card.preview() is None and card.facts().examples == sum(card.download.examples)
    with pytest.raises(Missing, match=rf"put {name}\.npz .* into {lab / 'datasets'}"):
        card.load()


def test_a_ready_file_in_the_given_folder_comes_first(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = tmp_path / "given ä"
    for folder, level in ((lab / "datasets", 1), (given, 2)):
        folder.mkdir(parents=True)
        x, y = np.full((30, 28, 28), level, np.uint8), np.arange(30) % 10
        np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert DATASETS["mnist"].load().x.max() == 1
    monkeypatch.setenv("TLCORE_DATA", str(given))
    assert DATASETS["mnist"].ready and DATASETS["mnist"].load().x.max() == 2
    assert DATASETS["mnist"].facts().counts == (3,) * 10 and len(DATASETS["mnist"].preview().x) == 30
    assert str(given) in DATASETS["mnist"].where_to_put()


def test_a_damaged_ready_file_is_named(lab: Path):
    (lab / "datasets").mkdir(parents=True)
    (lab / "datasets" / "mnist.npz").write_bytes(b"PK")
    for ask in (DATASETS["mnist"].load, DATASETS["mnist"].facts, DATASETS["mnist"].preview):
        with pytest.raises(Damaged, match=r"mnist\.npz"):
            ask()

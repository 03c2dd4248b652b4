"""What a person takes away from a run."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from tlcore import RunSpec, artefacts, runs, worker
from tlcore.artefacts import DamagedArtefact


def test_numbers_hold_every_epoch_and_the_test_figures(source_run: str) -> None:
    story = worker.follow(source_run)
    assert story.result
    table = pd.read_csv(io.StringIO(artefacts.numbers(story, story.result)))
    epochs = table[table["part"] == "epoch"]
    assert epochs["val_loss"].tolist() == [epoch["val_loss"] for epoch in story.epochs]
    assert table[table["part"] == "test"]["accuracy"].item() == pytest.approx(story.result["test"]["accuracy"])
    assert len(table[table["part"] == "test, one class"]) == 10


def test_mistakes_are_wrong_and_surest_first(source_run: str) -> None:
    wrong = artefacts.mistakes(runs.get(source_run))
    assert len(wrong.x) > 5
    assert (wrong.truth != wrong.answer).all()
    assert (np.diff(wrong.sure) <= 0).all()


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 half an archive"])
def test_a_missing_or_damaged_file_is_named(source_run: str, content: bytes | None) -> None:
    path = runs.folder(source_run) / "mistakes.npz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DamagedArtefact, match=r"mistakes\.npz"):
        artefacts.mistakes(runs.get(source_run))


def test_a_file_with_a_damaged_byte_gives_no_answers(source_run: str) -> None:
    """Damaged where the compressed numbers are, which not the archive but zlib complains of."""
    path = runs.folder(source_run) / "predictions.npz"
    whole, labels = path.read_bytes(), np.load(path)["labels"]
    assert artefacts.answers(runs.get(source_run), "scratch", labels) is not None
    for at in range(60, 160):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        found = artefacts.answers(runs.get(source_run), "scratch", labels)
        assert found is None or np.isfinite(found).all()


def test_a_missing_model_is_named(source_run: str) -> None:
    assert artefacts.model(runs.get(source_run)).stat().st_size > 1000
    artefacts.model(runs.get(source_run)).unlink()
    with pytest.raises(DamagedArtefact, match=r"model\.keras"):
        artefacts.model(runs.get(source_run))


def test_question_and_script_ask_the_same_again() -> None:
    spec = RunSpec(dataset="wine", source="none", strategy="scratch", learning_rate=4.5e-6, samples_per_class=None)
    assert RunSpec.from_json(artefacts.question(spec)) == spec
    names: dict[str, object] = {"train": lambda asked: asked, "RunSpec": RunSpec}
    exec(artefacts.script(spec).replace("from tlcore import RunSpec, train", "").replace("outcome.history", ""), names)
    assert names["outcome"] == spec

import pytest

from tlcore import RunSpec, runs
from tlcore.admission import admit
from tlcore.catalogue import UnknownName
from tlcore.datasets import DATASETS
from tlcore.sources import NONE, SOURCES, adaptable, fits, source

pytestmark = pytest.mark.usefixtures("lab")


@pytest.mark.parametrize("name", [name for name, own in SOURCES.items() if own.spec])
def test_a_shipped_source_is_a_question_that_is_admitted_as_it_stands(name: str):
    card = source(name)
    assert admit(card.spec) == card.spec  # so that its run is found again by its question
    assert card.run is None and card.accuracy is None
    assert card.classes == DATASETS[card.spec.dataset].classes and not card.ready


def test_nothing_to_borrow():
    card = source(NONE)
    assert card.run is None and card.network is None and card.blocks == () and adaptable(card, (13,))


def test_a_shipped_source_once_trained():
    card = source("vectors_a")
    run = runs.create(card.spec)
    runs.tell(run, "result", test={"accuracy": 0.8})
    runs.tell(run, "finished", seconds={})
    assert card.run is None  # its model is not there
    runs.folder(run).mkdir(parents=True)
    (runs.folder(run) / "model.keras").write_bytes(b"")
    assert card.run == run and card.accuracy == 0.8


def test_a_finished_run_is_a_source(source_run: str):
    card = source(f"run:{source_run}")
    assert card.run == source_run and card.network == "small_cnn" and card.title == "Pre-training"
    assert card.accuracy == runs.get(source_run).result["test"]["accuracy"]


def test_a_run_without_a_label_is_called_after_what_it_learnt(source_run: str):
    runs.rename(source_run, "")
    assert source(f"run:{source_run}").title == "Handwritten digits, 20 a class · From scratch · seed 0"


def test_an_unknown_source_is_answered_with_all():
    with pytest.raises(UnknownName, match="letters, mnist, none, vectors_a"):
        source("run:1")
    with pytest.raises(UnknownName, match="did you mean 'letters'"):
        source("leters")


@pytest.mark.parametrize(
    ("name", "shape", "fit"),
    [
        ("letters", (8, 8, 1), True),
        ("letters", (28, 28, 1), True),
        ("letters", (32, 32, 3), False),
        ("letters", (13,), False),
        ("mnist", (28, 28, 1), True),
        ("mnist", (8, 8, 1), False),
        ("vectors_a", (100,), True),
        ("vectors_a", (13,), False),
    ],
)
def test_fits(name: str, shape: tuple[int, ...], fit: bool):
    assert fits(source(name), shape) is fit


def test_a_newer_question_is_no_source():
    run = runs.create({**RunSpec().__dict__, "colour": "red"})
    runs.tell(run, "finished", seconds={})
    with pytest.raises(UnknownName):
        source(f"run:{run}")

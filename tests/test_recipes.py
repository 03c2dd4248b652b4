import pytest

from tlcore import RunSpec, runs
from tlcore.admission import admit
from tlcore.datasets import DATASETS
from tlcore.recipes import DEFAULT, RECIPES, borrowing, suited
from tlcore.strategies import STRATEGIES

pytestmark = pytest.mark.usefixtures("lab")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_admitted(name: str):
    assert RECIPES[name].specs
    for spec in RECIPES[name].specs:
        assert admit(spec)


def test_the_first_recipe():
    assert DEFAULT in RECIPES and next(iter(RECIPES)) == DEFAULT
    assert admit(RECIPES[DEFAULT].specs[0]) == admit(RunSpec())


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "copy_all"])
def test_a_suited_question_is_admitted_whatever_the_dataset(dataset: str, strategy: str):
    spec = suited(RunSpec(dataset=dataset, strategy=strategy, source="none" if strategy == "scratch" else "letters"))
    assert admit(spec).dataset == dataset


def test_a_question_that_suits_stays():
    assert suited(RunSpec(epochs=3)) == RunSpec(epochs=3)


def test_borrowing_from_a_run_takes_a_dataset_that_fits():
    def finished(spec):
        run = runs.create(admit(spec))
        runs.tell(run, "finished", seconds={})
        return f"run:{run}"

    scratch = RunSpec(source="none", strategy="scratch", samples_per_class=None, seed=7)
    rows, pictures = finished(scratch.revised(dataset="wine")), finished(scratch.revised(dataset="printed_digits"))
    assert borrowing(RunSpec(), pictures).dataset == "digits"
    own = borrowing(RunSpec(), rows)
    assert (own.dataset, own.seed, own.source, own.strategy) == ("wine", 7, rows, "lp_ft")
    assert borrowing(RunSpec(dataset="cifar10"), pictures).dataset == "cifar10"  # its first layer is adapted
    for spec in (own, borrowing(RunSpec(), pictures), borrowing(RunSpec(dataset="cifar10"), pictures)):
        assert admit(spec)

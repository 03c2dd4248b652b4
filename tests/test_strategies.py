import pytest

from tlcore import RunSpec
from tlcore.strategies import STRATEGIES, Phase, arms

BLOCKS = ("one", "two", "three", "four", "head")
SPEC = RunSpec(epochs=10, learning_rate=0.01, blocks=2)
PLANS = {
    "lp_ft": (Phase("head", 5, 0.01, ("head",)), Phase("everything learns", 5, 0.001, BLOCKS)),
    "linear_probe": (Phase("head", 10, 0.01, ("head",)),),
    "last_blocks": (Phase("head and last blocks", 10, 0.01, ("three", "four", "head")),),
    "fine_tune": (Phase("everything learns", 10, 0.01, BLOCKS),),
    "gradual": (
        Phase("head", 2, 0.01, ("head",)),
        Phase("from four", 2, 0.001, ("four", "head")),
        Phase("from three", 2, 0.001, ("three", "four", "head")),
        Phase("from two", 2, 0.001, ("two", "three", "four", "head")),
        Phase("from one", 2, 0.001, BLOCKS),
    ),
    "copy_all": (Phase("everything learns", 10, 0.01, BLOCKS),),
    "scratch": (Phase("everything learns", 10, 0.01, BLOCKS),),
}
COPIES = {"copy_all": "all", "scratch": "nothing"}


def test_every_strategy_is_written_down_here():
    assert set(PLANS) == set(STRATEGIES)


@pytest.mark.parametrize("name", PLANS)
def test_plan(name: str):
    assert STRATEGIES[name].plan(SPEC, BLOCKS) == PLANS[name]
    assert STRATEGIES[name].copies == COPIES.get(name, "body")


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("epochs", [5, 7, 13])
def test_epochs_are_dealt_out_whole(name: str, epochs: int):
    plan = STRATEGIES[name].plan(SPEC.revised(epochs=epochs), BLOCKS)
    shares = [phase.epochs for phase in plan]
    assert sum(shares) == epochs and max(shares) - min(shares) <= 1 and shares == sorted(shares)


@pytest.mark.parametrize("name", PLANS)
def test_the_head_always_learns_and_what_learns_is_the_end_of_the_network(name: str):
    for phase in STRATEGIES[name].plan(SPEC, BLOCKS):
        assert phase.learning == BLOCKS[-len(phase.learning) :]


def test_one_last_block():
    (phase,) = STRATEGIES["last_blocks"].plan(SPEC.revised(blocks=1), BLOCKS)
    assert phase == Phase("head and last block", 10, 0.01, ("four", "head"))


def test_a_plan_does_not_look_at_the_amount_of_data():
    assert STRATEGIES["lp_ft"].plan(SPEC.revised(samples_per_class=1, batch_size=1), BLOCKS) == PLANS["lp_ft"]


def test_arms():
    assert arms(SPEC, BLOCKS) == {"transfer": PLANS["lp_ft"], "scratch": PLANS["scratch"]}
    assert arms(SPEC.revised(control=False), BLOCKS) == {"transfer": PLANS["lp_ft"]}
    assert arms(SPEC.revised(strategy="scratch", source="none"), BLOCKS) == {"scratch": PLANS["scratch"]}

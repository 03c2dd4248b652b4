import dataclasses
from functools import partial

import pytest

from tlcore import RunSpec
from tlcore.networks import NETWORKS
from tlcore.spec import SCHEDULES
from tlcore.strategies import STRATEGIES, Phase, arms, bare, settled, told

BLOCKS = ("one", "two", "three", "four", "head")
BY_HAND = (Phase("mine", 7, 0.3, ("two", "head"), (0.5, 1.0)), Phase("yours", 3, 0.02, ("one", "head")))
SPEC = RunSpec(epochs=10, learning_rate=0.01, blocks=2, first_block=2, rate_factor=2.0, layer_decay=0.5, plan=BY_HAND)
EVERYTHING = (Phase("everything learns", 10, 0.01, BLOCKS),)
triangle = partial(Phase, schedule="slanted")
PLANS = {
    "lp_ft": (Phase("head", 5, 0.01, ("head",)), Phase("everything learns", 5, 0.001, BLOCKS)),
    "linear_probe": (Phase("head", 10, 0.01, ("head",)),),
    "last_blocks": (Phase("head and last blocks", 10, 0.01, ("three", "four", "head")),),
    "fine_tune": EVERYTHING,
    "gradual": (
        Phase("head", 2, 0.01, ("head",)),
        Phase("from four", 2, 0.001, ("four", "head")),
        Phase("from three", 2, 0.001, ("three", "four", "head")),
        Phase("from two", 2, 0.001, ("two", "three", "four", "head")),
        Phase("from one", 2, 0.001, BLOCKS),
    ),
    "discriminative": (Phase("everything learns", 10, 0.01, BLOCKS, (0.0625, 0.125, 0.25, 0.5, 1.0)),),
    "ulmfit": (
        triangle("head", 2, 0.01, ("head",)),
        triangle("from four", 2, 0.01, ("four", "head"), (0.5, 1.0)),
        triangle("from three", 2, 0.01, ("three", "four", "head"), (0.25, 0.5, 1.0)),
        triangle("from two", 2, 0.01, ("two", "three", "four", "head"), (0.125, 0.25, 0.5, 1.0)),
        triangle("from one", 2, 0.01, BLOCKS, (0.0625, 0.125, 0.25, 0.5, 1.0)),
    ),
    "layer_decay": (Phase("everything learns", 10, 0.01, BLOCKS, (0.0625, 0.125, 0.25, 0.5, 1.0)),),
    "bias_only": (Phase("biases and head", 10, 0.01, BLOCKS, only="biases"),),
    "norm_only": (Phase("normalisations and head", 10, 0.01, BLOCKS, only="norms"),),
    "lora": (Phase("adapters and head", 10, 0.01, BLOCKS, only="adapters"),),
    "l2_sp": EVERYTHING,
    "multi_task": EVERYTHING,
    "distil": EVERYTHING,
    "surgical": (Phase("two to three and head", 10, 0.01, ("two", "three", "head")),),
    "custom": BY_HAND,
    "first_frozen": (Phase("all but the first 2", 10, 0.01, ("three", "four", "head")),),
    "first_tuned": EVERYTHING,
    "copy_all": EVERYTHING,
    "scratch": EVERYTHING,
}
COPIES = {
    "copy_all": "all", "scratch": "nothing", "distil": "teacher", "first_frozen": "first", "first_tuned": "first",
}  # fmt: skip
OBJECTIVES = {"l2_sp": "l2_sp", "multi_task": "multi_task", "distil": "distil"}
TAKES = {
    "last_blocks": {"blocks"},
    "discriminative": {"rate_factor"},
    "ulmfit": {"rate_factor"},
    "layer_decay": {"layer_decay"},
    "lora": {"lora_rank", "lora_alpha"},
    "l2_sp": {"pull"},
    "multi_task": {"source_weight"},
    "distil": {"teacher_weight"},
    "surgical": {"blocks", "first_block"},
    "custom": {"plan"},
    "first_frozen": {"blocks"},
    "first_tuned": {"blocks"},
}
OTHER = {
    "blocks": 3, "first_block": 2, "rate_factor": 5.0, "layer_decay": 0.5, "pull": 0.3, "lora_rank": 7,
    "lora_alpha": 3.0, "source_weight": 0.1, "teacher_weight": 0.2, "plan": BY_HAND,
}  # fmt: skip
"""A value, other than the default, for every field that only some strategies read."""


def test_every_strategy_is_written_down_here():
    assert set(PLANS) == set(STRATEGIES)


@pytest.mark.parametrize("name", PLANS)
def test_plan(name: str):
    strategy = STRATEGIES[name]
    assert strategy.plan(SPEC, BLOCKS) == PLANS[name]
    assert strategy.copies == COPIES.get(name, "body")
    assert strategy.objective == OBJECTIVES.get(name, "labels")
    assert set(strategy.takes) == TAKES.get(name, set())


@pytest.mark.parametrize("name", PLANS)
def test_every_strategy_says_what_it_is_and_when_to_take_it(name: str):
    strategy = STRATEGIES[name]
    assert strategy.title and strategy.sentence.endswith(".") and strategy.when.endswith(".") and strategy.group
    assert strategy.reference or name in ("custom", "copy_all", "scratch")


@pytest.mark.parametrize("name", [name for name in PLANS if name != "custom"])
@pytest.mark.parametrize("epochs", [5, 7, 13])
def test_epochs_are_dealt_out_whole(name: str, epochs: int):
    plan = STRATEGIES[name].plan(SPEC.revised(epochs=epochs), BLOCKS)
    shares = [phase.epochs for phase in plan]
    assert sum(shares) == epochs and max(shares) - min(shares) <= 1 and shares == sorted(shares)


@pytest.mark.parametrize("name", PLANS)
def test_the_head_always_learns_and_blocks_stand_in_order(name: str):
    for phase in STRATEGIES[name].plan(SPEC, BLOCKS):
        assert phase.learning == tuple(block for block in BLOCKS if block in phase.learning)
        assert phase.learning[-1] == "head"
        if name not in ("surgical", "custom"):
            assert phase.learning == BLOCKS[-len(phase.learning) :]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", PLANS)
def test_the_schedule_is_the_question_s_in_every_phase(name: str, schedule: str):
    for phase in STRATEGIES[name].plan(SPEC.revised(schedule=schedule, warm_up=1), BLOCKS):
        assert (phase.schedule, phase.warm_up) == (("slanted", 0) if name == "ulmfit" else (schedule, 1))


def test_one_last_block():
    (phase,) = STRATEGIES["last_blocks"].plan(SPEC.revised(blocks=1), BLOCKS)
    assert phase == Phase("head and last block", 10, 0.01, ("four", "head"))


@pytest.mark.parametrize(
    ("first", "blocks", "name", "learning"),
    [
        (1, 1, "one and head", ("one", "head")),
        (4, 1, "four and head", ("four", "head")),
        (1, 4, "one to four and head", BLOCKS),
    ],
)
def test_surgery_anywhere(first: int, blocks: int, name: str, learning: tuple[str, ...]):
    (phase,) = STRATEGIES["surgical"].plan(SPEC.revised(first_block=first, blocks=blocks), BLOCKS)
    assert phase == Phase(name, 10, 0.01, learning)


def test_a_plan_does_not_look_at_the_amount_of_data():
    assert STRATEGIES["lp_ft"].plan(SPEC.revised(samples_per_class=1, batch_size=1), BLOCKS) == PLANS["lp_ft"]


def test_rates():
    assert Phase("x", 1, 0.5, ("a", "head")).rates() == {"a": 0.5, "head": 0.5}
    assert Phase("x", 1, 0.5, ("a", "head"), (0.1, 1.0)).rates() == {"a": 0.05, "head": 0.5}
    with pytest.raises(ValueError, match="shorter"):
        Phase("x", 1, 0.5, ("a", "b", "head"), (0.1, 1.0)).rates()


@pytest.mark.parametrize(
    ("only", "kept"), [("weights", "a"), ("norms", "a"), ("biases", "abc"), ("adapters", "abc")]
)  # fmt: skip
def test_statistics_are_kept_where_a_block_is_frozen_or_little_of_it_learns(only: str, kept: str):
    phase = Phase("x", 1, 0.1, ("b", "c", "head"), only=only)
    assert "".join(block for block in ("a", "b", "c", "head") if phase.keeps_statistics(block)) == kept


def test_arms():
    plan = {"transfer": PLANS["lp_ft"], "scratch": EVERYTHING}
    assert arms(SPEC.revised(plan=()), BLOCKS) == plan
    assert arms(SPEC.revised(control=False), BLOCKS) == {"transfer": PLANS["lp_ft"]}
    assert arms(SPEC.revised(strategy="scratch", source="none"), BLOCKS) == {"scratch": EVERYTHING}


def test_the_control_of_a_plan_by_hand_has_its_epochs_and_the_question_s_rate():
    both = arms(SPEC.revised(strategy="custom", epochs=99), BLOCKS)
    assert both == {"transfer": BY_HAND, "scratch": EVERYTHING}


def test_the_fields_of_strategies_are_all_of_those_in_the_spec():
    assert set(OTHER) == {name for strategy in STRATEGIES.values() for name in strategy.takes}
    defaults = {field.name: field.default for field in dataclasses.fields(RunSpec)}
    assert all(defaults[name] != value for name, value in OTHER.items())


@pytest.mark.parametrize("name", PLANS)
def test_settled_forgets_what_the_strategy_does_not_read_and_keeps_what_it_does(name: str):
    spec = RunSpec(strategy=name, epochs=10, seed=3)
    own, taken = settled(spec.revised(**OTHER)), TAKES.get(name, set())
    assert own == spec.revised(**{field: value for field, value in OTHER.items() if field in taken})
    assert settled(own) == own
    assert STRATEGIES[name].plan(own, BLOCKS) == STRATEGIES[name].plan(spec.revised(**OTHER), BLOCKS)


def test_a_plan_by_hand_brings_its_own_epochs():
    assert settled(RunSpec(strategy="custom", epochs=60, plan=BY_HAND)).epochs == 10
    assert settled(RunSpec(strategy="lp_ft", epochs=60, plan=BY_HAND)).epochs == 60


def test_a_control_is_one_and_the_same_for_all_strategies_and_sources():
    shared = {"epochs": 10, "learning_rate": 0.003, "seed": 5, "network": "small_cnn", "augmentation": ("flip",)}
    expected = RunSpec(source="none", strategy="scratch", control=False, **shared)
    for name in STRATEGIES:
        for source in ("letters", "none"):
            spec = RunSpec(
                strategy=name, source=source, **shared | OTHER, new_input=True, evaluate_on="other", views=4
            )  # fmt: skip
            assert bare(spec) == expected
    assert bare(expected) == expected
    different = RunSpec(**shared | {"seed": 6}), RunSpec(**shared | {"epochs": 11}), RunSpec(**shared, batch_size=8)
    assert expected not in map(bare, different)


# Of small_cnn for 8×8 pictures of one colour and 10 classes: conv1 288 + 4×32, conv2 18,432 + 4×64,
# conv3 73,728 + 4×128, head 1,280 + 10; half of a normalisation's four vectors are statistics.
CARDS = NETWORKS["small_cnn"].whole((8, 8, 1), 10)
WHOLE = 288 + 128 + 18_432 + 256 + 73_728 + 512 + 1_290


@pytest.mark.parametrize(
    ("phase", "trainable", "frozen"),
    [
        (Phase("x", 1, 0.1, ("head",)), 1_290, WHOLE - 1_290),
        (Phase("x", 1, 0.1, ("conv3", "head")), 73_728 + 256 + 1_290, WHOLE - 73_728 - 256 - 1_290),
        (Phase("x", 1, 0.1, ("conv1", "conv2", "conv3", "head")), WHOLE - 448, 448),
        (Phase("x", 1, 0.1, ("conv2", "conv3", "head"), only="biases"), 64 + 128 + 1_290, WHOLE - 64 - 128 - 1_290),
        (Phase("x", 1, 0.1, ("conv2", "conv3", "head"), only="norms"), 2 * 192 + 1_290, WHOLE - 2 * 192 - 1_290),
        # Beside a kernel of 3×3×32×64 of rank 2: 3×3×32×2 and 2×64. They are merged: the whole body is kept as frozen.
        (Phase("x", 1, 0.1, ("conv2", "head"), only="adapters"), 576 + 128 + 1_290, WHOLE - 1_290),
    ],
)
def test_parameters_are_told(phase: Phase, trainable: int, frozen: int):
    data = told(phase, CARDS, 2)
    assert (data["trainable_parameters"], data["frozen_parameters"]) == (trainable, frozen)


def test_a_phase_is_told_as_plain_data():
    phase = Phase("mine", 3, 0.1, ("conv3", "head"), (0.5, 1.0), "norms", "cosine", 1)
    data = told(phase, CARDS)
    assert {name: data[name] for name in data if not name.endswith("_parameters")} == {
        "name": "mine", "epochs": 3, "learning_rate": 0.1, "learning": ["conv3", "head"], "factors": [0.5, 1.0],
        "only": "norms", "schedule": "cosine",
    }  # fmt: skip

"""What is recommended for which figures, branch by branch, and what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlcore import RunSpec, advice, probing, runs
from tlcore.sources import source

SPEC = RunSpec(epochs=60, learning_rate=0.01)
WOBBLE = (0.0, 0.01, -0.01, 0.005, -0.005)
STEADY, FALLING, RISING_LITTLE = (0.5, 0.6, 0.7, 0.8), (0.5, 0.6, 0.8, 0.6), (0.3, 0.32, 0.36, 0.4)


def cut(accuracy: float, below: int, wobble: tuple[float, ...] = WOBBLE) -> dict[str, Any]:
    return {
        "block": f"b{below}", "below": below, "dimension": 8, "accuracy": accuracy, "error": 0.01, "logme": 0.1 * below,
        "folds": [accuracy + own for own in wobble],
    }  # fmt: skip


def row(name: str, curve: tuple[float, ...], random: float = 0.3, **more: Any) -> dict[str, Any]:
    return {
        "source": name, "title": name.title(), "network": "small_cnn", "image_size": None, "seen": False,
        "blocks": [f"b{n}" for n in range(1, len(curve) + 1)], "seconds": 1.0, "pass_seconds": 0.5,
        "cuts": [cut(own, n) for n, own in enumerate(curve, 1)],
        "random": [cut(random, n, WOBBLE[::-1]) for n in range(1, len(curve) + 1)], **more,
    }  # fmt: skip


def figures(each: int, *rows: dict[str, Any], raw: float = 0.3, classes: int = 10) -> dict[str, Any]:
    return {
        "examples": {"fitted": 100, "tried": 200, "learnt": each * classes, "a_class": each},
        "unit": "pictures", "classes": classes, "folds": 5, "chance": 0.1, "raw": cut(raw, 0), "sources": [*rows],
        "left_out": [], "seconds": 10.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("each", "curve", "changes"),
    [
        (10, STEADY, {"strategy": "linear_probe"}),
        (25, STEADY, {"strategy": "linear_probe"}),
        (10, FALLING, {"strategy": "last_blocks", "blocks": 1, "learning_rate": 0.003}),
        (10, (0.5, 0.8, 0.7, 0.6), {"strategy": "last_blocks", "blocks": 2, "learning_rate": 0.003}),
        (10, (0.8, 0.7, 0.6, 0.5), {"strategy": "discriminative", "rate_factor": 2.6, "learning_rate": 0.003}),
        (10, RISING_LITTLE, {"strategy": "discriminative", "rate_factor": 2.6, "learning_rate": 0.003}),
        (26, STEADY, {"strategy": "lp_ft"}),
        (26, FALLING, {"strategy": "lp_ft"}),
        (500, RISING_LITTLE, {"strategy": "lp_ft"}),
        (501, STEADY, {"strategy": "layer_decay", "layer_decay": 0.75, "learning_rate": 0.003}),
        (501, (0.6, 0.8), {"strategy": "lp_ft"}),
        (501, FALLING, {"strategy": "fine_tune", "learning_rate": 0.003}),
        (501, RISING_LITTLE, {"strategy": "fine_tune", "learning_rate": 0.003}),
    ],
)
def test_the_table(each: int, curve: tuple[float, ...], changes: dict[str, Any]) -> None:
    own = advice.recommend(SPEC, figures(each, row("letters", curve)))
    assert own.spec_changes == {"source": "letters", **changes}
    assert SPEC.revised(**own.spec_changes).problems() == []
    assert not own.warnings and own.ranking[0].clear


def test_a_source_no_better_than_random_weights_threatens_negative_transfer() -> None:
    own = advice.recommend(SPEC, figures(100, row("letters", (0.5, 0.51), random=0.5)))
    assert own.spec_changes == {"source": "none", "strategy": "scratch"}
    assert "negative transfer" in own.warnings[0] and "51% against 50%" in own.warnings[0]
    assert not own.ranking[0].clear and "chance wiring" in " ".join(own.reasons)


def test_a_source_that_raw_examples_rival_is_warned_of_but_may_be_tried() -> None:
    own = advice.recommend(SPEC, figures(100, row("letters", (0.7, 0.8)), raw=0.8))
    assert own.spec_changes["strategy"] == "lp_ft"
    assert "on the pictures themselves" in own.warnings[0] and not own.ranking[0].clear


def test_a_difference_within_chance_is_not_clear() -> None:
    wild = row("letters", (0.5, 0.56), random=0.5)
    wild["cuts"][-1]["folds"] = [0.3, 0.8, 0.4, 0.75, 0.55]
    assert advice.recommend(SPEC, figures(100, wild)).spec_changes["strategy"] == "scratch"


def test_sources_are_ranked_by_their_best_probe_and_those_that_cheat_come_last() -> None:
    rows = (
        row("worse", (0.5, 0.6)), row("peaks", (0.9, 0.7)), row("better", (0.6, 0.8)),
        row("cheats", (0.9, 0.99), seen=True), row("harms", (0.4, 0.3), random=0.4),
    )  # fmt: skip
    own = advice.recommend(SPEC, figures(100, *rows))
    assert [one.source for one in own.ranking] == ["peaks", "better", "worse", "harms", "cheats"]
    assert [one.clear for one in own.ranking] == [True, True, True, False, True]
    assert own.spec_changes["source"] == "peaks"
    assert (own.ranking[0].accuracy, own.ranking[0].last, own.ranking[0].below) == (0.9, 0.7, 1)


def test_the_best_one_that_helps_is_taken_before_a_better_one_that_does_not() -> None:
    own = advice.recommend(SPEC, figures(100, row("easy", (0.8, 0.9), random=0.9), row("helps", (0.5, 0.85))))
    assert own.spec_changes["source"] == "helps"


def test_one_that_has_learnt_from_the_same_data_is_said_to() -> None:
    own = advice.recommend(SPEC, figures(100, row("cheats", (0.9, 0.99), seen=True)))
    assert "has learnt from this very dataset" in own.warnings[0]


def test_what_would_take_too_long_is_not_recommended() -> None:
    slow = figures(100, row("letters", STEADY, pass_seconds=60.0))
    assert advice.recommend(SPEC.revised(epochs=19), slow).spec_changes["strategy"] == "lp_ft"
    own = advice.recommend(SPEC, slow)
    assert own.spec_changes["strategy"] == "linear_probe"
    assert "3 h 00 min" in own.reasons[-1]
    late = figures(100, row("letters", FALLING, pass_seconds=60.0))
    assert advice.recommend(SPEC, late).spec_changes["strategy"] == "last_blocks"


def test_reasons_say_the_numbers_and_few_examples_are_called_rough() -> None:
    own = advice.recommend(SPEC, figures(5, row("letters", STEADY), raw=0.25))
    said = " ".join(own.reasons)
    for part in ("5 pictures a class", "80% of cases", "30%", "25%", "“Letters”"):
        assert part in said
    assert "rough" in own.warnings[0] and own.confidence.startswith("A rough guess")
    near = advice.recommend(SPEC, figures(100, row("one", STEADY), row("two", (0.5, 0.6, 0.7, 0.79))))
    assert "“Two” is too close to tell" in near.confidence
    assert advice.recommend(SPEC, figures(100, row("one", STEADY))).confidence.startswith("Fairly sure:")


def test_a_lower_rate_of_the_person_s_own_is_kept() -> None:
    own = advice.recommend(SPEC.revised(learning_rate=1e-4), figures(501, row("letters", FALLING)))
    assert own.spec_changes["learning_rate"] == 1e-4


def test_questions_that_differ_in_what_is_not_looked_at_are_one(lab: Path) -> None:
    first = probing.question(SPEC, ["letters"])
    assert first == probing.question(SPEC.revised(strategy="scratch", source="none", epochs=3), ["letters"])
    assert first != probing.question(SPEC.revised(samples_per_class=6), ["letters"])
    assert first["spec"].keys() == {*probing.READ}


def test_what_is_looked_through_when_nobody_says(source_run: str) -> None:
    spec = RunSpec(dataset="printed_digits", source="none")
    offered = probing.offered(spec)
    run = f"run:{source_run}"
    assert offered[run].ready and "imagenet/resnet50" in offered and "vectors_a" not in offered
    assert probing.usual(spec, offered) == [run]
    assert probing.usual(spec.revised(source="letters"), offered) == ["letters", run]
    assert not probing.at_hand(source("imagenet/resnet50")) and not probing.at_hand(source("mnist"))
    # One that has learnt from these very examples is offered, and not begun with.
    digits = RunSpec(dataset="digits", source="none")
    assert run in probing.offered(digits) and run not in probing.usual(digits, probing.offered(digits))
    assert probing.learnt_from(run, "digits") and not probing.learnt_from(run, "printed_digits")
    # What was looked through last comes first.
    runs.create(probing.question(spec, ["letters"]), task=runs.ADVISE)
    assert probing.begun_with(spec, offered) == ["letters"]
    assert probing.begun_with(spec.revised(samples_per_class=7), offered) == [run]


def test_the_expected_time_grows_with_the_networks(lab: Path) -> None:
    spec = RunSpec(dataset="cifar10", source="none")
    small, large = (
        probing.expected_seconds(spec, [source(f"imagenet/{name}")], 2_000) for name in ("mobilenet_0.25", "resnet50")
    )
    assert 10 < small < 20 < large < 60  # of large networks fewer examples are looked at


def test_large_networks_see_fewer_examples(lab: Path) -> None:
    def most(*names: str) -> int:
        return probing.most_examples(RunSpec(dataset="cifar10", source=name, strategy="linear_probe") for name in names)

    assert most("imagenet/mobilenet_0.25", "imagenet/mobilenet_v2") == 2_000
    assert probing.LEAST_EXAMPLES < most("imagenet/resnet50") < 2_000
    assert most("imagenet/resnet50", "imagenet/convnext_tiny", "imagenet/densenet121") == probing.LEAST_EXAMPLES


def test_multiplications_of_our_own_networks_are_counted(lab: Path) -> None:
    spec = RunSpec(dataset="digits", source="letters", strategy="linear_probe")
    assert probing.multiplications(spec) == 9 * (64 * 32 + 64 * 32 * 64 + 16 * 64 * 128)
    dense = RunSpec(dataset="vectors_b", source="vectors_a", strategy="linear_probe")
    assert probing.multiplications(dense) == 100 * 64 + 64 * 32

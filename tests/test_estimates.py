"""What a plan costs, as arithmetic over a measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlcore import RunSpec, admission, estimates
from tlcore.estimates import Cost, Measurement
from tlcore.networks import Block
from tlcore.strategies import STRATEGIES

BLOCK = Cost(forward=(0.001, 0.0001), training=(0.003, 0.0003), building=(0.1, 0.2), activations=1_000)
HEAD = Cost(forward=(0.0, 0.0), training=(0.0, 0.0), building=(0.0, 0.0), activations=0)
MEASURED = Measurement(
    {**{f"conv{n}": BLOCK for n in (1, 2, 3)}, "head": HEAD}, 0.0, 0.0, 0.0, 0.0, 1.0, 500_000_000, "CPU"
)
AMOUNTS = {"train": 100, "validation": 50, "test": 50}
SPEC = RunSpec(network="small_cnn", epochs=10, batch_size=50)


def blocks() -> tuple[Block, ...]:
    return admission.blocks(SPEC)


def phases(strategy: str, **changes: object) -> list[estimates.Estimate]:
    spec = SPEC.revised(strategy=strategy, **changes)
    names = [block.name for block in blocks()]
    return estimates.of(spec, STRATEGIES[strategy].plan(spec, names), blocks(), MEASURED, AMOUNTS)


def test_what_stays_frozen_is_computed_once_and_the_head_costs_nothing_here() -> None:
    (probe,) = phases("linear_probe")
    # three blocks: one batch of 150 forward, and 0.1 s to build each of them
    assert probe.extraction == pytest.approx(3 * (0.001 + 150 * 0.0001) + 0.3)
    assert probe.seconds == pytest.approx(probe.extraction)


def test_fine_tuning_pays_for_every_step_of_every_epoch() -> None:
    (tuned,) = phases("fine_tune")
    epoch = 3 * (2 * 0.003 + 100 * 0.0003) + 3 * (0.001 + 50 * 0.0001)
    assert tuned.extraction == 0
    assert tuned.seconds == pytest.approx(3 * 0.3 + 10 * epoch)
    (twice,) = phases("fine_tune", epochs=20)
    assert twice.seconds - tuned.seconds == pytest.approx(10 * epoch)


def test_the_fewer_blocks_learn_the_less_it_takes() -> None:
    seconds = [phases("last_blocks", blocks=n)[0].seconds for n in (1, 2, 3)]
    assert seconds == sorted(seconds) and len(set(seconds)) == 3
    assert phases("linear_probe")[0].seconds < seconds[0]
    assert phases("linear_probe")[0].bytes < phases("fine_tune")[0].bytes


def test_biases_alone_save_half_of_the_way_back() -> None:
    (biases,), (tuned,) = phases("bias_only"), phases("fine_tune")
    saved = 10 * 3 * (2 * 0.001 + 100 * 0.0001)  # (0.003 - 0.001) / 2 a batch, (0.0003 - 0.0001) / 2 an example
    assert tuned.seconds - biases.seconds == pytest.approx(saved)
    assert biases.bytes < tuned.bytes


def test_features_behind_the_same_front_are_not_counted_twice() -> None:
    spec = SPEC.revised(strategy="custom")
    names = [block.name for block in blocks()]
    (phase,) = STRATEGIES["linear_probe"].plan(spec, names)
    first, second = estimates.of(spec, (phase, phase), blocks(), MEASURED, AMOUNTS)
    assert first.extraction > 0 and second.extraction == 0


def test_kept_versions_cost_extraction_and_new_ones_cost_every_step() -> None:
    changed = {"augmentation": ("flip",)}
    (kept,), (anew,) = phases("linear_probe", views=4, **changed), phases("linear_probe", **changed)
    assert kept.extraction == pytest.approx(3 * (2 * 0.001 + 450 * 0.0001) + 0.3)
    assert anew.extraction == pytest.approx(3 * (0.001 + 50 * 0.0001) + 0.3)
    assert anew.seconds - anew.extraction == pytest.approx(10 * 3 * (2 * 0.001 + 100 * 0.0001))
    assert kept.bytes > anew.bytes


def test_an_optimizer_s_numbers_and_its_time_are_those_of_what_learns() -> None:
    adam, sgd = phases("fine_tune")[0].bytes, phases("fine_tune", optimizer="sgd")[0].bytes
    learning = sum(block.trainable() for block in blocks())
    assert adam - sgd == 2 * 4 * learning


def test_a_whole_run_counts_its_control(lab: Path) -> None:
    alone, both = (estimates.whole(SPEC.revised(control=control), MEASURED) for control in (False, True))
    (tuned,) = estimates.of(
        SPEC, STRATEGIES["scratch"].plan(SPEC, [b.name for b in blocks()]), blocks(), MEASURED, estimates.sizes(SPEC)
    )
    assert both.seconds - alone.seconds > tuned.seconds
    assert both.bytes >= alone.bytes


def test_a_measurement_is_kept_by_network_size_and_device(lab: Path) -> None:
    asked = estimates.question(SPEC)
    assert asked == {"network": "small_cnn", "input_shape": [8, 8, 1], "device": "auto"}
    assert estimates.kept(asked) is None
    estimates.keep(asked, MEASURED)
    assert estimates.kept(asked) == MEASURED
    assert estimates.kept(estimates.question(SPEC.revised(strategy="fine_tune", batch_size=7))) == MEASURED
    assert estimates.kept(estimates.question(SPEC.revised(image_size=16))) is None
    estimates.path(asked).write_text("{")
    assert estimates.kept(asked) is None

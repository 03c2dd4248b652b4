"""A learning rate found on a real network, and the arithmetic of the suggestion."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tlcore import RunSpec, admission, runs, worker
from tlcore.engine import rate_finder


@pytest.mark.parametrize("strategy", ["linear_probe", "discriminative"])
def test_a_trial_suggests_a_rate_at_which_the_loss_falls(
    strategy: str, source_run: str, wait_for: Callable[..., runs.Run]
) -> None:
    spec = RunSpec(dataset="digits", source=f"run:{source_run}", strategy=strategy, samples_per_class=20)
    asked = json.loads(json.dumps(dataclasses.asdict(admission.admit(spec))))
    job = wait_for(worker.order(runs.FIND_RATE, "", **asked), "finished", "failed")
    assert job.status == "finished", worker.follow(job.id).failure
    told = job.result
    assert told is not None
    rates, losses = told["rates"], told["losses"]
    assert len(rates) == len(losses) > 30
    assert rates[0] == pytest.approx(1e-6) and np.allclose(np.diff(np.log10(rates)), 7 / 99)
    assert 1e-5 < told["suggested"] < told["lowest"] and told["lowest"] in rates, (told["suggested"], losses)
    assert min(losses) < 0.7 * losses[0]


def curve(rates: np.ndarray) -> list[float]:
    """Flat, falling steepest at 1e-3, lowest at about 1e-1, then climbing."""
    height = np.log10(rates)
    return [float(own) for own in 2 - 1.5 / (1 + np.exp(-4 * (height + 3))) + np.maximum(0, height + 0.7) ** 2 * 5]


def test_the_suggestion_lies_where_the_loss_falls_steepest() -> None:
    rates = np.logspace(-6, 1, 100)
    assert 8e-4 <= rate_finder.suggested(rates.tolist(), curve(rates)) <= 1.2e-3


def test_the_suggestion_stays_well_below_the_lowest_loss() -> None:
    rates = np.logspace(-6, 1, 100)
    falling = np.where(rates < 1e-2, 2 - 0.1 * np.log10(rates / 1e-6), 0).tolist()  # a cliff right before the lowest
    assert rate_finder.suggested(rates.tolist(), falling) <= 1e-2 / rate_finder.MARGIN


def test_without_a_fall_the_suggestion_is_small() -> None:
    rates = np.logspace(-6, 0, 60).tolist()
    assert rate_finder.suggested(rates, [1.0 + n / 10 for n in range(60)]) == 0.001


def test_smoothing_keeps_a_line_and_flattens_a_spike() -> None:
    assert rate_finder.smoothed([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])
    assert max(rate_finder.smoothed([0.0] * 10 + [7.0] + [0.0] * 10)) == pytest.approx(1.0)


def test_a_question_that_cannot_be_is_said_to_be(lab: Path, wait_for: Callable[..., runs.Run]) -> None:
    asked = json.loads(json.dumps(dataclasses.asdict(RunSpec(epochs=2, strategy="gradual"))))
    job = wait_for(worker.order(runs.FIND_RATE, "", **asked), "finished", "failed")
    assert job.status == "failed"
    failure = worker.follow(job.id).failure
    assert failure and "at least 4" in failure["reason"]

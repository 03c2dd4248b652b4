"""A real measurement of a small network, kept where the pages look for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tlcore import RunSpec, estimates, runs, worker

SPEC = RunSpec(source="none", strategy="scratch", network="small_cnn", control=False)


def test_a_job_measures_every_block_and_the_whole_run_can_be_estimated(
    lab: Path, wait_for: Callable[..., runs.Run]
) -> None:
    asked = estimates.question(SPEC)
    job = wait_for(worker.order(runs.MEASURE, "", **asked), "finished", "failed")
    assert job.status == "finished", worker.follow(job.id).failure
    found = estimates.kept(asked)
    assert found is not None and found.device
    assert list(found.blocks) == ["conv1", "conv2", "conv3", "head"]
    for cost in found.blocks.values():
        assert min(*cost.forward, *cost.training) >= 0 and sum(cost.training) > 0 and min(cost.building) > 0
    # the second convolution makes twice as many pictures as it takes, the head ten numbers
    assert found.blocks["conv2"].activations > found.blocks["head"].activations
    assert sum(found.blocks["conv2"].training) > sum(found.blocks["head"].training)
    whole = estimates.whole(SPEC, found)
    assert 0.05 < whole.seconds < 300 and found.base < whole.bytes < 20e9
    assert job.result is not None and estimates.Measurement.from_dict(job.result) == found

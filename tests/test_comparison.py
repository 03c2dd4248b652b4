"""Which runs stand beside a run."""

from __future__ import annotations

from pathlib import Path

from tlcore import RunSpec, comparison, runs

SPEC = RunSpec(network="small_cnn")
RESULT = {"test": {"accuracy": 0.9}, "control": None, "gain": None}


def finished(spec: RunSpec) -> str:
    run = runs.create(spec)
    runs.tell(run, "started", pid=1)
    runs.tell(run, "result", **RESULT)
    runs.tell(run, "finished", seconds={})
    return run


def names(found: list[runs.Run]) -> list[str]:
    return [run.id for run in found]


def test_repeats_are_the_same_question_with_other_seeds_one_each(lab: Path) -> None:
    first, _older, newer = (finished(SPEC.revised(seed=seed)) for seed in (0, 1, 1))
    finished(SPEC.revised(seed=2, epochs=7))  # another question
    runs.create(SPEC.revised(seed=3))  # not finished
    assert names(comparison.repeats(runs.get(first), runs.all_runs())) == [first, newer]


def test_the_run_itself_stands_for_its_seed(lab: Path) -> None:
    older, _newer = finished(SPEC), finished(SPEC)
    assert names(comparison.repeats(runs.get(older), runs.all_runs())) == [older]


def test_side_by_side_are_other_strategies_and_sources_on_the_same_examples(lab: Path) -> None:
    transfer = finished(SPEC)
    probe, scratch = (
        finished(SPEC.revised(strategy="linear_probe")),
        finished(SPEC.revised(source="none", strategy="scratch")),
    )
    finished(SPEC.revised(strategy="fine_tune", samples_per_class=10))  # other examples
    assert names(comparison.side_by_side(runs.get(transfer), runs.all_runs())) == [probe, transfer, scratch]


def test_a_question_of_another_version_is_passed_over(lab: Path) -> None:
    run = finished(SPEC)
    runs.create({"invented": 1})
    assert names(comparison.repeats(runs.get(run), runs.all_runs())) == [run]

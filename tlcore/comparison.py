"""Runs beside runs: the same question with other seeds, and other strategies on the same split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .runs import Run
from .spec import Refused, RunSpec


def repeats(run: Run, others: Sequence[Run]) -> list[Run]:
    """Of ``others``, newest first: the finished runs of the same question, one a seed; this one stands for its own."""
    return _one_each(run, others, same=lambda spec: spec.revised(seed=0), key=lambda spec: spec.seed)


def with_other_seeds(run: Run, others: Sequence[Run]) -> list[Run]:
    """Of ``others``, in whatever state: those that ask the same question with another seed."""
    found = []
    for other in others:
        try:
            if other.spec.seed != run.spec.seed and other.spec.revised(seed=0) == run.spec.revised(seed=0):
                found.append(other)
        except Refused:
            continue
    return found


def side_by_side(run: Run, others: Sequence[Run]) -> list[Run]:
    """Of ``others``: the finished runs on the same examples with the same budget, whatever they borrowed and how."""

    def same(spec: RunSpec) -> RunSpec:
        return spec.revised(source="", strategy="", blocks=1, control=False, network=None)

    return _one_each(run, others, same=same, key=lambda spec: (spec.source, spec.strategy, spec.blocks, spec.network))


def _one_each(
    run: Run, others: Sequence[Run], *, same: Callable[[RunSpec], RunSpec], key: Callable[[RunSpec], object]
) -> list[Run]:
    """The latest finished run for each ``key``, of those whose specs are ``same``; ``run`` stands for its own."""
    found: dict[object, Run] = {}
    for other in reversed(others):
        if other.id != run.id and (other.status != "finished" or not other.result):
            continue
        try:
            if same(other.spec) == same(run.spec):
                found[key(other.spec)] = other
        except Refused:  # asked by a version that knew other fields
            continue
    found[key(run.spec)] = run
    return sorted(found.values(), key=lambda other: (other.spec.strategy, other.spec.source, other.spec.seed))

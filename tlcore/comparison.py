"""Runs beside runs: the same question with other seeds, and other strategies on the same split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import __version__
from .runs import Run
from .spec import Refused, RunSpec
from .strategies import bare


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
        return bare(spec).revised(network=None)

    return _one_each(run, others, same=same, key=lambda spec: spec.revised(control=False))


def same_control(spec: RunSpec, others: Sequence[Run]) -> Run | None:
    """Of ``others``: the latest finished run with the very control that this question asks for, if any. One that asks
    for nothing else, trained from scratch, is a control too. Other versions of the program may compute otherwise."""
    wanted = bare(spec)
    for other in others:
        if other.status != "finished" or not other.result or other.result.get("version") != __version__:
            continue
        try:
            own = other.spec
        except Refused:
            continue
        if (other.result["control"] or own == wanted) and bare(own) == wanted:
            return other
    return None


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

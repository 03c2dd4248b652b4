"""What to do with a dataset: a recommendation from the figures of :mod:`tlcore.engine.advising`.

The rules are those of CS231n's table (few or many examples, like or unlike what the source has seen); what counts as
few and as alike is ours, and stands here by name. It is a first guess: a race of strategies is the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from .sources import NONE
from .spec import RunSpec
from .strategies import STRATEGIES
from .words import count, duration

FEW, MUCH = 25, 500
"""Examples a class up to which they are few, and from which they are many."""
ROUGH = 10
"""Examples a class below which probes say little."""
CLEAR = 0.02
"""Least difference of two accuracies that is called clear, if it is also twice its standard error."""
ALIKE = 0.25
"""Share of a baseline's mistakes that the source's last features must do without, to be called like your data."""
DEEP = 4
"""Blocks from which on rates that fall towards the input are recommended."""
CAREFUL = 0.003
"""Highest learning rate recommended where borrowed blocks learn from the first step on."""
PATIENCE = 3600.0
"""Seconds of training above which less is recommended to learn."""
BACKWARD = 3.0
"""Times a pass forward that a step costs in which everything learns."""


@dataclass(frozen=True)
class Ranked:
    """A source in the ranking. ``accuracy`` and ``error`` (its standard error, None of a single fold) are of the probe
    behind ``below`` of its ``blocks`` blocks, where it is best; ``last`` behind all; ``random`` is the best one of the
    same network with random weights. ``clear``: better than random weights and than no network, beyond chance."""

    source: str
    title: str
    accuracy: float
    error: float | None
    below: int
    block: str
    blocks: int
    last: float
    random: float
    logme: float
    clear: bool
    seen: bool


@dataclass(frozen=True)
class Advice:
    """A recommendation: ``spec_changes`` to a run's question, and why."""

    spec_changes: Mapping[str, Any]
    title: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    confidence: str
    ranking: tuple[Ranked, ...]


def recommend(spec: RunSpec, figures: Mapping[str, Any]) -> Advice:
    """A recommendation for a question, from the figures of a look at its examples.

    ``figures`` is the answer of :func:`tlcore.engine.advising.advise`; of ``spec`` only the budget is read.
    """
    rows = sorted(figures["sources"], key=lambda row: (row["seen"], -_best(row["cuts"])["accuracy"]))
    ranking = tuple(_ranked(row, figures["raw"]) for row in rows)
    # The best by accuracy, unless what it knows cannot be told from random weights and another one's can.
    row, first = next(((row, own) for row, own in zip(rows, ranking, strict=True) if own.clear), (rows[0], ranking[0]))
    if not _clear(_best(row["cuts"]), _best(row["random"])):
        changes: dict[str, Any] = {"source": NONE, "strategy": "scratch"}
        title = "Train from scratch, or look for another source"
        why = "None of what was looked at helps here: without borrowed weights nothing is lost."
    else:
        strategy, more, why = _strategy(spec, figures, row, first)
        changes = {"source": first.source, "strategy": strategy, **more}
        title = f"{STRATEGIES[strategy].title}, from “{first.title}”"
    return Advice(
        changes, title, (*_reasons(figures, row, first), why), tuple(_warnings(figures, row, first)),
        _confidence(figures, first, rows), ranking,
    )  # fmt: skip


def _strategy(
    spec: RunSpec, figures: Mapping[str, Any], row: Mapping[str, Any], own: Ranked
) -> tuple[str, dict[str, Any], str]:
    """The strategy for a source that knows something: its name, further changes, and why."""
    each, rate = _each(figures), {"learning_rate": min(spec.learning_rate, CAREFUL)}
    alike, early = _alike(figures, row), _peaks_early(row)
    spent = BACKWARD * row["pass_seconds"] * spec.epochs
    if spent > PATIENCE:
        chosen = ("linear_probe", {}) if not early else ("last_blocks", {"blocks": 1, **rate})
        return *chosen, (
            f"Letting everything learn for {spec.epochs} passes would take about {duration(spent)} on this computer: "
            "frozen blocks are passed once."
        )  # fmt: skip
    if each <= FEW and alike:
        return "linear_probe", {}, "Few examples that are like what the source knows: a new head alone overfits least."
    if each <= FEW and early and own.blocks - own.below <= own.blocks / 2:
        above = own.blocks - own.below
        blocks = "the last block" if above == 1 else f"the last {above} blocks"
        return "last_blocks", {"blocks": above, **rate}, (
            f"Behind {own.block} the source's features turn to its own task, so {blocks} should learn anew; what lies "
            "before stays, because few examples would spoil it."
        )  # fmt: skip
    if each <= FEW:
        return "discriminative", {"rate_factor": RunSpec().rate_factor, **rate}, (
            "Few examples, unlike what the source knows: everything may learn, but early blocks, which are the most "
            "general, only slowly."
        )  # fmt: skip
    if each <= MUCH:
        return "lp_ft", {}, (
            "Enough examples to adjust the borrowed blocks, not enough to be careless: the head learns first, then "
            "everything at a tenth of the rate."
        )  # fmt: skip
    if not alike:
        return "fine_tune", rate, "Many examples, unlike what the source knows: let everything learn at once."
    if own.blocks >= DEEP:
        return "layer_decay", {"layer_decay": RunSpec().layer_decay, **rate}, (
            "Many examples, like what the source knows: everything learns, later blocks faster than early ones."
        )  # fmt: skip
    return "lp_ft", {}, "Many examples, like what the source knows: the head first, then everything, gently."


def _reasons(figures: Mapping[str, Any], row: Mapping[str, Any], own: Ranked) -> list[str]:
    """How much there is, how alike it is, how long it takes."""
    examples, each = figures["examples"], _each(figures)
    amount = "few" if each <= FEW else "neither few nor many" if each <= MUCH else "many"
    smallest = f" (the smallest class has {examples['a_class']})" if examples["a_class"] < 0.8 * each else ""
    last, raw = row["cuts"][-1], figures["raw"]
    network = "" if _clear(_best(row["cuts"]), _best(row["random"])) else "hardly "
    reasons = [
        f"You have {count(round(each))} {figures['unit']} a class to learn from{smallest}: that is {amount}.",
        f"By what “{own.title}” sees, your classes are told apart in {last['accuracy']:.0%} of cases; by the same "
        f"network with random weights, at its best block, in {own.random:.0%}, and by the {figures['unit']} "
        f"themselves, without a network, in {raw['accuracy']:.0%}.",
    ]
    if network:
        reasons.append("So the source knows little more about your classes than chance wiring does.")
    elif _peaks_early(row):
        reasons.append(
            f"They are best earlier, behind {own.block} ({own.below} of {own.blocks} blocks), in {own.accuracy:.0%}: "
            "what comes after has specialised in the source's own task."
        )
    elif _alike(figures, row):
        reasons.append("Deeper is better to the end: what the source has learnt is like what you need.")
    else:
        reasons.append("The source helps, but not by much: it has learnt something rather unlike your data.")
    if row["pass_seconds"] >= 1:
        reasons.append(
            f"One pass over your {count(examples['learnt'])} {figures['unit']} takes about "
            f"{duration(row['pass_seconds'])} here with frozen blocks, about "
            f"{duration(BACKWARD * row['pass_seconds'])} where everything learns."
        )
    return reasons


def _warnings(figures: Mapping[str, Any], row: Mapping[str, Any], own: Ranked) -> Iterable[str]:
    best = _best(row["cuts"])
    if not _clear(best, _best(row["random"])):
        yield (
            f"“{own.title}” does no better than random weights ({own.accuracy:.0%} against {own.random:.0%}). "
            "Borrowing from it may hurt: negative transfer. Look for a source that has seen something more like your "
            "data."
        )
    elif not _clear(best, figures["raw"]):
        yield (
            f"A simple classifier on the {figures['unit']} themselves does as well ({figures['raw']['accuracy']:.0%}) "
            "as one on the source's features. Borrowing may gain nothing, or hurt: always compare with training from "
            "scratch."
        )
    if own.seen:
        yield (
            f"“{own.title}” has learnt from this very dataset, so its figures flatter it: it separates the classes "
            "that it was taught."
        )
    if figures["examples"]["a_class"] < ROUGH:
        yield (
            f"With {figures['examples']['a_class']} {figures['unit']} in the smallest class these figures are rough; "
            "more examples would say more than a longer look."
        )


def _confidence(figures: Mapping[str, Any], own: Ranked, rows: Sequence[Mapping[str, Any]]) -> str:
    """How sure this is, in words."""
    error = own.error
    if figures["examples"]["a_class"] < ROUGH or error is None or error > 0.04:
        about = f": give or take {200 * error:.0f} points" if error else ""
        return f"A rough guess{about}."
    mine = next(row for row in rows if row["source"] == own.source)
    near = [
        row["title"] for row in rows
        if row is not mine and not row["seen"] and not _clear(_best(mine["cuts"]), _best(row["cuts"]))
    ]  # fmt: skip
    if near and own.clear:
        return f"Fairly sure of borrowing, less of from whom: “{near[0]}” is too close to tell."
    return "Fairly sure: the differences are beyond chance." if own.clear else "A guess: the differences are small."


def _ranked(row: Mapping[str, Any], raw: Mapping[str, Any]) -> Ranked:
    best, random = _best(row["cuts"]), _best(row["random"])
    return Ranked(
        row["source"], row["title"], best["accuracy"], best["error"], best["below"], best["block"], len(row["blocks"]),
        row["cuts"][-1]["accuracy"], random["accuracy"], row["cuts"][-1]["logme"],
        _clear(best, random) and _clear(best, raw), row["seen"],
    )  # fmt: skip


def _best(cuts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The cut whose probe is the most accurate; of equals the deepest."""
    return max(cuts, key=lambda cut: (cut["accuracy"], cut["below"]))


def _clear(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one probe is better than another beyond chance, compared fold by fold on the same examples."""
    gains = [a - b for a, b in zip(one["folds"], other["folds"], strict=True)]
    error = stdev(gains) / sqrt(len(gains)) if len(gains) > 1 else 0.0
    return bool(mean(gains) >= max(CLEAR, 2 * error))


def _peaks_early(row: Mapping[str, Any]) -> bool:
    """Whether the last features are clearly worse than earlier ones."""
    return _clear(_best(row["cuts"]), row["cuts"][-1])


def _alike(figures: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the source's last features know the person's classes: none before them do clearly better, and a good
    part of the mistakes of the best baseline is gone."""
    floor = max(figures["raw"]["accuracy"], _best(row["random"])["accuracy"])
    gone = (row["cuts"][-1]["accuracy"] - floor) / max(1 - floor, 1e-9)
    return not _peaks_early(row) and gone >= ALIKE


def _each(figures: Mapping[str, Any]) -> float:
    """Examples a class to learn from, on average."""
    return float(figures["examples"]["learnt"] / figures["classes"])

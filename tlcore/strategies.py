"""Freezing strategies: pure plans. Which blocks learn, for how many epochs, at what learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .catalogue import Catalogue
from .events import SCRATCH, TRANSFER
from .spec import RunSpec

FINE = 0.1
"""What a plan multiplies the learning rate by once borrowed blocks learn behind a trained head."""


@dataclass(frozen=True)
class Phase:
    """One stretch of training: one compile and one fit. ``learning`` names blocks, input first."""

    name: str
    epochs: int
    learning_rate: float
    learning: tuple[str, ...]


Plan = tuple[Phase, ...]


@dataclass(frozen=True)
class Strategy:
    """A way to borrow: ``plan(spec, blocks)`` says how it trains, ``copies`` what comes from the source.

    ``blocks`` are the names of the body's blocks and of the head, input first, the head last.
    ``phases`` tells the least number of epochs: one a phase.
    """

    name: str
    title: str
    sentence: str
    when: str
    plan: Callable[[RunSpec, Sequence[str]], Plan]
    copies: str = "body"  # "nothing", "body" or "all"
    reference: str = ""
    takes_blocks: bool = False


def _shared(epochs: int, phases: int) -> list[int]:
    """Epochs dealt out evenly, what is left over to the last phases."""
    return [epochs // phases + (i >= phases - epochs % phases) for i in range(phases)]


def _everything(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (Phase("everything learns", spec.epochs, spec.learning_rate, tuple(blocks)),)


def _linear_probe(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (Phase("head", spec.epochs, spec.learning_rate, tuple(blocks[-1:])),)


def _last_blocks(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    learning = tuple(blocks[-1 - spec.blocks :])
    return (Phase("head and last block" + "s" * (spec.blocks > 1), spec.epochs, spec.learning_rate, learning),)


def _lp_ft(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    head, everything = _shared(spec.epochs, 2)
    return (
        Phase("head", head, spec.learning_rate, tuple(blocks[-1:])),
        Phase("everything learns", everything, spec.learning_rate * FINE, tuple(blocks)),
    )


def _gradual(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    epochs = _shared(spec.epochs, len(blocks))
    return tuple(
        Phase(
            "head" if opened == 0 else f"from {blocks[-1 - opened]}",
            epochs[opened],
            spec.learning_rate * (FINE if opened else 1),
            tuple(blocks[-1 - opened :]),
        )
        for opened in range(len(blocks))
    )


STRATEGIES = Catalogue(
    "strategy",
    (
        (strategy.name, strategy)
        for strategy in (
            Strategy(
                "lp_ft",
                "Head first, then everything",
                "Trains a new head on frozen borrowed blocks, then lets everything learn at a tenth of the rate.",
                "The safe first choice, with few examples or many.",
                _lp_ft,
                reference="LP-FT: Kumar et al., 2022, arXiv:2202.10054",
            ),
            Strategy(
                "linear_probe",
                "Linear probe",
                "Keeps all borrowed blocks frozen and trains only a new head.",
                "Very few examples, much like what the source has seen; also the fastest.",
                _linear_probe,
                reference="Alain and Bengio, 2016, arXiv:1610.01644",
            ),
            Strategy(
                "last_blocks",
                "Last blocks",
                "Trains a new head and the last borrowed blocks; the earlier ones stay frozen.",
                "Some examples, and details that differ from the source's.",
                _last_blocks,
                reference="Yosinski et al., 2014, arXiv:1411.1792",
                takes_blocks=True,
            ),
            Strategy(
                "fine_tune",
                "Fine-tuning",
                "Copies the body, adds a new head and lets everything learn at once.",
                "Many examples, or data unlike the source's.",
                _everything,
                reference="Girshick et al., 2014, arXiv:1311.2524",
            ),
            Strategy(
                "gradual",
                "Gradual unfreezing",
                "Starts with the head and lets one more block learn at a time, from the last to the first.",
                "A middling number of examples, when fine-tuning at once forgets too much.",
                _gradual,
                reference="ULMFiT: Howard and Ruder, 2018, arXiv:1801.06146",
            ),
            Strategy(
                "copy_all",
                "Copy everything, head too",
                "Copies even the output layer, although its outputs stood for other classes.",
                "To see the textbook's mistake: it can be worse than starting from scratch.",
                _everything,
                copies="all",
            ),
            Strategy(
                "scratch",
                "From scratch",
                "Borrows nothing: random weights, everything learns.",
                "The control that every transfer is measured against, and the way to train a source.",
                _everything,
                copies="nothing",
            ),
        )
    ),
)


def arms(spec: RunSpec, blocks: Sequence[str]) -> dict[str, Plan]:
    """The plans that a run carries out, by arm: what borrows, and the control from scratch if it is asked for."""
    plan = STRATEGIES[spec.strategy].plan(spec, blocks)
    if STRATEGIES[spec.strategy].copies == "nothing":
        return {SCRATCH: plan}
    return {TRANSFER: plan} | ({SCRATCH: STRATEGIES["scratch"].plan(spec, blocks)} if spec.control else {})


def told(phase: Phase, parameters: Mapping[str, int]) -> dict[str, Any]:
    """A phase as plain data, with the parameters that learn and stay frozen in it; ``parameters`` is of each block."""
    trainable = sum(parameters[block] for block in phase.learning)
    frozen = sum(parameters.values()) - trainable
    return {
        "name": phase.name, "epochs": phase.epochs, "learning_rate": phase.learning_rate,
        "learning": list(phase.learning), "trainable_parameters": trainable, "frozen_parameters": frozen,
    }  # fmt: skip

"""Freezing strategies: pure plans. Which blocks learn, for how many epochs, at what learning rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .catalogue import Catalogue
from .events import SCRATCH, TRANSFER
from .networks import Block
from .spec import Phase, RunSpec

__all__ = ["STRATEGIES", "Phase", "Plan", "Strategy", "arms", "bare", "settled", "told"]

FINE = 0.1
"""What a plan multiplies the learning rate by once borrowed blocks learn behind a trained head."""

Plan = tuple[Phase, ...]


@dataclass(frozen=True)
class Strategy:
    """A way to borrow: ``plan(spec, blocks)`` says how it trains, ``copies`` what comes from the source: "nothing",
    the "first" blocks, the "body", "all" with the head, or only what it teaches as a "teacher".

    ``blocks`` are the names of the body's blocks and of the head, input first, the head last. ``takes`` names the
    fields of the question that only this strategy and a few others read. ``objective`` is what is made small: the loss
    on the labels, or "l2_sp", "multi_task" and "distil" beside it.
    """

    name: str
    title: str
    sentence: str
    when: str
    plan: Callable[[RunSpec, Sequence[str]], Plan]
    group: str
    copies: str = "body"
    objective: str = "labels"
    reference: str = ""
    takes: tuple[str, ...] = ()


def _shared(epochs: int, phases: int) -> list[int]:
    """Epochs dealt out evenly, what is left over to the last phases."""
    return [epochs // phases + (i >= phases - epochs % phases) for i in range(phases)]


def _phase(
    spec: RunSpec, name: str, learning: Sequence[str], *, epochs: int | None = None, scale: float = 1.0, **more: Any
) -> Phase:
    """A phase with the question's schedule: of all its epochs at its rate, unless said otherwise."""
    own = spec.epochs if epochs is None else epochs
    schedule = {"schedule": spec.schedule, "warm_up": spec.warm_up, **more}
    return Phase(name, own, spec.learning_rate * scale, tuple(learning), **schedule)


def _falling(learning: Sequence[str], factor: float) -> tuple[float, ...]:
    """What rates are multiplied by when they fall by a factor from the head to the input."""
    return tuple(factor**distance for distance in reversed(range(len(learning))))


def _everything(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (_phase(spec, "everything learns", blocks),)


def _linear_probe(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (_phase(spec, "head", blocks[-1:]),)


def _last_blocks(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (_phase(spec, "head and last block" + "s" * (spec.blocks > 1), blocks[-1 - spec.blocks :]),)


def _lp_ft(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    head, everything = _shared(spec.epochs, 2)
    return (
        _phase(spec, "head", blocks[-1:], epochs=head),
        _phase(spec, "everything learns", blocks, epochs=everything, scale=FINE),
    )


def _opened(opened: int, blocks: Sequence[str]) -> str:
    return "head" if opened == 0 else f"from {blocks[-1 - opened]}"


def _gradual(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return tuple(
        _phase(spec, _opened(opened, blocks), blocks[-1 - opened :], epochs=epochs, scale=FINE if opened else 1.0)
        for opened, epochs in enumerate(_shared(spec.epochs, len(blocks)))
    )


def _discriminative(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (_phase(spec, "everything learns", blocks, factors=_falling(blocks, 1 / spec.rate_factor)),)


def _ulmfit(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return tuple(
        _phase(
            spec, _opened(opened, blocks), learning := blocks[-1 - opened :], epochs=epochs,
            factors=_falling(learning, 1 / spec.rate_factor) if opened else (), schedule="slanted", warm_up=0,
        )
        for opened, epochs in enumerate(_shared(spec.epochs, len(blocks)))
    )  # fmt: skip


def _layer_decay(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (_phase(spec, "everything learns", blocks, factors=_falling(blocks, spec.layer_decay)),)


def _only(what: str, name: str) -> Callable[[RunSpec, Sequence[str]], Plan]:
    return lambda spec, blocks: (_phase(spec, name, blocks, only=what),)


def _surgical(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    chosen = blocks[:-1][spec.first_block - 1 : spec.first_block - 1 + spec.blocks]
    return (_phase(spec, f"{' to '.join(dict.fromkeys((*chosen[:1], *chosen[-1:])))} and head", (*chosen, blocks[-1])),)


def _first_frozen(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return (_phase(spec, f"all but the first {spec.blocks}", blocks[spec.blocks :]),)


def _custom(spec: RunSpec, blocks: Sequence[str]) -> Plan:
    return tuple(dataclasses.replace(phase, schedule=spec.schedule, warm_up=spec.warm_up) for phase in spec.plan)


FIRST, BY_DEPTH, FEW, HELD, BY_HAND, COMPARE = (
    "First choices", "Rates by depth", "Few numbers learn", "Held by the source", "By hand", "To compare with",
)  # fmt: skip
"""What strategies are grouped by where they are listed."""

STRATEGIES = Catalogue(
    "strategy",
    (
        (strategy.name, strategy)
        for strategy in (
            Strategy(
                "lp_ft", "Head first, then everything",
                "Trains a new head on frozen borrowed blocks, then lets everything learn at a tenth of the rate.",
                "The safe first choice, with few examples or many.",
                _lp_ft, FIRST, reference="LP-FT: Kumar et al., 2022, arXiv:2202.10054",
            ),
            Strategy(
                "linear_probe", "Linear probe", "Keeps all borrowed blocks frozen and trains only a new head.",
                "Very few examples, much like what the source has seen; also the fastest.",
                _linear_probe, FIRST, reference="Alain and Bengio, 2016, arXiv:1610.01644",
            ),
            Strategy(
                "last_blocks", "Last blocks",
                "Trains a new head and the last borrowed blocks; the earlier ones stay frozen.",
                "Some examples, and details that differ from the source's.",
                _last_blocks, FIRST, reference="Yosinski et al., 2014, arXiv:1411.1792", takes=("blocks",),
            ),
            Strategy(
                "fine_tune", "Fine-tuning", "Copies the body, adds a new head and lets everything learn at once.",
                "Many examples, or data unlike the source's.",
                _everything, FIRST, reference="Girshick et al., 2014, arXiv:1311.2524",
            ),
            Strategy(
                "gradual", "Gradual unfreezing",
                "Starts with the head and lets one more block learn at a time, from the last to the first.",
                "A middling number of examples, when fine-tuning at once forgets too much.",
                _gradual, BY_DEPTH, reference="ULMFiT: Howard and Ruder, 2018, arXiv:1801.06146",
            ),
            Strategy(
                "discriminative", "Discriminative learning rates",
                "Everything learns, each block more slowly than the one after it.",
                "Fine-tuning that disturbs the early, general blocks little.",
                _discriminative, BY_DEPTH, reference="ULMFiT: Howard and Ruder, 2018, arXiv:1801.06146",
                takes=("rate_factor",),
            ),
            Strategy(
                "ulmfit", "Gradual unfreezing with falling rates",
                "One more block at a time, slower towards the input; each phase warms up briefly, then cools down.",
                "The whole recipe of ULMFiT, made for small data and many blocks.",
                _ulmfit, BY_DEPTH, reference="ULMFiT: Howard and Ruder, 2018, arXiv:1801.06146", takes=("rate_factor",),
            ),
            Strategy(
                "layer_decay", "Layer-wise rate decay",
                "Everything learns; towards the input the rate is multiplied by the same share again and again.",
                "Deep networks: a gentler fall than discriminative rates.",
                _layer_decay, BY_DEPTH, reference="ELECTRA: Clark et al., 2020, arXiv:2003.10555",
                takes=("layer_decay",),
            ),
            Strategy(
                "bias_only", "Biases only",
                "Trains the head and the body's biases, at most about a hundredth of it; all its kernels stay.",
                "Many small tasks from one source: each needs little more than its head.",
                _only("biases", "biases and head"), FEW, reference="BitFit: Ben Zaken et al., 2021, arXiv:2106.10199",
            ),
            Strategy(
                "norm_only", "Normalisations only",
                "Trains the head and the scales and shifts of normalisation layers; all else stays.",
                "Pictures of another brightness, contrast or style than the source's.",
                _only("norms", "normalisations and head"), FEW, reference="Frankle et al., 2020, arXiv:2003.00152",
            ),
            Strategy(
                "lora", "Low-rank adapters",
                "Each kernel stays; beside it a narrow detour of a few numbers learns, and is merged at the end.",
                "Very large sources and little memory. On small networks it stays behind fine-tuning.",
                _only("adapters", "adapters and head"), FEW, reference="LoRA: Hu et al., 2021, arXiv:2106.09685",
                takes=("lora_rank", "lora_alpha"),
            ),
            Strategy(
                "l2_sp", "Fine-tuning with a pull back",
                "Everything learns, while a spring pulls each borrowed weight towards its value in the source.",
                "Few examples, when fine-tuning forgets what was borrowed.",
                _everything, HELD, objective="l2_sp", reference="L2-SP: Li et al., 2018, arXiv:1802.01483",
                takes=("pull",),
            ),
            Strategy(
                "multi_task", "Both tasks together",
                "Learns your data and the source's own data at once: one body, a head for each.",
                "When the source's data is here too, and what it knows must not be lost.",
                _everything, HELD, objective="multi_task", reference="Caruana, 1997, doi:10.1023/A:1007379606734",
                takes=("source_weight",),
            ),
            Strategy(
                "distil", "Distillation",
                "A network from random weights learns your labels, and to see your data as the source network sees it.",
                "A small network that should know what a large one knows.",
                _everything, HELD, copies="teacher", objective="distil",
                reference="FitNets: Romero et al., 2014, arXiv:1412.6550", takes=("teacher_weight",),
            ),
            Strategy(
                "surgical", "Surgical fine-tuning",
                "Trains the head and one range of blocks anywhere in the body; all before and behind it stays frozen.",
                "Data that differ in one respect: early blocks for noise and blur, late ones for other classes.",
                _surgical, BY_HAND, reference="Lee et al., 2022, arXiv:2210.11466", takes=("first_block", "blocks"),
            ),
            Strategy(
                "custom", "Your own plan",
                "You click what learns, phase by phase, block by block, each at its own rate.",
                "When you know better, or want to find out.",
                _custom, BY_HAND, takes=("plan",),
            ),
            Strategy(
                "first_frozen", "First blocks copied, frozen",
                "Copies the first blocks and keeps them frozen; all after them starts from random weights.",
                "To see how far up what a network has learnt is general (AnB of the depth sweep).",
                _first_frozen, COMPARE, copies="first", reference="Yosinski et al., 2014, arXiv:1411.1792",
                takes=("blocks",),
            ),
            Strategy(
                "first_tuned", "First blocks copied, tuned",
                "Copies the first blocks, starts the rest from random weights, and lets everything learn.",
                "The same with fine-tuning (AnB+ of the depth sweep).",
                _everything, COMPARE, copies="first", reference="Yosinski et al., 2014, arXiv:1411.1792",
                takes=("blocks",),
            ),
            Strategy(
                "copy_all", "Copy everything, head too",
                "Copies even the output layer, although its outputs stood for other classes.",
                "To see the textbook's mistake: it can be worse than starting from scratch.",
                _everything, COMPARE, copies="all",
            ),
            Strategy(
                "scratch", "From scratch", "Borrows nothing: random weights, everything learns.",
                "The control that every transfer is measured against, and the way to train a source.",
                _everything, COMPARE, copies="nothing",
            ),
        )
    ),
)  # fmt: skip

_TAKEN = {name for strategy in STRATEGIES.values() for name in strategy.takes}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(RunSpec) if field.name in _TAKEN}


def settled(spec: RunSpec) -> RunSpec:
    """The question with what its strategy does not read at its default, so that equal questions are equal specs."""
    strategy = STRATEGIES[spec.strategy]
    own = spec.revised(**{name: value for name, value in _DEFAULTS.items() if name not in strategy.takes})
    return own.revised(epochs=sum(phase.epochs for phase in own.plan)) if own.plan else own


def bare(spec: RunSpec) -> RunSpec:
    """The question from scratch: the same network, examples, budget and seed, borrowing nothing. It is what a control
    asks, and equal for all strategies and sources that are compared with one another."""
    return settled(
        spec.revised(
            source="none", strategy="scratch", control=False, new_input=False, evaluate_on=None, views=0,
            epochs=settled(spec).epochs,
        )
    )  # fmt: skip


def arms(spec: RunSpec, blocks: Sequence[str]) -> dict[str, Plan]:
    """The plans that a run carries out, by arm: what borrows, and the control from scratch if it is asked for."""
    plan = STRATEGIES[spec.strategy].plan(spec, blocks)
    if STRATEGIES[spec.strategy].copies == "nothing":
        return {SCRATCH: plan}
    control = STRATEGIES["scratch"].plan(settled(spec), blocks)
    return {TRANSFER: plan} | ({SCRATCH: control} if spec.control else {})


def told(phase: Phase, blocks: Sequence[Block], rank: int = 0) -> dict[str, Any]:
    """A phase as plain data, with the parameters that learn in it and those that do not; ``rank`` is of adapters.

    What does not learn is told of the network as it is kept: adapters are merged at the end."""
    head = blocks[-1].name
    learning = {
        own.name: own.trainable("weights" if own.name == head else phase.only, rank)
        for own in blocks
        if own.name in phase.learning
    }
    whole, trainable = sum(own.parameters for own in blocks), sum(learning.values())
    return {
        "name": phase.name, "epochs": phase.epochs, "learning_rate": phase.learning_rate,
        "learning": list(phase.learning), "factors": list(phase.factors), "only": phase.only,
        "schedule": phase.schedule, "trainable_parameters": trainable,
        "frozen_parameters": whole - (learning.get(head, 0) if phase.only == "adapters" else trainable),
    }  # fmt: skip

"""How long a plan will take on this machine, and how much memory: from a short measurement of its network.

:mod:`tlcore.engine.measuring` measures, once for a network, a size of its inputs and a device; what it found is kept in
``measurements/`` of the home folder. From there on it is arithmetic, and any plan for that network can be estimated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

from . import admission
from .datasets import dataset, split_sizes
from .home import home
from .networks import Block
from .spec import Phase, RunSpec
from .strategies import STRATEGIES, Plan, arms

SLOTS = {"sgd": 0, "momentum": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
"""Numbers that an optimizer keeps for each one that learns."""
NUMBER = 4
"""Bytes of a float32."""
SAVING, COMPARED = 0.3, 64
"""Seconds to save a model and its answers, and examples on which the borrowed body is compared with its source."""


@dataclass(frozen=True)
class Cost:
    """What a block costs: seconds of a batch and of each example in it, forward alone and as a training step
    (forward and backward); seconds to build both; bytes of activations that an example leaves for the backward
    pass."""

    forward: tuple[float, float]
    training: tuple[float, float]
    building: tuple[float, float]
    activations: int


@dataclass(frozen=True)
class Measurement:
    """What was measured of a network. ``update`` is seconds of an optimizer for each number that learns, ``step`` those
    of a step beside its blocks, ``variable`` seconds to build a step for each variable that learns, ``reading``
    seconds to bring an example to the network, ``beginning`` seconds to build it, ``base`` bytes of the engine before
    any network."""

    blocks: Mapping[str, Cost]
    update: float
    step: float
    variable: float
    reading: float
    beginning: float
    base: int
    device: str = ""

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Measurement:
        """What :func:`dataclasses.asdict` made of one, or JSON of that."""
        blocks = {
            name: Cost(**{key: _pair(value) for key, value in own.items()}) for name, own in told["blocks"].items()
        }
        return cls(**{**told, "blocks": blocks})


@dataclass(frozen=True)
class Estimate:
    """Of a phase, or of a whole run: seconds, and bytes at its peak. ``extraction`` are the seconds among them in which
    the frozen front is computed once."""

    seconds: float
    bytes: int
    extraction: float = 0.0


def question(spec: RunSpec) -> dict[str, Any]:
    """What to measure for a question, as plain data. Raises Refused or UnknownName for what cannot be drawn."""
    first = admission.blocks(spec)[0]
    name = admission.resolved(spec).network or ""
    return {"network": name, "input_shape": list(first.input_shape), "device": spec.device}


def path(asked: Mapping[str, Any]) -> Path:
    """Where the answer to a :func:`question` is kept."""
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:20]
    return home() / "measurements" / f"{key}.json"


def keep(asked: Mapping[str, Any], found: Measurement) -> None:
    """Keep a measurement, whole or not at all."""
    target = path(asked)
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(found)))
    unfinished.replace(target)


def kept(asked: Mapping[str, Any]) -> Measurement | None:
    """The measurement that was made for a question; None where there is none that can be read."""
    try:
        return Measurement.from_dict(json.loads(path(asked).read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def sizes(spec: RunSpec) -> dict[str, int]:
    """Examples in each part of a question."""
    return split_sizes(
        dataset(spec.dataset).facts(), samples_per_class=spec.samples_per_class,
        validation_share=spec.validation_share, test_share=spec.test_share,
    )  # fmt: skip


def of(
    spec: RunSpec, plan: Plan, blocks: Sequence[Block], measured: Measurement, amounts: Mapping[str, int]
) -> list[Estimate]:
    """An estimate of each phase: the frozen front once, then every epoch's steps and its look at the validation part.

    Features that an earlier phase has computed behind the same front are not computed again.
    """
    found, before = list[Estimate](), -1
    for phase in plan:
        cut = _cut(phase, blocks)
        found.append(_phase(spec, phase, blocks, measured, amounts, cut, known=cut == before))
        before = cut
    return found


def whole(spec: RunSpec, measured: Measurement) -> Estimate:
    """A run with all its arms, from the beginning of its network to its test."""
    blocks, amounts, seconds, most = admission.blocks(spec), sizes(spec), SAVING, 0
    costs = [_cost(measured, block) for block in blocks]
    if STRATEGIES[spec.strategy].copies in ("first", "body", "all"):  # what was copied is seen to answer as its source
        seconds += 2 * _look(costs[:-1], COMPARED, measured)
    for plan in arms(spec, [block.name for block in blocks]).values():
        phases = of(spec, plan, blocks, measured, amounts)
        trying = _look(costs, amounts["test"], measured)
        seconds += measured.beginning + sum(own.seconds for own in phases) + trying
        most = max([most, *(own.bytes for own in phases)])
    return Estimate(seconds, most)


def _phase(
    spec: RunSpec, phase: Phase, blocks: Sequence[Block], measured: Measurement, amounts: Mapping[str, int], cut: int,
    *, known: bool,
) -> Estimate:  # fmt: skip
    costs = [_cost(measured, block) for block in blocks]
    front, tail = costs[:cut], costs[cut:]
    train, validation = amounts["train"], amounts["validation"]
    size = ceil(train / ceil(train / spec.batch_size)) if train else 1
    along = bool(front) and bool(spec.augmentation) and not spec.views
    changed = max(1, spec.views) if spec.augmentation else 1
    once = 0 if known else validation + (0 if along else train * changed)
    extraction = _look(front, once, measured) if front and once else 0.0
    steps = [_step(own, phase, block, blocks) for own, block in zip(tail, blocks[cut:], strict=True)]
    steps += [own.forward for own in front] if along else []
    learning = sum(_learning(spec, phase, blocks))
    epoch = _through(steps, train, size) + _through([own.forward for own in tail], validation, 256)
    epoch += ceil(train / size) * (measured.step + measured.update * learning)
    if STRATEGIES[spec.strategy].objective == "multi_task":  # as many of the source's examples beside one's own
        epoch += _through(steps, train, size)
    variables = sum(len(block.variables) for block in blocks if block.name in phase.learning)
    building = sum(sum(own.building) for own in tail) + variables * measured.variable
    held = NUMBER * (train + validation) * prod(blocks[0].input_shape)
    held += NUMBER * (train * changed + validation) * prod(blocks[cut].input_shape) if cut and not along else 0
    weights = NUMBER * sum(block.parameters for block in blocks)
    trained = NUMBER * learning * (1 + SLOTS[spec.optimizer])
    # The backward pass makes another one of each while it goes.
    active = 2 * size * sum(own.activations for own in tail)
    return Estimate(
        extraction + building + phase.epochs * epoch, measured.base + weights + trained + active + held, extraction
    )


def _cut(phase: Phase, blocks: Sequence[Block]) -> int:
    """How many blocks lie below the first one that learns."""
    return next((n for n, block in enumerate(blocks) if block.name in phase.learning), len(blocks) - 1)


def _learning(spec: RunSpec, phase: Phase, blocks: Sequence[Block]) -> list[int]:
    """Numbers that learn, by block."""
    return [
        block.trainable("weights" if block is blocks[-1] else phase.only, spec.lora_rank)
        for block in blocks
        if block.name in phase.learning
    ]


def _step(cost: Cost, phase: Phase, block: Block, blocks: Sequence[Block]) -> tuple[float, float]:
    """A block's share of a training step: half of the way back is saved where its kernels do not learn."""
    whole = block is blocks[-1] or (block.name in phase.learning and phase.only in ("weights", "adapters"))
    batch, example = cost.training
    if whole:
        return batch, example
    return (batch + cost.forward[0]) / 2, (example + cost.forward[1]) / 2


def _look(costs: Sequence[Cost], examples: int, measured: Measurement) -> float:
    """Seconds to build what only looks, and to look at so many examples once."""
    building = sum(own.building[0] for own in costs)
    return building + _through([own.forward for own in costs], examples, 256) + examples * measured.reading


def _through(costs: Sequence[tuple[float, float]], examples: int, size: int) -> float:
    """Seconds for so many examples in batches of a size."""
    return sum(ceil(examples / size) * batch + examples * example for batch, example in costs)


def _cost(measured: Measurement, block: Block) -> Cost:
    """What was measured of a block; nothing for one that the measurement does not know."""
    return measured.blocks.get(block.name, Cost((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 0))


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

"""What a run is asked to do: the question, checked once."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from .catalogue import UnknownName

OPTIMIZERS = {
    "sgd": "SGD",
    "momentum": "SGD with momentum 0.9",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
}
LOSSES = {"cross_entropy": "cross-entropy", "mean_squared_error": "mean squared error"}
BALANCES = {"none": "as they are", "class_weights": "class weights", "sampling": "balanced sampling"}
AUGMENTATIONS = {
    "flip": "flip left and right",
    "rotate": "rotate",
    "zoom": "zoom",
    "shift": "shift",
    "contrast": "contrast",
    "colour": "colour",
    "rand_augment": "RandAugment",
    "mix_up": "MixUp",
    "cut_mix": "CutMix",
}
SCHEDULES = {
    "constant": "constant",
    "cosine": "cosine: falls smoothly to nothing",
    "step": "step: a tenth after half, a hundredth after three quarters",
    "slanted": "slanted triangle: rises for a tenth, then falls to a thirty-second",
}
"""How the learning rate goes within a phase."""
PHASES, NAME = 200, 200
"""Most phases of a plan by hand, and most characters of a phase's name: to catch slips, too."""
DEVICES = {"auto": "GPU or CPU", "cpu": "CPU", "gpu": "GPU", "gpus": "all GPUs together"}

# field: (kind, least, most). The most are far above any sensible value: they catch slips, not ambition.
RANGES: dict[str, tuple[type, float, float]] = {
    "samples_per_class": (int, 1, 1_000_000),
    "image_size": (int, 8, 1_024),
    "validation_share": (float, 0.05, 0.5),
    "test_share": (float, 0.05, 0.5),
    "blocks": (int, 1, 1_000),
    "first_block": (int, 1, 1_000),
    "rate_factor": (float, 1.0, 1_000.0),
    "layer_decay": (float, 0.01, 1.0),
    "pull": (float, 0.0, 1_000.0),
    "lora_rank": (int, 1, 1_024),
    "lora_alpha": (float, 0.001, 10_000.0),
    "source_weight": (float, 0.0, 100.0),
    "teacher_weight": (float, 0.0, 100.0),
    "warm_up": (int, 0, 10_000),
    "views": (int, 0, 100),
    "epochs": (int, 1, 10_000),
    "batch_size": (int, 1, 65_536),
    "learning_rate": (float, 1e-8, 10.0),
    "early_stopping": (int, 0, 10_000),
    "seed": (int, 0, 2**31 - 1),
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a question: which field, what was received, what was expected, what to do."""

    field: str
    received: object
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: received {self.received!r}, expected {self.expected}; {self.remedy}"


class Refused(ValueError):
    """A question that cannot be carried out as asked, with every reason."""

    def __init__(self, *problems: Problem):
        self.problems = problems
        super().__init__("; also ".join(map(str, problems)))


@dataclass(frozen=True)
class Phase:
    """One stretch of training: one optimizer from its first step to its last. ``learning`` names blocks, input first.

    ``factors`` are what the learning rate is multiplied by in each of them, nothing for 1 everywhere. ``only`` says
    what of the body's learning blocks learns (a key of :data:`tlcore.networks.ONLY`); the head always learns whole.
    ``warm_up`` is the number of epochs in which the rate rises to its height.
    """

    name: str
    epochs: int
    learning_rate: float
    learning: tuple[str, ...]
    factors: tuple[float, ...] = ()
    only: str = "weights"
    schedule: str = "constant"
    warm_up: int = 0

    def rates(self) -> dict[str, float]:
        """The learning rate of each block that learns."""
        factors = self.factors or (1.0,) * len(self.learning)
        return {block: self.learning_rate * own for block, own in zip(self.learning, factors, strict=True)}

    def keeps_statistics(self, block: str) -> bool:
        """Whether batch normalisation in a block stays in inference mode: where it is frozen, and where so little
        learns that the source's statistics go on to hold."""
        return block not in self.learning or (self.only in ("biases", "adapters") and block != "head")


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that decides what a run does; equal specs on one machine's CPU give equal numbers.

    ``samples_per_class=None`` learns from all that validation and test leave over; ``network=None`` takes the
    source's own network, or the usual one for the dataset; ``blocks`` is read by the strategies that ask for it;
    ``early_stopping`` is the number of epochs without a better validation loss to wait for, 0 for never;
    ``evaluate_on`` names a second dataset of the same shape and classes to try the finished model on;
    ``image_size`` is the side of pictures in pixels as the network sees them, None for what suits source and dataset;
    ``new_input`` starts the first layer with weights anew instead of copying it; ``balance`` says what is done about
    classes with fewer examples; ``augmentation`` names the random changes made to training pictures, and ``views`` in
    how many versions a frozen part keeps each of them, 0 for new changes in every epoch.

    What only some strategies read: ``blocks`` and ``first_block`` (counted from the input), ``rate_factor`` (what the
    rate is divided by from block to block towards the input), ``layer_decay`` (what it is multiplied by), ``pull``
    (towards the source's weights), ``lora_rank`` and ``lora_alpha``, ``source_weight`` and ``teacher_weight`` (of the
    second loss, the first one's being 1), and ``plan``, the phases of the strategy ``custom``.
    """

    dataset: str = "digits"
    source: str = "letters"
    strategy: str = "lp_ft"
    blocks: int = 1
    first_block: int = 1
    rate_factor: float = 2.6
    layer_decay: float = 0.75
    pull: float = 0.01
    lora_rank: int = 4
    lora_alpha: float = 8.0
    source_weight: float = 0.5
    teacher_weight: float = 1.0
    plan: tuple[Phase, ...] = ()
    network: str | None = None
    new_input: bool = False
    image_size: int | None = None
    samples_per_class: int | None = 5
    validation_share: float = 0.2
    test_share: float = 0.2
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 0.01
    optimizer: str = "adam"
    loss: str = "cross_entropy"
    schedule: str = "constant"
    warm_up: int = 0
    early_stopping: int = 0
    seed: int = 0
    control: bool = True
    balance: str = "none"
    augmentation: tuple[str, ...] = ()
    views: int = 0
    evaluate_on: str | None = None
    device: str = "auto"

    def revised(self, **changes: Any) -> RunSpec:
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> RunSpec:
        """The spec that :meth:`to_json` wrote. Raises :class:`Refused` for anything else."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refused(Problem("spec", _short(text), "a spec in JSON", f"export one from a run ({error})")) from None
        if not isinstance(fields, dict):
            raise Refused(Problem("spec", _short(text), "a JSON object of fields", "export one from a run"))
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = [UnknownName("field", name, known) for name in fields if name not in known]
        if unknown:
            raise Refused(*(Problem("spec", e.received, e.expected, e.remedy) for e in unknown))
        if isinstance(fields.get("augmentation"), list):  # JSON knows no tuples
            fields["augmentation"] = tuple(fields["augmentation"])
        if "plan" in fields:
            fields["plan"] = _phases(fields["plan"])
        spec = cls(**fields)
        if problems := spec.problems():
            raise Refused(*problems)
        return spec

    def problems(self) -> list[Problem]:
        """What is wrong with the fields taken one by one, without knowing what there is to choose from."""
        found = [_range_problem(name, getattr(self, name)) for name in RANGES]
        found += [
            _choice_problem(name, getattr(self, name), choices)
            for name, choices in (
                ("optimizer", OPTIMIZERS),
                ("loss", LOSSES),
                ("schedule", SCHEDULES),
                ("balance", BALANCES),
                ("device", DEVICES),
            )
        ]
        for name in ("dataset", "source", "strategy"):
            if not isinstance(getattr(self, name), str):
                found.append(Problem(name, getattr(self, name), "a name", "choose one from the list"))
        for name in ("network", "evaluate_on"):
            if not isinstance(getattr(self, name), str | None):
                found.append(Problem(name, getattr(self, name), "a name or nothing", "choose one or leave it out"))
        for name in ("control", "new_input"):
            if not isinstance(getattr(self, name), bool):
                found.append(Problem(name, getattr(self, name), "true or false", "say one of them"))
        if isinstance(self.augmentation, tuple):
            found += [_choice_problem("augmentation", name, AUGMENTATIONS) for name in self.augmentation]
        else:
            found.append(Problem("augmentation", self.augmentation, "a list of names", "name them one by one"))
        found += _plan_problems(self.plan)
        return [problem for problem in found if problem]


def _phases(told: object) -> tuple[Phase, ...]:
    """Phases from JSON. Raises :class:`Refused` for what are none."""
    lists: list[dict[str, Any]]
    wrong = Problem("plan", _short(json.dumps(told)), "a list of phases, each with name, epochs, learning_rate and "
                    "learning", "export a spec from a run with the strategy 'custom' and change that")  # fmt: skip
    if not isinstance(told, list) or not all(isinstance(own, dict) for own in told):
        raise Refused(wrong)
    try:
        lists = [{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()} for own in told]
        return tuple(Phase(**fields) for fields in lists)
    except TypeError:
        raise Refused(wrong) from None


def _plan_problems(plan: object) -> list[Problem | None]:
    """What is wrong with the phases of a plan by hand, without knowing the network's blocks."""
    if not isinstance(plan, tuple) or not all(isinstance(phase, Phase) for phase in plan):
        return [Problem("plan", plan, "phases", "give them one by one")]
    found: list[Problem | None] = []
    if len(plan) > PHASES:
        return [Problem("plan", f"{len(plan)} phases", f"at most {PHASES}", "take some away")]
    for number, phase in enumerate(plan, 1):
        found += [_range_problem(name, getattr(phase, name)) for name in ("epochs", "learning_rate", "warm_up")]
        found.append(_choice_problem("schedule", phase.schedule, SCHEDULES))
        if not isinstance(phase.name, str) or len(phase.name) > NAME:
            found.append(Problem("plan", f"phase {number} called {_short(str(phase.name))}",
                                 f"a name of at most {NAME} characters", "give it one"))  # fmt: skip
        if not isinstance(phase.learning, tuple) or not phase.learning or not all(
            isinstance(block, str) for block in phase.learning
        ):  # fmt: skip
            found.append(Problem("plan", f"phase {number} without a block that learns", "at least one",
                                 "let the head learn, or take the phase away"))  # fmt: skip
        elif len(set(phase.learning)) < len(phase.learning):
            found.append(Problem("plan", f"phase {number} with the blocks {', '.join(phase.learning)}",
                                 "each block once", "take the others away"))  # fmt: skip
        elif phase.factors and (
            not isinstance(phase.factors, tuple) or len(phase.factors) != len(phase.learning)
            or not all(type(own) in (int, float) and 0 < own <= 1_000 for own in phase.factors)
        ):  # fmt: skip
            found.append(Problem("plan", f"phase {number} with the factors {phase.factors!r}", "one number above 0 "
                                 "for each block that learns", "give as many as blocks, or none"))  # fmt: skip
    if plan and not any(found):
        found.append(_range_problem("epochs", sum(phase.epochs for phase in plan)))  # which a whole run has
    return found


def _range_problem(name: str, value: Any) -> Problem | None:
    kind, least, most = RANGES[name]
    if name in ("samples_per_class", "image_size") and value is None:
        return None
    wanted = "a whole number" if kind is int else "a number"
    right = isinstance(value, int) if kind is int else isinstance(value, int | float)
    if right and not isinstance(value, bool) and least <= value <= most:
        return None
    return Problem(
        name, value, f"{wanted} from {_number(least)} to {_number(most)}", f"give {name} a value in that range"
    )


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _choice_problem(name: str, value: object, choices: dict[str, str]) -> Problem | None:
    if isinstance(value, str) and value in choices:
        return None
    error = UnknownName(name, value, choices)
    return Problem(name, value, error.expected, error.remedy)


def _short(text: str | bytes) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return shown if len(shown) <= 40 else shown[:40] + "…"

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
DEVICES = {"auto": "GPU or CPU", "cpu": "CPU", "gpu": "GPU"}

# field: (kind, least, most). The most are far above any sensible value: they catch slips, not ambition.
RANGES: dict[str, tuple[type, float, float]] = {
    "samples_per_class": (int, 1, 1_000_000),
    "image_size": (int, 8, 1_024),
    "validation_share": (float, 0.05, 0.5),
    "test_share": (float, 0.05, 0.5),
    "blocks": (int, 1, 1_000),
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


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that decides what a run does; equal specs on one machine's CPU give equal numbers.

    ``samples_per_class=None`` learns from all that validation and test leave over; ``network=None`` takes the
    source's own network, or the usual one for the dataset; ``blocks`` is read by the strategies that ask for it;
    ``early_stopping`` is the number of epochs without a better validation loss to wait for, 0 for never;
    ``evaluate_on`` names a second dataset of the same shape and classes to try the finished model on;
    ``image_size`` is the side of pictures in pixels as the network sees them, None for what suits source and dataset;
    ``new_input`` starts the first layer with weights anew instead of copying it; ``balance`` says what is done about
    classes with fewer examples; ``augmentation`` names the random changes made to training pictures.
    """

    dataset: str = "digits"
    source: str = "letters"
    strategy: str = "lp_ft"
    network: str | None = None
    blocks: int = 1
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
    early_stopping: int = 0
    seed: int = 0
    control: bool = True
    balance: str = "none"
    augmentation: tuple[str, ...] = ()
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
        return [problem for problem in found if problem]


def _range_problem(name: str, value: Any) -> Problem | None:
    kind, least, most = RANGES[name]
    if name in ("samples_per_class", "image_size") and value is None:
        return None
    wanted = "a whole number" if kind is int else "a number"
    right = isinstance(value, int) if kind is int else isinstance(value, int | float)
    if right and not isinstance(value, bool) and least <= value <= most:
        return None
    return Problem(name, value, f"{wanted} from {least:g} to {most:g}", f"give {name} a value in that range")


def _choice_problem(name: str, value: object, choices: dict[str, str]) -> Problem | None:
    if isinstance(value, str) and value in choices:
        return None
    error = UnknownName(name, value, choices)
    return Problem(name, value, error.expected, error.remedy)


def _short(text: str | bytes) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return shown if len(shown) <= 40 else shown[:40] + "…"

"""The command ``run``: from what a person typed to questions, and to their answers."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import bringing, console, live, runs, worker
from .admission import admit
from .architectures import takes, usual
from .catalogue import UnknownName
from .datasets import Damaged, dataset
from .recipes import DEFAULT, RECIPES, amounting, suited
from .sources import NONE
from .spec import RANGES, Problem, Refused, RunSpec
from .strategies import STRATEGIES
from .words import count

OPTIONS = {
    "dataset": ("D", "what to learn from: one of 'datasets', or the id that 'import' gave"),
    "source": ("S", "the network to borrow from: one of 'sources', 'run:ID', 'file:PATH' for weights, or 'none'"),
    "strategy": ("T", "what of it stays frozen, and when"),
    "blocks": ("N", "how many blocks learn (last_blocks, surgical) or are copied (first_frozen, first_tuned)"),
    "first_block": ("N", "the first block that learns, counted from the input, with surgical"),
    "rate_factor": ("X", "what the rate is divided by from block to block, with discriminative and ulmfit"),
    "layer_decay": ("X", "what the rate is multiplied by from block to block, with layer_decay"),
    "pull": ("X", "how strongly weights are pulled to the source's, with l2_sp"),
    "lora_rank": ("N", "numbers across an adapter, with lora"),
    "lora_alpha": ("X", "how much adapters count: alpha / rank, with lora"),
    "source_weight": ("X", "weight of the source's loss, with multi_task"),
    "teacher_weight": ("X", "weight of what the teacher sees, with distil"),
    "network": ("NAME", "the network, where the source does not decide it"),
    "image_size": ("N", "the side of pictures in pixels as the network sees them"),
    "samples_per_class": ("N", "examples a class to learn from, or 'all'"),
    "validation_share": ("X", "share of the examples kept for validation"),
    "test_share": ("X", "share of the examples kept for the test, where the dataset has no test part"),
    "epochs": ("N", "epochs in all phases together"),
    "batch_size": ("N", "examples a step"),
    "learning_rate": ("X", "step size; a strategy may scale it"),
    "optimizer": ("O", "how steps are taken"),
    "loss": ("L", "what is made small"),
    "schedule": ("S", "how the rate goes within a phase: constant, cosine, step or slanted"),
    "warm_up": ("N", "epochs in which the rate of each phase rises to its height"),
    "early_stopping": ("N", "epochs without a better validation loss to wait for; 0: never stop early"),
    "seed": ("N", "what all chance in the run follows from"),
    "balance": ("B", "what is done about classes with fewer examples: none, class_weights or sampling"),
    "augmentation": ("A,B", "random changes of training pictures, with commas: flip,rotate,zoom ..., or 'none'"),
    "views": ("K", "changed versions of each picture that a frozen part keeps; 0: new changes in every epoch"),
    "evaluate_on": ("D", "a second dataset to try the finished model on, or 'none'"),
    "device": ("NAME", "auto, cpu, gpu or gpus (all together)"),
}
SPEC_SIZE = 100_000
"""Most bytes of a file that is read as a spec."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """No types and no choices here: whatever was typed goes to the one place that checks questions."""
    parser.add_argument("--recipe", metavar="NAME", help=f"the ready question to begin with (default {DEFAULT})")
    parser.add_argument("--spec", metavar="FILE", help="a question in JSON, exported from a run, instead of a recipe")
    for field, (metavar, sentence) in OPTIONS.items():
        parser.add_argument("--" + field.replace("_", "-"), metavar=metavar, help=sentence)
    parser.add_argument("--new-input", action="store_true", help="do not copy the first layer: start it anew")
    parser.add_argument("--no-control", action="store_true", help="do not train the same network from scratch as well")
    parser.add_argument("--label", metavar="TEXT", default="", help="what you call the run")


def run(arguments: argparse.Namespace) -> int:
    """Ask one question, or a recipe's few, and wait for the answers."""
    given = _given(arguments)
    # All are checked before any is asked; those that the options made equal are asked once.
    specs = [*dict.fromkeys(admit(asked(spec, given)) for spec in _begun_with(arguments))]
    for field in given:
        takers = [name for name, strategy in STRATEGIES.items() if field in strategy.takes]
        if takers and not any(spec.strategy in takers for spec in specs):
            option = "--" + field.replace("_", "-")
            belongs = f"it belongs to --strategy {', '.join(takers)}"
            print(f"note: {option} makes no difference here; {belongs}", file=sys.stderr)
    label = arguments.label.encode(errors="replace").decode().strip()[:200]
    names = [worker.start(spec, label) for spec in specs]
    if not arguments.json:
        print("\n".join(f"run {name}" for name in names), flush=True)
    interrupted = live.watch(names, arguments.json)
    ended = [runs.get(name) for name in names]
    answers = [console.answer(one) for one in ended]
    if arguments.json:
        print(json.dumps(answers[0] | {"also": answers[1:]}, allow_nan=False))
    else:
        for one in ended:
            console.account(one)
    for told in answers:
        if told["reason"]:
            console.complain(f"run {told['run']} {told['status']}: {told['reason']}")
    return 130 if interrupted else int(any(one.status != "finished" for one in ended))


def questions(arguments: argparse.Namespace) -> list[RunSpec]:
    """What the options ask, not checked yet."""
    return [asked(spec, _given(arguments)) for spec in _begun_with(arguments)]


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields that the person named; weights from a file are brought here first."""
    given = {field: _value(field, text) for field in OPTIONS if (text := getattr(arguments, field)) is not None}
    if arguments.no_control:
        given["control"] = False
    if arguments.new_input:
        given["new_input"] = True
    if isinstance(own := given.get("source"), str) and own.startswith(("file:", "hub/")):
        given["source"] = bringing.weights(own)
    return given


def _begun_with(arguments: argparse.Namespace) -> tuple[RunSpec, ...]:
    """The questions that the options then revise."""
    if arguments.spec is None:
        return RECIPES[arguments.recipe if arguments.recipe is not None else DEFAULT].specs
    if arguments.recipe is not None:
        raise Refused(Problem("recipe", arguments.recipe, "either a recipe or a spec", "leave one of them out"))
    path = Path(arguments.spec)
    if not path.is_file() or path.stat().st_size > SPEC_SIZE:
        expected = f"a file of at most {count(SPEC_SIZE)} bytes"
        raise Refused(Problem("spec", arguments.spec, expected, "export a spec from a run and name that file"))
    return (RunSpec.from_json(path.read_bytes()),)


def _value(field: str, text: str) -> object:
    """A number where one is wanted and this is one, else the text, which is then refused with all the rest."""
    if (field, text) in (("samples_per_class", "all"), ("evaluate_on", NONE)):
        return None
    if field == "augmentation":
        return tuple(name.strip() for name in text.split(",") if name.strip() not in ("", NONE))
    for kind in {int: (int, float), float: (float,)}[RANGES[field][0]] if field in RANGES else ():
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def names(option: str, text: str | None) -> list[str]:
    """What stands between the commas; nothing where the option was not given. Raises Refused for one that is empty."""
    found = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not found:
        raise Refused(Problem(option, text, "names with commas between them", "give one, or leave it out"))
    return found


def asked(spec: RunSpec, given: dict[str, Any]) -> RunSpec:
    """The question revised by what the person said. What they left open gives way to it, and never the reverse."""
    if given.get("source") == NONE:
        given = {"strategy": "scratch", **given}
    elif given.get("strategy") == "scratch":
        given = {"source": NONE, **given}
    revised = spec.revised(**given)
    borrows = revised.strategy != "scratch" if "strategy" in given else spec.source != NONE
    try:
        if "source" in given:
            if given["source"] != NONE:
                revised = revised.revised(network=None, strategy="lp_ft" if spec.source == NONE else spec.strategy)
        elif borrows and {"dataset", "strategy"} & given.keys():
            revised = suited(revised)
        revised = _without_misfits(revised) if "dataset" in given else revised
    except UnknownName:
        pass  # admission complains of it together with whatever else is wrong
    if "dataset" in given and not revised.problems():
        with suppress(UnknownName, Damaged):
            own = amounting(spec.revised(test_share=revised.test_share), revised.dataset)
            revised = revised.revised(samples_per_class=own.samples_per_class, validation_share=own.validation_share)
    control = revised.control or (spec.source == NONE and revised.source != NONE)
    return revised.revised(control=control).revised(**given)


def _without_misfits(spec: RunSpec) -> RunSpec:
    """Without the network and the second dataset that came along with another dataset and cannot go with this one."""
    card, other = dataset(spec.dataset), spec.evaluate_on
    if not takes(spec.network or usual(card.shape), card.shape):  # convolutions over a vector
        spec = spec.revised(network=None)
    if other and other not in card.alike:
        spec = spec.revised(evaluate_on=None)
    return spec

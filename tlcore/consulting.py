"""The command ``advise``: what to do with a dataset."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from . import admission, advice, asking, console, live, probing, runs, worker
from .advice import Advice
from .datasets import dataset
from .recipes import DEFAULT, RECIPES, amounting, budgeted, suited
from .sources import NONE, source
from .spec import Problem, Refused, RunSpec

FIELDS = {
    "dataset": ("D", "what to learn from: one of 'datasets', or the id that 'import' gave"),
    "samples_per_class": ("N", "examples a class to learn from, or 'all'"),
    "seed": ("N", "what the split follows from"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    for field, (metavar, sentence) in FIELDS.items():
        parser.add_argument("--" + field.replace("_", "-"), metavar=metavar, help=sentence)
    parser.add_argument("--sources", metavar="A,B", help="networks to look through, with commas; else those that fit "
                        "and are here")  # fmt: skip


def advise(arguments: argparse.Namespace) -> int:
    """Look at a dataset through a few sources, and print what to do, why, and the figures."""
    spec = _asked(arguments)
    job = worker.order(runs.ADVISE, dataset(spec.dataset).title, **probing.question(spec, _sources(arguments, spec)))
    interrupted = live.watch([job], arguments.json)
    ended, story = runs.get(job), worker.follow(job)
    if why := console.reason(ended.status, story):
        console.complain(why)
    if ended.result is None:
        return 130 if interrupted else 1
    own = advice.recommend(spec, ended.result)
    if arguments.json:
        told = {**asdict(own), "spec_changes": dict(own.spec_changes)}
        print(json.dumps({"job": job, "status": ended.status, **told, "figures": ended.result}, allow_nan=False))
    else:
        _told(spec, own, ended.result)
    return 130 if interrupted else int(ended.status != "finished")


def _asked(arguments: argparse.Namespace) -> RunSpec:
    spec = RECIPES[DEFAULT].specs[0]
    given = {field: value for field in FIELDS if (value := getattr(arguments, field)) is not None}
    if name := given.pop("dataset", None):
        spec = suited(amounting(spec, dataset(name).name))
    for field, text in given.items():
        if field == "samples_per_class" and text == "all":
            spec = spec.revised(samples_per_class=None)
        else:
            spec = spec.revised(**{field: int(text) if text.isdecimal() else text})
    admission.admit(spec.revised(source=NONE, strategy="scratch", network=None, image_size=None, control=False))
    return budgeted(spec)


def _sources(arguments: argparse.Namespace, spec: RunSpec) -> list[str]:
    """The named ones, checked; else the usual. Raises Refused where there are none."""
    if names := [*dict.fromkeys(asking.names("sources", arguments.sources))]:
        for name in names:
            admission.admit(spec.revised(source=source(name).name, strategy="linear_probe", network=None))
        return names
    found = probing.usual(spec, probing.offered(spec))
    if not found:
        remedy = "fetch one of 'sources', or train one from scratch: a run can be borrowed from"
        raise Refused(Problem("sources", None, f"a network on this computer that takes {spec.dataset}", remedy))
    return found


def _told(spec: RunSpec, own: Advice, figures: dict[str, Any]) -> None:
    print(f"\n{own.title}\n")
    for line in own.reasons:
        print(f"  - {line}")
    for line in own.warnings:
        print(f"  ! {line}")
    print(f"\n{own.confidence} The thresholds are ours; a race of strategies on your data is the proof.\n")
    rows = [
        [row["title"], f"{cut['below']} of {len(row['blocks'])}: {cut['block']}", cut["dimension"],
         _share(cut), f"{random['accuracy']:.3f}", f"{cut['logme']:.3f}"]
        for row in figures["sources"]
        for cut, random in zip(row["cuts"], row["random"], strict=True)
    ]  # fmt: skip
    rows.append([f"the {figures['unit']} themselves", None, figures["raw"]["dimension"], _share(figures["raw"]), None,
                 None])  # fmt: skip
    console.table(("network", "behind block", "numbers", "told apart", "random weights", "LogME"), rows)
    print()
    console.table(
        ("", "name", "network", "told apart", "clearly helps", "has learnt from it"),
        [[place, row.source, row.title, f"{row.accuracy:.3f}", *("yes" if so else "no" for so in (row.clear, row.seen))]
         for place, row in enumerate(own.ranking, 1)],
    )  # fmt: skip
    for left in figures["left_out"]:
        print(f"left out: {left['reason']}")
    looked_at = {"dataset": spec.dataset, "samples_per_class": spec.samples_per_class or "all", "seed": spec.seed}
    settings = {"epochs": spec.epochs, "batch_size": spec.batch_size, "learning_rate": spec.learning_rate}
    asked = {**looked_at, **settings, **own.spec_changes}
    options = " ".join(f"--{field.replace('_', '-')} {value}" for field, value in asked.items())
    print(f"\nTry it: python -m tlcore run {options}")


def _share(cut: dict[str, Any]) -> str:
    return f"{cut['accuracy']:.3f}" + (f" ± {cut['error']:.3f}" if cut["error"] is not None else "")

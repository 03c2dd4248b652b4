"""Every strategy beside every other: letters to digits, and ImageNet's MobileNet 0.25 to CIFAR-10, 6 seeds each.

Each strategy, the control too, learns at the rate out of a grid that does best on the validation examples of a seed
that is not used for the comparison. ``--json PATH`` keeps every run as it ends, and a second call goes on from there.
``TLCORE_TEST_DATA`` names a folder with ``cifar10.zip`` and ``keras_home``; without it only the digits are tried.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import bench
from bench import Figure
from gain import carried_out
from photographs import imported

from tlcore import Phase, RunSpec, admission
from tlcore.evaluation import over_seeds
from tlcore.recipes import RECIPES
from tlcore.sources import NONE, source
from tlcore.strategies import STRATEGIES

SEEDS, TUNING_SEED = range(6), 100
RATES = {"digits": (0.001, 0.003, 0.01), "photographs": (0.001, 0.01)}
AMOUNTS = (10, 100)
TRAIN, TEST = 130, 200
"""Pictures a class in the zip, for learning and for the test."""
DIGITS = RECIPES["letters-to-digits"].specs[0].revised(control=False)
PHOTOGRAPHS = RunSpec(
    source="imagenet/mobilenet_0.25", network="mobilenet_0.25", image_size=64, validation_share=0.2, control=False
)  # fmt: skip
EPOCHS = {("digits", 10): 60, ("digits", 100): 20, ("photographs", 10): 30, ("photographs", 100): 10}


def chosen(cifar: Path, target: Path, train: int = TRAIN, test: int = TEST) -> None:
    """A zip of the first so many pictures of each class, in train and test folders."""
    taken: dict[tuple[str, str], int] = {}
    with zipfile.ZipFile(cifar) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as few:
        for name in sorted(own for own in whole.namelist() if own.endswith(".jpg")):
            part, label, _ = name.split("/")
            if taken.get((part, label), 0) < (test if part == "test" else train):
                taken[part, label] = taken.get((part, label), 0) + 1
                few.writestr(name, whole.read(name))


def questions(spec: RunSpec) -> dict[str, RunSpec]:
    """One question a strategy; those that take blocks take a fair share of them."""
    body = [block.name for block in admission.blocks(spec)[:-1]]
    plan = (
        Phase("head", spec.epochs // 3, spec.learning_rate, ("head",)),
        Phase("last block", spec.epochs // 3, spec.learning_rate, (body[-1], "head"), (0.3, 1.0)),
        Phase("everything", spec.epochs - 2 * (spec.epochs // 3), spec.learning_rate, (*body, "head"),
              (*[0.03] * (len(body) - 1), 0.1, 0.3)),
    )  # fmt: skip
    more: dict[str, dict[str, Any]] = {
        "surgical": {"first_block": 1, "blocks": max(1, len(body) // 3)}, "custom": {"plan": plan},
        "first_frozen": {"blocks": max(1, len(body) // 2)}, "first_tuned": {"blocks": max(1, len(body) // 2)},
        "scratch": {"source": NONE}, "last_blocks": {"blocks": 1},
    }  # fmt: skip
    first = ("scratch", *(name for name in STRATEGIES if name != "scratch"))  # all others are measured against it
    asked = {name: spec.revised(strategy=name, **more.get(name, {})) for name in first}
    return {name: own for name, own in asked.items() if admission.possible(own)}


def at_rate(spec: RunSpec, rate: float) -> RunSpec:
    phases = tuple(Phase(p.name, p.epochs, rate, p.learning, p.factors) for p in spec.plan)
    return spec.revised(learning_rate=rate, plan=phases)


def compared(name: str, spec: RunSpec, kept: dict[str, Any], keep: Callable[[], None]) -> None:
    """Fill in what is not yet in ``kept``: the grid, and the test accuracies of all seeds, for each strategy."""
    rates = RATES[name.partition(",")[0]]
    for strategy, own in questions(spec).items():
        found = kept.setdefault(name, {}).setdefault(strategy, {"grid": {}, "accuracies": []})
        for rate in rates:
            if f"{rate:g}" not in found["grid"]:
                told = carried_out(at_rate(own, rate).revised(seed=TUNING_SEED)).story.epochs
                found["grid"][f"{rate:g}"] = max(mean(e["val_accuracy"] for e in told[-3:]), 0.0)
                keep()
        found["rate"] = max(rates, key=lambda rate: found["grid"][f"{rate:g}"])
        for seed in SEEDS[len(found["accuracies"]) :]:
            outcome = carried_out(at_rate(own, found["rate"]).revised(seed=seed))
            assert outcome.result and outcome.story.arms
            found["accuracies"].append(outcome.result["test"]["accuracy"])
            found["trainable"] = max(p["trainable_parameters"] for p in next(iter(outcome.story.arms.values())))
            found.setdefault("seconds", []).append(outcome.result["seconds"]["total"])
            keep()


def rows(kept: dict[str, Any]) -> list[list[str]]:
    lines = []
    for strategy in STRATEGIES:
        for name, found in kept.items():
            if own := found.get(strategy):
                over = over_seeds(
                    [a - b for a, b in zip(own["accuracies"], found["scratch"]["accuracies"], strict=True)]
                )
                low, high = over["interval"]
                lines.append([STRATEGIES[strategy].title, name, f"{mean(own['accuracies']):.3f}", f"{own['rate']:g}",
                              f"{100 * over['mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"])  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="PATH", help="keep all figures there, and go on from them")
    parser.add_argument("--only", choices=["digits", "photographs"], help="one of the two datasets alone")
    parser.add_argument("--amount", type=int, choices=AMOUNTS, help="one amount a class alone")
    arguments = parser.parse_args()
    path = arguments.json and arguments.json.resolve()
    kept: dict[str, Any] = json.loads(path.read_text())["found"] if path and path.exists() else {}
    data = Path(os.environ.get("TLCORE_TEST_DATA", ""))

    def keep() -> None:
        if path:
            whole = {"machine": bench.machine(), "seeds": len(SEEDS), "rates": RATES, "found": kept}
            path.write_text(json.dumps(whole, indent=1) + "\n")

    with bench.fresh_home() as home:
        bases = {"digits": DIGITS} if arguments.only != "photographs" else {}
        if (data / "cifar10.zip").is_file() and arguments.only != "digits":
            shutil.copytree(data / "keras_home", home / "keras")
            chosen(data / "cifar10.zip", home / "few.zip")
            bases["photographs"] = PHOTOGRAPHS.revised(dataset=imported(home / "few.zip", 64))
        for name, base in bases.items():
            for amount in [arguments.amount] if arguments.amount else AMOUNTS:
                asked = base.revised(samples_per_class=amount, epochs=EPOCHS[name, amount])
                assert source(asked.source)
                compared(f"{name}, {amount} a class", asked, kept, keep)
    print(bench.table(("strategy", "data", "accuracy", "best rate", "gain over scratch, points"), rows(kept)) + "\n")
    bench.report([Figure(f"strategies compared on {name}", str(len(found))) for name, found in kept.items()])


if __name__ == "__main__":
    main()

"""What borrowing gains: letters to digits against the same network from scratch, at its own best learning rate.

The control is not weakened: it has the same examples, epochs and network, and the learning rate out of a grid that
does best on validation examples of seeds that are not used for the comparison.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

import bench
from bench import Figure

from tlcore import RunSpec, train
from tlcore.evaluation import over_seeds
from tlcore.recipes import RECIPES
from tlcore.sources import NONE
from tlcore.worker import Outcome

SPEC = RECIPES["letters-to-digits"].specs[0]
SEEDS, TUNING_SEEDS = range(6), (100, 101, 102)
RATES = sorted({1e-3, 3e-3, 1e-2, 3e-2, SPEC.learning_rate})
BARS = {2: 0.04, 5: 0.02}
"""Least mean gain, by examples a class; the interval over seeds must lie above 0 besides."""
ALL = (1, 2, 5, 10, 20)
COLUMNS = ("a class", "transfer", "scratch (best rate)", "mean gain", "95 % interval", "sign-flip p", "bar",
           "scratch (default rate)", "gain over it")  # fmt: skip


def carried_out(spec: RunSpec) -> Outcome:
    outcome = train(spec)
    if outcome.status != "finished":
        raise SystemExit(f"a run ended as {outcome.status}: {outcome.story.failure}")
    return outcome


def from_scratch(spec: RunSpec, learning_rate: float) -> RunSpec:
    """The same question, borrowing nothing."""
    return spec.revised(source=NONE, strategy="scratch", control=False, learning_rate=learning_rate)


def tuned(spec: RunSpec) -> dict[float, float]:
    """Mean validation accuracy after the last epoch, for each learning rate of the grid."""
    return {
        rate: mean(
            carried_out(from_scratch(spec, rate).revised(seed=seed)).story.epochs[-1]["val_accuracy"]
            for seed in TUNING_SEEDS
        )
        for rate in RATES
    }


def compared(samples_per_class: int) -> dict[str, Any]:
    """All figures for one number of examples a class."""
    spec = SPEC.revised(samples_per_class=samples_per_class, control=True)
    grid = tuned(spec)
    best = max(grid, key=lambda rate: grid[rate])
    accuracies: dict[str, list[float]] = {"transfer": [], "scratch_best": [], "scratch_default": []}
    for seed in SEEDS:
        both = carried_out(spec.revised(seed=seed)).result or {}
        alone = carried_out(from_scratch(spec, best).revised(seed=seed)).result or {}
        accuracies["transfer"].append(both["test"]["accuracy"])
        accuracies["scratch_default"].append(both["control"]["accuracy"])
        accuracies["scratch_best"].append(alone["test"]["accuracy"])
    return {
        "samples_per_class": samples_per_class, "seeds": [*SEEDS], "learning_rate": spec.learning_rate,
        "grid": {f"{rate:g}": accuracy for rate, accuracy in grid.items()}, "best_rate": best, "accuracies": accuracies,
        "gain": over(accuracies, "scratch_best"), "gain_over_default": over(accuracies, "scratch_default"),
    }  # fmt: skip


def over(accuracies: dict[str, list[float]], control: str) -> dict[str, Any]:
    gains = [a - b for a, b in zip(accuracies["transfer"], accuracies[control], strict=True)]
    return {**over_seeds(gains), "gains": gains}


def interval(gain: dict[str, Any]) -> str:
    low, high = gain["interval"]
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def row(found: dict[str, Any]) -> list[str]:
    own, gain, usual = found["accuracies"], found["gain"], found["gain_over_default"]
    return [
        str(found["samples_per_class"]), f"{mean(own['transfer']):.3f}",
        f"{mean(own['scratch_best']):.3f} ({found['best_rate']:g})", f"{100 * gain['mean']:+.1f} points",
        interval(gain), f"{gain['p']:.3f}", bar(found["samples_per_class"]),
        f"{mean(own['scratch_default']):.3f} ({found['learning_rate']:g})",
        f"{100 * usual['mean']:+.1f} points ({interval(usual)})",
    ]  # fmt: skip


def bar(amount: int) -> str:
    return f"≥ {100 * BARS[amount]:+.0f} points, interval above 0" if amount in BARS else ""


def figure(found: dict[str, Any]) -> Figure:
    gain, amount = found["gain"], found["samples_per_class"]
    return Figure(
        f"letters → digits, {amount} a class: gain over scratch at its best rate, {len(SEEDS)} seeds",
        f"{100 * gain['mean']:+.1f} points ({interval(gain)}), p = {gain['p']:.3f}",
        bar(amount),
        gain["mean"] >= BARS[amount] and gain["interval"][0] > 0 if amount in BARS else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help=f"all of {ALL} examples a class, not only {[*BARS]}")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    arguments = parser.parse_args()
    path = arguments.json and arguments.json.resolve()
    with bench.fresh_home():
        found = [compared(amount) for amount in (ALL if arguments.all else BARS)]
    print(bench.table(COLUMNS, map(row, found)) + "\n")
    if path:
        whole = {"machine": bench.machine(), "spec": json.loads(SPEC.to_json()), "rows": found}
        path.write_text(json.dumps(whole, indent=1))
    bench.report([figure(one) for one in found])


if __name__ == "__main__":
    main()

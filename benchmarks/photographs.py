"""What ImageNet's knowledge gains on few photographs: MobileNet 0.25 to CIFAR-10, against the same from scratch.

The control has the same network, pictures, split and epochs, and the learning rate out of a grid that does best on
validation pictures of a seed that is not used for the comparison. ``TLCORE_TEST_DATA`` names a folder with
``cifar10.zip`` (train and test folders of ten classes) and ``keras_home`` (the weights, where Keras looks for them).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import bench
from bench import Figure
from gain import carried_out, from_scratch, interval, over

from tlcore import RunSpec, runs, worker

SPEC = RunSpec(
    source="imagenet/mobilenet_0.25", strategy="linear_probe", samples_per_class=100, validation_share=0.05,
    epochs=30, batch_size=32, learning_rate=0.003, control=False,
)  # fmt: skip
SEEDS, TUNING_SEED = range(3), 100
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
BAR = 0.15
"""Least mean gain, in accuracy."""


def imported(path: Path, size: int = 96) -> str:
    """The dataset that a zip or a folder becomes."""
    job = worker.order(runs.IMPORT, path.name, path=str(path), origin=path.name, size=size)
    return str(bench.answer(job)["dataset"])


def compared(spec: RunSpec) -> dict[str, Any]:
    """All figures."""
    rows = {
        rate: carried_out(from_scratch(spec, rate).revised(seed=TUNING_SEED, network="mobilenet_0.25", image_size=96))
        for rate in RATES
    }
    grid = {rate: max(e["val_accuracy"] for e in outcome.story.epochs) for rate, outcome in rows.items()}
    best = max(grid, key=lambda rate: grid[rate])
    accuracies: dict[str, list[float]] = {"transfer": [], "scratch": []}
    for seed in SEEDS:
        asked = spec.revised(seed=seed)
        alone = from_scratch(asked, best).revised(network="mobilenet_0.25", image_size=96)
        for arm, one in (("transfer", asked), ("scratch", alone)):
            accuracies[arm].append((carried_out(one).result or {})["test"]["accuracy"])
    return {
        "seeds": [*SEEDS], "samples_per_class": spec.samples_per_class, "best_rate": best,
        "grid": {f"{rate:g}": value for rate, value in grid.items()}, "accuracies": accuracies,
        "gain": over(accuracies, "scratch"),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    path = (arguments := parser.parse_args()).json and arguments.json.resolve()
    data = Path(os.environ.get("TLCORE_TEST_DATA", ""))
    if not (data / "cifar10.zip").is_file() or not (data / "keras_home").is_dir():
        print("photographs.py skipped: TLCORE_TEST_DATA names no folder with cifar10.zip and keras_home")
        sys.exit(0)
    with bench.fresh_home() as home:
        shutil.copytree(data / "keras_home", home / "keras")  # Keras writes there
        found = compared(SPEC.revised(dataset=imported(data / "cifar10.zip")))
    own, gain = found["accuracies"], found["gain"]
    if path:
        path.write_text(json.dumps({"machine": bench.machine(), "spec": json.loads(SPEC.to_json()), **found}, indent=1))
    bench.report(
        [
            Figure("accuracy, MobileNet 0.25 from ImageNet, linear probe, 100 a class", f"{mean(own['transfer']):.3f}"),
            Figure(f"accuracy, the same from scratch at its best rate ({found['best_rate']:g})",
                   f"{mean(own['scratch']):.3f}"),
            Figure(f"gain on 10,000 test pictures, {len(SEEDS)} seeds",
                   f"{100 * gain['mean']:+.1f} points ({interval(gain)})", f"≥ +{100 * BAR:.0f} points",
                   gain["mean"] >= BAR),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()

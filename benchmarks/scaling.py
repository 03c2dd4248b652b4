"""What twice the pictures, twice the epochs and twice the frozen blocks cost, against what theory says.

ImageNet's MobileNet 0.25 at 96 pixels on pictures of CIFAR-10, each figure of a run of its own in an engine that is
awake. In theory a run costs  pictures × forward(frozen) + epochs × pictures × training(rest),  behind what building
the graphs costs once: time grows along a straight line with both, and a frozen block costs its forward pass once
instead of three of them an epoch.
``TLCORE_TEST_DATA`` names a folder with ``cifar10.zip`` and ``keras_home``; ``--figure PATH`` draws what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from math import prod
from pathlib import Path
from statistics import median

import bench
from bench import Figure
from gain import carried_out
from photographs import imported
from strategies import chosen

from tlcore import RunSpec, admission, features, runs
from tlcore.networks import Block

SPEC = RunSpec(
    source="imagenet/mobilenet_0.25", network="mobilenet_0.25", image_size=96, validation_share=0.05, control=False,
    strategy="last_blocks", blocks=1, samples_per_class=50, epochs=4, batch_size=32, learning_rate=0.001,
)  # fmt: skip
AMOUNTS, EPOCHS, TURNS = (50, 100, 200, 400), (4, 8, 16, 32), 3
IN_ZIP = 450
"""Pictures a class, of which some are kept to watch the training."""


def spent(spec: RunSpec) -> tuple[float, float]:
    """Seconds for the features, and seconds of all epochs, of a run that knows nothing yet: the least of a few,
    since whatever else the machine does only adds to it."""
    extraction, training = list[float](), list[float]()
    for _ in range(TURNS):
        features.clear()
        events = runs.events(carried_out(spec).run)
        began = [event.time for event in events if event.kind == "stage" and event.data["stage"] == "features"]
        phase = next(event.time for event in events if event.kind == "phase")
        epochs = [event.data["seconds"] for event in events if event.kind == "epoch"]
        extraction.append(phase - began[0] if began else 0.0)
        training.append(len(epochs) * median(epochs))  # the first one also builds the graph
    return min(extraction), min(training)


def multiply_adds(block: Block) -> float:
    """Of one example through a block, roughly: each kernel at every place of what goes in, or comes out, on average."""
    places = [prod(shape[:2]) if len(shape) == 3 else 1 for shape in (block.input_shape, block.output_shape)]
    return sum(map(prod, block.weights)) * sum(places) / 2


def line(amounts: Sequence[int], values: Sequence[float]) -> tuple[float, float, float]:
    """The straight line through all of them: what is paid once, what each one of the amount costs, and which share of
    the differences between the values the line explains (R²)."""
    import numpy as np

    slope, once = np.polyfit(amounts, values, 1)
    off = np.asarray(values) - np.polyval([slope, once], amounts)
    return float(once), float(slope), float(1 - off.var() / np.var(values))


def straight(what: str, amounts: Sequence[int], values: Sequence[float], one: str) -> Figure:
    """Time that grows as theory says: along a straight line."""
    once, slope, share = line(amounts, values)
    said = f"{what}: {once:.2f} s once, {1000 * slope:.3g} ms {one}; explained by a straight line"
    return Figure(said, f"{share:.1%}", "theory 100 %")


def drawn(path: Path, found: dict[str, list[float]], depths: list[int], forward: list[float]) -> None:
    """Three figures side by side: measured dots and the line of theory through the largest of them."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    _, axes = pyplot.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    for axis, amounts, name, what in (
        (axes[0], [10 * own for own in AMOUNTS], "pictures", "pictures to learn from"),
        (axes[1], [*EPOCHS], "epochs", "epochs"),
    ):
        axis.plot(amounts, found[name], "o", color="#8a63d2", label="measured")
        once, slope, _ = line(amounts, found[name])
        ends = [0, amounts[-1]]
        axis.plot(ends, [once + slope * own for own in ends], "--", color="#8b8794", label="a straight line")
        axis.set(xlabel=what, ylabel="seconds", ylim=(0, None))
        axis.legend(frameon=False)
    axes[2].plot(depths, found["frozen"], "o", color="#6ea8dc", label="an epoch, measured")
    rest = [sum(forward[depth:]) / sum(forward) * found["frozen"][0] for depth in depths]
    axes[2].plot(depths, rest, "--", color="#8b8794", label="by multiply-adds")
    axes[2].set(xlabel="blocks frozen", ylabel="seconds an epoch", ylim=(0, None))
    axes[2].legend(frameon=False)
    pyplot.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, metavar="PATH", help="draw it there (SVG)")
    figure = (arguments := parser.parse_args()).figure and arguments.figure.resolve()
    data = Path(os.environ.get("TLCORE_TEST_DATA", ""))
    if not (data / "cifar10.zip").is_file() or not (data / "keras_home").is_dir():
        print("scaling.py skipped: TLCORE_TEST_DATA names no folder with cifar10.zip and keras_home")
        sys.exit(0)
    with bench.fresh_home() as home:
        shutil.copytree(data / "keras_home", home / "keras")
        chosen(data / "cifar10.zip", home / "few.zip", IN_ZIP, test=1)  # whose features are computed along
        spec = SPEC.revised(dataset=imported(home / "few.zip"))
        blocks = admission.blocks(spec)
        by_pictures = [spent(spec.revised(samples_per_class=amount)) for amount in AMOUNTS]
        by_epochs = [spent(spec.revised(epochs=epochs))[1] for epochs in EPOCHS]
        depths = [*range(len(blocks))]
        by_depth = [spent(at_depth(spec, depth, len(blocks) - 1)) for depth in depths]
    found = {
        "pictures": [sum(own) for own in by_pictures], "epochs": by_epochs,
        "frozen": [training / spec.epochs for _, training in by_depth],
    }  # fmt: skip
    if figure:
        drawn(figure, found, depths, [multiply_adds(block) for block in blocks])
    pictures = [10 * own for own in AMOUNTS]
    print(json.dumps({"features": by_pictures, **found}) + "\n")
    half, whole = depths[len(depths) // 2], depths[-1]
    bench.report(
        [
            straight("features", pictures, [seen for seen, _ in by_pictures], "a picture"),
            straight(f"{SPEC.epochs} epochs", pictures, [learnt for _, learnt in by_pictures], "a picture"),
            straight(f"{10 * (SPEC.samples_per_class or 0)} pictures", EPOCHS, by_epochs, "an epoch"),
            Figure(f"an epoch with {half} blocks frozen against none", f"{found['frozen'][half]:.3f} against "
                   f"{found['frozen'][0]:.3f} s"),
            Figure(f"an epoch with {whole} (all) blocks frozen", f"{found['frozen'][whole]:.4f} s"),
        ]
    )  # fmt: skip


def at_depth(spec: RunSpec, frozen: int, body: int) -> RunSpec:
    """The question with so many blocks frozen, all others learning."""
    if frozen == body:
        return spec.revised(strategy="linear_probe")
    return spec.revised(blocks=body - frozen)


if __name__ == "__main__":
    main()

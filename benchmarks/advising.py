"""What advice costs, and how far its ranking of sources agrees with what runs from them really come to.

The time: a look at 2,000 photographs through ImageNet's MobileNet 0.25 at 96 pixels and two small sources, from the
question to the answer, the engine's start included. ``TLCORE_TEST_DATA`` names a folder with ``cifar10.zip`` (train and
test folders of ten classes) and ``keras_home`` (the weights, where Keras looks for them); without it this is skipped.

The ranking: sources for handwritten digits, from good to useless, ranked by the probe and by LogME, against the test
accuracy of a linear probe and of LP-FT from each, over a few seeds. Kendall's tau of so few sources is a hint itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import zipfile
from collections import defaultdict
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import bench
from bench import Figure, at_most
from gain import carried_out
from photographs import imported

from tlcore import RunSpec, advice, probing, runs, worker

BAR = 60.0
EACH_CLASS = 260
"""Photographs a class: 2,080 of the 2,600 are not of the test part."""
SEEDS, AMOUNTS, STRATEGIES = range(3), (5, 20), ("linear_probe", "lp_ft")
PRETRAINING = RunSpec(
    dataset="letters", source="none", strategy="scratch", network="small_cnn", samples_per_class=None, epochs=4,
    batch_size=128, learning_rate=0.001, control=False,
)  # fmt: skip
SOURCES = {
    "letters, 4 epochs": PRETRAINING,
    "printed digits, 4 epochs": PRETRAINING.revised(dataset="printed_digits"),
    "letters, 2 a class, 1 epoch": PRETRAINING.revised(samples_per_class=2, epochs=1),
    "letters with large steps": PRETRAINING.revised(samples_per_class=5, learning_rate=0.3),
    "random weights": PRETRAINING.revised(samples_per_class=1, epochs=1, learning_rate=1e-8),
}


def looked(spec: RunSpec, names: list[str]) -> dict[str, Any]:
    """The figures of a look."""
    return bench.answer(worker.order(runs.ADVISE, "", **probing.question(spec, names)))


def photographs(data: Path, home: Path) -> str:
    """A dataset of the first photographs of each class, imported at 32 pixels."""
    taken: dict[str, int] = defaultdict(int)
    with zipfile.ZipFile(data / "cifar10.zip") as archive:
        for name in sorted(name for name in archive.namelist() if "train/" in name and name.endswith(".jpg")):
            kind = Path(name).parent.name
            taken[kind] += 1
            if taken[kind] <= EACH_CLASS:
                (home / "pictures" / kind).mkdir(parents=True, exist_ok=True)
                (home / "pictures" / kind / Path(name).name).write_bytes(archive.read(name))
    return imported(home / "pictures", 32)


def timed(data: Path, home: Path, small: list[str]) -> tuple[dict[str, Any], float]:
    shutil.copytree(data / "keras_home", home / "keras", dirs_exist_ok=True)  # Keras writes there
    spec = RunSpec(dataset=photographs(data, home), source="imagenet/mobilenet_0.25", samples_per_class=None)
    found: list[dict[str, Any]] = []
    taken = bench.seconds(lambda: found.append(looked(spec, ["imagenet/mobilenet_0.25", *small])))
    return found[0], taken


def tau(one: list[float], other: list[float]) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(one, other).statistic)


def ranked(names: dict[str, str], amount: int) -> dict[str, Any]:
    """For one number of examples a class: what the look says of each source, and what runs from it come to."""
    spec = RunSpec(dataset="digits", samples_per_class=amount, control=False)
    probe: dict[str, list[float]] = defaultdict(list)
    logme: dict[str, list[float]] = defaultdict(list)
    accuracy: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in SEEDS:
        own = advice.recommend(spec, looked(spec.revised(seed=seed), [*names]))
        for row in own.ranking:
            probe[row.source].append(row.accuracy)
            logme[row.source].append(row.logme)
        for name, strategy in product(names, STRATEGIES):
            asked = spec.revised(source=name, strategy=strategy, seed=seed)
            accuracy[name, strategy].append((carried_out(asked).result or {})["test"]["accuracy"])
    return {
        "amount": amount,
        "probe": {name: mean(probe[name]) for name in names}, "logme": {name: mean(logme[name]) for name in names},
        "accuracy": {strategy: {name: mean(accuracy[name, strategy]) for name in names} for strategy in STRATEGIES},
        "tau": {
            f"{score}, {strategy}": [
                tau([own[name][seed] for name in names], [accuracy[name, strategy][seed] for name in names])
                for seed in SEEDS
            ]
            for score, own in (("probe", probe), ("LogME", logme)) for strategy in STRATEGIES
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    parser.add_argument("--time-only", action="store_true", help="leave the ranking out")
    arguments = parser.parse_args()
    path = arguments.json and arguments.json.resolve()
    data = Path(os.environ.get("TLCORE_TEST_DATA", "")).resolve()
    figures, whole = [], dict[str, Any](machine=bench.machine())
    with bench.fresh_home() as home:
        names = {f"run:{carried_out(spec).run}": title for title, spec in SOURCES.items()}
        if (data / "cifar10.zip").is_file() and (data / "keras_home").is_dir():
            told, taken = timed(data, home, [*names][:2])
            whole["look"] = told | {"wall": taken}
            what = f"a look at {told['examples']['tried']:,} photographs through MobileNet 0.25 and two small sources"
            figures.append(at_most(what, taken, BAR, "s"))
        else:
            print("the time is not measured: TLCORE_TEST_DATA names no folder with cifar10.zip and keras_home\n")
        for amount in () if arguments.time_only else AMOUNTS:
            found = ranked(names, amount)
            whole[f"ranking {amount}"] = found | {"names": names}
            rows = [
                [title, f"{found['probe'][name]:.3f}", f"{found['logme'][name]:.3f}",
                 *(f"{found['accuracy'][strategy][name]:.3f}" for strategy in STRATEGIES)]
                for name, title in names.items()
            ]  # fmt: skip
            print(f"digits, {amount} a class, means over {len(SEEDS)} seeds\n")
            print(bench.table(("source", "probe", "LogME", *(f"test, {own}" for own in STRATEGIES)), rows) + "\n")
            figures += [
                Figure(f"Kendall's tau, {name}, {amount} a class, {len(names)} sources: mean (least)",
                       f"{mean(each):.2f} ({min(each):.2f})")
                for name, each in found["tau"].items()
            ]  # fmt: skip
    if path:
        path.write_text(json.dumps(whole, indent=1))
    bench.report(figures)


if __name__ == "__main__":
    main()

"""How far the estimates of time and memory that are told before Start are from what runs then need.

Each question is measured and estimated as the page does it, then carried out by a fresh engine that knows no features.
Its time is the run's own, from the engine's taking it to its end; its memory is the most that the engine's process
holds. ``TLCORE_TEST_DATA`` names a folder with ``cifar10.zip`` and ``keras_home``; without it only digits are tried.
"""

from __future__ import annotations

import argparse
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bench
import psutil  # type: ignore[import-untyped]
from bench import Figure
from gain import carried_out
from photographs import imported
from strategies import chosen

from tests.browser import end_engines, engines
from tlcore import RunSpec, admission, estimates, features, runs, worker
from tlcore.estimates import Estimate
from tlcore.recipes import RECIPES

FACTOR = 2.0
"""Within which an estimate should be."""
DIGITS = RECIPES["letters-to-digits"].specs[0].revised(control=False)
PHOTOGRAPHS = RunSpec(
    source="imagenet/mobilenet_0.25", image_size=96, samples_per_class=100, epochs=10, control=False,
)  # fmt: skip
STRATEGIES = ("linear_probe", "last_blocks", "fine_tune", "gradual")


class Scale:
    """Weighs the engines of a home, over and over, until it is told to stop."""

    def __init__(self, home: Path):
        self.home, self.most, self.over = home, 0, threading.Event()
        self.thread = threading.Thread(target=self._weigh)
        self.thread.start()

    def _weigh(self) -> None:
        while not self.over.wait(0.2):
            for process in engines(self.home):  # one is an outer half and small, and they come and go
                with suppress(psutil.Error):
                    self.most = max(self.most, int(process.memory_info().rss))

    def end(self) -> int:
        """Bytes of the largest process at its most."""
        self.over.set()
        self.thread.join()
        return self.most


@dataclass(frozen=True)
class Case:
    """What was told of a question, and what it needed."""

    name: str
    told: Estimate
    seconds: float
    bytes: int


def tried(name: str, spec: RunSpec, home: Path) -> Case:
    spec = admission.admit(spec)
    asked = estimates.question(spec)
    if not estimates.kept(asked):
        bench.answer(worker.order(runs.MEASURE, "", **asked))
    measured = estimates.kept(asked)
    assert measured
    end_engines(home)
    features.clear()
    scale = Scale(home)
    try:
        outcome = carried_out(spec)
    finally:
        most = scale.end()
    assert outcome.result
    return Case(name, estimates.whole(spec, measured), outcome.result["seconds"]["total"], most)


def off(told: float, needed: float) -> float:
    """By which factor, either way."""
    return max(told / needed, needed / told)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = Path(os.environ.get("TLCORE_TEST_DATA", ""))
    cases = []
    with bench.fresh_home() as home:
        assert worker.train(DIGITS).status == "finished"  # the source is trained on the way
        for strategy in ("lp_ft", "fine_tune"):
            cases.append(tried(f"digits, {strategy}", DIGITS.revised(strategy=strategy), home))
        if (data / "cifar10.zip").is_file() and (data / "keras_home").is_dir():
            shutil.copytree(data / "keras_home", home / "keras", dirs_exist_ok=True)
            chosen(data / "cifar10.zip", home / "few.zip", test=50)
            spec = PHOTOGRAPHS.revised(dataset=imported(home / "few.zip"))
            for strategy in STRATEGIES:
                cases.append(tried(f"photographs, {strategy}", spec.revised(strategy=strategy), home))
    lines = [
        (own.name, f"{own.told.seconds:.1f}", f"{own.seconds:.1f}", f"{own.told.bytes / 1e6:,.0f}",
         f"{own.bytes / 1e6:,.0f}")
        for own in cases
    ]  # fmt: skip
    print(bench.table(("question", "told, s", "needed, s", "told, MB", "needed, MB"), lines) + "\n")
    time = max(off(own.told.seconds, own.seconds) for own in cases)
    memory = max(off(own.told.bytes, own.bytes) for own in cases)
    of = f"estimate before Start against the run, the worst of {len(cases)}"
    bench.report(
        [
            Figure(f"{of}: time", f"within a factor {time:.2f}", f"≤ {FACTOR:g}", time <= FACTOR),
            Figure(f"{of}: memory", f"within a factor {memory:.2f}", f"≤ {FACTOR:g}", memory <= FACTOR),
        ]
    )


if __name__ == "__main__":
    main()

"""A race of strategies over seeds, against as many plain Keras scripts that do the same runs one after the other.

Each script is a process of its own and does plainly what a run does: loads data and the source's weights, freezes,
compiles, calls ``fit`` for each phase, evaluates on the test part, and trains the same network from scratch beside it,
since no gain can be told without; a second figure says what is left when that is done only once a seed. Start-up is
counted on both sides; the source network is trained before either.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

import bench
from bench import Figure

from tlcore import RunSpec, admission, races, runs, standings, worker
from tlcore.recipes import RECIPES
from tlcore.sources import source
from tlcore.strategies import STRATEGIES as ALL

SPEC = RECIPES["letters-to-digits"].specs[0]
STRATEGIES = ("linear_probe", "lp_ft", "last_blocks", "fine_tune", "gradual", "surgical")
SEEDS = range(3)
BAR = 4.0
SCRIPT = bench.ROOT / "benchmarks" / "plain" / "race_run.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    arguments = parser.parse_args()
    path = arguments.json and arguments.json.resolve()
    with bench.fresh_home(linger=0.5) as home:
        weights = source_weights()
        race = races.between(SPEC, STRATEGIES, [SPEC.source], SEEDS)
        raced, rows = carried_out(race)
        scripts, found = one_by_one(race, weights, home)
    pairs = [(name, rows[place], found[place]) for place, name in enumerate(races.names(race))]
    print(bench.table(("strategy", "race, mean test accuracy", "scripts", "race, gain", "scripts "), [
        (name, f"{ours['accuracy']:.3f}", f"{mean(own[0] for own in theirs):.3f}", points(ours["gain"]["mean"]),
         points(mean(own[0] - own[1] for own in theirs))) for name, ours, theirs in pairs
    ]) + "\n")  # fmt: skip
    if path:
        path.write_text(json.dumps({"machine": bench.machine(), "race": raced, "scripts": scripts, "rows": [
            {"strategy": name, "race": ours["accuracy"], "scripts": theirs} for name, ours, theirs in pairs
        ]}, indent=1))  # fmt: skip
    controls = mean(own[2] for _, _, theirs in pairs for own in theirs)
    frugal = scripts - controls * (race.total - len(race.seeds))
    apart = max(abs(ours["accuracy"] - mean(own[0] for own in theirs)) for _, ours, theirs in pairs)
    bench.report([
        Figure(f"race of {len(STRATEGIES)} strategies × {len(SEEDS)} seeds, engine cold", bench.amount(raced, "s")),
        Figure(f"{race.total} plain scripts, one after the other", bench.amount(scripts, "s")),
        Figure("race against plain scripts", f"{scripts / raced:.2f} ×", f"≥ {BAR:g} ×", scripts >= BAR * raced),
        Figure("the same, had the scripts trained their control once a seed", f"{frugal / raced:.2f} ×"),
        Figure("largest difference of a strategy's mean accuracy", f"{100 * apart:.1f} points"),
    ])  # fmt: skip


def points(share: float) -> str:
    return f"{100 * share:+.1f}"


def source_weights() -> Path:
    """Train the source first: neither side is to pay for it."""
    origin = source(SPEC.source)
    assert origin.spec
    worker.train(origin.spec)
    from tests.browser import end_engines
    from tlcore.home import home

    end_engines(home())
    assert origin.weights
    return origin.weights


def carried_out(race: races.Race) -> tuple[float, dict[int, dict[str, Any]]]:
    """Seconds from the question to the end, and the leaderboard by competitor."""
    began = time.perf_counter()
    name = races.order(race)
    while not runs.get(name).over:
        worker.wake()
        time.sleep(0.1)
    taken, story = time.perf_counter() - began, worker.follow(name)
    if runs.get(name).status != "finished":
        raise SystemExit(f"the race ended as {runs.get(name).status}: {story.failure}")
    rows = {row["competitor"]: row for row in standings.leaderboard(race, story)}
    if any(row["failed"] for row in rows.values()):
        raise SystemExit("a run of the race failed")
    return taken, rows


def one_by_one(race: races.Race, weights: Path, folder: Path) -> tuple[float, dict[int, list[list[float]]]]:
    """Seconds of all scripts, and for each competitor, a seed each: accuracy, the control's, and its seconds.

    The parts of the split are written out before the clock starts: a script begins with files of its examples."""
    import numpy as np

    from tlcore.datasets import dataset, split

    card = dataset(SPEC.dataset)
    arrays = card.load()
    for seed in race.seeds:
        where = split(arrays, samples_per_class=SPEC.samples_per_class, validation_share=SPEC.validation_share,
                      test_share=SPEC.test_share, seed=seed)  # fmt: skip
        parts = {name: getattr(where, name) for name in ("train", "validation", "test")}
        kept = {f"x_{name}": np.asarray(arrays.x)[rows] for name, rows in parts.items()}
        kept |= {f"y_{name}": arrays.y[rows] for name, rows in parts.items()}
        np.savez(folder / f"{seed}.npz", allow_pickle=False, scale=card.scale, **kept)
    found: dict[int, list[list[float]]] = {}
    began = time.perf_counter()
    for seed in race.seeds:
        for place in range(len(race.competitors)):
            command = [sys.executable, str(SCRIPT), str(folder / f"{seed}.npz"), str(weights)]
            command += arguments_of(race.question(place, seed))
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"a script broke: {done.stderr[-2000:]}")
            found.setdefault(place, []).append(json.loads(done.stdout.splitlines()[-1]))
    return time.perf_counter() - began, found


def arguments_of(spec: RunSpec) -> list[str]:
    """What a script is told: its phases, the size of its batches, the rate and the seed."""
    plan = ALL[spec.strategy].plan(spec, [block.name for block in admission.blocks(spec)])
    phases = [[phase.learning, phase.epochs, phase.learning_rate] for phase in plan]
    examples = 10 * (spec.samples_per_class or 0)
    even = -(-examples // -(-examples // spec.batch_size))  # batches of one size, as a run has them
    return [json.dumps(phases), str(even), str(spec.learning_rate), str(spec.seed)]


if __name__ == "__main__":
    main()

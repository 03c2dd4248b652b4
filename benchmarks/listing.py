"""A long list: 1,000 finished runs of about 100 events each."""

from __future__ import annotations

import bench
import numpy as np
from bench import Figure, amount, at_most

from tlcore import evaluation, runs
from tlcore.admission import resolved
from tlcore.database import transaction
from tlcore.datasets import DATASETS
from tlcore.events import SCRATCH, TRANSFER
from tlcore.recipes import DEFAULT, RECIPES

RUNS, EVENTS = 1000, 100
LIST, PAGE = 200.0, 3000.0


def answer(seed: int) -> dict[str, object]:
    """A result as an engine tells it, from made-up predictions."""
    classes, random = DATASETS["digits"].classes, np.random.default_rng(seed)
    labels = random.integers(0, len(classes), 360)
    arms = [random.dirichlet(np.ones(len(classes)), 360) + 0.4 * np.eye(len(classes))[labels] for _ in range(2)]
    right = [own.argmax(1) == labels for own in arms]
    return {
        "test": evaluation.figures(arms[0], labels, classes), "control": evaluation.figures(arms[1], labels, classes),
        "gain": evaluation.paired_gain(*right), "elsewhere": None, "seconds": {"total": 12.0, "training": 10.0},
    }  # fmt: skip


def finished_runs(amount: int, events: int) -> None:
    """Write finished runs with their stories into the home in use."""
    spec = RECIPES[DEFAULT].specs[0]
    results = [answer(seed) for seed in range(min(amount, 20))]
    epochs = (events - 5) // 2
    phases = [{"name": "everything", "epochs": epochs, "learning_rate": 0.003, "learning": ["head"],
               "trainable_parameters": 10, "frozen_parameters": 0}]  # fmt: skip
    for number in range(amount):
        with transaction():
            run = runs.create(resolved(spec.revised(seed=number)))
            runs.tell(run, "started", pid=1)
            runs.tell(run, "plan", arms=dict.fromkeys((TRANSFER, SCRATCH), phases))
            for arm in (TRANSFER, SCRATCH):
                runs.tell(run, "phase", arm=arm, index=0, **phases[0])
                for epoch in range(epochs):
                    runs.tell(run, "epoch", **told(arm, epoch, epochs))
            runs.tell(run, "result", **results[number % 20])
            runs.tell(run, "finished", seconds={"total": 12.0, "training": 10.0})


def told(arm: str, epoch: int, of: int, phase: int = 0) -> dict[str, object]:
    """An epoch's event, on a curve that looks like one."""
    share = (epoch + 1) / of
    return {
        "arm": arm, "phase": phase, "epoch": epoch, "accuracy": round(0.9 * share, 6), "loss": round(2.3 - share, 6),
        "val_accuracy": round(0.8 * share, 6), "val_loss": round(2.3 - 0.8 * share, 6), "seconds": 0.1, "rate": 1000.0,
    }  # fmt: skip


def open_page() -> None:
    """The runs page, its table filled."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(bench.ROOT / "pages" / "runs.py")).run()
    if app.exception or len(app.dataframe[0].value) != RUNS:
        raise SystemExit(f"the runs page does not list {RUNS} runs: {app.exception}")


def main() -> None:
    with bench.fresh_home():
        finished_runs(RUNS, EVENTS)
        if len(runs.all_runs()) != RUNS:
            raise SystemExit("not all runs are listed")
        median, worst = bench.median_and_worst(runs.all_runs)
        open_page()
        page, slowest = bench.median_and_worst(open_page, 5)
    bench.report(
        [
            at_most(f"list of {RUNS:,} runs, median of 20", median, LIST, "ms"),
            Figure("the same, worst of 20", amount(worst, "ms")),
            at_most("the runs page with all of them under AppTest, median of 5", page, PAGE, "ms"),
            Figure("the same, worst of 5", amount(slowest, "ms")),
        ]
    )


if __name__ == "__main__":
    main()

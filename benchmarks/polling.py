"""One look at a run with 10,000 events, as the training page's server takes it every second."""

from __future__ import annotations

import bench
from bench import Figure, amount, at_most
from listing import told

from tlcore import charts, runs, worker
from tlcore.admission import resolved
from tlcore.database import transaction
from tlcore.events import SCRATCH, TRANSFER, Story
from tlcore.recipes import DEFAULT, RECIPES

EVENTS, NEW = 10_000, 10
BAR = 60.0


def long_run() -> str:
    """A run of 10,000 events in two arms of two phases, still training."""
    each = (EVENTS - 6) // 4
    phases = [
        {"name": name, "epochs": each, "learning_rate": 0.003, "learning": ["head"], "trainable_parameters": 10,
         "frozen_parameters": 0}
        for name in ("head", "everything")
    ]  # fmt: skip
    with transaction():
        run = runs.create(resolved(RECIPES[DEFAULT].specs[0].revised(epochs=2 * each)))
        runs.tell(run, "started", pid=1)
        runs.tell(run, "plan", arms=dict.fromkeys((TRANSFER, SCRATCH), phases))
        for arm in (TRANSFER, SCRATCH):
            for index, phase in enumerate(phases):
                runs.tell(run, "phase", arm=arm, index=index, **phase)
                for epoch in range(each):
                    runs.tell(run, "epoch", **told(arm, index * each + epoch, 2 * each, index))
    return run


def drawn(story: Story) -> str:
    """What a look makes of a story: its line, its bar, its figure as it is sent."""
    story.doing(), story.share_done, story.seconds_left()
    return str(charts.learning_curves(story).to_json())


def main() -> None:
    with bench.fresh_home():
        run = long_run()
        grown = worker.follow(run)
        if len(runs.events(run)) < EVENTS - 4:
            raise SystemExit("there are fewer events than promised")
        drawn(grown)

        def asked() -> None:
            """What a look asks besides: the run's status, whether an engine is needed, who waits."""
            worker.wake()
            runs.get(run), runs.is_held(run), runs.waiting(), runs.unfinished()

        def anew() -> None:
            asked()
            drawn(worker.follow(run))

        def further() -> None:
            asked()
            drawn(worker.follow(run, grown))

        def with_news() -> float:
            with transaction():
                for epoch in range(NEW):
                    runs.tell(run, "epoch", **told(SCRATCH, epoch, EVENTS, 1))
            return 1000 * bench.seconds(further)

        whole, whole_worst = bench.median_and_worst(anew)
        usual = sorted(with_news() for _ in range(20))
        read, _ = bench.median_and_worst(lambda: worker.follow(run))
    bench.report(
        [
            at_most(f"all {EVENTS:,} events read anew, figure built and encoded, median of 20", whole, BAR, "ms"),
            Figure("the same, worst of 20", amount(whole_worst, "ms")),
            at_most(f"usual look: {NEW} new events on top of {EVENTS:,}, median of 20", usual[10], BAR, "ms"),
            Figure("the same, worst of 20", amount(usual[-1], "ms")),
            Figure("of reading anew: events and story alone, median", amount(read, "ms")),
        ]
    )


if __name__ == "__main__":
    main()

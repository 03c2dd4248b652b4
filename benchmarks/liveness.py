"""How live the training page is: the first point after Start, how far the chart lags, and how soon Stop stops."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import bench
from bench import Figure, at_most

from tests.browser import Server, chromium, end_engines, letters_at_once, press_primary, serving, settle, until
from tlcore import runs
from tlcore.admission import admit
from tlcore.recipes import DEFAULT, RECIPES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST_POINT, LAG, STOP = 15.0, 2.0, 2.0
STOPS = 3
RECORD = """
window.seen = []
const last = {}
setInterval(() => {
    const chart = document.querySelector('.js-plotly-plot')
    for (const trace of (chart && chart._fullData) || []) {
        if (trace.yaxis !== 'y' || !(trace.name || '').endsWith(', validation') || !(trace.x || []).length) continue
        const x = Number(trace.x[trace.x.length - 1])
        if (x === last[trace.name]) continue
        last[trace.name] = x
        window.seen.push([Date.now() / 1000, trace.name.split(',')[0], x])
    }
}, 20)
"""
"""Writes down when the last point of each validation curve changes: the time, the arm, the epoch."""

ARMS = {"transfer": "transfer", "from scratch": "scratch"}


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(RECORD)
    yield page
    page.close()


def first_point(server: Server, page: Page) -> tuple[float, str]:
    """Click through to Start; seconds from there to the first point in the chart, and the run."""
    page.goto(server.url())
    settle(page)
    press_primary(page, "Choose a strategy")
    before = time.time()
    press_primary(page, "Training")
    page.wait_for_function("window.seen.length > 0", timeout=60_000)
    return page.evaluate("window.seen[0][0]") - before, page.url.split("run=")[1]


def lags(run: str, seen: list[tuple[float, str, float]]) -> list[float]:
    """For each epoch: seconds from when it was told until its point was in the chart."""
    found = []
    for event in runs.events(run):
        if event.kind != "epoch":
            continue
        shown = [t for t, arm, x in seen if ARMS[arm] == event.data["arm"] and x > event.data["epoch"]]
        found.append((min(shown) if shown else float("inf")) - event.time)
    return found


def stop(server: Server, page: Page) -> float:
    """Seconds from a click on Stop in the middle of a training until it has stopped and its model is there."""
    spec = RECIPES[DEFAULT].specs[0].revised(epochs=2000)
    run = runs.create(admit(spec))
    page.goto(server.url("training", run))
    settle(page)
    page.wait_for_function("window.seen.length > 0", timeout=60_000)
    before = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    model = runs.folder(run) / "model.keras"
    until(lambda: runs.get(run).status == "stopped" and model.is_file(), 60, "it stopped")
    taken = time.monotonic() - before
    until(lambda: not runs.is_held(run), 60, "its engine is free")
    return taken


def main() -> None:
    with bench.fresh_home() as home:
        letters_at_once()
        end_engines(home)  # Start then pays for a cold engine
        with serving(home) as server, chromium() as browser:
            with tab(browser) as page:
                first, run = first_point(server, page)
                until(lambda: runs.get(run).status == "finished", 300, "it finished")
                page.get_by_role("button", name="See the result").wait_for(timeout=30_000)
                page.wait_for_timeout(1000 * LAG)  # the heading is there before the last points are drawn
                late = lags(run, page.evaluate("window.seen"))
            with tab(browser) as page:
                stops = [stop(server, page) for _ in range(STOPS)]
    bench.report(
        [
            at_most("click on Start to the first point in the chart, engine cold", first, FIRST_POINT, "s"),
            Figure(f"chart behind training, median of {len(late)} epochs", f"{statistics.median(late):.2f} s"),
            at_most(f"chart behind training, worst of {len(late)} epochs", max(late), LAG, "s"),
            at_most(f"click on Stop to stopped with its model, worst of {STOPS}", max(stops), STOP, "s"),
        ]
    )


if __name__ == "__main__":
    main()

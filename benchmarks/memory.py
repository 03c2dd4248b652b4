"""What the web server holds in memory while a run trains and a browser watches it through all pages."""

from __future__ import annotations

import threading

import bench
from bench import Figure, at_most

from tests.browser import Server, chromium, letters_at_once, press_primary, serving, settle, until
from tlcore import runs

BAR = 300.0
PAGES = ("dataset", "strategy", "training", "results", "runs")


class Scale:
    """Weighs a server, over and over, until it is told to stop."""

    def __init__(self, server: Server):
        self.server, self.weighed, self.over = server, [server.memory], threading.Event()
        self.thread = threading.Thread(target=self._weigh)
        self.thread.start()

    def _weigh(self) -> None:
        while not self.over.wait(0.1):
            self.weighed.append(self.server.memory)

    def end(self) -> list[float]:
        """All weights in MB."""
        self.over.set()
        self.thread.join()
        return [weight / 1e6 for weight in self.weighed]


def look_around(server: Server) -> int:
    """Start the usual run, go through all pages while it trains and once after; gives how many pages were seen."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(server.url())
        settle(page)
        press_primary(page, "Choose a strategy")
        press_primary(page, "Training")
        run, seen = page.url.split("run=")[1], 0
        while True:
            over = runs.get(run).over
            for name in PAGES:
                page.goto(server.url(name if name != "dataset" else "", run))
                settle(page)
                seen += 1
                if name == "training" and not over:
                    page.wait_for_timeout(3000)
            if over:
                break
    until(lambda: runs.get(run).status == "finished", 1, "the run finished")
    return seen


def main() -> None:
    with bench.fresh_home() as home:
        letters_at_once()
        with serving(home) as server:
            scale = Scale(server)
            try:
                seen = look_around(server)
            finally:
                weighed = scale.end()
    bench.report(
        [
            Figure("web server before its first visitor", f"{weighed[0]:.0f} MB"),
            at_most(f"most over {seen} pages seen, {len(weighed)} weighings", max(weighed), BAR, "MB"),
        ]
    )


if __name__ == "__main__":
    main()

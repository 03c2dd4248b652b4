"""Pictures of the app for the documentation: ``python docs/screenshots.py [HOME] [--all DIR]``.

It starts the app on a home with a few real finished runs (makes them where the home has none) and writes
``docs/images/*.png``; with ``--all`` every page in light and dark, wide and narrow, without any run too, to look at.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs import crops  # noqa: E402
from tests.browser import Server, chromium, serving, settle, until  # noqa: E402
from tlcore import RunSpec, races, runs, uploads, worker  # noqa: E402
from tlcore.admission import admit  # noqa: E402
from tlcore.datasets import library  # noqa: E402
from tlcore.recipes import RECIPES  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = ("dataset", "intake", "health", "advice", "strategy", "training", "race", "results", "runs")
WIDTH, HEIGHT, MOST = 1440, 900, 1600
LARGEST = 250_000
LETTERS, VECTORS = (RECIPES[name].specs[0] for name in ("letters-to-digits", "vectors"))
WHOLE = """() => Math.max(...[...document.querySelectorAll('[data-testid=stMain]')].map(
    part => part.scrollHeight - part.clientHeight + window.innerHeight))"""
DRAWN = """() => !document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(chart => chart.querySelector('.main-svg'))
    && [...document.images].every(image => image.complete)"""


def story_to_show() -> str:
    """The finished run whose result is shown; where the home has none it is made, with runs beside it."""
    wanted = admit(LETTERS)
    if not runs.finished_with(wanted):
        beside = [LETTERS.revised(strategy=name) for name in ("linear_probe", "fine_tune")]
        for spec in (*beside, VECTORS, *(LETTERS.revised(seed=seed) for seed in range(5, 0, -1)), LETTERS):
            outcome = worker.train(spec)
            print(f"{spec.dataset}, {spec.strategy}, seed {spec.seed}: {outcome.status}", flush=True)
    run = runs.finished_with(wanted)
    assert run, "the run to show did not finish"
    return run


def imported() -> str:
    """The small dataset whose health check is shown, with its faults."""
    if not library.ids():
        path = uploads.begin({"origin": "pictures.zip"}) / "data.zip"
        crops.write(path)
        job = worker.order(runs.IMPORT, "", path=str(path), origin="pictures.zip", label="Temple or flower", size=96)
        until(lambda: worker.wake() or runs.get(job).over, 120, "the import is over")
    return library.ids()[0]


def raced() -> str:
    """The finished race that is shown; its runs that the home has already are taken as they are."""
    chosen = ("lp_ft", "linear_probe", "last_blocks", "fine_tune", "bias_only", "lora")
    race = races.between(LETTERS, chosen, [LETTERS.source], range(6))
    job = next((own.id for own in runs.all_runs(runs.RACE) if own.status == "finished"), "") or races.order(race)
    until(lambda: worker.wake() or runs.get(job).over, 600, "the race is over")
    return job


@contextmanager
def in_the_middle(spec: RunSpec, share: float) -> Iterator[str]:
    """A run that has trained for that share of its epochs; stopped and deleted afterwards."""
    run = runs.create(admit(spec))
    worker.wake()
    until(lambda: worker.follow(run).share_done > share, 300, "the run is in its middle", pause=0.1)
    try:
        yield run
    finally:
        runs.ask_to_stop(run)
        until(lambda: runs.get(run).over and not runs.is_held(run), 60, "the run is over")
        runs.delete(run)


def picture(page: Page, url: str, most: int = MOST) -> Image.Image:
    """A page at its full height, up to a most; without an address the one that is there."""
    assert page.viewport_size
    width = page.viewport_size["width"]
    page.set_viewport_size({"width": width, "height": HEIGHT})
    if url:
        page.goto(url)
    for _ in range(2):  # what comes into view may be drawn only then, and change the height
        settle(page)
        page.wait_for_function(DRAWN, timeout=30_000)
        page.set_viewport_size({"width": width, "height": min(most, max(HEIGHT, page.evaluate(WHOLE)))})
        page.wait_for_timeout(700)  # for what glides into its place: there is nothing to wait on
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def save(image: Image.Image, path: Path) -> None:
    """As a PNG of the size that a page of documentation bears; with a palette where all colours are too many."""
    image.save(path, optimize=True)
    for colours in (256, 128, 64):
        if path.stat().st_size < LARGEST:
            break
        image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {image.width} × {image.height}, {path.stat().st_size // 1000} kB", flush=True)


def for_the_documentation(server: Server, browser: Browser, shown: str) -> None:
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    for name in ("dataset", "strategy", "results", "runs"):
        save(picture(page, address(server, name, shown)), images / f"{name}.png")
    with in_the_middle(LETTERS.revised(seed=6, epochs=200), 0.62) as run:
        save(picture(page, address(server, "training", run)), images / "training.png")
    save(picture(page, server.url("race") + f"?race={raced()}"), images / "race.png")
    page.goto(server.url("advice"))
    page.get_by_role("button", name=re.compile("Look")).click()
    page.get_by_role("button", name="Use this").wait_for(timeout=120_000)
    save(picture(page, ""), images / "advice.png")
    ladder(page, server)
    save(picture(page, ""), images / "ladder.png")
    dataset = imported()
    save(picture(page, server.url("intake")), images / "intake.png")
    save(picture(page, server.url("health") + f"?dataset={dataset}"), images / "health.png")
    page.get_by_role("button", name="Use this dataset").click()
    page.locator("h1", has_text="Choose a dataset").wait_for()
    settle(page)
    page.get_by_role("link", name="Strategy").click()
    page.locator("h1", has_text="Choose a strategy").wait_for()
    save(picture(page, ""), images / "imagenet.png")


def ladder(page: Page, server: Server) -> None:
    """A plan clicked by hand."""
    page.goto(server.url("strategy"))
    settle(page)
    page.get_by_role("radio", name="By hand").click()
    page.locator(".st-key-choose-custom button").click()
    page.locator(".st-key-cell-0-2 button", has_text="frozen").click()
    page.locator(".st-key-cell-0-2 button", has_text="× 1").wait_for()
    settle(page)


def for_looking_at(server: Server, browser: Browser, folder: Path, kind: str, run: str = "") -> None:
    """Every page, light and dark, wide and narrow."""
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for width in (1440, 800):
            page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)  # type: ignore[arg-type]
            for name in PAGES:
                image = picture(page, address(server, name, run), most=4000)
                save(image, folder / f"{name}-{kind}-{scheme}-{width}.png")
            page.close()


def address(server: Server, page: str, run: str) -> str:
    return server.url("" if page == "dataset" else page, "" if page in ("dataset", "runs") else run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", nargs="?", type=Path, help="a home folder to use and keep; else one for the moment")
    parser.add_argument("--all", type=Path, metavar="DIR", help="write every page in every look there instead")
    arguments = parser.parse_args()
    everything = arguments.all and arguments.all.resolve()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home = (arguments.home or Path(scratch) / "home").resolve()
        home.mkdir(parents=True, exist_ok=True)
        os.environ["TLCORE_HOME"] = str(home)
        with serving(home) as server, chromium() as browser:
            shown = story_to_show()
            if not everything:
                for_the_documentation(server, browser, shown)
                return
            for_looking_at(server, browser, everything, "finished", shown)
            with in_the_middle(LETTERS.revised(seed=6, epochs=5000), 0.02) as run:
                for_looking_at(server, browser, everything, "running", run)
        with serving(Path(scratch) / "empty") as server, chromium() as browser:
            for_looking_at(server, browser, everything, "empty")


if __name__ == "__main__":
    main()

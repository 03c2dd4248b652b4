"""The whole journey in a real browser: a newcomer's, and through whatever may be killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests import browser
from tests.browser import Server, press_primary, settle, until
from tlcore import RunSpec, runs, worker
from tlcore.admission import admit
from tlcore.runs import Run
from tlcore.words import gain_sentence

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "a browser is here")

SHORT = RunSpec(
    dataset="digits", source="none", strategy="scratch", network="dense_64", samples_per_class=20, epochs=5,
    control=False,
)  # fmt: skip
LONG = SHORT.revised(network="small_cnn", epochs=10_000)
"""It is still training when a test kills something: minutes, where ``SHORT``'s network would need seconds."""

PAGES = ["Dataset", "Your data", "Advice", "Strategy", "Training", "Race", "Results", "Runs"]
ALIVE = (runs.WAITING, runs.RUNNING)


@pytest.fixture(autouse=True)
def quiet(server: Server) -> Iterator[None]:
    """What a test leaves unfinished is stopped, so that the next one finds a free engine."""
    yield
    unfinished = [run for run in runs.unfinished() if run.status in ALIVE]
    for run in unfinished:
        runs.ask_to_stop(run.id)
    until(lambda: not any(runs.is_held(run.id) for run in unfinished), 30, "the engine is free")


def asked(spec: RunSpec) -> str:
    """A run that waits; the page that shows it starts an engine, as for a person who comes back."""
    return runs.create(admit(spec))


def epochs(run: str) -> int:
    return len(worker.follow(run).epochs)


def watch(page: Page, server: Server, run: str) -> Run:
    """Open a run's training page and wait until it has trained for an epoch."""
    page.goto(server.url("training", run))
    settle(page)
    until(lambda: epochs(run), 60, "it trains")
    badge(page, "running").wait_for(timeout=10_000)
    return runs.get(run)


def badge(page: Page, status: str) -> Locator:
    """A run's status as its heading says it."""
    return page.locator("h4 .stMarkdownBadge", has_text=status)


def menu(page: Page) -> list[str]:
    """The pages that the top navigation offers; each is an icon's name and a title."""
    page.locator("[data-testid=stTopNavLink]").last.wait_for(timeout=10_000)
    return [link.split(maxsplit=1)[-1].strip() for link in page.locator("[data-testid=stTopNavLink]").all_inner_texts()]


def legacy_menu(page: Page) -> int:
    """How many menus of Streamlit's own over the pages folder are on the page."""
    return page.locator("[data-testid=stSidebarNav], [data-testid=stSidebar]").count()


def test_a_newcomer_presses_one_button_a_page_and_gets_a_verdict(server: Server, page: Page) -> None:
    page.goto(server.url())
    settle(page)
    for heading in ("Choose a strategy", "Training", "Results"):
        page.locator(browser.PRIMARY).first.wait_for(timeout=60_000)
        assert page.locator(browser.PRIMARY).count() == 1
        press_primary(page, heading)
    run = runs.get(page.url.split("run=")[1])
    assert run.status == "finished"
    assert run.result
    verdict = page.locator("[data-testid=stAlert] strong").first
    verdict.wait_for()
    assert gain_sentence(run.spec, run.result) in verdict.inner_text()


def test_a_shared_address_opens_in_the_frame_even_for_the_first_visitor(server: Server, page: Page) -> None:
    """Streamlit takes a folder named pages for a menu of its own until ``st.navigation`` has run once."""
    server.kill()
    server.start()
    run = runs.all_runs()[0].id
    page.goto(server.url("training", run))
    settle(page)
    assert menu(page) == PAGES
    assert legacy_menu(page) == 0
    assert page.title() == "Transfer Lab"
    assert page.url == server.url("training", run)


def test_a_refresh_and_a_second_visitor_see_the_same_run(server: Server, page: Page, chrome: Browser) -> None:
    run = watch(page, server, asked(LONG.revised(seed=1)))
    title = page.locator("h4").first.inner_text()
    page.reload()
    settle(page)
    assert page.url == server.url("training", run.id)
    assert page.locator("h4").first.inner_text() == title
    second = chrome.new_context().new_page()
    second.goto(page.url)
    settle(second)
    second.locator(".js-plotly-plot").wait_for(timeout=10_000)
    assert second.locator("h4").first.inner_text() == title
    second.context.close()
    assert runs.get(run.id).status == runs.RUNNING


def test_a_killed_server_comes_back_to_the_same_page_and_the_run_went_on(server: Server, page: Page) -> None:
    run = watch(page, server, asked(LONG.revised(seed=2)))
    before = epochs(run.id)
    server.kill()
    page.locator("[data-testid=stApp]:not([data-test-connection-state=CONNECTED])").wait_for(timeout=10_000)
    until(lambda: epochs(run.id) > before, 10, "it trains without a server")
    server.start()
    page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for(timeout=60_000)
    settle(page)
    assert page.url == server.url("training", run.id)
    assert page.locator("h1").inner_text() == "Training"
    assert menu(page) == PAGES
    assert legacy_menu(page) == 0
    assert runs.get(run.id).status == runs.RUNNING
    badge(page, "running").wait_for(timeout=10_000)


def test_a_killed_engine_reads_lost_and_the_next_run_goes_on(server: Server, page: Page) -> None:
    run = watch(page, server, asked(LONG.revised(seed=3)))
    following = asked(SHORT.revised(seed=3))
    browser.end_engines(server.home)
    badge(page, "lost").wait_for(timeout=3_000)
    page.get_by_text("The run was lost.").wait_for(timeout=3_000)
    assert runs.get(run.id).status == runs.LOST
    until(lambda: runs.get(following).status == "finished", 60, "the next run finished")


def test_a_closed_tab_changes_nothing(server: Server, page: Page) -> None:
    run = watch(page, server, asked(SHORT.revised(seed=4, epochs=4_000)))
    page.close()
    until(lambda: runs.get(run.id).over, 60, "it is over")
    assert runs.get(run.id).status == "finished"
    assert epochs(run.id) == 4_000
    assert (run.folder / "model.keras").stat().st_size > 0

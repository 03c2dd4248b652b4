"""Every strategy asked for in a real browser, a race from its form to a shared verdict, and advice that is taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import browser
from tests.browser import PRIMARY, Server, press_primary, settle, until
from tlcore import runs
from tlcore.races import Race
from tlcore.runs import Run
from tlcore.strategies import STRATEGIES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "a browser is here")


def calm(page: Page) -> None:
    """Wait until what was clicked has been answered; a click is on its way to the server for a moment."""
    page.wait_for_timeout(100)
    settle(page)


def choose(page: Page, name: str) -> None:
    """One of a row of pills or segments."""
    page.get_by_role("radio", name=name).click()
    calm(page)


def set_epochs(page: Page, epochs: int, plan: str) -> None:
    """Type the epochs, and wait until the picture of the plan says them."""
    page.get_by_text("Training settings").click()
    field = page.get_by_role("spinbutton", name="Epochs", exact=True)
    field.fill(str(epochs))
    field.press("Enter")
    page.get_by_role("figure", name=plan).wait_for()
    calm(page)


def pick(page: Page, label: str, option: str) -> None:
    """One of the options of a list. A list closes when the page scrolls, so it is opened until it stays open."""
    box, wanted = page.get_by_role("combobox", name=label), page.get_by_role("option", name=option)

    def opened() -> bool:
        if not wanted.is_visible():
            box.press("ArrowDown")
            page.wait_for_timeout(500)
        return wanted.is_visible()

    until(opened, 30, f"the list {label!r} is open")
    wanted.click()


def asked() -> list[Run]:
    """The runs of digits, whose network and examples all tests here share."""
    return [run for run in runs.all_runs(runs.TRAIN) if run.spec.dataset == "digits"]


@pytest.mark.timeout(400)  # twenty trainings, on whatever else the machine has to do
def test_every_strategy_is_asked_for_and_finishes(server: Server, page: Page) -> None:
    page.goto(server.url("strategy"))
    settle(page)
    choose(page, "Nothing")
    set_epochs(page, 4, "everything learns: 4 epochs")  # the least that opens block after block
    press_primary(page, "Training")
    press_primary(page, "Results")  # as soon as there is a result
    (scratch,) = asked()
    assert (scratch.status, scratch.spec.strategy) == ("finished", "scratch")

    page.get_by_role("link", name="Strategy").click()
    page.locator("h1", has_text="Choose a strategy").wait_for()
    settle(page)
    choose(page, "Earlier runs")
    pick(page, "Source network", "Handwritten digits")  # of as many classes: even its head can be copied
    calm(page)
    choose(page, "By hand")
    page.locator(".st-key-choose-custom button").click()
    page.locator(".st-key-ladder").wait_for()
    calm(page)
    page.locator(".st-key-cell-0-2 button", has_text="frozen").click()
    page.locator(".st-key-cell-0-2 button", has_text="× 1").wait_for()
    calm(page)
    pick(page, "Try side by side with", "Select all")
    page.keyboard.press("Escape")
    others = len(STRATEGIES) - 1
    page.get_by_role("button", name=f"Start {others} runs").wait_for()
    press_primary(page, "Training")
    assert len(asked()) == len(STRATEGIES)
    until(lambda: all(run.over for run in asked()), 300, "all runs are over", pause=0.5)
    assert {run.spec.strategy for run in asked() if run.status == "finished"} == set(STRATEGIES)
    (by_hand,) = [run.spec for run in asked() if run.spec.strategy == "custom"]
    assert by_hand.plan[0].learning == ("conv3", "head")


def test_a_race_is_watched_and_its_verdict_shared_by_address(server: Server, page: Page, chrome: Browser) -> None:
    page.goto(server.url("strategy"))
    settle(page)
    set_epochs(page, 4, "head: 2 epochs; everything learns: 2 epochs")
    page.get_by_role("button", name="Race several").click()
    page.locator("h1", has_text="Race").wait_for()
    settle(page)
    for name in ("Last blocks", "Fine-tuning"):  # two of the usual four stay
        page.get_by_role("button", name=name, exact=True).click()
        calm(page)
    choose(page, "3 seeds")
    page.get_by_role("button", name="Start 6 runs").click()
    page.get_by_text(re.compile(r"\d of 6 runs")).wait_for(timeout=60_000)
    page.get_by_text("Leaderboard").wait_for(timeout=60_000)
    (job,) = runs.all_runs(runs.RACE)
    assert len(Race.from_json(job.question).competitors) == 2
    verdict = page.locator("[data-testid=stAlert] strong").first
    verdict.wait_for(timeout=60_000)
    settle(page)
    assert runs.get(job.id).status == "finished"
    assert f"race={job.id}" in page.url
    assert page.locator(PRIMARY).count() == 1
    other = chrome.new_context().new_page()
    other.goto(page.url)
    settle(other)
    assert other.locator("[data-testid=stAlert] strong").first.inner_text() == verdict.inner_text()
    other.get_by_text("Every run").wait_for()
    other.context.close()


def test_advice_that_is_taken_stands_on_the_strategy_page(server: Server, page: Page) -> None:
    page.goto(server.url("advice"))
    settle(page)
    page.get_by_role("button", name="Look at my data").click()
    page.get_by_role("button", name="Use this").wait_for(timeout=90_000)
    calm(page)
    assert page.locator(PRIMARY).count() == 1
    press_primary(page, "Choose a strategy")
    (chosen,) = page.locator("[data-testid=stMain]").get_by_text("radio_button_checked").all()
    title = chosen.locator("xpath=ancestor::button").inner_text()
    (job,) = runs.all_runs(runs.ADVISE)
    assert job.status == "finished" and job.result
    assert any(title.endswith(own.title) for own in STRATEGIES.values())

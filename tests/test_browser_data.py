"""A person's own data in a real browser: a zip from its upload to the health check, and pictures from a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import browser
from tests.browser import ARGUMENTS, CHROMIUM, PRIMARY, Server, press_primary, settle, until
from tests.test_pages_data import leaves
from tlcore.bundle import Bundle
from tlcore.datasets import library

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "a browser is here")

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera that shows a running clock: no two pictures are the same."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an empty home, which this process shares."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("own data")
        patch.setenv("TLCORE_HOME", str(home))
        patch.delenv("TLCORE_DATA", raising=False)
        with browser.serving(home) as server:
            yield server


@pytest.fixture
def page() -> Iterator[Page]:
    """One visitor's tab, with a camera."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *CAMERA])
        context = chrome.new_context(viewport={"width": 1440, "height": 900}, permissions=["camera"])
        yield context.new_page()
        chrome.close()


def name_a_class(page: Page, name: str) -> None:
    page.get_by_role("textbox", name="Name a class").fill(name)
    page.get_by_role("button", name="Add class").click()
    page.get_by_text(f"{name} (0)").wait_for()
    settle(page)


def test_a_zip_from_its_upload_to_the_health_check_and_out_again(server: Server, page: Page, tmp_path: Path) -> None:
    (tmp_path / "leaves.zip").write_bytes(leaves())
    page.goto(server.url("intake"))
    settle(page)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "leaves.zip")
    page.get_by_text("Take another").wait_for()
    page.reload()  # what was kept is found again
    page.get_by_text("Take another").wait_for()
    press_primary(page, "Health check")
    (dataset,) = library.ids()
    page.get_by_text("The same picture in two classes").wait_for()
    page.get_by_role("button", name="Leave all of them out").click()
    page.get_by_text("This is version 2 now").wait_for(timeout=60_000)
    assert library.imported(dataset).versions == [1, 2]
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("The same picture in two classes").wait_for()
    assert page.url.endswith(f"{dataset}%401")
    press_primary(page, "Choose a dataset")
    page.goto(server.url("intake"))
    settle(page)
    page.locator(f".st-key-rename-{dataset} button").first.click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Trees")
    page.get_by_role("dialog").get_by_role("textbox").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_text("Trees", exact=True).wait_for()
    assert library.imported(dataset).label == "Trees"
    page.locator(f".st-key-delete-{dataset} button").first.click()
    page.get_by_text("This cannot be undone").wait_for()
    assert library.ids() == [dataset]
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("Nothing yet.").wait_for()
    assert library.ids() == []


def test_a_camera_fills_two_classes_and_a_refresh_loses_none(server: Server, page: Page) -> None:
    page.goto(server.url("intake?way=camera"))
    settle(page)
    for name in ("left", "right"):
        name_a_class(page, name)
        for number in (1, 2, 3):
            page.wait_for_function("document.querySelector('[data-testid=stCameraInput] video')?.readyState >= 2")
            page.get_by_role("button", name="Take Photo").click()
            page.get_by_text(f"{name} ({number})").wait_for(timeout=15_000)
            settle(page)
    bundle = Bundle.find(page.url.split("bundle=")[1].split("&")[0])
    assert bundle
    page.reload()
    page.get_by_text("right (3)").wait_for()
    settle(page)
    page.get_by_text("right (3)").click()
    page.locator(".st-key-undo-right button").first.click()
    page.get_by_text("right (2)").wait_for()
    assert bundle.counts() == {"left": 3, "right": 2}
    page.locator(PRIMARY).wait_for()
    press_primary(page, "Health check")
    (dataset,) = library.ids()
    assert library.imported(dataset).classes == ("left", "right")
    assert library.version(dataset, 1).counts == (3, 2)
    until(lambda: not [*server.home.glob("uploads/*")], 5, "nothing of it is left in the uploads")

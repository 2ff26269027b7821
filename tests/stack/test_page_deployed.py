"""The page in Chromium, from the deployed API, under the throttle that the template sets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from deployed import INSIDE, ROOT, Deployed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 120_000


@pytest.fixture
def page(stack: Deployed) -> Iterator[Any]:
    """A tab of a browser that knows the emulator by the name that signed addresses have."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)))
    flags = ["--no-sandbox", f"--host-resolver-rules=MAP {INSIDE} 127.0.0.1"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=flags)
        tab = browser.new_context(locale="en-GB").new_page()
        tab.set_default_timeout(WAIT_MS)
        yield tab
        browser.close()


def let_in(page: Any, stack: Deployed) -> None:
    page.get_by_role("textbox", name="Token").fill(stack.token)
    page.get_by_role("button", name="Continue").click()


def test_a_first_visit_loads_whole_and_draws_three_photos(page: Any, stack: Deployed) -> None:
    answers: list[tuple[int, str]] = []
    broken: list[str] = []
    page.on("response", lambda answer: answers.append((answer.status, answer.url)))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"http://{stack.host}/")
    let_in(page, stack)
    page.locator(".cards").wait_for()
    samples = [ROOT / "samples" / f"{name}.jpg" for name in ("chelsea", "coffee", "rocket")]
    page.locator("#choose").set_input_files(samples)
    page.wait_for_function(
        "() => document.querySelectorAll('#grid .tile[data-state=done]').length === 3"
    )
    files = [url for status, url in answers if status >= 400 and "/v1/" not in url]
    assert files == [] and broken == []
    assert [status for status, url in answers if status >= 500] == []


def test_the_page_of_drawings_colours_what_it_is_given(page: Any, stack: Deployed) -> None:
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"http://{stack.host}/colour")
    let_in(page, stack)
    page.locator(".palette").nth(5).wait_for()
    page.set_input_files("#choose", ROOT / "samples" / "drawing.png")
    page.locator(".viewer[data-state=done] .paper").wait_for()
    assert broken == []

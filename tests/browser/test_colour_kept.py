"""What the page of drawings does not lose: reloads, tabs, full storage, lost servers, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import CHINESE, NO_DATABASE, SAMPLES, Opener, serve, stop, until
from hand import drop, warned_at_reload
from paper import SENT, choose, coloured, dots, recoloured, tap

pytestmark = pytest.mark.browser

FULL_DATABASE = """IDBObjectStore.prototype.put = () => {
  throw new DOMException('no room', 'QuotaExceededError'); };"""
LOST = ("Failed to load resource: net::ERR_",)

# whether a drawing with so many dots lies in the browser's database, with that palette
KEPT = """([count, name]) => new Promise((resolve) => {
  const asked = indexedDB.open('kirei-colour');
  asked.onsuccess = () => {
    const all = asked.result.transaction('paintings').objectStore('paintings').getAll();
    all.onsuccess = () => {
      asked.result.close();
      resolve(all.result.some(({items, palette}) =>
        items.length === count && palette === name));
    };
  }; })"""


def kept(page: Any, dots: int, palette: str = "none") -> None:
    until(page, KEPT, [dots, palette])


def painted(page: Any, name: str = "drawing.png") -> None:
    """A drawing with two dots, which are kept."""
    choose(page, name)
    coloured(page)
    page.get_by_role("radio", name="Brown", exact=True).check()
    tap(page, 0.5, 0.22)
    tap(page, 0.5, 0.95)
    kept(page, 2)


def test_a_reload_brings_back_the_drawing_with_all_that_was_put_on_it(colour: Opener) -> None:
    page = colour()
    painted(page)
    page.get_by_role("radio", name="Meadow").check()
    kept(page, 2, "meadow")
    page.reload()
    hints = recoloured(page, "form?.hints && form.palette === 'meadow'")["hints"]
    assert hints.count("#6b4433") == 2
    assert page.locator("#photo h1").inner_text() == "drawing.png"
    assert page.get_by_role("radio", name="Meadow").is_checked()


def test_another_drawing_and_a_removed_one_can_be_taken_back(colour: Opener) -> None:
    page = colour()
    painted(page)
    choose(page, "second.png")
    page.locator("#photo h1", has_text="second.png").wait_for()
    assert dots(page) == 0
    page.get_by_role("button", name="Undo").last.click()  # of the line that says so
    page.locator("#photo h1", has_text="drawing.png").wait_for()
    assert dots(page) == 2
    coloured(page)
    page.locator("#photo .actions .menu summary").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    assert page.locator("#empty").is_visible()
    page.get_by_role("button", name="Undo").last.click()
    coloured(page)
    assert dots(page) == 2
    kept(page, 2)
    page.reload()
    coloured(page)
    assert dots(page) == 2


def test_what_is_removed_or_switched_off_is_forgotten(colour: Opener) -> None:
    page = colour()
    painted(page)
    page.get_by_label("Keep my drawing in this browser").uncheck()
    page.get_by_role("status").filter(has_text="Everything that was kept is forgotten").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())  # it warns: now there is something to lose
    page.reload()
    page.locator(".palette").nth(5).wait_for()
    page.wait_for_timeout(500)
    assert page.locator("#empty").is_visible()
    page.get_by_label("Keep my drawing in this browser").check()
    painted(page)
    page.locator("#photo .actions .menu summary").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Close this message").click()
    page.reload()
    page.locator(".palette").nth(5).wait_for()
    page.wait_for_timeout(500)
    assert page.locator("#empty").is_visible()


def test_two_tabs_keep_their_drawings_apart(colour: Opener, server: str) -> None:
    page = colour()
    painted(page)
    other = page.context.new_page()
    other.goto(f"{server}/colour")
    other.locator(".palette").nth(5).wait_for()
    other.wait_for_timeout(1000)
    assert other.locator("#empty").is_visible()  # the drawing of the first is the first's
    choose(other, "second.png")
    coloured(other)
    page.reload()
    coloured(page)
    assert (page.locator("#photo h1").inner_text(), dots(page)) == ("drawing.png", 2)
    other.reload()
    coloured(other)
    assert (other.locator("#photo h1").inner_text(), dots(other)) == ("second.png", 0)


@pytest.mark.parametrize("storage", [NO_DATABASE, FULL_DATABASE], ids=["forbidden", "full"])
def test_without_room_it_colours_all_the_same(colour: Opener, storage: str) -> None:
    page = colour()
    page.add_init_script(storage)
    page.reload()
    page.locator(".palette").nth(5).wait_for()
    choose(page)
    if storage == FULL_DATABASE:
        page.get_by_role("status").filter(has_text="This browser has no room left").wait_for()
    coloured(page)
    tap(page, 0.5, 0.22)
    assert warned_at_reload(page) == ["beforeunload"]


def test_a_server_that_goes_in_the_middle_is_waited_for(visit: Opener, tmp_path: Path) -> None:
    process, address = serve(tmp_path)
    page = visit(address, path="colour", script=SENT, expect=LOST)
    choose(page)
    coloured(page)
    stop(process)
    tap(page, 0.5, 0.22)
    page.get_by_role("alert").filter(has_text="The server could not be reached.").wait_for()
    assert page.get_by_text("goes on by itself").is_visible()
    again, _ = serve(tmp_path, "--port", str(urlsplit(address).port))
    try:
        recoloured(page, "form.hints")
        assert dots(page) == 1
    finally:
        stop(again)


def test_a_token_that_expires_in_the_middle_is_asked_for_again(colour: Opener) -> None:
    page = colour()
    choose(page)
    coloured(page)
    error = {"code": "unauthorized", "message": "expired", "stage": "request"}
    page.route(
        "**/v1/colour", lambda route: route.fulfill(status=401, json={"error": error}), times=1
    )
    tap(page, 0.5, 0.22)
    page.get_by_role("textbox", name="Token").fill("new")
    page.get_by_role("button", name="Continue").click()
    recoloured(page, "form.hints")
    assert dots(page) == 1


def test_what_no_server_would_colour_is_not_tried_again(colour: Opener) -> None:
    page = colour()
    drop(page, ("notes.txt", "text/plain", b"no picture"))
    page.get_by_role("status").filter(has_text="This is not a photograph").wait_for()
    drop(page, ("coffee.jpg", "image/jpeg", (SAMPLES / "coffee.jpg").read_bytes()))
    page.locator(".failure").wait_for()
    assert not page.get_by_role("button", name="Try again").is_visible()
    assert page.get_by_role("button", name="Another drawing").is_visible()


def test_a_switched_language_is_kept_on_both_pages(colour: Opener, server: str) -> None:
    page = colour()
    page.get_by_role("button", name="切换到中文").click()
    page.get_by_role("button", name="Switch to English").wait_for()
    page.reload()
    page.locator(".palette").nth(5).wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.goto(f"{server}/")
    page.locator(".cards").wait_for()
    assert page.locator("#empty h1").inner_text().replace("\n", "") == CHINESE["empty.title"]

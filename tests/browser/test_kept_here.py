"""What outlives a visit, and what cannot: reloads, tabs, full and forbidden storage."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import NO_DATABASE, SAMPLES, Opener, drawn, more, until
from hand import choose, leave_at_once, warned_at_reload

pytestmark = pytest.mark.browser

COFFEE, CHELSEA, PAVILION = (
    (f"{name}.jpg", "image/jpeg", (SAMPLES / f"{name}.jpg").read_bytes())
    for name in ("coffee", "chelsea", "pavilion")
)
BAD = ("notes.jpg", "image/jpeg", b"no picture\n" * 20)

FULL_DATABASE = """const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (value) {
    if (this.name === 'photos') this.transaction.commit = this.transaction.abort;
    return put.call(this, value); };"""
# the last thing that a page does when it begins, after it looked for earlier visits' photographs
AT_REGISTER = """const register = ServiceWorkerContainer.prototype.register;
  ServiceWorkerContainer.prototype.register = function (...given) {
    window.hasBegun = true;
    return register.apply(this, given); };"""

# of all that lies in the browser's database
COUNTS = """(count) => new Promise((resolve) => {
  const asked = indexedDB.open('kirei');
  asked.onsuccess = () => {
    const all = asked.result.transaction('states').objectStore('states').getAll();
    all.onsuccess = () => {
      asked.result.close();
      resolve(all.result.filter((state) => IS).length >= count);
    };
  }; })"""

ORPHAN = """() => new Promise((resolve) => {
  const asked = indexedDB.open('kirei');
  asked.onsuccess = () => {
    const transaction = asked.result.transaction('states', 'readwrite');
    transaction.objectStore('states').put({id: 'orphan'});
    transaction.oncomplete = () => resolve(asked.result.close());
  }; })"""
NONE_LEFT = COUNTS.replace("IS", "true").replace(">= count", "=== 0")


def tiles(page: Any, state: str) -> Any:
    return page.locator(f".tile[data-state={state}]")


def saved_by_now(page: Any, count: int) -> None:
    """Waits until so many pictures or refusals lie in the browser's database."""
    until(page, COUNTS.replace("IS", "state.drawn || state.failed"), count)


def sent_by_now(page: Any) -> None:
    """Waits until the database knows that the photo is with the server."""
    until(page, COUNTS.replace("IS", "state.upload"), 1)


def test_a_reload_loses_nothing(page: Any) -> None:
    choose(page, COFFEE, CHELSEA, BAD)
    tiles(page, "done").nth(1).wait_for()
    tiles(page, "failed").wait_for()
    saved_by_now(page, 3)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    tiles(page, "done").nth(1).wait_for()
    assert page.locator(".tile .name").all_inner_texts() == [
        "coffee.jpg",
        "chelsea.jpg",
        "notes.jpg",
    ]
    assert tiles(page, "failed").count() == 1
    tiles(page, "done").first.locator(".open").click()
    picture = drawn(page)
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 600
    assert page.locator(".before").count() == 1
    assert not [url for url in asked if "/v1/uploads" in url]  # it was all here
    address = page.url
    page.reload()
    drawn(page)
    assert page.url == address  # and the same photograph is open


def test_what_is_taken_back_is_kept_before_the_page_can_go(page: Any) -> None:
    choose(page, COFFEE, CHELSEA, PAVILION)
    tiles(page, "done").nth(2).wait_for()
    for _ in range(3):
        page.get_by_role("button", name="Remove all").click()
        page.locator("#empty").wait_for()
        leave_at_once(page, "#toast button")
        tiles(page, "done").nth(2).wait_for()


def test_a_reload_in_the_middle_goes_on(page: Any) -> None:
    held: list[Any] = []
    page.route("**/v1/results/*", lambda route: held.append(route))
    choose(page, COFFEE)
    page.locator(".viewer[data-state=waiting]").wait_for()
    sent_by_now(page)
    page.unroute("**/v1/results/*")
    page.reload()
    drawn(page)


def test_the_look_that_was_chosen_is_chosen_on_the_next_visit(page: Any) -> None:
    page.get_by_role("radio", name="Cel").check()
    page.reload()
    page.locator(".cards").wait_for()
    assert page.get_by_role("radio", name="Cel").is_checked()


def test_what_is_removed_is_removed_for_good_and_switched_off_is_forgotten(page: Any) -> None:
    choose(page, COFFEE, CHELSEA)
    tiles(page, "done").nth(1).wait_for()
    saved_by_now(page, 2)
    page.get_by_role("button", name="Remove coffee.jpg").click()
    page.get_by_role("button", name="Close this message").click()
    page.reload()
    tiles(page, "done").wait_for()
    assert page.locator(".tile").count() == 1
    page.get_by_label("Keep my photographs in this browser").uncheck()
    page.get_by_role("status").filter(has_text="Everything that was kept is forgotten").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())  # it warns: now there is something to lose
    page.reload()
    page.locator(".cards").wait_for()
    assert page.locator("#empty").is_visible()
    assert not page.get_by_label("Keep my photographs in this browser").is_checked()


def test_a_browser_that_forbids_storage_draws_all_the_same(visit: Opener) -> None:
    page = visit(ready=False)
    page.add_init_script(NO_DATABASE)
    page.goto(page.url)
    page.locator(".cards").wait_for()
    choose(page, COFFEE)
    drawn(page)
    # what would be lost is not lost without a word
    assert warned_at_reload(page) == ["beforeunload"]


def test_a_full_browser_says_so_and_draws_all_the_same(visit: Opener) -> None:
    page = visit(ready=False)
    page.add_init_script(FULL_DATABASE)
    page.goto(page.url)
    page.locator(".cards").wait_for()
    choose(page, COFFEE)
    page.get_by_role("status").filter(has_text="This browser has no room left").wait_for()
    drawn(page)
    assert warned_at_reload(page) == ["beforeunload"]


def test_what_was_made_of_a_photo_that_is_not_there_is_dropped(page: Any) -> None:
    page.evaluate(ORPHAN)
    page.reload()
    until(page, NONE_LEFT)


def test_two_tabs_keep_their_photographs_apart_and_lose_none(page: Any, server: str) -> None:
    choose(page, COFFEE, CHELSEA)
    tiles(page, "done").nth(1).wait_for()
    saved_by_now(page, 2)
    other = page.context.new_page()
    other.add_init_script(AT_REGISTER)
    other.goto(f"{server}/")
    other.wait_for_function("() => window.hasBegun")
    assert other.locator("#empty").is_visible()  # the photographs of the first are the first's
    choose(other, PAVILION)
    drawn(other)
    saved_by_now(other, 3)
    page.reload()
    tiles(page, "done").nth(1).wait_for()
    assert page.locator(".tile").count() == 2
    page.close()
    other.evaluate("() => (location.hash = '')")
    other.reload()
    tiles(other, "done").nth(2).wait_for()  # whoever is left has them all


def test_a_clipboard_that_is_denied_says_what_to_do(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    page.evaluate("""() => { navigator.clipboard.write = () =>
      Promise.reject(new DOMException('denied', 'NotAllowedError')); }""")
    more(page, "Copy picture")
    page.get_by_role("status").filter(has_text="The browser did not allow copying.").wait_for()


def test_the_picture_is_copied(visit: Opener) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    choose(page, COFFEE)
    drawn(page)
    more(page, "Copy picture")
    page.get_by_role("status").filter(has_text="Copied.").wait_for()
    kinds = page.evaluate(
        "() => navigator.clipboard.read().then((items) => items.flatMap((item) => item.types))"
    )
    assert kinds == ["image/png"]


def test_a_camera_that_gives_nothing_says_what_to_do(visit: Opener) -> None:
    page = visit(phone=True)
    page.locator("#shoot").evaluate("(field) => field.dispatchEvent(new Event('cancel'))")
    page.get_by_role("status").filter(has_text="If the camera is blocked").wait_for()

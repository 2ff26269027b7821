"""What goes wrong is said in words, in both languages, and can be mended where it can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import SAMPLES, Opener, drawn, serve, stop
from hand import choose, drop

pytestmark = pytest.mark.browser

COFFEE = ("coffee.jpg", "image/jpeg", (SAMPLES / "coffee.jpg").read_bytes())
NOT_A_PHOTO = {"en-GB": "This is not a photograph.", "zh-CN": "这不是照片。"}


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_text_file_is_refused_before_it_travels(visit: Opener, locale: str) -> None:
    page = visit(locale=locale)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    drop(page, ("notes.txt", "text/plain", b"no picture\n"))
    failure = page.get_by_role("alert").filter(has_text=NOT_A_PHOTO[locale])
    failure.wait_for()
    assert "POST" not in sent
    assert not page.locator("#photo .main", has_text="Try again").count()  # it would end the same


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_text_file_named_as_a_photo_is_refused_by_the_server(
    visit: Opener, locale: str, shot: Callable[..., None]
) -> None:
    page = visit(locale=locale)
    choose(page, ("notes.jpg", "image/jpeg", b"no picture\n" * 20))
    page.get_by_role("alert").filter(has_text=NOT_A_PHOTO[locale]).wait_for()
    page.locator(".failure summary").click()
    assert "JPEG, PNG, WebP" in page.locator(".failure details").inner_text()  # the server's words
    shot(page, f"refused-{locale}")
    page.locator("#photo").get_by_role(
        "button", name={"en-GB": "Remove", "zh-CN": "移除"}[locale]
    ).click()
    page.locator("#empty").wait_for()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (("empty.jpg", "image/jpeg", b""), "The file is empty."),
        (("cut.jpg", "image/jpeg", COFFEE[2][:20_000]), "The photo is damaged or not complete."),
    ],
    ids=["empty", "cut"],
)
def test_every_refusal_has_its_own_words(page: Any, file: Any, words: str) -> None:
    choose(page, file)
    page.get_by_role("alert").filter(has_text=words).wait_for()


def test_an_option_that_the_server_refuses_is_named(page: Any) -> None:
    """The form would not send it: the number is set behind its back."""

    def change(route: Any) -> None:
        asked = route.request.post_data_json | {"strength": 7}
        route.continue_(post_data=asked)

    page.route("**/v1/uploads", change)
    choose(page, COFFEE)
    page.get_by_role("alert").filter(has_text="One of the options is outside its range.").wait_for()
    page.locator(".failure summary").click()
    assert "strength is 7" in page.locator(".failure details").inner_text()
    # the same again would end the same
    assert not page.locator("#photo .actions", has_text="Try again").count()
    page.unroute("**/v1/uploads")
    page.get_by_role("radio", name="Cel").check()
    drawn(page)


@pytest.mark.parametrize(
    ("code", "measured", "limit", "words"),
    [
        ("too_many_bytes", 62_914_560, 52_428_800, "it has 62.9 MB, and at most 52.4 MB are taken"),
        ("too_many_pixels", 58_000_000, 50_000_000, "58 megapixels, and at most 50 megapixels"),
        ("extreme_aspect", 55.2, 40, "its sides are as 55 to 1, and at most 40 to 1 is taken"),
        ("too_much_memory", 2100, 900, "it takes 2,100 MB, and 900 MB are free"),
    ],
)
def test_an_error_names_the_limit(
    page: Any, code: str, measured: float, limit: float, words: str
) -> None:
    error = {"code": code, "message": "no", "stage": "decode", "measured": measured, "limit": limit}
    page.route("**/v1/uploads", lambda route: route.fulfill(status=413, json={"error": error}))
    choose(page, COFFEE)
    page.get_by_role("alert").filter(has_text=words).wait_for()
    assert not page.locator("#photo .actions", has_text="Try again").count()


def test_without_a_connection_the_photo_stays_and_is_drawn_later(visit: Opener) -> None:
    page = visit(expect=("Failed to load resource: net::ERR_INTERNET_DISCONNECTED",))
    page.context.set_offline(True)
    choose(page, COFFEE)
    page.get_by_role("alert").filter(has_text="There is no connection.").wait_for()
    assert page.get_by_text("goes on by itself").is_visible()
    page.context.set_offline(False)
    drawn(page)  # by itself


def test_a_poll_that_is_lost_is_asked_again(visit: Opener) -> None:
    page = visit(expect=("Failed to load resource: net::ERR_CONNECTION_RESET",))
    lost: list[str] = []

    def lose(route: Any) -> None:
        lost.append(route.request.url)
        route.abort("connectionreset") if len(lost) <= 2 else route.continue_()

    page.route("**/v1/results/*", lose)
    choose(page, COFFEE)
    drawn(page)
    assert len(lost) > 2


def test_a_busy_server_is_asked_again(page: Any) -> None:
    asked: list[str] = []

    def busy(route: Any) -> None:
        asked.append(route.request.method)
        if len(asked) > 1:
            route.continue_()
        else:
            error = {"code": "store_unavailable", "message": "busy", "stage": "store"}
            route.fulfill(status=503, headers={"Retry-After": "0"}, json={"error": error})

    page.route("**/v1/uploads", busy)
    choose(page, COFFEE)
    drawn(page)
    assert len(asked) == 2


def test_a_gateway_that_does_not_say_for_how_long_is_asked_again(page: Any) -> None:
    """API Gateway's own answer beyond its limits has no Retry-After and none of our errors. The
    calls that a bucket takes on AWS go the same way behind a proxy of one's own.
    """
    asked: list[str] = []

    def throttled(route: Any) -> None:
        asked.append(route.request.url.partition("?")[0])
        if asked.count(asked[-1]) > 1:
            route.continue_()
        else:
            route.fulfill(status=429, json={"message": "Too Many Requests"})

    calls = ("v1/uploads", "v1/uploads/*", "v1/results/*", "v1/files/**")
    for call in calls:
        page.route(f"**/{call}", throttled)
    choose(page, COFFEE)
    drawn(page)
    assert len(asked) >= 2 * len(calls)


def test_a_gateway_that_stays_busy_is_named_after_a_while(visit: Opener) -> None:
    """The file itself is refused every time: the page gives up, and one may try again."""
    page = visit()
    page.clock.install()
    sent: list[str] = []

    def busy(route: Any) -> None:
        sent.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "9"}, json={"message": "busy"})

    page.route("**/v1/uploads/*", busy)
    choose(page, COFFEE)
    failed = page.locator(".viewer[data-state=failed]")
    while not failed.count():
        page.clock.run_for(1000)
    assert len(sent) == 4
    page.get_by_role("alert").filter(has_text="Too many at once.").wait_for()
    page.unroute("**/v1/uploads/*")
    page.clock.resume()
    page.locator("#photo .actions").get_by_role("button", name="Try again").click()
    drawn(page)


def test_styles_that_cannot_be_loaded_can_be_asked_for_again(visit: Opener) -> None:
    page = visit(expect=("Failed to load resource: net::ERR_FAILED",))
    page.route("**/v1/styles", lambda route: route.abort())
    page.reload()
    page.get_by_role("alert").filter(has_text="The looks could not be loaded.").wait_for()
    page.unroute("**/v1/styles")
    page.locator("#controls").get_by_role("button", name="Try again").click()
    page.locator(".cards").wait_for()


def test_a_server_that_goes_in_the_middle_is_waited_for(visit: Opener, tmp_path: Path) -> None:
    process, address = serve(tmp_path)
    page = visit(address, expect=("Failed to load resource: net::ERR_",))
    page.route("**/v1/results/*", lambda route: (stop(process), route.continue_()), times=1)
    choose(page, COFFEE)
    page.get_by_role("alert").filter(has_text="The server could not be reached.").wait_for()
    assert page.get_by_text("goes on by itself").is_visible()
    again, _ = serve(tmp_path, "--port", str(urlsplit(address).port))
    try:
        drawn(page)
    finally:
        stop(again)

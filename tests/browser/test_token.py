"""A server that wants a token: asked for once, kept for the tab, sent nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import SAMPLES, Opener, drawn, serve, stop
from hand import choose

pytestmark = pytest.mark.browser

TOKEN = "sakura-6f1c"
COFFEE = ("coffee.jpg", "image/jpeg", (SAMPLES / "coffee.jpg").read_bytes())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, address = serve(tmp_path_factory.mktemp("guarded"), "--token", TOKEN)
    yield address
    stop(process)


def give(page: Any, token: str) -> None:
    page.get_by_role("textbox", name="Token").fill(token)
    page.get_by_role("button", name="Continue").click()


def test_the_token_is_asked_for_and_kept_for_the_tab(
    visit: Opener, guarded: str, shot: Callable[..., None]
) -> None:
    page = visit(guarded, ready=False)
    dialog = page.get_by_role("dialog", name="A token, please")
    dialog.wait_for()
    shot(page, "token")
    give(page, "wrong")
    page.get_by_text("That token was not accepted.").wait_for()
    give(page, f"  {TOKEN} ")  # as it is copied, with blanks
    page.locator(".cards").wait_for()
    assert dialog.is_hidden()
    choose(page, COFFEE)
    drawn(page)
    assert page.evaluate("() => [localStorage.length, sessionStorage.token]") == [0, TOKEN]
    assert TOKEN not in page.url
    page.reload()
    page.locator(".cards").wait_for()  # without being asked again
    other = page.context.new_page()
    other.goto(f"{guarded}/")
    assert other.evaluate("() => sessionStorage.length") == 0
    choose(other, COFFEE)
    other.get_by_role("dialog", name="A token, please").wait_for()


def test_without_a_token_the_page_says_so_and_asks_again(visit: Opener, guarded: str) -> None:
    page = visit(guarded, ready=False)
    page.get_by_role("button", name="Not now").click()
    page.get_by_role("alert").filter(has_text="This server asks for a token.").wait_for()
    page.locator("#controls").get_by_role("button", name="Try again").click()
    give(page, TOKEN)
    page.locator(".cards").wait_for()


def test_escape_closes_the_question(visit: Opener, guarded: str) -> None:
    page = visit(guarded, ready=False)
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("alert").filter(has_text="This server asks for a token.").wait_for()


def test_the_token_goes_to_no_other_origin(visit: Opener, guarded: str) -> None:
    """As on AWS, where photos are sent to a bucket and pictures come from one: it signs its own
    links, and the token is none of its business.
    """
    bucket = "http://bucket.test"
    # the policy of a server without a bucket would not let the page speak to one
    page = visit(guarded, ready=False, bypass_csp=True, also=(bucket,))
    give(page, TOKEN)
    page.locator(".cards").wait_for()
    asked: list[tuple[str, str | None]] = []

    def moved(route: Any) -> None:
        """The answer of the API, its links at the bucket."""
        answer = route.fetch()
        text = answer.text().replace('"/v1/uploads/', f'"{bucket}/v1/uploads/')
        text = text.replace('"/v1/files/', f'"{bucket}/v1/files/')
        route.fulfill(response=answer, body=text)

    def stored(route: Any) -> None:
        path = route.request.url.removeprefix(bucket)
        asked.append((route.request.method, route.request.headers.get("authorization")))
        answer = route.fetch(url=guarded + path)
        route.fulfill(
            response=answer, headers=answer.headers | {"Access-Control-Allow-Origin": guarded}
        )

    page.route("**/v1/uploads", moved)
    page.route("**/v1/results/*", moved)
    page.route(f"{bucket}/**", stored)
    choose(page, COFFEE)
    drawn(page)
    assert asked[:2] == [("POST", None), ("GET", None)]
    assert set(asked[2:]) <= {("GET", None)}  # the small drawings


def test_a_token_that_expires_in_the_middle_is_asked_for_again(visit: Opener, guarded: str) -> None:
    page = visit(guarded, ready=False)
    give(page, TOKEN)
    page.locator(".cards").wait_for()
    refused: list[str] = []

    def expired(route: Any) -> None:
        if route.request.headers.get("authorization") == f"Bearer {TOKEN}" and not refused:
            refused.append(route.request.url)
            error = {"code": "unauthorized", "message": "expired", "stage": "request"}
            route.fulfill(status=401, json={"error": error})
        else:
            route.continue_()

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.route("**/v1/results/*", expired)
    choose(page, COFFEE)
    page.get_by_text("That token was not accepted.").wait_for()
    give(page, TOKEN)
    drawn(page)
    assert len([url for url in sent if "/v1/uploads/" in url]) == 1  # the photo was not sent again


def test_a_link_with_the_token_opens_the_page_and_leaves_no_trace_of_it(
    visit: Opener, guarded: str
) -> None:
    page = visit(guarded, ready=False).context.new_page()
    page.goto(f"{guarded}/#token={TOKEN}")
    page.locator(".cards").wait_for()
    assert page.get_by_role("dialog", name="A token, please").is_hidden()
    assert TOKEN not in page.url
    choose(page, COFFEE)
    drawn(page)

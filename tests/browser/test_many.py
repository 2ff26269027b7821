"""Several photographs: each goes its own way, and all come home in one ZIP."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES, Opener, drawn
from hand import choose, drop
from PIL import Image

pytestmark = pytest.mark.browser

PHOTOS = [
    (f"{name}.jpg", "image/jpeg", (SAMPLES / f"{name}.jpg").read_bytes())
    for name in ("astronaut", "chelsea", "coffee")
]
BAD = ("notes.jpg", "image/jpeg", b"no picture\n" * 20)
# a key that is pressed twice before the browser does anything else
TWO_ON = """() => {
  for (let press = 0; press < 2; press++) {
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
  }
  return document.querySelector('#photo h1').innerText; }"""
TWIN = ("coffee.jpg", "image/jpeg", PHOTOS[1][2])  # another photo of the same name


def tiles(page: Any, state: str) -> Any:
    return page.locator(f".tile[data-state={state}]")


def test_one_bad_photo_among_many_fails_alone(page: Any, shot: Callable[..., None]) -> None:
    seen: set[str] = set()
    page.expose_function("seen", lambda state: seen.add(state))
    page.evaluate("""() => new MutationObserver(() => {
        for (const tile of document.querySelectorAll('.tile')) seen(tile.dataset.state);
      }).observe(document.querySelector('#grid'),
        {subtree: true, childList: true, attributes: true})
    """)
    drop(page, *PHOTOS[:2], BAD, PHOTOS[2])
    tiles(page, "failed").wait_for()
    tiles(page, "done").nth(2).wait_for()
    assert page.locator("#grid h1").inner_text() == "4 photographs"
    assert page.locator(".count").inner_text() == "3 of 4 drawn · 1 failed"
    assert "This is not a photograph" in tiles(page, "failed").inner_text()
    assert {"queued", "uploading", "done", "failed"} <= seen
    shot(page, "grid")


def test_at_most_three_are_under_way_at_once(page: Any) -> None:
    under_way, most = set(), []

    def began(request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/v1/uploads"):
            under_way.add(request)
            most.append(len(under_way))

    def ended(request: Any) -> None:
        if "/v1/files/" in request.url:
            under_way.pop()

    page.on("request", began)
    page.on("requestfinished", ended)
    choose(page, *[(f"{number}.jpg", "image/jpeg", PHOTOS[2][2]) for number in range(6)])
    tiles(page, "done").nth(5).wait_for()
    assert len(most) == 6
    assert max(most) == 3


def test_from_the_grid_to_a_photo_to_the_next_and_back(page: Any) -> None:
    choose(page, *PHOTOS)
    tiles(page, "done").nth(2).wait_for()
    tiles(page, "done").nth(0).locator(".open").click()
    drawn(page)
    title = page.locator("#photo h1")
    assert title.inner_text() == "astronaut.jpg"
    page.get_by_role("button", name="Next photograph").click()
    title.filter(has_text="chelsea.jpg").wait_for()
    page.go_back()  # as a phone's own gesture does
    title.filter(has_text="astronaut.jpg").wait_for()
    assert page.evaluate(TWO_ON) == "coffee.jpg"
    page.go_back()
    page.go_back()
    title.filter(has_text="astronaut.jpg").wait_for()
    page.get_by_role("button", name="All photographs").click()
    page.locator(".tiles").wait_for()
    assert "astronaut" in page.evaluate("() => document.activeElement.innerText")


def test_the_zip_holds_every_picture_and_its_sidecar(page: Any) -> None:
    choose(page, *PHOTOS, TWIN, BAD)
    tiles(page, "done").nth(3).wait_for()
    tiles(page, "failed").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save all (ZIP)").click()
    assert waiting.value.suggested_filename == "kirei.zip"
    with zipfile.ZipFile(Path(waiting.value.path())) as archive:
        assert archive.testzip() is None
        stems = ["astronaut", "chelsea", "coffee", "coffee-2"]
        assert archive.namelist() == [
            name for stem in stems for name in (f"{stem}.hayao.jpg", f"details/{stem}.hayao.json")
        ]
        for stem in stems:
            picture = archive.read(f"{stem}.hayao.jpg")
            sidecar = json.loads(archive.read(f"details/{stem}.hayao.json"))
            size = (sidecar["output"]["width_px"], sidecar["output"]["height_px"])
            assert Image.open(io.BytesIO(picture)).size == size
            assert sidecar["output"]["bytes"] == len(picture)
        assert archive.getinfo("coffee.hayao.jpg").date_time[0] >= 2026


def test_names_in_any_script_survive_the_zip(page: Any) -> None:
    choose(page, ("我们的夏天 ☀ a/b.jpg", "image/jpeg", PHOTOS[1][2]))
    drawn(page)
    page.get_by_role("button", name="All photographs").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save all (ZIP)").click()
    with zipfile.ZipFile(Path(waiting.value.path())) as archive:
        assert archive.namelist()[0].startswith("我们的夏天 ☀ a")
        assert archive.testzip() is None


def test_removing_stops_and_clearing_leaves_nothing(page: Any) -> None:
    choose(page, *PHOTOS)
    page.get_by_role("button", name="Remove chelsea.jpg").click()
    tiles(page, "done").nth(1).wait_for()
    assert page.locator(".tile").count() == 2
    page.get_by_role("button", name="Remove all").click()
    page.locator("#empty").wait_for()


def test_what_was_removed_comes_back(page: Any) -> None:
    choose(page, *PHOTOS)
    tiles(page, "done").nth(2).wait_for()
    names = page.locator(".tile .name").all_inner_texts()
    page.get_by_role("button", name="Remove chelsea.jpg").click()
    page.get_by_role("status").filter(has_text="chelsea.jpg is removed.").wait_for()
    page.get_by_role("button", name="Undo").click()
    assert page.locator(".tile .name").all_inner_texts() == names  # where it was
    page.get_by_role("button", name="Remove all").click()
    page.locator("#empty").wait_for()
    page.keyboard.press("Control+z")
    assert page.locator(".tile .name").all_inner_texts() == names
    assert tiles(page, "done").count() == 3
    page.reload()
    tiles(page, "done").nth(2).wait_for()
    assert page.locator(".tile .name").all_inner_texts() == names


def test_what_was_removed_while_it_was_drawn_comes_back_and_is_drawn(page: Any) -> None:
    choose(page, *PHOTOS)
    page.get_by_role("button", name="Remove chelsea.jpg").click()
    page.get_by_role("button", name="Undo").click()
    tiles(page, "done").nth(2).wait_for()


def test_all_of_them_have_one_bar_and_a_time_left(page: Any) -> None:
    told: set[str] = set()
    page.expose_function("told", lambda words: told.add(words))
    page.evaluate("""() => new MutationObserver(() => {
        const bar = document.querySelector('.counts progress');
        if (bar && !bar.hidden) told(document.querySelector('.count').textContent);
      }).observe(document.querySelector('#grid'),
        {subtree: true, childList: true, characterData: true, attributes: true})
    """)
    choose(page, *[(f"{number}.jpg", "image/jpeg", PHOTOS[2][2]) for number in range(6)])
    tiles(page, "done").nth(5).wait_for()
    assert page.locator(".counts progress").is_hidden()
    assert any("left" in words or "nearly" in words for words in told)
    assert any(words.startswith("0 of 6 drawn") for words in told)
    assert page.title().startswith("Kirei")


def test_all_are_shared_at_once_where_the_device_can(page: Any) -> None:
    page.evaluate("""() => {
      navigator.canShare = ({files}) => files.every(({type}) => type.startsWith('image/'));
      navigator.share = ({files}) => {
        window.given = files.map(({name}) => name);
        return Promise.resolve();
      }; }""")
    choose(page, *PHOTOS)
    tiles(page, "done").nth(2).wait_for()
    page.get_by_role("button", name="Share all").click()
    given = page.evaluate("() => window.given")
    assert given == ["astronaut.hayao.jpg", "chelsea.hayao.jpg", "coffee.hayao.jpg"]


def test_all_are_drawn_again_with_other_options(page: Any) -> None:
    choose(page, *PHOTOS[1:])
    tiles(page, "done").nth(1).wait_for()
    assert not page.get_by_role("button", name="Draw all again").count()
    page.get_by_role("radio", name="Cel").check()
    page.get_by_role("button", name="Draw all again").click()
    page.locator(".tile:not([data-state=done])").first.wait_for()
    tiles(page, "done").nth(1).wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save all (ZIP)").click()
    with zipfile.ZipFile(Path(waiting.value.path())) as archive:
        assert archive.namelist()[::2] == ["chelsea.cel.jpg", "coffee.cel.jpg"]


def test_a_new_option_of_the_server_appears(visit: Opener) -> None:
    """One that the page has no words for stands under its own name, with the server's."""

    def more(route: Any) -> None:
        answer = route.fetch()
        listed = answer.json()
        about = {"default": 0.5, "about": "how much of the hair is drawn"}
        listed["options"].append(
            {"name": "hair_weight", "kind": "number", "range": [0, 1], **about}
        )
        route.fulfill(response=answer, json=listed)

    page = visit()
    page.route("**/v1/options", more)
    page.reload()
    page.locator(".cards").wait_for()
    page.locator("#controls summary", has_text="More").click()
    added = page.get_by_label("Hair weight")
    assert added.input_value() == "0.5"
    assert page.get_by_text("how much of the hair is drawn").is_visible()

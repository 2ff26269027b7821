"""Clips on the page: brought in, drawn frame by frame, played beside their source, saved."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from clips import animation, video
from conftest import Figure, Opener, drawn
from hand import choose, drop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]  # a clip takes its time

CLIP_MS = 240_000  # a clip, on a machine that does other things besides
GAPS = """async () => {
  const [before, after] = document.querySelectorAll('.compare video');
  const gaps = [];
  for (let times = 0; times < 40; times++) {
    await new Promise(requestAnimationFrame);
    gaps.push(Math.abs(before.currentTime - after.currentTime));
  }
  return [gaps.sort((one, other) => one - other)[20], after.currentTime, after.paused];
}"""


def clip(seconds: float = 1.5) -> tuple[str, str, bytes]:
    return ("walk.mp4", "video/mp4", video(seconds, size=(320, 192)))


def opened(visit: Opener, **options: Any) -> Any:
    page = visit(**options)
    page.set_default_timeout(CLIP_MS)
    page.evaluate("""() => localStorage.setItem('options',
      JSON.stringify({fps: 4, faces: 'off', enhance: 'off'}))""")
    page.reload()
    page.locator(".cards").wait_for()
    return page


def test_a_clip_is_drawn_and_plays_in_step_with_its_source(
    visit: Opener, shot: Callable[..., None], figure: Figure
) -> None:
    page = opened(visit)
    started_s = time.monotonic()
    drop(page, clip())
    page.locator(".compare video.before").wait_for()
    page.locator(".doing", has_text="frames").wait_for()
    shot(page, "clip-working")
    drawn(page)
    figure("a clip of 1.5 s from the page, s", time.monotonic() - started_s)
    picture = page.locator(".compare video.after")
    page.wait_for_function("() => document.querySelector('video.after').readyState > 0")
    assert picture.evaluate("(film) => [film.videoWidth, film.videoHeight]") == [320, 192]
    page.wait_for_function("() => document.querySelector('video.after').currentTime > 0.2")
    gap_s, _, paused = page.evaluate(GAPS)
    figure("between clip and drawing, ms", gap_s * 1000)
    assert gap_s < 0.1 and not paused
    told = page.locator("#report").inner_text()
    assert "Your clip was good as it was" in told and "photo was" not in told
    shot(page, "clip-done")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.wait_for_function("() => document.querySelector('video.before').paused")
    page.get_by_label("Place in the clip").evaluate(
        "(range) => { range.value = 1; range.dispatchEvent(new Event('input')); }"
    )
    page.wait_for_function("() => document.querySelector('video.before').currentTime === 1")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save picture", exact=True).click()
    assert waiting.value.suggested_filename == "walk.hayao.mp4"
    saved = Path(waiting.value.path()).read_bytes()
    with av.open(io.BytesIO(saved)) as container:
        kinds = {stream.type: stream.codec_context.name for stream in container.streams}
    assert kinds == {"video": "h264", "audio": "aac"}


def test_tiles_show_stills_of_clips_and_animations_stay_whole(
    visit: Opener, shot: Callable[..., None]
) -> None:
    page = opened(visit)
    choose(page, clip(0.5), ("wave.gif", "image/gif", animation(3)))
    tiles = page.locator(".tile")
    for number in range(2):
        tiles.nth(number).locator(".frame img:not([hidden])").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.tile[data-state=done]').length === 2")
    shot(page, "clip-tiles")
    sources = tiles.locator("img").evaluate_all("(all) => all.map((image) => image.naturalWidth)")
    assert all(width > 0 for width in sources)
    tiles.nth(1).locator(".open").click()
    assert drawn(page).evaluate("(image) => image.tagName") == "IMG"
    page.get_by_role("button", name="Save picture", exact=True).wait_for()


def test_a_server_that_reads_no_clips_says_so_before_a_byte_travels(visit: Opener) -> None:
    page = visit(ready=False)

    def without(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "clips": False})

    page.route("**/v1/options", without)
    page.reload()
    page.locator(".cards").wait_for()
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    drop(page, clip(0.5))
    page.get_by_text("This server reads no clips").first.wait_for()
    assert not [url for url in sent if url.endswith("/v1/uploads")]

"""Looking closely: zoom, panning, the whole screen, and from photograph to photograph by keys."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ENGLISH, SAMPLES, Opener, drawn, rested
from hand import choose

pytestmark = pytest.mark.browser

PHOTOS = [
    (f"{name}.jpg", "image/jpeg", (SAMPLES / f"{name}.jpg").read_bytes())
    for name in ("astronaut", "coffee")
]

# how many pixels of the screen one of the picture takes, and where its left upper corner lies
SEEN = """() => {
  const image = document.querySelector('.after');
  const box = image.getBoundingClientRect();
  const frame = document.querySelector('.compare').getBoundingClientRect();
  return [box.width * devicePixelRatio / image.naturalWidth, box.x - frame.x, box.y - frame.y]; }"""


@pytest.fixture
def one(page: Any) -> Any:
    """A photograph that is drawn, and whose divider is at rest."""
    choose(page, PHOTOS[0])
    drawn(page)
    rested(page)
    return page


def test_at_100_percent_a_pixel_is_a_pixel(visit: Opener) -> None:
    page = visit(phone=True, device_scale_factor=1)
    choose(page, PHOTOS[0])
    drawn(page)
    page.get_by_role("button", name="Zoom").click()
    scale, left, _ = page.evaluate(SEEN)
    assert scale >= 1
    shown = page.locator(".tool[aria-pressed=true]").inner_text()
    assert shown.strip() == f"{scale * 100:.0f}%"
    assert left < 0  # its middle is seen


def test_a_drag_pans_and_the_handle_still_divides(one: Any) -> None:
    one.get_by_role("button", name="Zoom").click()
    _, left, top = one.evaluate(SEEN)
    box = one.locator(".compare").bounding_box()
    x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25
    one.mouse.move(x, y)
    one.mouse.down()
    one.mouse.move(x + 30, y + 20)
    one.mouse.up()
    _, now_left, now_top = one.evaluate(SEEN)
    assert (now_left - left, now_top - top) == pytest.approx((30, 20), abs=1)
    share = one.locator(".compare [type=range]")
    assert share.evaluate("(at) => at.valueAsNumber") == 50
    one.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    one.mouse.down()
    one.mouse.move(box["x"] + box["width"] * 0.8, y)
    one.mouse.up()
    assert share.evaluate("(at) => at.valueAsNumber") == pytest.approx(80, abs=1)
    assert one.evaluate(SEEN)[1] == pytest.approx(now_left, abs=1)


def test_arrow_keys_pan_what_is_enlarged_and_escape_ends_it(one: Any) -> None:
    one.locator(".compare").dblclick(position={"x": 100, "y": 100})
    _, left, _ = one.evaluate(SEEN)
    one.locator("#photo h1").focus()
    one.keyboard.press("ArrowRight")
    assert one.evaluate(SEEN)[1] < left
    one.keyboard.press("Escape")
    assert one.evaluate(SEEN)[1:] == pytest.approx([0, 0], abs=0.5)
    assert one.locator("#photo").is_visible()


def test_the_wheel_with_control_enlarges_where_it_points(one: Any) -> None:
    box = one.locator(".compare").bounding_box()
    before = one.evaluate(SEEN)[0]
    one.mouse.move(box["x"] + 40, box["y"] + 40)
    one.keyboard.down("Control")
    one.mouse.wheel(0, -300)
    one.keyboard.up("Control")
    one.locator(".compare.zoomed").wait_for()
    scale, left, top = one.evaluate(SEEN)
    assert scale > before * 1.5
    shift = 40 * (1 - scale / before)  # what lies under the pointer stays there
    assert (left, top) == pytest.approx((shift, shift), abs=2)


def test_two_fingers_enlarge(visit: Opener) -> None:
    page = visit(phone=True)
    choose(page, PHOTOS[0])
    drawn(page)
    before = page.evaluate(SEEN)[0]
    session = page.context.new_cdp_session(page)
    box = page.locator(".compare").bounding_box()
    middle = box["y"] + box["height"] / 2

    def touch(kind: str, *xs: float) -> None:
        points = [{"x": box["x"] + x, "y": middle, "id": index} for index, x in enumerate(xs)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 120, 200)
    for apart in (20, 40, 60):
        touch("touchMove", 120 - apart, 200 + apart)
    touch("touchEnd")
    page.wait_for_function(f"(least) => ({SEEN})()[0] > least", arg=before * 1.8)


def test_the_whole_screen_is_entered_and_left(one: Any) -> None:
    one.get_by_role("button", name="Full screen").click()
    one.locator("#photo.filled").wait_for()
    frame = one.locator(".compare").bounding_box()
    assert frame["height"] == pytest.approx(one.viewport_size["height"], abs=1)
    assert not one.get_by_role("button", name="Save picture").is_visible()
    one.get_by_role("button", name="Leave full screen").click()
    one.get_by_role("button", name="Save picture").wait_for()


def test_keys_go_from_photograph_to_photograph_and_back_to_all(page: Any) -> None:
    choose(page, *PHOTOS)
    page.locator(".tile[data-state=done]").nth(1).wait_for()
    page.locator(".tile .open").first.click()
    title = page.locator("#photo h1")
    title.filter(has_text="astronaut.jpg").wait_for()
    assert page.title() == ENGLISH["page.title.photo"].format(name="astronaut.jpg")
    page.keyboard.press("ArrowRight")
    title.filter(has_text="coffee.jpg").wait_for()
    page.keyboard.press("ArrowRight")  # there is none
    page.keyboard.press("ArrowLeft")
    title.filter(has_text="astronaut.jpg").wait_for()
    page.get_by_label("Strength").focus()
    page.keyboard.press("ArrowLeft")  # the slider's own
    assert page.get_by_label("Strength").input_value() == "0.95"
    title.focus()
    page.keyboard.press("Escape")
    page.locator(".tiles").wait_for()


def test_the_grid_is_left_and_found_where_it_was(visit: Opener) -> None:
    page = visit(phone=True)
    choose(page, *[(f"{number}.jpg", "image/jpeg", PHOTOS[1][2]) for number in range(10)])
    page.locator(".tile[data-state=done]").nth(9).wait_for()
    page.evaluate("() => scrollTo(0, 600)")
    page.locator(".tile .open").nth(6).click()
    drawn(page)
    page.go_back()
    page.locator(".tiles").wait_for()
    assert page.evaluate("() => scrollY") == pytest.approx(600, abs=200)


def test_the_invitation_moves_once_and_an_example_is_drawn(page: Any) -> None:
    animations = page.evaluate("""() => document.querySelector('.hero').getAnimations()
      .map((animation) => animation.effect.getTiming().iterations)""")
    assert animations in ([1], [])  # over by now, or under way; never more than once
    page.get_by_role("button", name="Try the cup of coffee").click()
    drawn(page)
    assert page.locator("#photo h1").inner_text() == "coffee.jpg"

"""For everyone: languages, phones, the keyboard alone, screen readers, dark rooms, no motion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import CHINESE, ENGLISH, SAMPLES, Opener, drawn, rested
from hand import TARGETS, THUMB_PX, choose

pytestmark = pytest.mark.browser

COFFEE = ("coffee.jpg", "image/jpeg", (SAMPLES / "coffee.jpg").read_bytes())
CHELSEA = ("chelsea.jpg", "image/jpeg", (SAMPLES / "chelsea.jpg").read_bytes())
BAD = ("notes.jpg", "image/jpeg", b"no picture\n" * 20)

# what can be touched, as it is touched: a label stands for its field


# --- languages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "language", "title"),
    [
        ("en-US", "en", ENGLISH["empty.title"]),
        ("zh-CN", "zh-Hans", CHINESE["empty.title"]),
        ("zh-TW", "zh-Hans", CHINESE["empty.title"]),
        ("de-DE", "en", ENGLISH["empty.title"]),
    ],
)
def test_the_browsers_language_decides(
    visit: Opener, locale: str, language: str, title: str
) -> None:
    page = visit(locale=locale)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("#empty h1").inner_text().replace("\n", "") == title


def test_a_switched_language_is_kept_and_takes_everything_along(visit: Opener) -> None:
    page = visit()
    choose(page, COFFEE)
    drawn(page)
    page.get_by_role("radio", name="Cel").check()
    page.get_by_role("button", name="切换到中文").click()
    # the option that was changed still is
    assert page.get_by_role("radio", name="赛璐璐").is_checked()
    drawn(page)
    english = page.evaluate("""() => [...document.querySelectorAll('main *')]
        .filter((item) => !item.children.length && item.checkVisibility())
        .filter((item) => !item.closest('[lang=en], code'))
        .map((item) => item.textContent).filter((text) => /[a-z]{4}/.test(text))""")
    assert set(english) <= {"coffee.jpg"}
    page.reload()
    page.locator(".cards").wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"


# --- phones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_on_a_phone_everything_fits_and_is_large_enough_for_a_thumb(
    visit: Opener, locale: str, shot: Callable[..., None]
) -> None:
    page = visit(phone=True, locale=locale)

    def fits(name: str) -> None:
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 390, name
        small = {
            html: (box["width"], box["height"])
            for html, box in page.evaluate(TARGETS)
            if min(box["width"], box["height"]) < THUMB_PX
        }
        assert not small, name
        shot(page, f"phone-{name}-{locale}")

    fits("empty")
    choose(page, COFFEE)
    drawn(page)
    fits("one")
    main = page.locator("#photo .actions .main").bounding_box()
    assert main["y"] + main["height"] <= 844  # where the thumb is, without scrolling
    assert main["y"] > 844 * 0.8
    choose(page, CHELSEA, BAD)
    page.locator(".tile[data-state=done]").nth(1).wait_for()
    page.locator(".tile[data-state=failed]").wait_for()
    fits("grid")


def test_a_finger_moves_the_divider(visit: Opener) -> None:
    page = visit(phone=True)
    choose(page, COFFEE)
    drawn(page)
    box = page.locator(".compare").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    assert abs(page.locator(".compare [type=range]").evaluate("(at) => at.valueAsNumber") - 20) <= 1


# --- the keyboard alone -----------------------------------------------------------------------


FOCUSED = """() => {
  const at = document.activeElement;
  return at.getAttribute('aria-label') || at.innerText || at.labels?.[0]?.innerText || at.id;
}"""


def focused(page: Any) -> str:
    return str(page.evaluate(FOCUSED))


def tab_to(page: Any, name: str) -> None:
    """Presses Tab until something of that name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if name in focused(page):
            return
    raise AssertionError(f"Tab never reached {name}")


def test_everything_can_be_done_with_the_keyboard(page: Any) -> None:
    # from the first key on: Chromium hands the chooser over only some time after it is asked to
    with page.expect_file_chooser() as waiting:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the photographs"
        tab_to(page, "Choose photographs")
        page.keyboard.press("Space")
    photos = [{"name": n, "mimeType": k, "buffer": c} for n, k, c in (COFFEE, CHELSEA)]
    waiting.value.set_files(photos)
    page.locator(".tile[data-state=done]").nth(1).wait_for()
    assert focused(page) == "2 photographs"  # the view that came has the focus
    tab_to(page, "Open coffee.jpg")
    page.keyboard.press("Enter")
    drawn(page)
    assert focused(page) == "coffee.jpg"
    tab_to(page, "Divider")
    rested(page)
    share = page.locator(".compare [type=range]")
    page.keyboard.press("ArrowRight")
    assert share.get_attribute("aria-valuetext") == "51% photo"
    page.keyboard.press("Home")
    assert share.get_attribute("aria-valuetext") == "0% photo"
    assert page.locator(".compare").evaluate("(at) => at.style.getPropertyValue('--at')") == "0"
    tab_to(page, "Hayao")
    page.keyboard.press("ArrowRight")
    assert page.locator(".card input").nth(1).is_checked()  # the card beside the default's
    page.keyboard.press("Shift+Tab")
    tab_to(page, "Strength")
    page.keyboard.press("ArrowLeft")
    assert page.get_by_label("Strength").input_value() == "0.95"
    drawn(page)
    page.locator("#photo h1").focus()
    tab_to(page, "Zoom")
    page.keyboard.press("Enter")
    assert page.locator(".compare.zoomed").count() == 1
    page.keyboard.press("Escape")
    assert not page.locator(".compare.zoomed").count()
    tab_to(page, "Save picture")
    with page.expect_download():
        page.keyboard.press("Enter")
    tab_to(page, "More")
    page.keyboard.press("Enter")
    tab_to(page, "Save the details")
    with page.expect_download():
        page.keyboard.press("Enter")
    page.locator("#photo .actions .menu summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # closes the menu, not the photograph
    assert focused(page).strip() == "More"
    tab_to(page, "For personal use")
    page.keyboard.press("Enter")
    assert page.locator(".foot").get_by_text("do not sell it").is_visible()
    page.keyboard.press("Escape")
    tab_to(page, "All details")
    page.keyboard.press("Enter")
    assert page.locator(".decisions").is_visible()
    page.locator("#photo h1").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#photo h1", has_text="chelsea.jpg").wait_for()
    page.keyboard.press("Escape")
    page.locator(".tiles").wait_for()
    assert "chelsea" in focused(page)
    tab_to(page, "Remove chelsea.jpg")
    page.keyboard.press("Enter")
    assert page.locator(".tile").count() == 1
    page.keyboard.press("Control+z")
    assert page.locator(".tile").count() == 2


def test_what_happens_is_announced(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    assert page.get_by_role("status").filter(has_text="coffee.jpg is drawn.").count() == 1
    choose(page, BAD)
    told = page.get_by_role("status").filter(has_text="notes.jpg failed: This is not a photograph.")
    told.wait_for(state="attached")


# --- axe --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing(
    visit: Opener, scheme: str, locale: str, shot: Callable[..., None]
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe-core: pip install -e '.[browser]'"
    ).Axe()
    page = visit(locale=locale, color_scheme=scheme, reduced_motion="reduce")

    def assert_clean(name: str) -> None:
        found = axe.run(page).response["violations"]
        told = [(item["id"], [node["html"][:120] for node in item["nodes"]]) for item in found]
        assert not told, name
        shot(page, f"{scheme}-{name}-{locale}")

    assert_clean("empty")
    for fold in page.locator("#controls details").all():
        fold.evaluate("(at) => (at.open = true)")
    assert_clean("controls")
    choose(page, COFFEE)
    drawn(page)
    page.locator("#report details").evaluate("(at) => (at.open = true)")
    assert_clean("one")
    page.locator("#photo .actions .menu").evaluate("(at) => (at.open = true)")
    assert_clean("menu")
    page.locator("#photo .actions .menu").evaluate("(at) => (at.open = false)")
    page.locator(".foot .terms").evaluate("(at) => (at.open = true)")
    assert_clean("terms")
    choose(page, CHELSEA, BAD)
    page.locator(".tile[data-state=done]").nth(1).wait_for()
    failed = page.locator(".tile[data-state=failed]")
    failed.wait_for()
    assert_clean("grid")
    failed.locator(".remove").click()
    page.locator("#toast").wait_for()
    assert_clean("removed")
    page.keyboard.press("Control+z")
    failed.locator(".open").click()
    page.locator(".failure").wait_for()
    assert_clean("failed")


# --- motion -----------------------------------------------------------------------------------


def test_nothing_moves_for_whom_asked_for_that(visit: Opener) -> None:
    page = visit(reduced_motion="reduce")
    assert page.evaluate("() => document.getAnimations().length") == 0
    choose(page, COFFEE)
    drawn(page)
    assert page.locator(".compare [type=range]").evaluate("(at) => at.valueAsNumber") == 50
    assert page.evaluate("() => document.getAnimations().length") == 0

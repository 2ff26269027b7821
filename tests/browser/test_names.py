"""File names as phones and messengers give them: no page is wider than its screen for any."""

from __future__ import annotations

import io
from typing import Any

import paper
import pytest
from conftest import SAMPLES, Opener, drawn
from hand import choose, resize
from PIL import Image

pytestmark = pytest.mark.browser

NAMES = (
    "IMG_4821.jpg",
    "IMG_20231104_153012.jpg",
    "IMG-20231104-WA0017.jpg",
    "PXL_20231104_153012345.jpg",
    "PXL_20231104_153012345.PORTRAIT-01.COVER.jpg",
    "PXL_20231104_153012345.NIGHT.jpg",
    "20231104_153012.jpg",
    "20231104_153012(0).jpg",
    "DSC_0001_BURST20231104153012345_COVER.jpg",
    "MVIMG_20231104_153012.jpg",
    "Screenshot_20231104-153012_Chrome.jpg",
    "Screenshot_20231104_153012_com.tencent.mm.jpg",
    "Screenshot_2023-11-04-15-30-12-123_com.instagram.android.jpg",
    "WhatsApp Image 2023-11-04 at 15.30.12.jpeg",
    "signal-2023-11-04-15-30-12-345.jpg",
    "photo_2023-11-04_15-30-12.jpg",
    "FB_IMG_1699083012345.jpg",
    "mmexport1699083012345.jpg",
    "wx_camera_1699083012345.jpg",
    "微信图片_20231104153012.jpg",
    "QQ图片20231104153012345678901234567890.jpg",
    "截屏2023-11-04 下午3.30.12.png.jpg",
    "小红书_家庭聚会与我们在颐和园度过的那个阳光明媚的秋日下午的合影.jpg",
    "B612_20231104_153012_345_edited_final_final2_for_grandma.jpg",
    "9F3C6B1A-52D7-4E0B-8C1D-7A2B3C4D5E6F_1_105_c.jpeg",
)


def small_photo() -> bytes:
    """A photo that is drawn at once: what matters here is its name."""
    buffer = io.BytesIO()
    with Image.open(SAMPLES / "coffee.jpg") as sample:
        sample.resize((120, 80)).save(buffer, "JPEG")
    return buffer.getvalue()


WIDTHS_PX = (320, 360, 390, 768)

# how far anything reaches beyond the right edge, and whether Save can be pressed where it is
WIDE = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""
SAVE = """() => {
  const box = document.querySelector('#photo .actions .main').getBoundingClientRect();
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return box.right <= innerWidth && box.bottom <= innerHeight
    && !!hit.closest('.actions .main'); }"""


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_no_file_name_makes_the_page_wider_than_its_screen(visit: Opener, locale: str) -> None:
    assert len(NAMES) == 25
    page = visit(locale=locale, phone=True, expect=("Failed to load resource: net::ERR_FAILED",))
    page.route("**/v1/stylise", lambda route: route.abort())  # 25 photographs in every look: no
    choose(page, *[(name, "image/jpeg", small_photo()) for name in NAMES])
    page.locator(".tile[data-state=done]").nth(len(NAMES) - 1).wait_for()
    for width_px in WIDTHS_PX:
        resize(page, width_px, 740)
        assert page.evaluate(WIDE) == 0, (width_px, "all")
    page.locator(".tile .open").first.click()
    drawn(page)
    for name in NAMES:
        page.locator("#photo h1", has_text=name).wait_for()
        drawn(page)
        for width_px in WIDTHS_PX:
            resize(page, width_px, 740)
            assert page.evaluate(WIDE) == 0, (width_px, name)
            assert page.evaluate(SAVE), (width_px, name)
        page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_no_file_name_makes_the_page_of_drawings_wider(colour: Opener, locale: str) -> None:
    page = colour(locale=locale, phone=True)
    answers: list[Any] = []

    def answer(route: Any) -> None:
        """What was said of the first, for all: 25 times the same drawing."""
        if not answers:
            answers.append(route.fetch())
        route.fulfill(response=answers[0])

    page.route("**/v1/colour", answer)
    for name in NAMES:
        paper.choose(page, name)
        page.locator("#photo h1", has_text=name).wait_for()
        paper.coloured(page)
        for width_px in WIDTHS_PX:
            resize(page, width_px, 740)
            assert page.evaluate(WIDE) == 0, (width_px, name)
            assert page.evaluate(SAVE), (width_px, name)


def test_an_unknown_kind_with_a_long_name_does_not_either(visit: Opener) -> None:
    page = visit(locale="zh-CN", phone=True)
    choose(page, (NAMES[12], "image/jpeg", b"no picture\n" * 20))
    page.locator(".failure").wait_for()
    for width_px in WIDTHS_PX:
        resize(page, width_px, 740)
        assert page.evaluate(WIDE) == 0, width_px


@pytest.mark.parametrize("size", [(1240, 880), (1280, 720), (1440, 900), (1920, 1080), (844, 390)])
@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_save_is_in_sight_on_every_screen(visit: Opener, size: tuple[int, int], name: str) -> None:
    page = visit()
    resize(page, *size)
    choose(page, (f"{name}.jpg", "image/jpeg", (SAMPLES / f"{name}.jpg").read_bytes()))
    drawn(page)
    if size[1] < 400:  # a phone that lies: one push of the thumb away, and not over the picture
        page.locator("#photo .actions .main").scroll_into_view_if_needed()
    assert page.evaluate(SAVE)

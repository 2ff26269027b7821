"""The pictures that Chromium makes: web/icon-*.png, docs/page.png and docs/colour.png.

python tests/browser/pictures.py
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from conftest import ROOT, SAMPLES, drawn, serve, stop
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

WEB = ROOT / "web"
CHROMIUM = "/usr/bin/chromium"
# Android cuts a maskable icon to a circle of 80% of its side
MASKABLE_SCALE = 0.8
DESK, PHONE = (1240, 880), (390, 844)
GAP_PX, WIDTH_PX = 24, 1280


def icons(page: Page) -> None:
    """icon-192, icon-512, icon-180 (Apple, which wants no corners) and the maskable one."""
    drawing = (WEB / "icon.svg").read_text()
    square = drawing.replace(' rx="30"', "")
    flower = "translate(0 2) scale(1.15)"
    small = f"translate(0 2) scale({1.15 * MASKABLE_SCALE:.2f})"
    for name, side_px, source in (
        ("icon-192.png", 192, drawing),
        ("icon-512.png", 512, drawing),
        ("icon-180.png", 180, square),
        ("icon-maskable.png", 512, square.replace(flower, small)),
    ):
        page.set_viewport_size({"width": side_px, "height": side_px})
        page.set_content(
            f"<style>*{{margin:0;display:block}}svg{{width:{side_px}px}}</style>{source}"
        )
        picture = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
        # few colours: a third of the bytes
        picture.quantize(64, Image.Quantize.FASTOCTREE).save(WEB / name, optimize=True)


def screenshot(
    browser: Browser, address: str, size: tuple[int, int], **options: Any
) -> Image.Image:
    """A sample that was drawn, the divider in its middle."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
    )
    page = context.new_page()
    page.goto(f"{address}/")
    page.locator(".cards").wait_for()
    page.set_input_files("#choose", SAMPLES / "astronaut.jpg")
    drawn(page)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.card img')]
          .every(({src}) => src.startsWith('blob:'))"""
    )
    page.evaluate("() => document.activeElement.blur()")
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return picture


def documents(browser: Browser) -> None:
    """docs/page.png: a desk in English and light, a phone in Chinese and dark."""
    with tempfile.TemporaryDirectory() as folder:
        process, address = serve(Path(folder))
        desk = screenshot(browser, address, DESK, locale="en-GB")
        phone = screenshot(
            browser,
            address,
            PHONE,
            locale="zh-CN",
            color_scheme="dark",
            is_mobile=True,
            device_scale_factor=2,
        )
        stop(process)
    width_px = round(DESK[1] * PHONE[0] / PHONE[1])
    phone = phone.resize((width_px, DESK[1]), Image.Resampling.LANCZOS)
    both = Image.new("RGB", (DESK[0] + GAP_PX + width_px, DESK[1]), "white")
    both.paste(desk)
    both.paste(phone, (DESK[0] + GAP_PX, 0))
    small = both.resize(
        (WIDTH_PX, round(DESK[1] * WIDTH_PX / both.width)), Image.Resampling.LANCZOS
    )
    colours = small.quantize(256, kmeans=3)
    small.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(
        ROOT / "docs" / "page.png", optimize=True
    )


def drawings(browser: Browser) -> None:
    """docs/colour.png: the page of drawings with three dots."""
    dots = (("Brown", 0.5, 0.22), ("Light skin", 0.5, 0.58), ("Blue", 0.5, 0.95))
    with tempfile.TemporaryDirectory() as folder:
        process, address = serve(Path(folder))
        page = browser.new_page(
            viewport={"width": DESK[0], "height": DESK[1]}, locale="en-GB", reduced_motion="reduce"
        )
        page.set_default_timeout(300_000)
        page.goto(f"{address}/colour")
        page.locator(".palette").nth(5).wait_for()
        page.set_input_files("#choose", SAMPLES / "drawing.png")
        page.locator(".viewer[data-state=done] .paper").wait_for()
        box = page.locator(".paper").bounding_box() or {}
        for name, x, y in dots:
            page.get_by_role("radio", name=name, exact=True).check()
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_function("() => document.querySelectorAll('.dots li').length === 3")
        page.wait_for_timeout(1000)  # it waits a moment for more dots
        page.locator(".viewer[data-state=done] .paper").wait_for()
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        page.close()
        stop(process)
    colours = picture.quantize(256, kmeans=3)
    small = picture.quantize(palette=colours, dither=Image.Dither.NONE)  # swatches stay even
    small.save(ROOT / "docs" / "colour.png", optimize=True)


if __name__ == "__main__":
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        icons(chromium.new_page())
        documents(chromium)
        drawings(chromium)
        chromium.close()

"""Icons of the page: web/icon-*.png from web/icon.svg, drawn by Chromium.

python tests/browser/icons.py
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
CHROMIUM = "/usr/bin/chromium"
# Android cuts a maskable icon to a circle of 80% of its side
MASKABLE_SCALE = 0.8


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


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        icons(browser.new_page())
        browser.close()

"""A line drawing for tests: lines that close regions."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def boxes() -> bytes:
    """Two boxes with a ring in each, and a line below: black on white, 240x160, as a PNG file."""
    picture = Image.new("L", (240, 160), 255)
    pen = ImageDraw.Draw(picture)
    for left in (20, 130):
        pen.rectangle((left, 30, left + 90, 130), outline=0, width=3)
        pen.ellipse((left + 30, 60, left + 60, 90), outline=0, width=3)
    pen.line((0, 145, 240, 150), fill=0, width=3)
    return png(picture)

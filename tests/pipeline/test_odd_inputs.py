"""Pictures that are no usual photograph come back as what they were, drawn: tiny, huge, long,
empty, noisy, of text, or drawn already.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from shipped import scene_styles

from pipeline import Options, Pipeline, Settings, Sidecar
from pipeline.domain import RgbImage
from pipeline.measure import edge_preservation, ssim

SAMPLES = Path(__file__).parents[2] / "samples"
PIPELINE = Pipeline(Settings())
STYLES = scene_styles()


def drawn(pixels: RgbImage, **given: Any) -> tuple[RgbImage, Sidecar]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    result = PIPELINE.run(file.getvalue(), Options(format="png", **given))
    return np.asarray(Image.open(io.BytesIO(result.image)).convert("RGB")), result.sidecar


def sample(name: str, width: int, height: int) -> RgbImage:
    with Image.open(SAMPLES / f"{name}.jpg") as picture:
        return np.asarray(picture.convert("RGB").resize((width, height)))


def screenshot() -> RgbImage:
    """Dark text on white and white on blue, thin lines, a button."""
    image = Image.new("RGB", (640, 400), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 640, 48), fill=(40, 70, 160))
    draw.text((16, 12), "Inbox (12)", fill=(255, 255, 255), font=ImageFont.load_default(24))
    for row in range(8):
        top = 64 + 40 * row
        draw.text((16, top), f"Line {row}: a sentence of some words", (20, 20, 20),
                  font=ImageFont.load_default(20))  # fmt: skip
        draw.line((0, top + 32, 640, top + 32), fill=(210, 210, 210))
    draw.rounded_rectangle((480, 340, 620, 384), 8, fill=(20, 140, 70))
    return np.asarray(image)


def line_drawing() -> RgbImage:
    """Flat areas with black contours, as anime has them already."""
    made = np.full((420, 560, 3), (250, 240, 225), np.uint8)
    for centre, radius, colour in (
        ((180, 220), 120, (245, 205, 180)), ((140, 200), 18, (60, 90, 190)),
        ((220, 200), 18, (60, 90, 190)), ((430, 250), 90, (220, 90, 110)),
    ):  # fmt: skip
        cv2.circle(made, centre, radius, colour, -1, cv2.LINE_AA)
        cv2.circle(made, centre, radius, (20, 15, 25), 4, cv2.LINE_AA)
    cv2.ellipse(made, (180, 270), (40, 18), 0, 0, 180, (20, 15, 25), 4, cv2.LINE_AA)
    return made


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("side_px", [8, 40])
def test_a_tiny_picture_is_still_itself(side_px: int, style: str) -> None:
    pixels = sample("coffee", side_px, max(1, side_px * 3 // 4))
    picture, _ = drawn(pixels, style=style)
    height, width = pixels.shape[:2]
    assert picture.shape in {(height, width, 3), (2 * height, 2 * width, 3)}
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(small.mean((0, 1)) - pixels.mean((0, 1))).max() < 30
    if side_px == 40:
        assert ssim(small, pixels) > 0.4


@pytest.mark.parametrize("size", [(8192, 220), (220, 8192)])
def test_the_longest_panorama_is_drawn_like_its_parts(size: tuple[int, int]) -> None:
    pixels = sample("coffee", *size)
    picture, sidecar = drawn(pixels, max_side_px=8192)
    assert picture.shape == pixels.shape
    # drawn by its longer side alone, it would have been 24 px across, and a smear at full size
    assert min(sidecar.drawing.working_width_px, sidecar.drawing.working_height_px) >= 200
    part = np.s_[:220, 4000:4400] if size[0] > size[1] else np.s_[4000:4400, :220]
    assert ssim(picture[part], pixels[part]) > 0.5
    assert edge_preservation(picture[part], pixels[part]) > 0.5


def test_a_huge_picture_keeps_its_size_and_its_colours() -> None:
    pixels = sample("coffee", 8192, 1024)
    picture, sidecar = drawn(pixels, max_side_px=8192, faces="off")
    assert picture.shape == pixels.shape
    assert sidecar.drawing.working_width_px <= 4096
    small = [cv2.resize(p, (512, 64), interpolation=cv2.INTER_AREA) for p in (picture, pixels)]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 25


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("level", [0, 255])
def test_black_stays_black_and_white_stays_white(level: int, style: str) -> None:
    pixels = np.full((200, 300, 3), level, np.uint8)
    picture, sidecar = drawn(pixels, style=style)
    assert np.abs(picture.astype(int) - level).mean() < 40
    spread = picture[40:-40, 40:-40].astype(float).std((0, 1))
    assert spread.max() < 3, "one colour is drawn as one colour"
    assert sidecar.faces == ()


@pytest.mark.parametrize("style", STYLES)
def test_noise_has_no_faces_and_no_cast(style: str) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (240, 360, 3), np.uint8)
    picture, sidecar = drawn(pixels, style=style, faces="on")
    assert picture.shape == pixels.shape
    assert not any(face.refined for face in sidecar.faces)
    assert sidecar.drawing.chosen_by == "scene"
    means = picture.mean((0, 1))
    tint = 45 if style == "paprika" else 25  # its light is cream
    assert np.ptp(means) < tint and 60 < means.mean() < 195


@pytest.mark.parametrize("style", STYLES)
def test_a_screenshot_can_still_be_read(style: str) -> None:
    """Dark letters stay dark on light, white ones light on blue; lines stay where they are."""
    pixels = screenshot()
    picture, _ = drawn(pixels, style=style)
    assert picture.shape == pixels.shape
    grey, was = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(int) for p in (picture, pixels))
    text, paper = was[64:330] < 100, was[64:330] > 250
    assert grey[64:330][paper].mean() - grey[64:330][text].mean() > 70
    title, band = was[10:44, 16:160] > 220, was[10:44, 16:160] < 110
    assert grey[10:44, 16:160][title].mean() - grey[10:44, 16:160][band].mean() > 40
    assert edge_preservation(picture, pixels) > 0.6


@pytest.mark.parametrize("style", STYLES)
def test_a_drawing_stays_that_drawing(style: str) -> None:
    """Contours stay dark, areas flat and of their hue."""
    pixels = line_drawing()
    picture, _ = drawn(pixels, style=style)
    assert ssim(picture, pixels) > 0.7
    contour = cv2.erode((pixels.max(2) < 60).astype(np.uint8), np.ones((2, 2))) > 0
    assert picture[contour].mean() < 110
    for y, x in ((120, 180), (250, 430), (40, 400)):
        area = picture[y - 12 : y + 12, x - 12 : x + 12].astype(float)
        assert area.std((0, 1)).max() < 8
        assert np.abs(area.mean((0, 1)) - pixels[y, x]).max() < 45

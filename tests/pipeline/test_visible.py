"""What is not to be seen must not steer the drawing: colours under alpha 0, bars, frames."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outside import CASES, needs
from PIL import Image
from shipped import scene_styles

from pipeline import Options, Pipeline, Settings, Sidecar
from pipeline.domain import WHOLE, Content, GrayImage, Photo, RgbImage
from pipeline.visible import detect_content, extend, fill_transparent, restore_bars

ROOT = Path(__file__).parents[2]
CASE = CASES / "22-alpha-invisible-colours"
PIPELINE = Pipeline(Settings())
STYLES = scene_styles()
HEIGHT, WIDTH = 240, 360


def sample(name: str = "coffee", width: int = WIDTH, height: int = HEIGHT) -> RgbImage:
    with Image.open(ROOT / "samples" / f"{name}.jpg") as picture:
        return np.asarray(picture.convert("RGB").resize((width, height)))


def drawn(pixels: np.ndarray, **given: Any) -> tuple[np.ndarray, Sidecar]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    result = PIPELINE.run(file.getvalue(), Options(format="png", **given))
    return np.asarray(Image.open(io.BytesIO(result.image))), result.sidecar


def disc(height: int = HEIGHT, width: int = WIDTH) -> GrayImage:
    """Alpha of a disc with a soft border."""
    plane = np.zeros((height, width), np.uint8)
    cv2.circle(plane, (width // 2, height // 2), height // 3, 255, -1)
    return cv2.GaussianBlur(plane, (0, 0), 2)


def difference(some: np.ndarray, others: np.ndarray) -> float:
    return float(np.abs(some.astype(int) - others.astype(int)).mean())


# --- colours under alpha 0 --------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_cut_outs_that_differ_where_nothing_is_seen_are_drawn_alike(style: str) -> None:
    """In every pixel, and near what is drawn of the whole photo."""
    photo, alpha = sample("astronaut"), disc()
    pictures = []
    for colour in ((0, 0, 0), (0, 255, 0), (255, 255, 255)):
        cut = np.where(alpha[..., None] > 0, photo, np.array(colour, np.uint8))
        pictures.append(drawn(np.dstack([cut, alpha]), style=style)[0])
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])
    np.testing.assert_array_equal(pictures[0][..., 3], alpha)
    opaque = alpha == 255
    whole, _ = drawn(photo, style=style)
    assert difference(pictures[0][opaque][:, :3], whole[opaque]) < 10


@needs(CASE)
@pytest.mark.parametrize("style", STYLES)
def test_the_shared_cut_outs_are_drawn_alike(style: str) -> None:
    def read(name: str) -> np.ndarray:
        return np.asarray(Image.open(CASE / f"26-{name}.png"))

    cuts = [drawn(read(f"cut-{name}"), style=style)[0] for name in ("black", "green", "white")]
    opaque = cuts[0][..., 3] == 255
    assert opaque.mean() > 0.1
    for other in cuts[1:]:
        np.testing.assert_array_equal(cuts[0][opaque], other[opaque])
    whole, _ = drawn(read("full"), style=style)
    assert difference(cuts[0][opaque][:, :3], whole[opaque][:, :3]) < 6


def test_what_is_filled_in_goes_on_from_what_is_seen() -> None:
    pixels = np.zeros((90, 130, 3), np.uint8)
    pixels[:, :65], pixels[:, 65:] = (200, 40, 40), (40, 40, 200)
    alpha = np.full((90, 130), 255, np.uint8)
    alpha[:, 30:100] = 0
    given = pixels.copy()
    filled = fill_transparent(Photo(pixels, alpha)).pixels
    np.testing.assert_array_equal(filled[alpha > 0], pixels[alpha > 0])
    assert difference(filled[:, 30], np.broadcast_to((200, 40, 40), (90, 3))) < 12
    assert difference(filled[:, 99], np.broadcast_to((40, 40, 200), (90, 3))) < 12
    assert 90 < filled[45, 65, 0] < 150  # half way between them
    np.testing.assert_array_equal(pixels, given)


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_only_what_is_not_seen_is_filled(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, 3), np.uint8)
    alpha = random.choice(np.array([0, 1, 128, 255], np.uint8), (height, width))
    filled = fill_transparent(Photo(pixels, alpha))
    np.testing.assert_array_equal(filled.pixels[alpha > 0], pixels[alpha > 0])
    assert filled.alpha is not None and np.array_equal(filled.alpha, alpha)
    hidden = np.where(alpha[..., None] > 0, pixels, random.integers(0, 256, pixels.shape, np.uint8))
    np.testing.assert_array_equal(fill_transparent(Photo(hidden, alpha)).pixels, filled.pixels)


def test_an_opaque_photo_is_left_as_it_is() -> None:
    for alpha in (None, np.full((HEIGHT, WIDTH), 1, np.uint8)):
        photo = Photo(sample(), alpha)
        assert fill_transparent(photo) is photo


def test_a_photo_of_which_nothing_is_seen_is_drawn_all_the_same() -> None:
    hidden = np.dstack([sample(), np.zeros((HEIGHT, WIDTH), np.uint8)])
    picture, _ = drawn(hidden)
    assert picture.shape == (HEIGHT, WIDTH, 4)
    assert not picture[..., 3].any()
    assert difference(picture[..., :3], hidden[..., :3]) > 20  # the colours are not to be had


# --- bars -------------------------------------------------------------------------------------

BARS = {
    "letterbox": ((48, 48, 0, 0), (0, 0, 0)),
    "pillarbox": ((0, 0, 64, 64), (0, 0, 0)),
    "a white frame": ((40, 40, 40, 40), (255, 255, 255)),
    "a coloured frame": ((24, 24, 24, 24), (180, 20, 60)),
    "one bar": ((0, 80, 0, 0), (20, 20, 20)),
}


def barred(pixels: RgbImage, name: str) -> tuple[RgbImage, tuple[slice, slice]]:
    (top, bottom, left, right), colour = BARS[name]
    height, width = pixels.shape[:2]
    made = cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)
    return made, (slice(top, top + height), slice(left, left + width))


@pytest.mark.parametrize("name", BARS)
@pytest.mark.parametrize("style", STYLES)
def test_bars_change_nothing_of_what_is_between_them(name: str, style: str) -> None:
    photo = sample()
    given, inside = barred(photo, name)
    plain, alone = drawn(photo, style=style)
    framed, sidecar = drawn(given, style=style)
    assert difference(framed[inside], plain) < 0.2  # sharpening sees a bar's first pixel
    assert sidecar.quality == alone.quality
    assert sidecar.drawing == alone.drawing
    bars = np.ones(given.shape[:2], bool)
    bars[inside] = False
    np.testing.assert_array_equal(framed[bars], given[bars])


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize("name", BARS)
def test_bars_are_found_in_a_jpeg_too(name: str, quality: int) -> None:
    given, inside = barred(sample("rocket"), name)
    file = io.BytesIO()
    Image.fromarray(given).save(file, "JPEG", quality=quality)
    content = detect_content(np.asarray(Image.open(io.BytesIO(file.getvalue()))))
    expected = detect_content(given)
    assert expected.of(given).shape == given[inside].shape
    apart = np.subtract(
        (content.left, content.top, content.right, content.bottom),
        (expected.left, expected.top, expected.right, expected.bottom),
    )
    assert np.abs(apart).max() <= 8 / HEIGHT  # a block of the codec


def test_bars_within_bars_are_found() -> None:
    pillars, _ = barred(sample(), "pillarbox")
    given = cv2.copyMakeBorder(pillars, 30, 30, 16, 16, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    assert detect_content(given).of(given).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("name", ["letterbox", "pillarbox"])
def test_a_bar_is_found_where_the_picture_is_as_dark_as_it(name: str) -> None:
    """By the one at the other side."""
    photo = sample().copy()
    shade = np.random.default_rng(2).choice(np.array([4, 45], np.uint8), (HEIGHT, WIDTH, 1))
    dark = np.repeat(shade, 3, 2)
    photo[-60:], photo[:, -60:] = dark[-60:], dark[:, -60:]
    given, inside = barred(photo, name)
    assert detect_content(given).of(given).shape == given[inside].shape


def product() -> RgbImage:
    """Something round before a white wall, touching none of the borders."""
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    seen = disc()[..., None] / 255
    return np.rint(sample() * seen + white * (1 - seen)).astype(np.uint8)


def bottle() -> RgbImage:
    """A narrow neck with a flat top, a wide body that stands on the lower border."""
    made = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
    made[60:120, 160:200] = sample()[60:120, 160:200]
    made[120:, 120:240] = sample()[120:, 120:240]
    return made


def sky() -> RgbImage:
    """A white sky that pales into blue, over land."""
    made = sample().copy()
    shade = np.clip((np.arange(120) - 40) / 400, 0, 1)[:, None, None]
    made[:120] = np.rint(255 - shade * np.array([200, 120, 0])).astype(np.uint8)
    return made


@pytest.mark.parametrize("make", [product, bottle, sky])
def test_a_plain_background_is_no_bar(make: object) -> None:
    """Else the drawing would end along a straight line in it."""
    pixels = make()  # type: ignore[operator]
    assert detect_content(pixels) == WHOLE


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_a_picture_of_one_colour_is_all_content(colour: int) -> None:
    assert detect_content(np.full((50, 70, 3), colour, np.uint8)) == WHOLE


def test_a_sliver_between_bars_is_not_all_there_is() -> None:
    given = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    given[100:120] = sample()[100:120]
    assert detect_content(given) == WHOLE


def test_bars_are_kept_and_nothing_given_is_written_to() -> None:
    given, inside = barred(sample(), "letterbox")
    content, before = detect_content(given), given.copy()
    made = np.full_like(given, 99)
    framed = restore_bars(made, given, content)
    assert (framed[inside] == 99).all()
    assert (framed[:40] == 0).all()
    np.testing.assert_array_equal(given, before)
    assert restore_bars(made, given, WHOLE) is made


def test_a_drawing_is_put_where_its_content_was() -> None:
    given, inside = barred(sample(), "a coloured frame")
    made = extend(sample(), detect_content(given), given.shape[1::-1])
    np.testing.assert_array_equal(made[inside], sample())
    np.testing.assert_array_equal(made[0, 24:-24], sample()[0])
    assert extend(made, WHOLE, made.shape[1::-1]) is made


@given(
    left=st.integers(0, 50),
    wide=st.integers(1, 50),
    scale=st.sampled_from([0.3, 0.5, 1.0, 2.0]),
)
def test_content_is_the_same_part_at_every_scale(left: int, wide: int, scale: float) -> None:
    content = Content(left / 100, 0.0, (left + wide) / 100, 1.0)
    width, height = content.size(round(100 * scale), 10)
    assert (height, width) == content.of(np.zeros((10, round(100 * scale), 3), np.uint8)).shape[:2]
    assert width >= 1 and abs(width - wide * scale) <= 2
    if scale in (1.0, 2.0):
        assert width == wide * scale

"""One photograph: brought in, drawn, compared, saved, drawn again."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from conftest import ROOT, SAMPLES, Opener, drawn, more, rested
from hand import choose, drop, hover, paste
from jsonschema import Draft202012Validator
from PIL import Image

pytestmark = pytest.mark.browser

COFFEE = ("coffee.jpg", "image/jpeg", (SAMPLES / "coffee.jpg").read_bytes())
DETAILS = "Save the details (JSON)"
SCHEMA = json.loads((ROOT / "pipeline" / "sidecar.schema.json").read_text())

# Chromium draws the picture; these are the pixels that a visitor sees
PIXELS = """(image) => {
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/png').split(',')[1];
}"""


def pixels(image: Any) -> np.ndarray:
    """RGB of an <img>, (H, W, 3)."""
    content = base64.b64decode(image.evaluate(PIXELS))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def share(page: Any) -> float:
    """How much of the photo is shown, in percent, as the picture's clipping says."""
    clip = page.locator(".over").evaluate("(image) => getComputedStyle(image).clipPath")
    inside = clip.removeprefix("inset(").removesuffix(")").split()
    return float(inside[-1].removesuffix("%").removesuffix("px")) if len(inside) > 1 else 0.0


def saved(page: Any, button: str = "Save picture") -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        if button == "Save picture":
            page.get_by_role("button", name=button, exact=True).click()
        else:
            more(page, button)
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def sidecar_of(page: Any) -> dict[str, Any]:
    return dict(json.loads(saved(page, DETAILS)[1]))


def test_a_photo_that_is_dropped_comes_back_drawn(page: Any, shot: Callable[..., None]) -> None:
    shot(page, "empty")
    hover(page, COFFEE)
    page.get_by_text("Let go, and they are drawn").wait_for()
    page.keyboard.press("Escape")
    drop(page, COFFEE)
    picture = drawn(page)
    assert page.locator("#veil").is_hidden()
    before, after = pixels(page.locator(".before")), pixels(picture)
    assert before.shape == after.shape == (400, 600, 3)
    change = np.abs(before.astype(int) - after).mean()
    assert 2 < change < 60  # another picture, of the same thing
    rested(page)
    shot(page, "done")


@pytest.mark.parametrize("way", [paste, choose])
def test_a_photo_may_be_pasted_or_chosen(page: Any, way: Callable[..., None]) -> None:
    way(page, COFFEE)
    drawn(page)


def test_the_camera_is_asked_for_on_a_phone(visit: Opener) -> None:
    page = visit(phone=True)
    assert page.get_by_text("Take a photo").is_visible()
    assert page.locator("#shoot").get_attribute("capture") == "environment"
    page.set_input_files("#shoot", SAMPLES / "coffee.jpg")
    drawn(page)


def test_the_divider_follows_the_pointer_and_the_buttons(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    box = page.locator(".compare").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    for part in (0.5, 0.8, 0.25):
        page.mouse.move(box["x"] + box["width"] * part, middle)
        assert share(page) == pytest.approx(part * 100, abs=1)
    page.mouse.move(box["x"] - 200, middle)  # beyond the edge
    assert share(page) == 0
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    assert share(page) == 0  # let go
    for name, percent in (("Photo", 100), ("Compare", 50), ("Picture", 0)):
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        assert share(page) == percent
        assert button.get_attribute("aria-pressed") == "true"


def test_what_is_saved_is_the_picture_and_its_sidecar(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    name, picture = saved(page, "Save picture")
    assert name == "coffee.hayao.jpg"
    assert Image.open(io.BytesIO(picture)).size == (600, 400)
    name, sidecar = saved(page, DETAILS)
    assert name == "coffee.hayao.json"
    document = json.loads(sidecar)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["output"]["bytes"] == len(picture)
    assert document["source"]["bytes"] == len(COFFEE[2])


def test_the_options_travel_and_the_picture_follows_them(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    page.get_by_role("radio", name="Cel").check()
    page.get_by_text("Picture file").click()
    page.get_by_label("Strength").fill("0.5")
    page.get_by_role("radio", name="PNG").check()
    page.get_by_label("Longest side").fill("300")
    page.get_by_label("Longest side").press("Tab")
    page.wait_for_function("() => document.querySelector('.after').naturalWidth === 300")
    drawn(page)
    name, picture = saved(page)
    assert name == "coffee.cel.png"
    assert Image.open(io.BytesIO(picture)).size == (300, 200)
    sidecar = sidecar_of(page)
    assert (sidecar["style"], sidecar["strength"]) == ("cel", 0.5)
    page.get_by_role("button", name="Reset the options").click()
    assert page.get_by_label("Strength").input_value() == "1"
    assert page.get_by_role("radio", name="Cel").is_checked()  # the look is none of them
    page.wait_for_function("() => document.querySelector('.after').naturalWidth === 600")


def test_what_is_saved_while_it_is_drawn_anew_is_the_new_picture(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    page.get_by_role("radio", name="Cel").check()
    name, picture = saved(page)
    assert name == "coffee.cel.jpg"
    assert picture


def test_before_and_after_are_saved_as_one_picture(page: Any) -> None:
    choose(page, COFFEE)
    after = pixels(drawn(page))
    before = pixels(page.locator(".before"))
    name, content = saved(page, "Save before and after as one")
    assert name == "coffee.hayao.before-after.jpg"
    both = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    height, width = before.shape[:2]
    assert (
        both.shape[1] == width and both.shape[0] > 2 * height
    )  # a wide photo: one above the other
    assert np.abs(both[:height] - before).mean() < 4
    assert np.abs(both[-height:] - after).mean() < 4


def test_what_was_found_is_what_the_sidecar_says(page: Any) -> None:
    choose(page, COFFEE)
    drawn(page)
    sidecar = sidecar_of(page)
    report = page.locator("#report")
    assert "Your photo was good as it was" in report.inner_text()
    assert not report.locator(".decisions").is_visible()  # on request
    report.get_by_text("All details").click()
    assert "-0" not in report.inner_text()
    decisions = report.locator(".decisions li")
    assert decisions.count() == len(sidecar["decisions"])
    ran = [decision["ran"] for decision in sidecar["decisions"]]
    seen = [item.get_attribute("class") == "ran" for item in decisions.all()]
    assert seen == ran
    held = report.locator(".row", has=page.locator(".threshold"))
    assert held.locator("dt").all_inner_texts() == ["Blur", "Noise", "Darkness"]
    rows = report.locator(".panel", has_text="Time").locator(".row")
    assert rows.count() == len(sidecar["timings_ms"]) - 1
    widths = [float(bar.get_attribute("width")) for bar in rows.locator(".stage").all()]
    elapsed = [value for name, value in sidecar["timings_ms"].items() if name != "total"]
    assert np.argmax(widths) == np.argmax(elapsed)
    longest = max(elapsed) / sidecar["timings_ms"]["total"] * 100
    assert max(widths) == pytest.approx(longest, abs=0.5)


def test_a_blurred_photo_says_what_was_repaired(
    page: Any, encoded: Callable[..., bytes], shot: Callable[..., None]
) -> None:
    small = Image.open(io.BytesIO(encoded())).resize((75, 50)).resize((300, 200))
    blurred = io.BytesIO()
    small.save(blurred, "JPEG")
    page.get_by_role("radio", name="Classic").check()
    choose(page, ("blurred.jpg", "image/jpeg", blurred.getvalue()))
    drawn(page)
    words = page.locator("#report > .lead").inner_text()
    assert re.match(r"Your photo was grainy.* and small, so it was cleaned.* and doubled", words)
    page.get_by_text("All details").click()
    sharpness = page.locator(".row", has_text="Sharpness")
    assert sharpness.locator("rect.bad").count() == 1
    mark = float(sharpness.locator("line").get_attribute("x1"))
    assert mark > float(sharpness.locator("rect.bad").get_attribute("width"))
    shot(page, "repaired")


def test_a_photo_that_the_browser_cannot_show_is_compared_with_what_the_server_makes_of_it(
    page: Any, encoded: Callable[..., bytes], shot: Callable[..., None]
) -> None:
    heic = io.BytesIO()
    photo = pillow_heif.from_pillow(Image.open(io.BytesIO(encoded())))
    photo.save(heic)
    drop(page, ("photo.heic", "", heic.getvalue()))  # Chromium on Linux knows no type for it
    picture = pixels(drawn(page))
    assert picture.shape == (400, 600, 3)
    page.locator(".compare .before").wait_for()
    assert not page.get_by_text("cannot show the original").count()
    page.get_by_role("slider", name="Divider").wait_for(state="attached")
    original = np.asarray(Image.open(io.BytesIO(encoded())).convert("RGB")).astype(int)
    assert np.abs(pixels(page.locator(".before")) - original).mean() < 4
    rested(page)
    shot(page, "heic")


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_photo_lies_under_its_picture(
    page: Any, encoded: Callable[..., bytes], orientation: int
) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    choose(page, ("turned.jpg", "image/jpeg", encoded(exif=tags)))
    picture = drawn(page)
    before, after = pixels(page.locator(".before")), pixels(picture)
    assert before.shape == after.shape
    assert before.shape[:2] == ((600, 400) if orientation == 6 else (400, 600))
    halves = [image[: image.shape[0] // 2].mean((0, 1)) for image in (before, after)]
    others = after[after.shape[0] // 2 :].mean((0, 1))
    assert np.abs(halves[0] - halves[1]).sum() < np.abs(halves[0] - others).sum()


@pytest.mark.parametrize("side_px", [512, 256])  # the small one comes out doubled
def test_faces_are_drawn_over_the_photo_where_the_sidecar_has_them(
    page: Any, encoded: Callable[..., bytes], shot: Callable[..., None], side_px: int
) -> None:
    photo = io.BytesIO()
    Image.open(io.BytesIO(encoded(name="astronaut"))).resize((side_px, side_px)).save(photo, "PNG")
    choose(page, ("astronaut.png", "image/png", photo.getvalue()))
    drawn(page)
    sidecar = sidecar_of(page)
    face = sidecar["faces"][0]
    assert not page.locator(".faces rect").count()
    button = page.get_by_role("button", name="Faces (1)")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator(".faces circle").count() == 5
    picture = page.locator(".compare").bounding_box()
    seen = page.locator(".faces rect").bounding_box()
    # as a share of the photo: her face, which is a little left of the middle and high up
    left = (seen["x"] - picture["x"]) / picture["width"]
    top = (seen["y"] - picture["y"]) / picture["height"]
    width, height = (seen[side] / picture[side] for side in ("width", "height"))
    assert (left, top, width, height) == pytest.approx((0.35, 0.10, 0.18, 0.24), abs=0.03)
    scale = picture["width"] / sidecar["output"]["width_px"]
    assert seen["width"] == pytest.approx((face["box"][2] - face["box"][0]) * scale, abs=4)
    report = page.locator("#report")
    assert "One face was found and drawn with special care." in report.inner_text()
    report.get_by_text("All details").click()
    listed = report.locator(".face-list li").inner_text()
    assert f"certainty {face['score'] * 100:.0f}%" in listed
    assert "cared for: " in listed and "skin smoothed" in listed
    rested(page)
    shot(page, f"faces-{side_px}")
    button.click()
    assert not page.locator(".faces rect").count()


def test_a_face_that_is_left_alone_says_why(page: Any) -> None:
    page.get_by_text("how much care they get").click()
    page.get_by_label("How certain a face must be").fill("1")
    choose(page, ("astronaut.jpg", "image/jpeg", (SAMPLES / "astronaut.jpg").read_bytes()))
    drawn(page)
    page.get_by_text("All details").click()
    listed = page.locator(".face-list li").inner_text()
    assert re.search(r"drawn like the rest: its certainty of 0\.9\d is under 1$", listed)

"""The page of drawings: colours put by a finger, a mouse or the keyboard, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SAMPLES, Opener, rested
from hand import TARGETS, THUMB_PX
from paper import DRAWING, choose, coloured, dots, recoloured, tap
from PIL import Image

pytestmark = pytest.mark.browser

ENGLISH, CHINESE = (
    json.loads((ROOT / "web" / f"{name}.json").read_text())
    | json.loads((ROOT / "web" / f"colour.{name}.json").read_text())
    for name in ("en", "zh")
)
LONG_NAME = "IMG_20260704_我的第一张线稿_" + "very-long-name-" * 8 + ".png"


# --- without the network: what the page says and how it is painted on ---------------------------


def test_it_says_by_name_that_the_server_has_no_colouriser(
    visit: Opener, tmp_path: Path, chromium: Any
) -> None:
    del chromium
    for server in without_colouriser(tmp_path):
        # it colours what was painted last when the server has gone already
        page = visit(server, path="colour", expect=("Failed to load resource: net::ERR_",))
        choose(page)
        failure = page.locator(".failure")
        failure.wait_for()
        failure.locator("summary").click()
        assert "no colouriser" in failure.inner_text()
        tap(page, 0.5, 0.2)  # and it can still be painted on
        assert dots(page) == 1


def without_colouriser(folder: Path) -> Iterator[str]:
    """A server whose folder of weights has all but the colouriser."""
    from conftest import serve, stop

    weights = folder / "weights"
    weights.mkdir()
    manifest = json.loads((ROOT / "layers" / "weights" / "manifest.json").read_text())
    manifest["weights"] = [each for each in manifest["weights"] if each["kind"] != "colouriser"]
    for path in (ROOT / "layers" / "weights").iterdir():
        (weights / path.name).symlink_to(path)
    (weights / "manifest.json").unlink()
    (weights / "manifest.json").write_text(json.dumps(manifest))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIREI_WEIGHTS_DIR", str(weights))
        process, address = serve(folder / "served")
    yield address
    stop(process)


def test_the_pages_lead_to_each_other(page: Any, server: str) -> None:
    page.get_by_role("link", name="Line drawings").click()
    page.locator(".palette").first.wait_for()
    assert page.title() == ENGLISH["colour.title"]
    page.get_by_role("link", name="Photographs").click()
    page.locator(".cards").wait_for()


# --- with it -------------------------------------------------------------------------------------


def test_a_dot_colours_its_region_and_is_taken_back(
    colour: Callable[..., Any], shot: Callable[..., None]
) -> None:
    page = colour()
    choose(page)
    coloured(page)
    page.get_by_role("radio", name="Brown", exact=True).check()
    tap(page, 0.5, 0.22)
    page.get_by_role("radio", name="Light skin").check()
    tap(page, 0.5, 0.58)
    page.wait_for_function("() => document.querySelectorAll('.dots li').length === 2")
    hints = recoloured(page, "form.hints?.includes('#f7d3bd')")["hints"]
    assert "#6b4433" in hints
    shown = pixel(page, 0.5, 0.22)
    assert distance(shown, (0x6B, 0x44, 0x33)) < 40, shown
    shot(page, "colour-dots")
    page.keyboard.press("Control+z")
    assert dots(page) == 1
    page.keyboard.press("Control+Shift+z")
    assert dots(page) == 2
    page.get_by_role("button", name="Eraser").click()
    tap(page, 0.5, 0.22)
    assert dots(page) == 1
    page.get_by_role("button", name="Clear").click()
    assert dots(page) == 0


def test_painting_goes_on_while_it_is_coloured(colour: Callable[..., Any]) -> None:
    page = colour()
    choose(page)
    coloured(page)
    page.route("**/v1/colour", lambda route: None)  # it takes as long as it likes
    tap(page, 0.5, 0.22)
    page.locator(".viewer[data-state=working]").wait_for()
    tap(page, 0.5, 0.95)  # under the words that say so
    assert dots(page) == 2
    page.unroute("**/v1/colour")
    assert len(recoloured(page, "form.hints?.includes(';')")["hints"].split(";")) == 2


def test_a_stroke_travels_as_a_layer(colour: Callable[..., Any]) -> None:
    page = colour()
    choose(page)
    coloured(page)
    box = page.locator(".paper").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.92 * box["height"])
    page.mouse.down()
    for step in range(10):
        page.mouse.move(
            box["x"] + (0.3 + step * 0.03) * box["width"], box["y"] + 0.92 * box["height"]
        )
    page.mouse.up()
    assert "hints" not in recoloured(page, "form.hint_layer === 'file'")
    assert "Stroke 1" in page.locator(".dots").text_content()


def test_a_proposal_is_chosen_by_one_tap(
    colour: Callable[..., Any], shot: Callable[..., None]
) -> None:
    page = colour()
    choose(page)
    coloured(page)
    page.get_by_role("button", name="Four proposals").click()
    page.locator(".picks img").wait_for()
    shot(page, "colour-proposals")
    page.get_by_role("button", name="Take number 3").click()
    assert recoloured(page, "form.choice === '3'")["proposals"] == "4"


def test_a_palette_and_a_reference_colour_anew(colour: Callable[..., Any]) -> None:
    page = colour()
    choose(page)
    coloured(page)
    page.get_by_role("radio", name="Meadow").check()
    recoloured(page, "form.palette === 'meadow'")
    page.set_input_files("#reference", SAMPLES / "coffee.jpg")
    assert "palette" not in recoloured(page, "form.reference === 'file'")  # one or the other
    assert page.get_by_role("radio", name="Free").is_checked()
    page.get_by_role("button", name="Stop using its colours").click()
    recoloured(page, "!form.reference")


def test_the_picture_and_its_layers_are_saved(colour: Callable[..., Any], tmp_path: Path) -> None:
    page = colour()
    choose(page, "我的 线稿.png")
    coloured(page)

    def saved(press: Callable[[], None]) -> Path:
        with page.expect_download() as waiting:
            press()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def more(name: str) -> Callable[[], None]:
        def press() -> None:
            page.locator("#photo .actions .menu summary").click()
            page.get_by_role("button", name=name).click()

        return press

    picture = saved(page.get_by_role("button", name="Save picture").click)
    assert picture.name == "我的 线稿.colour.png"
    with Image.open(picture) as image, Image.open(DRAWING) as drawing:
        assert image.size == drawing.size
    layers = saved(more("Save layers for Krita"))
    assert layers.suffix == ".ora" and layers.read_bytes()[:2] == b"PK"
    pages = saved(more("Save layers as pages"))
    assert pages.suffix == ".tif"
    with Image.open(pages) as image:
        assert image.n_frames >= 3  # type: ignore[attr-defined]
    details = json.loads(saved(more("Save the details")).read_text())
    assert details["task"] == "colour"


@pytest.mark.parametrize(("padding", "width_px"), [(0, 5000), (5_000_000, 4096)])
def test_what_is_saved_is_as_much_of_the_file_as_a_call_takes(
    colour: Callable[..., Any], padding: int, width_px: int
) -> None:
    page = colour()
    script = """async (padding) => {
      const { opened, whole } = await import('/app/colour-drawing.js');
      const canvas = new OffscreenCanvas(5000, 1000);
      canvas.getContext('2d').strokeRect(10, 10, 900, 900);
      const picture = await canvas.convertToBlob({type: 'image/jpeg'});
      const file = new File([picture, new Uint8Array(padding)], 'large.jpg', {type: 'image/jpeg'});
      const sent = await whole(await opened({id: '1', file, added: 0}));
      return [sent.size, (await createImageBitmap(sent)).width];
    }"""
    sent_bytes, sent_px = page.evaluate(script, padding)
    assert (sent_px, sent_bytes < 4_000_000) == (width_px, True)


def test_everything_can_be_done_with_the_keyboard(colour: Callable[..., Any]) -> None:
    page = colour()
    choose(page)
    coloured(page)
    page.locator(".paper").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")
    told = page.locator("#live").inner_text()
    assert told == "50% from the left, 20% from the top"
    page.keyboard.press("Enter")
    assert dots(page) == 1
    page.keyboard.press("Delete")
    assert dots(page) == 0
    page.keyboard.press(" ")
    assert dots(page) == 1
    page.locator(".fold summary").first.focus()
    page.keyboard.press("Enter")
    remove = page.get_by_role("button", name="Remove 1, ")
    remove.focus()
    page.keyboard.press("Enter")
    assert dots(page) == 0
    page.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")
    divider = page.locator(".compare [type=range]")
    rested(page)
    divider.focus()
    page.keyboard.press("Home")
    assert divider.get_attribute("aria-valuetext") == "0% photo"


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_on_a_phone_everything_fits_and_a_finger_paints(
    colour: Callable[..., Any], locale: str, shot: Callable[..., None]
) -> None:
    page = colour(phone=True, locale=locale)

    def fits(name: str) -> None:
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, name
        small = {
            html: (box["width"], box["height"])
            for html, box in page.evaluate(TARGETS)
            if min(box["width"], box["height"]) < THUMB_PX
        }
        assert not small, name
        shot(page, f"colour-phone-{name}-{locale}")

    fits("empty")
    choose(page, LONG_NAME)
    coloured(page)
    box = page.locator(".paper").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.22)
    assert dots(page) == 1
    recoloured(page, "form.hints")
    fits("painted")
    assert box["y"] + box["height"] < 844  # the paper is in sight without a scroll


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing(
    colour: Callable[..., Any], scheme: str, locale: str, shot: Callable[..., None]
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe-core: pip install -e '.[browser]'"
    ).Axe()
    page = colour(locale=locale, color_scheme=scheme, reduced_motion="reduce")

    def assert_clean(name: str) -> None:
        found = axe.run(page).response["violations"]
        told = [(item["id"], [node["html"][:120] for node in item["nodes"]]) for item in found]
        assert not told, name
        shot(page, f"colour-{scheme}-{name}-{locale}")

    assert_clean("empty")
    choose(page)
    coloured(page)
    tap(page, 0.5, 0.22)
    for fold in page.locator("details.fold").all():
        fold.evaluate("(at) => (at.open = true)")
    recoloured(page, "form.hints")
    assert_clean("painted")
    words = ENGLISH if locale == "en-GB" else CHINESE
    page.get_by_role("button", name=words["colour.propose"]).click()
    page.locator(".picks img").wait_for()
    assert_clean("proposals")


def test_what_is_no_line_drawing_is_said_in_words(colour: Callable[..., Any]) -> None:
    page = colour()
    photo = (SAMPLES / "coffee.jpg").read_bytes()
    page.set_input_files(
        "#choose", [{"name": "coffee.jpg", "mimeType": "image/jpeg", "buffer": photo}]
    )
    failure = page.locator(".failure")
    failure.wait_for()
    assert ENGLISH["error.not_a_line_drawing"] in failure.inner_text()


def pixel(page: Any, x: float, y: float) -> tuple[int, int, int]:
    """A pixel of the picture that is shown, at shares of its sides."""
    script = """async ([x, y]) => {
      const image = document.querySelector('.paper img, .after');
      await image.decode();
      const canvas = document.createElement('canvas');
      Object.assign(canvas, {width: image.naturalWidth, height: image.naturalHeight});
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      return [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data];
    }"""
    red, green, blue, _ = page.evaluate(script, [x, y])
    return red, green, blue


def distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))

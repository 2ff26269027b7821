"""Line drawings coloured: options, errors and what stands in the sidecar."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from drawings import circles, png
from PIL import Image, ImageDraw

from pipeline import (
    ColourOptions,
    ColourResult,
    InvalidOption,
    NotALineDrawing,
    OutOfTime,
    Pipeline,
    Settings,
    sidecar_document,
)
from pipeline.lineart.likely import likely_dots
from pipeline.lineart.palette import NAMED
from pipeline.lineart.result import ColourSidecar
from pipeline.settings import PALETTES, REPOSITORY
from pipeline.sidecar import schema


def test_a_folder_of_weights_without_a_colouriser_is_told_by_name(tmp_path: Path) -> None:
    manifest = json.loads((Settings().weights_dir / "manifest.json").read_text())
    manifest["weights"] = [w for w in manifest["weights"] if w["kind"] != "colouriser"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    page = Image.new("L", (200, 160), 255)
    ImageDraw.Draw(page).ellipse((40, 30, 150, 130), outline=0, width=3)
    file = io.BytesIO()
    page.save(file, "PNG")
    pipeline = Pipeline(Settings(weights_dir=tmp_path))
    with pytest.raises(InvalidOption, match="has no colouriser"):
        pipeline.colour(file.getvalue(), ColourOptions())


def test_the_palettes_are_those_that_have_codes() -> None:
    assert set(PALETTES) == set(NAMED)


def test_the_schema_of_coloured_drawings_is_current() -> None:
    written = json.loads((REPOSITORY / "pipeline" / "colour.schema.json").read_text())
    assert schema(ColourSidecar) == written, "run `make schema`"


PAGE = png(circles())


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(Settings())


def pixels(result: ColourResult) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(result.image)).convert("RGB"))


def test_a_drawing_comes_back_coloured_in_its_own_lines(pipeline: Pipeline) -> None:
    result = pipeline.colour(PAGE, ColourOptions(hints="25%,50%,#c03030;75%,50%,#3050c0"))
    picture = pixels(result).astype(int)
    assert picture.shape == (240, 320, 3)
    assert np.abs(picture[120, 80] - (192, 48, 48)).max() < 12
    assert np.abs(picture[120, 240] - (48, 80, 192)).max() < 12
    assert picture[circles().max(-1) == 0].max() < 40
    drawing = result.sidecar.drawing
    assert (drawing.came_as, drawing.closed_regions) == ("digital", 2)
    assert all(hint.kept and (hint.error_ciede2000 or 0) < 6 for hint in result.sidecar.hints)
    written = json.loads((REPOSITORY / "pipeline" / "colour.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(sidecar_document(result.sidecar))), written)


def test_equal_calls_give_equal_bytes_and_a_choice_is_that_of_the_sheet(
    pipeline: Pipeline,
) -> None:
    first, second = (
        pipeline.colour(PAGE, ColourOptions(seed=5, proposals=4, choice=2)) for _ in range(2)
    )
    assert first.image == second.image
    alone = pipeline.colour(PAGE, ColourOptions(seed=5, choice=2))
    assert alone.image == first.image
    sheet = pixels(pipeline.colour(PAGE, ColourOptions(seed=5, proposals=4)))
    assert sheet.shape[0] > 2 * 240 and sheet.shape[1] > 2 * 320
    assert np.abs(sheet[8:248, 336:656].astype(int) - pixels(alone)).mean() < 2


def test_pages_of_layers_are_named_and_are_the_picture(pipeline: Pipeline) -> None:
    result = pipeline.colour(PAGE, ColourOptions(layers="tiff"))
    assert (result.extension, result.sidecar.output.format) == ("tif", "tiff")
    pages = {}
    with Image.open(io.BytesIO(result.image)) as file:
        for number in range(4):
            file.seek(number)
            pages[file.tag_v2[285]] = file.convert("RGBA")  # type: ignore[attr-defined]
    assert list(pages) == ["picture", "lines", "shades", "flats"]
    laid = Image.alpha_composite(pages["flats"], pages["shades"])
    laid = Image.alpha_composite(laid, pages["lines"])
    apart = np.abs(np.asarray(laid).astype(int) - np.asarray(pages["picture"]))
    assert apart.max() <= 3


def test_openraster_has_what_programs_look_for(pipeline: Pipeline) -> None:
    result = pipeline.colour(PAGE, ColourOptions(layers="ora"))
    with zipfile.ZipFile(io.BytesIO(result.image)) as archive:
        assert archive.namelist()[:2] == ["mimetype", "stack.xml"]
        assert archive.read("mimetype") == b"image/openraster"
        stack = ElementTree.fromstring(archive.read("stack.xml"))
        sources = [layer.attrib["src"] for layer in stack.iter("layer")]
        assert sources == ["data/lines.png", "data/shades.png", "data/flats.png"]
        for name in (*sources, "mergedimage.png", "Thumbnails/thumbnail.png"):
            Image.open(io.BytesIO(archive.read(name))).verify()


def test_a_reference_and_a_palette_exclude_each_other(pipeline: Pipeline) -> None:
    reference = png(np.full((40, 60, 3), (200, 40, 40), np.uint8))
    with pytest.raises(InvalidOption, match="palette"):
        pipeline.colour(PAGE, ColourOptions(palette="meadow"), reference=reference)
    result = pipeline.colour(PAGE, ColourOptions(), reference=reference)
    assert result.sidecar.palette == "reference"
    plain = pipeline.colour(PAGE, ColourOptions())
    assert result.sidecar.fingerprint != plain.sidecar.fingerprint


@pytest.mark.parametrize("side_px", [40, 16])
def test_tiny_drawings_are_coloured(pipeline: Pipeline, side_px: int) -> None:
    small = Image.open(io.BytesIO(PAGE)).resize((side_px, side_px))
    file = png(np.asarray(small))
    assert pixels(pipeline.colour(file, ColourOptions(check="off"))).shape[0] == side_px


def test_blank_paper_and_no_time_are_named(pipeline: Pipeline) -> None:
    with pytest.raises(NotALineDrawing):
        pipeline.colour(png(np.full((80, 80, 3), 255, np.uint8)), ColourOptions())
    with pytest.raises(OutOfTime):
        pipeline.colour(PAGE, ColourOptions(), time_left_s=0.0)


def test_many_dots_say_what_the_rest_is_like_and_few_leave_it_to_the_palette(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(*arguments: Any) -> Any:
        asked.append(1)
        return likely_dots(*arguments)

    monkeypatch.setattr("pipeline.colouring.likely_dots", counted)
    corners = ("5%,5%", "95%,5%", "5%,95%", "95%,95%")
    for count, times in ((3, 1), (4, 0)):
        asked.clear()
        hints = ";".join(f"{corner},#c03030" for corner in corners[:count])
        pipeline.colour(PAGE, ColourOptions(hints=hints))
        assert len(asked) == times

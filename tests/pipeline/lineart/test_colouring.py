"""Line drawings coloured: options, errors and what stands in the sidecar."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from pipeline import ColourOptions, InvalidOption, Pipeline, Settings
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

"""The scale of the drawing: by the largest face, by the scene, or by hand; and who says so."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import InvalidOption, Options, Pipeline, Settings, WeightSpec
from pipeline.budget import Costs
from pipeline.cli import main as cli
from pipeline.faces.redraw import MIN_KEPT_PX
from pipeline.scale import MIN_WORKING_PX, WorkingScale, choose_scale, largest_scale

SAMPLES = Path(__file__).parents[2] / "samples"
TILE_PX = Settings().tile_px
AUTO = Options()


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline(Settings())


@pytest.fixture(scope="module")
def style(pipe: Pipeline) -> WeightSpec:
    return replace(pipe.style(AUTO.style), scene_px=896, face_px=230, largest_px=1024)


def of_sample(
    name: str, side_px: int, crop: tuple[int, int, int, int] | None = None, repeat: int = 1
) -> bytes:
    """A sample, or a part of it, so many pixels wide, and beside itself so many times."""
    with Image.open(SAMPLES / f"{name}.jpg") as sample:
        part = np.asarray(sample.convert("RGB").crop(crop or (0, 0, *sample.size)))
    scale = side_px / part.shape[1]
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    file = io.BytesIO()
    Image.fromarray(np.hstack([part] * repeat)).save(file, "JPEG", quality=95)
    return file.getvalue()


HEAD = (120, 0, 320, 200)  # of the astronaut: her face fills almost half of it


@pytest.mark.parametrize("face_px", [180, 300, 500, 900])
def test_the_largest_face_is_drawn_as_wide_as_the_style_likes(
    style: WeightSpec, face_px: float
) -> None:
    chosen = choose_scale((2 * int(face_px) + 400, 1000), style, AUTO, TILE_PX, face_px=face_px)
    assert chosen.chosen_by == "face"
    assert chosen.face_px == face_px * chosen.scale
    if face_px >= 300:
        assert 200 <= chosen.face_px <= 260
        assert f"{face_px:.0f} px" in chosen.why and "230 px" in chosen.why
    else:
        assert chosen.scale == 1 and "own size" in chosen.why


def test_small_faces_do_not_make_a_scene_larger_than_the_style_draws(style: WeightSpec) -> None:
    chosen = choose_scale((4000, 3000), style, AUTO, TILE_PX, face_px=100)
    assert chosen.size(4000, 3000) == (1024, 768)
    assert "largest size" in chosen.why


def test_a_face_that_fills_the_photo_does_not_shrink_it_to_nothing(style: WeightSpec) -> None:
    chosen = choose_scale((1200, 1600), style, AUTO, TILE_PX, face_px=1100)
    assert max(chosen.size(1200, 1600)) == MIN_WORKING_PX
    assert str(MIN_WORKING_PX) in chosen.why


def test_a_scene_has_the_styles_own_size(style: WeightSpec) -> None:
    scene = choose_scale((1920, 1080), style, AUTO, TILE_PX)
    assert scene.size(1920, 1080) == (896, 504)
    assert (scene.chosen_by, scene.face_px) == ("scene", None)
    assert scene.why == "no face: the style's size for scenes"
    small = choose_scale((640, 427), style, AUTO, TILE_PX)
    assert (small.scale, small.why) == (1, "no face: the photo's own size")
    unseen = choose_scale((1920, 1080), style, AUTO, TILE_PX, looked_for_faces=False)
    assert unseen.size(1920, 1080) == scene.size(1920, 1080)
    assert "no faces were looked for" in unseen.why
    other = choose_scale((1920, 1080), replace(style, scene_px=700), AUTO, TILE_PX)
    assert other.size(1920, 1080)[0] == 700


def test_a_number_is_by_hand_whatever_is_in_the_photo(style: WeightSpec) -> None:
    by_hand = Options(detail=0.5)
    chosen = choose_scale((1920, 1080), style, by_hand, TILE_PX, face_px=600)
    assert chosen.scale == choose_scale((1920, 1080), style, by_hand, TILE_PX).scale
    assert (chosen.chosen_by, chosen.why) == ("detail", "detail 0.5 was asked for")


@pytest.mark.parametrize("size", [(8192, 300), (300, 8192), (8192, 1024)])
def test_a_panorama_keeps_its_rows(style: WeightSpec, size: tuple[int, int]) -> None:
    """By its longer side alone 8192x300 would be drawn 33 px high."""
    drawn = choose_scale(size, style, AUTO, TILE_PX).size(*size)
    assert min(drawn) >= min(300, style.scene_px // 2)
    assert drawn[0] * drawn[1] <= 2.5e6


def test_a_style_that_is_drawn_whole_is_warned_of(style: WeightSpec) -> None:
    whole = replace(style, tileable=False)
    chosen = choose_scale((1920, 1080), whole, AUTO, 512)
    assert chosen.size(1920, 1080)[0] == 512
    assert chosen.warning is not None and "512 px" in chosen.warning and "896 px" in chosen.warning
    assert choose_scale((1920, 1080), whole, AUTO, 1024).warning is None


@given(
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
    face=st.none() | st.floats(12, 4000),
    detail=st.just("auto") | st.floats(0, 1),
    tileable=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_no_drawing_is_larger_than_the_photo_or_than_was_expected(
    style: WeightSpec, width: int, height: int, face: float | None, detail: float, tileable: bool
) -> None:
    options = Options(detail=detail)
    spec = replace(style, tileable=tileable)
    chosen = choose_scale((width, height), spec, options, TILE_PX, face_px=face)
    most = largest_scale((width, height), spec, options, TILE_PX, faces=True)
    assert 0 < chosen.scale <= most.scale <= 1
    wide, high = chosen.size(width, height)
    assert 1 <= wide <= width and 1 <= high <= height
    if not tileable:
        assert max(wide, high) <= max(TILE_PX, 1)


@pytest.mark.parametrize("value", ["auto", " Auto ", "0.5", 0.5, 0, 1])
def test_detail_is_a_number_or_auto(value: object) -> None:
    expected = "auto" if str(value).strip().lower() == "auto" else float(str(value))
    assert Options.from_mapping({"detail": value}).detail == expected


@pytest.mark.parametrize("value", ["automatic", "", "nan", "1.5", True, None, "-1"])
def test_another_word_for_detail_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption, match="detail") as caught:
        Options.from_mapping({"detail": value})
    assert "auto" in caught.value.message or not isinstance(value, str)
    with pytest.raises(InvalidOption, match="detail"):
        Options(detail="by itself")  # type: ignore[arg-type]


def test_a_portrait_is_drawn_by_its_face_and_the_sidecar_says_so(pipe: Pipeline) -> None:
    photo = of_sample("astronaut", 1200, HEAD)
    sidecar = pipe.run(photo, Options(faces="on")).sidecar
    drawing = sidecar.drawing
    assert sidecar.detail == "auto"
    assert drawing.chosen_by == "face" and drawing.face_px is not None
    assert 200 <= drawing.face_px <= 260
    assert drawing.working_width_px < 1000
    wide = sidecar.faces[0].box[2] - sidecar.faces[0].box[0]
    assert wide * drawing.working_width_px / 1200 == pytest.approx(drawing.face_px, rel=0.25)
    by_hand = pipe.run(photo, Options(faces="on", detail=0.25)).sidecar
    assert (by_hand.detail, by_hand.drawing.chosen_by) == (0.25, "detail")
    assert by_hand.fingerprint != sidecar.fingerprint


def test_a_scene_is_drawn_by_its_size_and_the_sidecar_says_so(pipe: Pipeline) -> None:
    sidecar = pipe.run(of_sample("coffee", 1400), Options()).sidecar
    assert sidecar.drawing.chosen_by == "scene"
    assert sidecar.drawing.working_width_px == pipe.style(AUTO.style).scene_px


def test_a_small_face_beside_a_large_one_is_drawn_by_itself(pipe: Pipeline) -> None:
    """The scale is the large one's; the small one is still more than a blot."""
    with Image.open(io.BytesIO(of_sample("astronaut", 900, HEAD))) as large:
        scene = Image.new("RGB", (1500, 900), (120, 140, 150))
        scene.paste(large, (0, 0))
        scene.paste(large.resize((240, 240)), (1100, 300))
    file = io.BytesIO()
    scene.save(file, "PNG")
    sidecar = pipe.run(file.getvalue(), Options(faces="on", upscale="off")).sidecar
    assert len(sidecar.faces) == 2
    large_face, small_face = sidecar.faces
    scale = sidecar.drawing.working_width_px / 1500
    assert (small_face.box[2] - small_face.box[0]) * scale < MIN_KEPT_PX
    assert "redrawn" in small_face.refined
    assert "redrawn" not in large_face.refined


def test_the_budget_expects_no_less_than_is_drawn(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And learns what the drawing cost by what was drawn."""
    learned: list[tuple[str, float]] = []

    class Noting(Costs):
        def learn(self, name: str, megapixels: float, elapsed_s: float) -> None:
            learned.append((name, megapixels))

    monkeypatch.setattr(pipe, "_costs", Noting())
    drawing = pipe.run(of_sample("astronaut", 1200, HEAD), Options(faces="on")).sidecar.drawing
    (megapixels,) = (area for name, area in learned if name.startswith("stylise"))
    assert megapixels == drawing.working_width_px * drawing.working_height_px / 1e6


def test_the_command_line_takes_auto_and_tells_of_it(tmp_path: Path) -> None:
    told = CliRunner().invoke(cli, ["stylise", "--help"]).output
    assert "--detail auto|0..1" in told and "[default: auto]" in told
    arguments = ["stylise", str(SAMPLES / "chelsea.jpg"), "-o", str(tmp_path / "a.jpg")]
    arguments += ["--existing", "replace", "--detail"]
    for value, chosen_by in (("auto", "scene"), ("0.2", "detail")):
        assert CliRunner().invoke(cli, [*arguments, value]).exit_code == 0
        sidecar = json.loads((tmp_path / "a.json").read_text())
        assert sidecar["drawing"]["chosen_by"] == chosen_by
    assert "invalid_option" in CliRunner().invoke(cli, [*arguments, "much"]).output


def test_the_api_takes_auto_and_tells_of_it() -> None:
    document = json.loads((SAMPLES.parent / "openapi.json").read_text())
    schema = document["components"]["parameters"]["detail"]["schema"]
    for value in ("auto", 0, 0.25, 1):
        jsonschema.validate(value, schema)
    for value in ("much", 1.5, -1):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schema)
    assert schema["default"] == "auto"


def test_a_scale_never_rounds_a_side_away() -> None:
    assert WorkingScale(0.001, "scene", "").size(100, 8000) == (1, 8)

"""The whole way over real photographs, and the sidecar that tells it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
from PIL import Image

from pipeline import (
    InvalidOption,
    NotAnImage,
    Options,
    Origin,
    Pipeline,
    Settings,
    UnknownStyle,
    failure_document,
    fingerprint,
    sidecar_document,
    to_json,
)
from pipeline.sidecar import schema
from pipeline.stages import STAGES
from training.metrics.drawing import dark_lines

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "samples" / "astronaut.jpg").read_bytes()
SCHEMA = json.loads((ROOT / "pipeline" / "sidecar.schema.json").read_text())


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(Settings())


def flat_share(picture: np.ndarray) -> float:
    """Share of the windows of 5x5 px whose grey levels deviate by less than 2."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (5, 5))
    return float((cv2.blur(grey * grey, (5, 5)) - mean * mean < 4).mean())


def document(result: Any) -> dict[str, Any]:
    return sidecar_document(result.sidecar)


def test_a_photo_comes_back_drawn(pipeline: Pipeline) -> None:
    result = pipeline.run(SAMPLE, Options())
    photo = np.asarray(Image.open(io.BytesIO(SAMPLE)))
    picture = np.asarray(Image.open(io.BytesIO(result.image)))
    assert picture.shape == photo.shape == (512, 512, 3)
    assert np.abs(picture.astype(int) - photo).mean() > 5
    # contours: more of the picture lies on dark thin lines than of the photo smoothed as much

    smooth = cv2.bilateralFilter(photo, 9, 60, 5)
    assert dark_lines(picture).sum() > 1.2 * dark_lines(smooth).sum()
    assert flat_share(picture) > 1.15 * flat_share(photo)


def test_the_sidecar_is_what_the_schema_says(pipeline: Pipeline) -> None:
    blurred = cv2_blur(SAMPLE)
    for data, options in (
        (SAMPLE, Options()),
        (blurred, Options(format="png", strength=0.5, max_side_px=700)),
    ):
        result = pipeline.run(data, options, Origin("b", "k", "v", "e"))
        jsonschema.validate(document(result), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document(result) | {"timings_ms": "fast"}, SCHEMA)


def test_the_schema_in_the_repository_is_current() -> None:
    assert schema() == SCHEMA, "run `make schema`"


def cv2_blur(data: bytes) -> bytes:

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", cv2.GaussianBlur(picture, (0, 0), 4))[1].tobytes()


def test_the_sidecar_tells_what_was_done(pipeline: Pipeline) -> None:
    result = pipeline.run(SAMPLE, Options(), Origin(key="uploads/a.jpg", etag="e"))
    told = document(result)
    assert list(told["timings_ms"]) == [*(stage.name for stage in STAGES), "total"]
    assert told["timings_ms"]["total"] > 0
    assert [d["step"] for d in told["decisions"]] == [
        "upscale",
        "denoise",
        "clahe",
        "sharpen",
        "faces",
        "enlarge",
        "redraw",
        "post_sharpen",
    ]
    (face,) = told["faces"]
    assert {"skin", "nose", "hair"} <= set(face["regions"])
    assert told["source"]["key"] == "uploads/a.jpg" and told["source"]["etag"] == "e"
    assert told["output"]["bytes"] == len(result.image)
    assert (told["output"]["width_px"], told["output"]["format"]) == (512, "jpeg")
    assert told["pipeline_version"] == pipeline.version
    assert {use["name"] for use in told["weights"]} == {
        "quality.int8.onnx",
        "hayao.int8.onnx",
        "hayao.code.onnx",
        "detector.int8.onnx",
        "parser.int8.onnx",
    }
    metrics = told["metrics"]
    assert 10 < metrics["psnr_db"] < 40 and 0 < metrics["ssim"] < 1


def test_a_second_run_gives_the_same_bytes(pipeline: Pipeline) -> None:
    assert pipeline.run(SAMPLE, Options()).image == pipeline.run(SAMPLE, Options()).image


def test_the_longer_side_is_capped(pipeline: Pipeline) -> None:
    result = pipeline.run(SAMPLE, Options(max_side_px=200))
    assert (result.sidecar.output.width_px, result.sidecar.output.height_px) == (200, 200)
    assert (result.sidecar.source.width_px, result.sidecar.source.height_px) == (512, 512)


def test_a_blurred_photo_is_doubled_and_said_to_be(pipeline: Pipeline) -> None:
    result = pipeline.run(cv2_blur(SAMPLE), Options(enhance="classic"))
    assert result.sidecar.output.width_px == 1024
    ran = {decision.step: decision.ran for decision in result.sidecar.decisions[:4]}
    assert ran == {"upscale": True, "denoise": True, "clahe": False, "sharpen": True}


def test_alpha_comes_back_where_the_format_has_one(pipeline: Pipeline) -> None:
    picture = Image.open(io.BytesIO(SAMPLE)).resize((120, 80))
    picture.putalpha(Image.linear_gradient("L").resize((120, 80)))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    for name, mode in (("auto", "RGBA"), ("webp", "RGBA"), ("jpeg", "RGB")):
        result = pipeline.run(stream.getvalue(), Options(format=name, upscale="off"))
        back = Image.open(io.BytesIO(result.image))
        assert (back.mode, back.size) == (mode, (120, 80))
        assert bool(result.sidecar.warnings) == (name == "jpeg")
        if mode == "RGBA":
            alpha = [np.asarray(p.getchannel("A")).astype(int) for p in (picture, back)]
            assert np.abs(alpha[0] - alpha[1]).max() <= 1


def test_an_unknown_style_is_refused_before_decoding(pipeline: Pipeline) -> None:
    with pytest.raises(UnknownStyle):
        pipeline.run(b"not an image", Options(style="rembrandt"))
    with pytest.raises(NotAnImage):
        pipeline.run(b"not an image", Options())


def test_the_version_changes_with_what_changes_a_picture(pipeline: Pipeline) -> None:
    versions = {
        pipeline.version,
        Pipeline(Settings(engine="torch")).version,
        Pipeline(Settings(blur_variance_min=50)).version,
        Pipeline(Settings(tile_px=512)).version,
    }
    assert len(versions) == 4
    assert Pipeline(Settings(threads=1)).version == pipeline.version


def test_the_fingerprint_changes_with_all_that_changes_the_result() -> None:
    def of(version: str = "1", options: Options | None = None, **change: str) -> str:
        identity = {"bucket": "b", "key": "k", "version_id": None, "etag": "e"} | change
        return fingerprint(version, options or Options(), Origin(**identity))

    first = of()
    assert first == of() and len(first) == 64
    changed = {
        of("2"),
        of(options=Options(strength=0.5)),
        of(bucket="c"),
        of(key="l"),
        of(etag="f"),
        of(version_id="7"),
    }
    assert len(changed | {first}) == 7


def test_a_failure_is_told_in_one_shape() -> None:
    error = InvalidOption("strength is 2.0", measured=2.0, limit="0..1")
    told = failure_document(error, pipeline_version="1", origin=Origin("b", "k", etag="e"))
    assert told["error"] == {
        "code": "invalid_option",
        "message": "strength is 2.0",
        "stage": "request",
        "measured": 2.0,
        "limit": "0..1",
    }
    assert told["source"]["key"] == "k"


def test_numbers_in_the_sidecar_are_finite(pipeline: Pipeline) -> None:
    result = pipeline.run(SAMPLE, Options(strength=0, format="png"))
    assert result.sidecar.metrics.psnr_db == 100
    text = to_json(sidecar_document(replace(result.sidecar, warnings=("é",)))).decode()
    assert "NaN" not in text and "Infinity" not in text and "é" in text


def test_each_stage_is_told_as_it_begins(pipeline: Pipeline, photo: bytes) -> None:
    stages: list[str] = []
    result = pipeline.run(photo, Options(max_side_px=64), on_stage=stages.append)
    assert stages == [name for name in result.sidecar.timings_ms if name != "total"]


def test_options_of_clips_at_their_defaults_leave_fingerprints_as_they_were() -> None:
    origin = Origin("b", "k", "v", "e")
    assert fingerprint("1", Options(), origin).startswith("0c0f31fcf9002333")
    assert fingerprint("1", Options(fps=24), origin) != fingerprint("1", Options(), origin)

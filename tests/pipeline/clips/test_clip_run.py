"""A clip from file to file: its frames, its sidecar, its segments, and what stops it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from clips_made import video
from numpy.typing import NDArray
from PIL import Image

from pipeline import (
    ClipResult,
    NotAnImage,
    Options,
    Origin,
    OutOfTime,
    Pipeline,
    Segment,
    Settings,
    fingerprint,
    sidecar_document,
)
from pipeline.clips.reader import ClipReader

Picture = NDArray[np.uint8]
ROOT = Path(__file__).parents[3]
SIZE = (160, 96)
CUT = 8  # the frame at which another scene begins
SCENES = ("coffee", "astronaut")


def frame(number: int) -> Picture:
    """A pan over one sample, then over another, at 24 frames a second."""
    name = SCENES[number >= CUT]
    sample = next((ROOT / "samples").glob(f"{name}*"))
    picture = np.asarray(Image.open(sample).convert("RGB").resize((240, 160)))
    moved = np.array([[1, 0, 10 + 0.8 * number], [0, 1, 20.0]])
    return np.asarray(cv2.warpAffine(picture, moved, SIZE, flags=cv2.WARP_INVERSE_MAP), np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    path.write_bytes(video(frames=16, size=SIZE, pixels=frame))
    return path


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(Settings(threads=1))


@pytest.fixture(scope="module")
def drawn(clip: Path, pipeline: Pipeline) -> ClipResult:
    steps: list[tuple[int, int]] = []
    result = pipeline.run_clip(
        clip,
        clip.with_name("drawn.mp4"),
        Options(faces="off", upscale="off"),
        on_frame=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(number, 8) for number in range(1, 9)]
    return result


def pictures(path: Path) -> list[tuple[float, Picture]]:
    with ClipReader(Settings(), path) as reader:
        return [(item.time_s, item.pixels) for item in reader.frames()]


def test_a_clip_is_drawn_on_twos_and_is_as_long_as_before(drawn: ClipResult) -> None:
    assert (drawn.content_type, drawn.extension) == ("video/mp4", "mp4")
    with ClipReader(Settings(), drawn.path) as reader:
        assert reader.info.frame_count == 8
        assert reader.info.duration_s == pytest.approx(16 / 24, abs=1 / 24)
    times = [time_s for time_s, _ in pictures(drawn.path)]
    assert times == pytest.approx([number / 12 for number in range(8)], abs=2e-3)


def test_the_sidecar_says_what_was_done_by_the_schema(drawn: ClipResult, clip: Path) -> None:
    document = sidecar_document(drawn.sidecar)
    schema = json.loads((ROOT / "pipeline" / "sidecar.schema.json").read_text())
    jsonschema.validate(document, schema)
    told = document["clip"]
    assert (told["source"]["frames"], told["source"]["video_codec"]) == (16, "h264")
    assert (told["fps"], told["drawn_frames"]) == (12.0, 8)
    assert [shot["start_s"] for shot in told["shots"]] == pytest.approx([0, 1 / 3], abs=0.01)
    assert told["steadiness"]["after"] < told["steadiness"]["before"]
    assert {"stylise", "steady", "flow", "encode"} <= told["frame_ms"].keys()
    assert document["output"]["bytes"] == drawn.path.stat().st_size
    assert document["source"]["bytes"] == clip.stat().st_size


def test_each_shot_keeps_its_own_picture(drawn: ClipResult) -> None:
    shown = [picture for _, picture in pictures(drawn.path)]
    for number, picture in enumerate(shown):
        others = (2 * number, 15 - 2 * number)
        apart = [np.abs(picture.astype(float) - frame(other)).mean() for other in others]
        assert apart[0] < apart[1]


def test_segments_joined_are_the_undivided_clip(
    drawn: ClipResult, clip: Path, pipeline: Pipeline
) -> None:
    whole = pictures(drawn.path)
    joined: list[tuple[float, Picture]] = []
    for number, (start_s, end_s) in enumerate(((0.0, 0.5), (0.5, 1.0))):
        output = clip.with_name(f"part-{number}.mp4")
        part = pipeline.run_clip(
            clip, output, Options(faces="off", upscale="off"), segment=Segment(start_s, end_s)
        )
        joined += [(time_s + start_s, picture) for time_s, picture in pictures(part.path)]
    assert [time_s for time_s, _ in joined] == pytest.approx(
        [time_s for time_s, _ in whole], abs=2e-3
    )
    apart = [
        float(np.abs(one.astype(float) - other).mean())
        for (_, one), (_, other) in zip(joined, whole, strict=True)
    ]
    assert max(apart) < 4  # each was encoded, and not from the same frames before it


def test_a_still_of_a_clip_is_a_picture(clip: Path, pipeline: Pipeline) -> None:
    output = clip.with_name("still.jpg")
    result = pipeline.run_clip(clip, output, Options(faces="off", upscale="off", format="jpeg"))
    assert result.content_type == "image/jpeg"
    with Image.open(output) as picture:
        assert picture.size == SIZE
    assert sidecar_document(result.sidecar)["clip"]["drawn_frames"] == 1


def test_an_animated_picture_stays_one(tmp_path: Path, pipeline: Pipeline) -> None:
    source = tmp_path / "in.gif"
    frames = [Image.fromarray(frame(2 * number)) for number in range(4)]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=100, loop=0)
    result = pipeline.run_clip(source, tmp_path / "out", Options(faces="off", upscale="off"))
    assert (result.content_type, result.extension) == ("image/webp", "webp")
    with Image.open(source) as given, Image.open(result.path) as picture:
        shown = getattr(given, "n_frames", 1)  # Pillow writes frames alike as one
        assert getattr(picture, "n_frames", 1) == shown > 1
    assert sidecar_document(result.sidecar)["clip"]["drawn_frames"] == shown


def test_too_little_time_is_refused_before_the_drawing(clip: Path, pipeline: Pipeline) -> None:
    with pytest.raises(OutOfTime):
        pipeline.run_clip(  # less than a process needs to start
            clip, clip.with_name("late.mp4"), Options(faces="off", upscale="off"), time_left_s=0.02
        )
    assert not clip.with_name("late.mp4").exists()


def test_what_is_no_clip_is_refused_by_name(tmp_path: Path, pipeline: Pipeline) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(b"no clip at all")
    with pytest.raises(NotAnImage):
        pipeline.run_clip(path, tmp_path / "out.mp4", Options())


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.glob(".*.part"))


def test_the_same_clip_has_the_same_fingerprint(drawn: ClipResult, pipeline: Pipeline) -> None:
    sidecar = drawn.sidecar
    etag = sidecar.source.etag
    assert etag is not None and len(etag) == 64
    options = pipeline.resolved(Options(faces="off", upscale="off"))
    assert sidecar.fingerprint == fingerprint(pipeline.version, options, Origin(etag=etag))

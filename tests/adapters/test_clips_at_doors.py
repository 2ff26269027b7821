"""Clips over HTTP and from a bucket: drawn, followed frame by frame, kept apart from photos."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event
from clips import animation, frame_count, streams, video
from PIL import Image

from adapters.clips import max_bytes
from pipeline import Settings

pytest.importorskip("av", reason="no PyAV: pip install -e '.[clips]'")

FEW = {"fps": "4", "faces": "off", "enhance": "off"}
QUERY = "&".join(f"{name}={value}" for name, value in FEW.items())
VIDEO = {"content-type": "video/mp4"}
Invoke = Callable[[Any], Any]


@pytest.fixture(scope="module")
def clip() -> bytes:
    return video(0.5)


def test_a_posted_clip_comes_back_as_one(server: Any, clip: bytes) -> None:
    answer = server.post(f"/v1/stylise?{QUERY}", clip, headers=VIDEO)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert frame_count(answer.content) == 2
    assert streams(answer.content).keys() == {"video", "audio"}
    sidecar = server.post(
        "/v1/stylise",
        {**FEW, "format": "jpeg"},
        files={"image": ("a.mp4", clip)},
        headers={"accept": "application/json"},
    ).json()
    assert sidecar["output"]["format"] == "jpeg" and sidecar["clip"]["drawn_frames"] == 1


def test_an_upload_tells_its_frames_while_it_is_drawn(server: Any, clip: bytes) -> None:
    told: list[dict[str, Any]] = []
    note = server.worker._note_frame

    def noted(key: str, done: int, total: int) -> None:
        note(key, done, total)
        told.append(server.get(offered["result_url"]).json())

    server.worker._on_frame = noted
    offered = server.offer(content_type="video/mp4", bytes=len(clip), **FEW)
    assert server.send(offered, clip).status_code == 204
    result = server.wait(offered["result_url"]).json()
    assert result["status"] == "done"
    assert [each["frames"] for each in told] == [{"done": n, "total": 2} for n in (1, 2)]
    drawn = server.get(result["image_url"])
    assert drawn.headers["content-type"] == "video/mp4"
    assert drawn.content[4:8] == b"ftyp"


def test_an_animation_stays_one(server: Any) -> None:
    answer = server.post(
        "/v1/stylise?fps=source&faces=off&enhance=off",
        animation(3),
        headers={"content-type": "image/gif"},
    )
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as drawn:
        assert drawn.n_frames >= 2  # type: ignore[attr-defined]


def test_clips_may_be_larger_than_photos_and_nothing_else_may() -> None:
    settings = replace(Settings(), max_input_bytes=10, max_clip_bytes=100)
    assert max_bytes(settings, "video/mp4") == 100
    assert max_bytes(settings, "", "uploads/a.MOV") == 100
    assert max_bytes(settings, "image/gif") == max_bytes(settings, "", "a.jpg") == 10


def test_an_offer_for_a_clip_goes_by_the_limit_of_clips(server: Any) -> None:
    over = server.worker.pipeline.settings.max_input_bytes + 1
    assert server.offer(content_type="video/mp4", bytes=over)["max_bytes"] == over
    refused = server.post("/v1/uploads", json={"content_type": "image/gif", "bytes": over})
    assert refused.status_code == 413


def test_the_options_say_whether_clips_are_read(server: Any) -> None:
    assert server.get("/v1/options").json()["clips"] is True


def test_a_clip_in_a_bucket_is_drawn_once_and_a_bad_one_written_down(
    s3: Any, invoke: Invoke, clip: bytes
) -> None:
    put(s3, "uploads/walk.mp4", clip, **FEW)
    put(s3, "uploads/bad.mp4", clip[:3000], **FEW)
    events = s3_event("uploads/walk.mp4", "uploads/bad.mp4")
    statuses = [outcome["status"] for outcome in invoke(events)["results"]]
    assert statuses == ["stylised", "refused"]
    assert keys(s3, OUTPUT) == [
        "failed/bad.mp4.json",
        "stylised/walk.hayao.json",
        "stylised/walk.hayao.mp4",
    ]
    head = s3.head_object(Bucket=OUTPUT, Key="stylised/walk.hayao.mp4")
    assert head["ContentType"] == "video/mp4"
    sidecar = json.loads(object_of(s3, OUTPUT, "stylised/walk.hayao.json"))
    assert sidecar["clip"]["fps"] == 4
    again = invoke({"bucket": INPUT, "key": "uploads/walk.mp4"})
    assert again["status"] == "already_stylised"


def test_the_film_of_a_live_photo_is_left_alone_unless_it_is_asked_for(
    s3: Any, invoke: Invoke, clip: bytes
) -> None:
    put(s3, "uploads/IMG_1.HEIC", b"its still")
    put(s3, "uploads/IMG_1.MOV", clip, **FEW)
    (outcome,) = invoke(s3_event("uploads/IMG_1.MOV"))["results"]
    assert outcome["status"] == "skipped" and "IMG_1.HEIC" in outcome["why"]
    asked = invoke({"bucket": INPUT, "key": "uploads/IMG_1.MOV", "motion": "on", **FEW})
    assert asked["status"] == "stylised"

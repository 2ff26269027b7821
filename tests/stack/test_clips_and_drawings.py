"""Clips and line drawings: by upload, over HTTP, and in segments by the state machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from clips import animation, frame_count, streams, video
from deployed import Deployed, form, wait_for
from line_drawings import boxes
from test_stack import picture_size, result

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]

SMALL = {"style": "cel", "fps": "4", "faces": "off", "enhance": "off"}


def test_what_moves_is_drawn_as_a_clip(stack: Deployed) -> None:
    stack.upload("uploads/walk.gif", animation(), **SMALL)
    sidecar = stack.drawn("stylised/walk.cel")
    assert sidecar["output"]["content_type"] == "image/webp" and "clip" in sidecar


def test_a_line_drawing_is_coloured_by_where_it_lies(stack: Deployed) -> None:
    stack.upload("lineart/boxes.png", boxes(), palette="meadow")
    sidecar = stack.drawn("stylised/boxes.colour")
    assert (sidecar["task"], sidecar["palette"]) == ("colour", "meadow")
    assert picture_size(stack.read("stylised/boxes.colour.png")) == picture_size(boxes())


def test_the_api_colours_a_body_and_an_upload_with_a_file_beside_it(
    stack: Deployed, photo: bytes
) -> None:
    status, headers, body = stack.ask(
        "/v1/colour?hints=25%25,50%25,%23d94f70", boxes(), content_type="image/png"
    )
    assert (status, headers["content-type"]) == (200, "image/png")
    assert picture_size(body) == picture_size(boxes())
    reference = sent(stack, photo, task="part", content_type="image/jpeg")
    drawing = sent(
        stack, boxes(), task="colour", content_type="image/png", reference=reference["upload_id"]
    )
    assert result(stack, drawing["result_url"])["sidecar"]["task"] == "colour"
    assert json.loads(stack.ask("/v1/palettes")[2])["palettes"]


def sent(stack: Deployed, data: bytes, **fields: str) -> dict[str, Any]:
    """The offer of an upload whose form was sent."""
    wish = json.dumps({**fields, "bytes": len(data)}).encode()
    status, _, body = stack.ask("/v1/uploads", wish, content_type="application/json")
    assert status == 201, body
    offer: dict[str, Any] = json.loads(body)
    filled, kind = form(offer["fields"], "file", data)
    status, answer = stack.follow(offer["url"], filled, content_type=kind)
    assert status == 204, answer
    return offer


@pytest.fixture(scope="module")
def long_clips(deploy: Callable[..., Deployed]) -> Deployed:
    """With the state machine for long clips, and both buckets one."""
    return deploy(
        "kirei-clips",
        InputBucketName="kirei-clips-both",
        OutputBucketName="kirei-clips-both",
        ApiAuth="off",
        HasDashboard="off",
        LongClips="on",
        ClipSegmentSeconds="2",
    )


def test_a_long_clip_is_drawn_in_segments_and_joined(long_clips: Deployed) -> None:
    clip = video(5.0)
    long_clips.upload("uploads/walk.mp4", clip, **SMALL)
    sidecar = long_clips.drawn("stylised/walk.cel")
    machine = long_clips.outputs["LongClipMachineArn"]
    states = long_clips.client("stepfunctions")
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    wait_for(lambda: status_of(states, execution["executionArn"]) == "SUCCEEDED")
    drawn = long_clips.read(sidecar["output"]["key"])
    assert frame_count(drawn) == 20
    assert streams(drawn)["video"][1] == pytest.approx(streams(clip)["video"][1], abs=1 / 12)
    assert long_clips.keys("segments/") == []  # what lay between is gone
    long_clips.upload("uploads/short.mp4", video(1.0), **SMALL)
    long_clips.drawn("stylised/short.cel")
    assert len(states.list_executions(stateMachineArn=machine)["executions"]) == 1


def status_of(states: Any, execution: str) -> str:
    return str(states.describe_execution(executionArn=execution)["status"])


def test_a_clip_at_fault_leaves_a_record(long_clips: Deployed, kirei: Callable[..., str]) -> None:
    clip = video(5.0)
    long_clips.upload("uploads/torn.mp4", clip[: len(clip) // 2], **SMALL)
    wait_for(lambda: long_clips.keys("failed/") == ["failed/torn.mp4.json"])
    (failure,) = kirei("failures", "--stack", "kirei-clips", "--json").splitlines()
    assert json.loads(failure)["kind"] == "refused"


def test_what_is_made_bears_the_tags_of_samconfig(long_clips: Deployed) -> None:
    function = long_clips.client("lambda").get_function(
        FunctionName=long_clips.outputs["FunctionName"]
    )
    assert function["Tags"]["application"] == "kirei"

"""Clips longer than one run draws: the state machine of template.yaml, executed by moto."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event, sqs_event
from clips import frame_count, streams, video
from templates import properties

from pipeline import ClipResult, Segment
from pipeline.clips.split import WITHIN_SHOT

boto3 = pytest.importorskip("boto3")
pytest.importorskip("av", reason="no PyAV: pip install -e '.[clips]'")
pytest.importorskip("antlr4", reason="moto executes no state machines here: moto[stepfunctions]")

ROLE = "arn:aws:iam::123456789012:role/states"
KEY = "uploads/walk.mp4"
FEW = {"fps": "4", "faces": "off", "enhance": "off"}
DONE_S = 120


def definition(function: str) -> dict[str, Any]:
    """The definition in the template, its names put in; retries come at once."""
    text = json.dumps(properties("LongClipMachine")["Definition"])
    text = text.replace("${Function}", function)
    text = text.replace("${Invoke}", "arn:aws:states:::lambda:invoke")
    text = text.replace('"IntervalSeconds": 15', '"IntervalSeconds": 1')
    machine: dict[str, Any] = json.loads(text)
    return machine


@pytest.fixture
def machine(
    s3: Any, moto_endpoint: str, invoke: Callable[[Any], Any], environment: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A client of Step Functions; the machine of the template is the function's own."""
    from moto.awslambda import models

    from adapters.process import process_worker

    def called(_: Any, event: Any) -> tuple[str, bool, str]:
        """What a function of AWS would answer: here the handler does."""
        steps.append(event)
        try:
            return json.dumps(invoke(event)), False, ""
        except Exception as error:  # noqa: BLE001  as the runtime passes on whatever is raised
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return json.dumps(told), True, ""

    steps: list[dict[str, Any]] = []
    environment.setattr(models.LambdaFunction, "_invoke_lambda", called)
    config = {"stepfunctions": {"execute_state_machine": True}}
    request = urllib.request.Request(
        f"{moto_endpoint}/moto-api/config", json.dumps(config).encode(), method="POST"
    )
    urllib.request.urlopen(request).close()
    environment.setenv("MOTO_PORT", moto_endpoint.rpartition(":")[2])
    role = boto3.client("iam").create_role(
        RoleName="kirei", AssumeRolePolicyDocument="{}", Path="/"
    )["Role"]["Arn"]
    function = boto3.client("lambda").create_function(
        FunctionName="kirei",
        Role=role,
        PackageType="Image",
        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/kirei:latest"},
    )["FunctionArn"]
    client = boto3.client("stepfunctions")
    arn = client.create_state_machine(
        name="kirei-long-clips", definition=json.dumps(definition(function)), roleArn=ROLE
    )["stateMachineArn"]
    environment.setenv("LONG_CLIP_MACHINE", arn)
    environment.setenv("CLIP_SEGMENT_S", "1")
    process_worker.cache_clear()
    client.steps = steps
    yield client
    client.close()


def executed(client: Any) -> dict[str, Any]:
    """The only execution, once it has ended."""
    (machine,) = client.list_state_machines()["stateMachines"]
    until_s = time.monotonic() + DONE_S
    while time.monotonic() < until_s:
        (execution,) = client.list_executions(stateMachineArn=machine["stateMachineArn"])[
            "executions"
        ]
        if execution["status"] != "RUNNING":
            found: dict[str, Any] = client.describe_execution(
                executionArn=execution["executionArn"]
            )
            return found
        time.sleep(0.2)
    raise AssertionError("the execution does not end")


def test_a_long_clip_is_drawn_in_segments_and_joined(
    s3: Any, invoke: Callable[[Any], Any], machine: Any
) -> None:
    clip = video(2.0)
    put(s3, KEY, clip, **FEW)
    event = sqs_event(s3_event(KEY))
    assert invoke(event) == {"batchItemFailures": []}
    assert invoke(event) == {"batchItemFailures": []}  # S3 sends some events twice
    ended = executed(machine)
    assert ended["status"] == "SUCCEEDED", ended
    done = [step["clip_step"] for step in machine.steps]
    assert (done[0], done.count("draw"), done[-1]) == ("split", 2, "join")
    assert keys(s3, OUTPUT) == ["stylised/walk.hayao.json", "stylised/walk.hayao.mp4"]
    drawn = object_of(s3, OUTPUT, "stylised/walk.hayao.mp4")
    sidecar = json.loads(object_of(s3, OUTPUT, "stylised/walk.hayao.json"))
    before, after = streams(clip), streams(drawn)
    assert after["audio"][0] == before["audio"][0]
    assert after["audio"][1] == pytest.approx(before["audio"][1], abs=0.02)
    assert after["video"][1] == pytest.approx(before["video"][1], abs=1 / 12)
    assert frame_count(drawn) == 8
    assert sidecar["output"]["content_type"] == "video/mp4"
    assert sidecar["output"]["bytes"] == len(drawn)
    assert [shot["drawn_frames"] for shot in sidecar["clip"]["shots"]] == [5, 3]
    again = invoke({"bucket": INPUT, "key": KEY})
    assert again["status"] == "already_stylised"


def test_a_step_that_is_repeated_draws_nothing_twice(
    s3: Any, invoke: Callable[[Any], Any], machine: Any
) -> None:
    from adapters.process import process_worker

    put(s3, KEY, video(2.0), **FEW)
    state = s3.head_object(Bucket=INPUT, Key=KEY)
    job = {
        **{"bucket": INPUT, "key": KEY, "version_id": None, "etag": state["ETag"].strip('"')},
        "options": FEW,
    }
    plan = invoke({"clip_step": "split", "execution": "one", "job": job})
    assert plan["status"] == "split"
    assert [segment["start_s"] for segment in plan["segments"]] == [0.0, 1.0]
    step = {"clip_step": "draw", "plan_key": plan["plan_key"], "segment": plan["segments"][0]}
    calls = []
    pipeline = process_worker().pipeline
    run_clip = pipeline.run_clip

    def counted(*arguments: Any, segment: Segment) -> ClipResult:
        calls.append(segment)
        return run_clip(*arguments, segment=segment)

    pipeline.run_clip = counted  # type: ignore[assignment]
    assert invoke(step) == invoke(step)
    # what the next one begins with depends on what lies before it: nothing counts across a cut
    second = {**step, "segment": plan["segments"][1]}
    assert invoke(second)["status"] == "drawn"
    assert calls == [Segment(0.0, 1.0, WITHIN_SHOT), Segment(1.0, 2.0, WITHIN_SHOT)]


def test_a_replaced_clip_is_left_to_the_event_of_the_new_one(
    s3: Any, invoke: Callable[[Any], Any], machine: Any
) -> None:
    put(s3, KEY, video(1.0), **FEW)
    job = {"bucket": INPUT, "key": KEY, "version_id": None, "etag": "another", "options": FEW}
    assert invoke({"clip_step": "split", "execution": "one", "job": job})["status"] == "skipped"
    assert keys(s3, OUTPUT) == []


def test_a_clip_at_fault_is_written_down(
    s3: Any, invoke: Callable[[Any], Any], machine: Any
) -> None:
    put(s3, KEY, video(1.0)[:2000], **FEW)
    state = s3.head_object(Bucket=INPUT, Key=KEY)
    job = {
        **{"bucket": INPUT, "key": KEY, "version_id": None, "etag": state["ETag"].strip('"')},
        "options": FEW,
    }
    refused = invoke({"clip_step": "split", "execution": "one", "job": job})
    assert refused["status"] == "refused"
    assert keys(s3, OUTPUT) == ["failed/walk.mp4.json"]
    assert refused["record_key"] == "failed/walk.mp4.json"


def test_a_short_clip_is_drawn_at_once(s3: Any, invoke: Callable[[Any], Any], machine: Any) -> None:
    put(s3, KEY, video(0.5), **FEW)
    assert invoke({"bucket": INPUT, "key": KEY})["status"] == "stylised"
    assert machine.steps == []
    assert io.BytesIO(object_of(s3, OUTPUT, "stylised/walk.hayao.mp4")).read(12)[4:8] == b"ftyp"

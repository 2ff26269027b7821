"""What operators do to a stack: queues, buckets and a stack with outputs on moto over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answers import raw
from botocore.awsrequest import AWSResponse, HTTPHeaders
from buckets import INPUT, OUTPUT, keys, put, s3_event, sqs_event
from calls import Invoke
from click.testing import CliRunner, Result

from operations.long_clips import MACHINE as MACHINE_OUTPUT
from operations.stack import Stack, client
from pipeline.cli import main

ROOT = Path(__file__).resolve().parents[2]


def bodies(url: Any) -> Any:
    """All messages of a queue, which leave it."""
    answer = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def put_message(url: Any, body: Any) -> None:
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))


def failed_event(
    payload: Any, message: Any = "the store is not there", kind: Any = "StoreUnavailable"
) -> Any:
    """What Lambda leaves of a call that failed for good."""
    return {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": message, "errorType": kind},
    }


def test_failures_of_every_kind_are_listed_and_stay(
    s3: Any, stack: Any, run: Any, invoke: Invoke
) -> None:
    put_message(stack["DeadLettersUrl"], s3_event("uploads/dead.jpg", "uploads/a + b.jpg"))
    put_message(stack["FailedEventsUrl"], failed_event(s3_event("uploads/event.jpg")))
    put_message(stack["FailedEventsUrl"], {"odd": True})
    put(s3, "uploads/bad.jpg", b"no image")
    invoke(s3_event("uploads/bad.jpg"))
    s3.put_object(Bucket=OUTPUT, Key="failed/odd.json", Body=b"[]")
    for _ in range(2):
        done = run("failures", "--json")
        assert done.exit_code == 0, done.output
        told = [json.loads(line) for line in done.stdout.splitlines()]
        found = {(one["kind"], one["key"], one["code"]) for one in told}
        assert found == {
            ("dead_letter", "uploads/dead.jpg", None),
            ("dead_letter", "uploads/a + b.jpg", None),
            ("failed_event", "uploads/event.jpg", "StoreUnavailable"),
            ("failed_event", None, None),
            ("refused", "uploads/bad.jpg", "not_an_image"),
        }
    text = run("failures", "--most", "1").stdout
    assert f"s3://{INPUT}/uploads/bad.jpg  not_an_image: " in text
    assert "RetriesExhausted: the store is not there" in text
    assert "the log has message" in text


def test_a_dead_letter_that_nobody_can_read_is_named(stack: Any, run: Any) -> None:
    put_message(stack["DeadLettersUrl"], {"hello": "world"})
    done = run("failures", "--json")
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["kind"], told["key"], told["code"]) == ("dead_letter", None, "unknown_event")


def test_nothing_failed(stack: Any, run: Any) -> None:
    done = run("failures")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing failed" in done.stderr


@pytest.fixture
def called(invoke: Invoke) -> Any:
    """The function, where moto has none: calls of it by the client are calls of the handler."""
    calls = []

    def call(request: Any, **_: Any) -> Any:
        calls.append(json.loads(request.body))
        invoke(calls[-1])
        return AWSResponse(request.url, 202, HTTPHeaders(), None)

    client("lambda").meta.events.register("before-send.lambda.Invoke", call)
    return calls


def test_dead_letters_and_failed_calls_are_replayed(
    s3: Any, stack: Any, run: Any, invoke: Invoke, called: Any, photo: bytes
) -> None:
    dead = [s3_event(f"uploads/{number}.jpg") for number in range(12)]
    for body in dead:
        put_message(stack["DeadLettersUrl"], body)
    put(s3, "uploads/event.jpg", photo)
    payload = {"bucket": INPUT, "key": "uploads/event.jpg", "format": "png"}
    put_message(stack["FailedEventsUrl"], {"odd": True})  # somebody else's: it stops nothing
    put_message(stack["FailedEventsUrl"], failed_event(payload))
    done = run("redrive")
    assert done.exit_code == 0, done.output
    assert "is not a record of Lambda" in done.stderr
    said = [line for line in done.stdout.splitlines() if line[0] != "{"]  # the handler's metrics
    assert said == [
        "12 dead letters moved to the upload queue",
        "1 failed calls repeated",
    ]
    moved = [*bodies(stack["UploadQueueUrl"]), *bodies(stack["UploadQueueUrl"])]
    assert sorted(map(str, moved)) == sorted(map(str, dead))
    assert bodies(stack["DeadLettersUrl"]) == []
    kept = run("failures", "--json").stdout
    assert kept.count("failed_event") == 1 and '"key": null' in kept
    assert called == [payload]
    assert keys(s3, OUTPUT) == ["stylised/event.hayao.json", "stylised/event.hayao.png"]


def test_sqs_moves_dead_letters_itself_where_it_can(
    stack: Any, run: Any, called: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto cannot; here SQS's answers to the two calls stand for it."""
    monkeypatch.setattr("operations.redrive.POLL_S", 0.01)
    states = [
        {"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 2},
        {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7},
    ]
    asked = []

    def answer(request: Any, **_: Any) -> Any:
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        asked.append((operation, json.loads(request.body)))
        result = (
            {"TaskHandle": "h"} if operation.startswith("Start") else {"Results": [states.pop(0)]}
        )
        return raw(request, json.dumps(result))

    events = client("sqs").meta.events
    for operation in ("StartMessageMoveTask", "ListMessageMoveTasks"):
        events.register(f"before-send.sqs.{operation}", answer)
    done = run("redrive")
    assert "7 dead letters" in done.stdout
    arn = "arn:aws:sqs:us-east-1:123456789012:kirei-"
    assert asked[0] == (
        "StartMessageMoveTask",
        {"SourceArn": f"{arn}dead-letters", "DestinationArn": f"{arn}uploads"},
    )
    states[:] = [{"Status": "FAILED", "FailureReason": "no permission"}]
    done = run("redrive")
    assert done.exit_code == 1 and "no permission" in done.stderr


MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:kirei-long-clips"


@pytest.fixture
def executions(stack: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A state machine with three executions that ended badly, one of them too long ago to go on.

    moto redrives none: its service's model and these answers stand for it.
    """
    asked: list[tuple[str, Any]] = []
    ended = {
        "one": ("FAILED", {"error": "StoreUnavailable", "cause": '{"errorMessage": "no\\nstore"}'}),
        "two": ("TIMED_OUT", {}),
        "old": ("FAILED", {"error": "StoreUnavailable", "cause": "gone"}),
    }

    def listed(name: str) -> Any:
        times = {"startDate": 1.7e9, "stopDate": 1.7e9}
        arn = f"{MACHINE}:{name}".replace("stateMachine", "execution")
        return {"executionArn": arn, "name": name, "status": ended[name][0], **times}

    def answer(request: Any, **_: Any) -> Any:
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        body = json.loads(request.body)
        asked.append((operation, body))
        name = body.get("executionArn", "").rpartition(":")[2]
        if operation == "ListExecutions":
            names = [name for name, (state, _) in ended.items() if state == body["statusFilter"]]
            return raw(request, json.dumps({"executions": [listed(each) for each in names]}))
        if operation == "RedriveExecution":
            return raw(request, json.dumps({"redriveDate": 1.7e9}))
        found = {
            **listed(name),
            **ended[name][1],
            "redriveStatus": "NOT_REDRIVABLE" if name == "old" else "REDRIVABLE",
            "input": json.dumps({"bucket": INPUT, "key": f"uploads/{name}.mp4"}),
        }
        return raw(request, json.dumps(found))

    monkeypatch.setattr(
        "operations.stack.Stack.find", lambda name: Stack(name, {**stack, MACHINE_OUTPUT: MACHINE})
    )
    client("stepfunctions").meta.events.register("before-send.stepfunctions.*", answer)
    return asked


def test_long_clips_that_failed_are_listed_and_gone_on_with(run: Any, executions: Any) -> None:
    done = run("failures", "--json")
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["kind"], one["key"], one["code"], one["why"]) for one in told] == [
        ("long_clip", "uploads/one.mp4", "StoreUnavailable", "no store"),
        ("long_clip", "uploads/two.mp4", "States.Timeout", "TIMED_OUT"),
    ]
    assert "RedriveExecution" not in {operation for operation, _ in executions}
    assert "2 long clips gone on with" in run("redrive").stdout
    redriven = [body for operation, body in executions if operation == "RedriveExecution"]
    assert [body["executionArn"].rpartition(":")[2] for body in redriven] == ["one", "two"]


def test_a_stack_without_a_state_machine_is_not_asked_for_clips(run: Any, stack: Any) -> None:
    assert "long clips" not in run("redrive").stdout


def test_refused_photos_are_asked_for_again_with_their_options(
    s3: Any, stack: Any, run: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "uploads/bad.jpg", b"no image")
    put(s3, "uploads/empty.jpg", b"")
    invoke({"bucket": INPUT, "key": "uploads/bad.jpg", "format": "png"})
    invoke(s3_event("uploads/empty.jpg"))
    assert run("redrive").stdout.count("\n") == 2
    assert bodies(stack["UploadQueueUrl"]) == []
    done = run("redrive", "--refused", "--code", "not_an_image")
    assert "1 refused photos" in done.stdout
    (call,) = bodies(stack["UploadQueueUrl"])
    assert call == {"bucket": INPUT, "key": "uploads/bad.jpg", "format": "png"}
    put(s3, "uploads/bad.jpg", photo)  # mended
    assert invoke(sqs_event(call)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == [
        *("failed/empty.jpg.json", "stylised/bad.hayao.json", "stylised/bad.hayao.png")
    ]
    assert run("redrive", "--code", "not_an_image").exit_code == 2


def test_without_boto3_one_line_says_what_to_install() -> None:
    program = (
        "import importlib.util as u, sys; find = u.find_spec; "
        "u.find_spec = lambda name, *r: None if name == 'boto3' else find(name, *r); "
        "from pipeline.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "redrive", "--refused"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 1 and done.stdout == ""
    told = re.search(r'pip install "(boto3\S+)"', done.stderr)
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told and told[1] in pinned["optional-dependencies"]["aws"]
    assert done.stderr.count("\n") == 1


def test_the_group_knows_them() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for command in ("failures", "redrive", "backfill"):
        assert f"\n  {command} " in listed


def test_aws_that_does_not_answer_is_one_line_that_says_what_to_check(
    environment: pytest.MonkeyPatch, run: Callable[..., Result]
) -> None:
    client.cache_clear()
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    environment.setenv("AWS_MAX_ATTEMPTS", "1")
    done = run("failures")
    client.cache_clear()
    assert done.exit_code == 1 and done.stderr.count("\n") == 1
    assert "AWS did not answer; check region and credentials: " in done.stderr

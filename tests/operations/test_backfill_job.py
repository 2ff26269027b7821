"""A backfill from its request to its report, on a stand-in for S3 Batch Operations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from batch_operations import MODEL, BatchOperations, Role, violations
from botocore.awsrequest import AWSResponse, HTTPHeaders
from buckets import INPUT, OUTPUT, keys, object_of, put
from click.testing import CliRunner, Result
from clips import animation
from line_drawings import boxes
from metric_math import substituted
from templates import properties

from operations import cli
from operations.backfill import Selection, job_request
from operations.batch_job import failed_tasks
from operations.stack import Stack, client

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:kirei-StyliseFunction"
ROLE = "arn:aws:iam::123456789012:role/kirei-BackfillRole"
# what the template's names stand for in a stack with its defaults
NAMES = {
    "AWS::Partition": "aws",
    "AWS::NoValue": None,
    "HasRelease": False,
    "HasBackfillBucket": False,
    "HasKmsKey": False,
    "MakesInputBucket": True,
    "MakesOutputBucket": True,
    "InputBucket": INPUT,
    "OutputBucket": OUTPUT,
    "StyliseFunction": "kirei-StyliseFunction",
}


@pytest.fixture
def stack(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    deployed = Stack(
        "kirei",
        {
            "FunctionName": FUNCTION.rpartition(":")[2],
            "FunctionArn": FUNCTION,
            "FunctionMemoryMb": "3008",
            "InputBucket": INPUT,
            "BackfillRoleArn": ROLE,
            "BackfillReports": f"s3://{OUTPUT}/backfill",
            "ReadablePhotos": f"s3://{INPUT}/uploads/ s3://{INPUT}/lineart/",
        },
    )
    client.cache_clear()
    monkeypatch.setattr(Stack, "find", lambda name: deployed)
    yield deployed
    client.cache_clear()


def backfill_role() -> Role:
    """The role that the template gives to jobs."""
    statements = []
    for policy in properties("BackfillRole")["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            resolved = substituted(statement, NAMES)
            if resolved is None:
                continue
            resources = resolved["Resource"]
            if isinstance(resources, dict):
                assert resources == {"Fn::GetAtt": ["StyliseFunction", "Arn"]}
                resources = FUNCTION
            if isinstance(resources, list):
                resources = [each for each in resources if each is not None]
            statements.append({"Action": resolved["Action"], "Resource": resources})
    return Role(statements)


@pytest.fixture
def service(s3: Any, stack: Stack, invoke: Callable[[Any], Any]) -> BatchOperations:
    """The stand-in, behind the client that the commands use."""
    running = BatchOperations(s3, backfill_role(), invoke)

    class Body:
        def __init__(self, text: str) -> None:
            self._text = text

        def stream(self, **_: Any) -> Iterator[bytes]:
            yield self._text.encode()

    def answer(request: Any, event_name: str, **_: Any) -> AWSResponse:
        if event_name.endswith("CreateJob"):
            text = running.create(request.body)
        else:
            text = running.describe(request.url.rpartition("/")[2])
        return AWSResponse(request.url, 200, HTTPHeaders(), Body(text))

    events = client("s3control").meta.events
    for operation in ("CreateJob", "DescribeJob"):
        events.register(f"before-send.s3-control.{operation}", answer)
    return running


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli.backfill, list(arguments))
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    ("selection", "options"),
    [
        (Selection("photos", "", ()), {}),
        (Selection("photos", "2019/", (".jpg", ".JPG")), {"style": "cel", "max_side_px": "800"}),
        (Selection("photos", "é" * 500 + "/", ()), {f"option{n}": "1" for n in range(10)}),
    ],
)
def test_the_request_is_one_that_the_services_model_takes(
    stack: Stack, selection: Selection, options: dict[str, str]
) -> None:
    request = job_request(stack, selection, options)
    shape = MODEL.operation_model("CreateJob").input_shape
    assert list(violations(request, shape)) == []
    assert list(violations(request | {"RoleArn": "me"}, shape)) != []
    assert list(violations(request | {"Priority": -1, "Wish": 1}, shape)) != []


def test_a_job_draws_what_its_manifest_lists_and_its_report_is_read_back(
    s3: Any, service: BatchOperations, stack: Stack, photo: bytes
) -> None:
    for key in ("uploads/a.jpg", "uploads/été & co/b + c.jpg", "uploads/notes.txt", "other/d.jpg"):
        put(s3, key, photo)
    put(s3, "uploads/été & co/bad, or so.jpg", b"no image")
    begun = run(
        *("--bucket", INPUT, "--prefix", "uploads/", "--suffix", ".jpg", "--style", "cel"),
        *("--max-side-px", "128", "--yes"),
    )
    assert "job job-1 was created" in begun.stdout
    written = [key for key in keys(s3, OUTPUT) if key.startswith("stylised/")]
    assert written == [
        *("stylised/a.cel.jpg", "stylised/a.cel.json"),
        *("stylised/été & co/b + c.cel.jpg", "stylised/été & co/b + c.cel.json"),
    ]
    told = run("--job", "job-1").stdout.splitlines()
    assert told[0] == "Complete: 2 drawn, 1 failed, of 3"
    assert f"s3://{INPUT}/uploads/été & co/bad, or so.jpg  PermanentFailure: " in told[1]
    assert "not_an_image" in told[1]
    (task,) = failed_tasks(stack, "job-1")
    document = json.loads(run("--job", "job-1", "--json").stdout.splitlines()[-1])
    assert document["failed_tasks"] == [task.as_dict()]
    assert (document["status"], document["total"]) == ("Complete", 3)


def test_line_drawings_and_clips_are_done_by_jobs_too(
    s3: Any, service: BatchOperations, stack: Stack
) -> None:
    put(s3, "lineart/girl.png", boxes())
    put(s3, "uploads/walk.gif", animation())
    coloured = ("--bucket", INPUT, "--prefix", "lineart/", "--task", "colour", "--yes")
    run(*coloured, "--palette", "meadow")
    run("--bucket", INPUT, "--prefix", "uploads/", "--fps", "4", "--style", "cel", "--yes")
    of_drawings, _ = service.requests
    arguments = of_drawings["Operation"]["LambdaInvoke"]["UserArguments"]
    given = {item["key"]: item["value"] for item in arguments}
    assert given == {"task": "colour", "palette": "meadow"}
    assert [key for key in keys(s3, OUTPUT) if not key.endswith(".json")] == [
        *("stylised/girl.colour.png", "stylised/walk.cel.webp"),
    ]
    sidecar = json.loads(object_of(s3, OUTPUT, "stylised/girl.colour.json"))
    assert sidecar["palette"] == "meadow"
    assert "clip" in json.loads(object_of(s3, OUTPUT, "stylised/walk.cel.json"))


def test_a_job_without_failures_has_no_report_and_resumes_what_was_drawn(
    s3: Any, service: BatchOperations, stack: Stack, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    arguments = ("--bucket", INPUT, "--prefix", "uploads/", "--max-side-px", "128", "--yes")
    run(*arguments)
    before = s3.head_object(Bucket=OUTPUT, Key="stylised/a.hayao.json")["LastModified"]
    run(*arguments)
    assert s3.head_object(Bucket=OUTPUT, Key="stylised/a.hayao.json")["LastModified"] == before
    assert run("--job", "job-2").stdout == "Complete: 1 drawn, 0 failed, of 1\n"
    assert list(failed_tasks(stack, "job-2")) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutInventoryConfiguration", "arn:aws:s3:::another"),
        ("s3:PutObject", f"arn:aws:s3:::{OUTPUT}/stylised/a.jpg"),
        ("s3:GetObject", f"arn:aws:s3:::{INPUT}/uploads/a.jpg"),
        ("lambda:InvokeFunction", f"{FUNCTION}2"),
    ],
)
def test_the_jobs_role_may_no_more_than_it_must(action: str, resource: str) -> None:
    with pytest.raises(PermissionError):
        backfill_role().check(action, resource)


def test_a_report_is_read_in_either_order_of_its_codes(s3: Any, stack: Stack) -> None:
    """What the report's schema says and what reports have differ."""
    rows = 'b,a+b%20c.jpg,,failed,200,PermanentFailure,"why, and so"\nb,d.jpg,,failed,Gone,404,x\n'
    key = "backfill/job-j/results/r.csv"
    result = {"TaskExecutionStatus": "failed", "Bucket": OUTPUT, "Key": key}
    s3.put_object(Bucket=OUTPUT, Key=key, Body=rows.encode())
    s3.put_object(
        Bucket=OUTPUT,
        Key="backfill/job-j/manifest.json",
        Body=json.dumps({"Results": [result]}).encode(),
    )
    found = [(task.key, task.code, task.message) for task in failed_tasks(stack, "j")]
    assert found == [("a b c.jpg", "PermanentFailure", "why, and so"), ("d.jpg", "Gone", "x")]


def test_neither_a_bucket_nor_a_job_is_a_mistake_in_the_call(stack: Stack) -> None:
    done = CliRunner().invoke(cli.backfill, [])
    assert done.exit_code == 2 and "--bucket" in done.output

"""What operators do to a stack: queues, buckets and a stack with outputs on moto over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from botocore.awsrequest import AWSResponse
from buckets import INPUT, OUTPUT, keys, put, s3_event, sqs_event
from click.testing import CliRunner
from shipped import shipped_styles

from operations import cli
from operations.estimate import Prices, Work, estimate
from operations.stack import client
from pipeline import Settings
from pipeline.cli import main

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:kirei-StyliseFunction"
ROLE = "arn:aws:iam::123456789012:role/kirei-BackfillRole"
QUEUES = {
    "UploadQueue": {"QueueName": "kirei-uploads"},
    "DeadLetters": {"QueueName": "kirei-dead-letters"},
    "FailedEvents": {"QueueName": "kirei-failed-events"},
}


@pytest.fixture
def stack(s3):
    """A stack with what the commands need of template.yaml's; returns its queues' URLs."""
    outputs = {
        "InputBucket": INPUT,
        "OutputBucket": OUTPUT,
        "FunctionName": FUNCTION.rpartition(":")[2],
        "FunctionArn": FUNCTION,
        "FunctionMemoryMb": "3008",
        "BackfillRoleArn": ROLE,
        "BackfillReports": f"s3://{OUTPUT}/backfill",
        "ReadablePhotos": f"s3://{INPUT}/uploads/ s3://old-photos/",
        "UploadQueueUrl": {"Ref": "UploadQueue"},
        "DeadLettersUrl": {"Ref": "DeadLetters"},
        "FailedEventsUrl": {"Ref": "FailedEvents"},
    }
    template = {
        "Resources": {
            name: {"Type": "AWS::SQS::Queue", "Properties": properties}
            for name, properties in QUEUES.items()
        },
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    client.cache_clear()
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="kirei", TemplateBody=json.dumps(template))
    (made,) = cloudformation.describe_stacks(StackName="kirei")["Stacks"]
    yield {item["OutputKey"]: item["OutputValue"] for item in made["Outputs"]}
    client.cache_clear()


@pytest.fixture
def run():
    """A command of `kirei`, its exit code, what it prints and what it says on standard error."""

    def call(command, *arguments, **more):
        return CliRunner().invoke(getattr(cli, command), list(arguments), **more)

    return call


def bodies(url):
    """All messages of a queue, which leave it."""
    answer = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def put_message(url, body):
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))


def failed_event(payload, message="the store is not there", kind="StoreUnavailable"):
    """What Lambda leaves of a call that failed for good."""
    return {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": message, "errorType": kind},
    }


def test_failures_of_every_kind_are_listed_and_stay(s3, stack, run, invoke):
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


def test_a_dead_letter_that_nobody_can_read_is_named(stack, run):
    put_message(stack["DeadLettersUrl"], {"hello": "world"})
    done = run("failures", "--json")
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["kind"], told["key"], told["code"]) == ("dead_letter", None, "unknown_event")


def test_nothing_failed(stack, run):
    done = run("failures")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing failed" in done.stderr


@pytest.fixture
def called(invoke):
    """The function, where moto has none: calls of it by the client are calls of the handler."""
    calls = []

    def call(request, **_):
        calls.append(json.loads(request.body))
        invoke(calls[-1])
        return AWSResponse(request.url, 202, {}, None)

    client("lambda").meta.events.register("before-send.lambda.Invoke", call)
    return calls


def test_dead_letters_and_failed_calls_are_replayed(s3, stack, run, invoke, called, photo):
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


def test_sqs_moves_dead_letters_itself_where_it_can(stack, run, called, monkeypatch):
    """moto cannot; here SQS's answers to the two calls stand for it."""
    monkeypatch.setattr("operations.redrive.POLL_S", 0.01)
    states = [
        {"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 2},
        {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7},
    ]
    asked = []

    def answer(request, **_):
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


def raw(request, text):
    """An answer of AWS's with this body."""

    class Body:
        def stream(self, **_):
            yield text.encode()

    return AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, Body())


def test_refused_photos_are_asked_for_again_with_their_options(s3, stack, run, invoke, photo):
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


@pytest.fixture
def jobs():
    """Jobs that S3 Batch Operations was asked for, as the XML that went over the wire."""
    asked = []

    def answer(request, **_):
        asked.append(ElementTree.fromstring(request.body))
        text = "<CreateJobResult><JobId>a-job</JobId></CreateJobResult>"
        return raw(request, text)

    client("s3control").meta.events.register("before-send.s3-control.CreateJob", answer)
    return asked


def value(tree, path):
    """Text at a path of names, whatever their namespace."""
    for name in path.split("/"):
        tree = next(child for child in tree if child.tag.rpartition("}")[2] == name)
    return tree.text


def test_a_backfill_counts_reckons_asks_and_begins(s3, stack, run, jobs, photo):
    for name in ("uploads/a.jpg", "uploads/b/c.JPG", "uploads/d.txt", "uploads/b/", "other/e.jpg"):
        put(s3, name, photo)
    arguments = ["--bucket", INPUT, "--prefix", "uploads/", "--suffix", ".jpg", "--suffix", ".JPG"]
    done = run("backfill", *arguments, "--style", "cel", "--max-side-px", "800", input="y\n")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2 photos, ")
    assert "1.00 s each (assumed), 3008 MB" in done.stdout
    assert "job a-job was created" in done.stdout
    (job,) = jobs
    invoke = "Operation/LambdaInvoke"
    assert value(job, f"{invoke}/FunctionArn") == FUNCTION
    assert value(job, f"{invoke}/InvocationSchemaVersion") == "2.0"
    text = ElementTree.tostring(job, encoding="unicode")
    for name, given in (("style", "cel"), ("max_side_px", "800")):
        assert f"key>{name}<" in text and f"value>{given}<" in text
    listing = "ManifestGenerator/S3JobManifestGenerator"
    assert value(job, f"{listing}/SourceBucket") == f"arn:aws:s3:::{INPUT}"
    assert value(job, f"{listing}/Filter/KeyNameConstraint/MatchAnyPrefix/member") == "uploads/"
    assert text.count("MatchAnySuffix>") == 2 and ".JPG" in text
    assert value(job, "Report/Bucket") == f"arn:aws:s3:::{OUTPUT}"
    assert value(job, "Report/Prefix") == "backfill"
    assert value(job, "RoleArn") == ROLE


def test_a_dry_run_and_a_no_begin_nothing(s3, stack, run, jobs, photo):
    put(s3, "uploads/a.jpg", photo)
    arguments = ("--bucket", INPUT, "--prefix", "uploads/")
    assert run("backfill", *arguments, "--dry-run").exit_code == 0
    assert run("backfill", *arguments, input="n\n").exit_code == 1
    done = run("backfill", "--bucket", INPUT, "--prefix", "uploads/none/", "--yes")
    assert done.exit_code == 1 and "holds no such photo" in done.stderr
    assert jobs == []
    assert run("backfill", *arguments, "--yes").exit_code == 0
    assert len(jobs) == 1


KNOWN = ", ".join(shipped_styles())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bucket", "elsewhere"], "the function may read s3://kirei-input/uploads/"),
        (["--bucket", INPUT, "--prefix", "up"], "deploy with BackfillBucketName"),
        (["--bucket", "old-photos", "--strength", "7"], "strength is 7.0"),
        (
            ["--bucket", "old-photos", "--style", "rococo"],
            f"there is {KNOWN}",
        ),
        (["--bucket", "old-photos", "--price", "gold=1"], "NAME one of lambda_gigabyte_second"),
        (["--bucket", "old-photos", "--price", "s3_get=cheap"], "NAME=DOLLARS"),
        (["--bucket", "old-photos", "--stack", "another"], "DescribeStacks"),
        (["--bucket", "old-photos"], "ListObjectsV2: NoSuchBucket"),
    ],
)
def test_a_backfill_that_cannot_be_says_so_in_one_line(stack, run, jobs, arguments, said):
    done = run("backfill", *arguments, "--yes")
    assert done.exit_code == 1
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert jobs == []


def test_an_option_that_the_layer_has_no_net_for_begins_nothing(
    stack, run, jobs, environment, tmp_path
):
    layer = Path(shutil.copytree(Settings().weights_dir, tmp_path / "weights"))
    document = json.loads((layer / "manifest.json").read_text())
    document["weights"] = [one for one in document["weights"] if one["kind"] != "parser"]
    (layer / "manifest.json").write_text(json.dumps(document))
    environment.setenv("KIREI_WEIGHTS_DIR", str(layer))
    done = run("backfill", "--bucket", INPUT, "--prefix", "uploads/", "--faces", "on", "--yes")
    assert done.exit_code == 1 and "faces=on: the folder of weights has no parser" in done.stderr
    assert jobs == []


def test_the_time_of_a_photo_is_the_functions_own_where_it_ran(s3, stack, run, photo):
    put(s3, "uploads/a.jpg", photo)
    dimension = {"Name": "FunctionName", "Value": stack["FunctionName"]}
    data = [
        {"MetricName": "Duration", "Dimensions": [dimension], "Value": milliseconds}
        for milliseconds in (400, 600)
    ]
    client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=data)
    arguments = ("--bucket", INPUT, "--prefix", "uploads/", "--dry-run", "--json")
    told = json.loads(run("backfill", *arguments).stdout)
    assert told["seconds_each"] == 0.5
    assert told["seconds_from"] == "mean of the last 14 days"
    given = run("backfill", *arguments, "--seconds", "3", "--price", "batch_job=0").stdout
    assert json.loads(given)["seconds_each"] == 3
    assert json.loads(given)["total"] < 0.01


def test_the_estimate_of_ten_million_photos_is_the_plans():
    """docs/backfill.md states these."""
    work = Work(10_000_000, 0, 10_000, 1.0, "assumed", 3008, 1000)
    found = estimate(work, Prices())
    plan = (ROOT / "docs" / "backfill.md").read_text()
    for dollars in (*found.dollars.values(), found.total):
        assert f"${dollars:,.0f}" in plan
    assert f"{found.hours:.1f} hours" in plan


@pytest.mark.parametrize("without", ["boto3", "aws_lambda_powertools"])
def test_without_the_extra_one_line_says_so(without):
    program = (
        "import importlib.util as u, sys; find = u.find_spec; "
        f"u.find_spec = lambda name, *r: None if name == {without!r} else find(name, *r); "
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
    assert "pip install '.[aws]'" in done.stderr and done.stderr.count("\n") == 1


def test_the_group_knows_them():
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for command in ("failures", "redrive", "backfill"):
        assert f"\n  {command} " in listed

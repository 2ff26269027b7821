"""Tasks of S3 Batch Operations: each gets its end, and a late one harms nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from buckets import INPUT, OUTPUT, Event, keys, object_of, put, s3_event
from calls import Invoke
from test_delivery import assert_one_whole_result


def batch_event(*names: Any, arguments: Any = None, schema: Any = "2.0") -> Any:
    place = {"s3Bucket": INPUT} if schema == "2.0" else {"s3BucketArn": f"arn:aws:s3:::{INPUT}"}
    return {
        "invocationSchemaVersion": schema,
        "invocationId": "an-id",
        "job": {"id": "a-job"} | ({"userArguments": arguments} if arguments else {}),
        "tasks": [
            {"taskId": f"task-{number}", "s3Key": quote_plus(name, safe="/"), "s3VersionId": None}
            | place
            for number, name in enumerate(names)
        ],
    }


def test_a_task_of_s3_batch_operations(
    s3: Any, invoke: Invoke, load_event: Callable[[str], Event], photo: bytes
) -> None:
    event = load_event("s3_batch")
    put(s3, "uploads/our summer/café + cake.jpg", photo, detail="0.9")
    answer = invoke(event)
    assert answer == {
        "invocationSchemaVersion": "2.0",
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [
            {
                "taskId": event["tasks"][0]["taskId"],
                "resultCode": "Succeeded",
                "resultString": "stylised",
            }
        ],
    }
    name = "stylised/our summer/café + cake.hayao"
    assert keys(s3, OUTPUT) == [f"{name}.jpg", f"{name}.json"]
    assert json.loads(object_of(s3, OUTPUT, f"{name}.json"))["detail"] == 0.2
    assert invoke(event)["results"][0]["resultString"] == "already_stylised"


@pytest.mark.parametrize("schema", ["1.0", "2.0"])
def test_every_end_of_a_task(
    sick_s3: tuple[Any, Any], invoke: Invoke, photo: bytes, schema: Any
) -> None:
    s3, _ = sick_s3
    put(s3, "old/a.jpg", photo)  # a prefix of its own: who backfills asks for it by name
    put(s3, "old/bad.jpg", b"no\nimage")
    put(s3, "old/unlucky.jpg", photo)
    put(s3, "old/ours.jpg", photo, kirei="0.1.0")
    names = ("old/a.jpg", "old/bad.jpg", "old/unlucky.jpg", "old/ours.jpg", "old/", "old/gone.jpg")
    answer = invoke(batch_event(*names, schema=schema))
    assert answer["invocationSchemaVersion"] == schema
    told = {result["taskId"]: result for result in answer["results"]}
    codes = [told[f"task-{number}"]["resultCode"] for number in range(6)]
    assert codes == [
        *("Succeeded", "PermanentFailure", "TemporaryFailure"),
        *("Succeeded", "Succeeded", "PermanentFailure"),
    ]
    assert told["task-1"]["resultString"].startswith("refused: not_an_image: ")
    assert told["task-2"]["resultString"] == "store_unavailable"
    assert not any("\n" in result["resultString"] for result in answer["results"])
    assert "failed/old/bad.jpg.json" in keys(s3, OUTPUT)


def test_a_wrong_option_of_a_job_refuses_and_a_broken_task_is_ignored(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    (result,) = invoke(batch_event("uploads/a.jpg", arguments={"strength": "7"}))["results"]
    assert result["resultCode"] == "PermanentFailure"
    assert "invalid_option" in result["resultString"]
    record = json.loads(object_of(s3, OUTPUT, "failed/a.jpg.json"))
    assert record["options"] == {"strength": "7"}
    event = batch_event("uploads/a.jpg")
    event["tasks"] = [{"taskId": "t"}, "text"]
    assert [r["resultCode"] for r in invoke(event)["results"]] == ["Succeeded"] * 2


def test_a_late_task_does_not_put_an_old_version_in_place_of_a_new_one(
    s3: Any, invoke: Invoke, photo: bytes, encoded: Callable[..., bytes]
) -> None:
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    put(s3, "uploads/a.jpg", photo)
    old = s3.head_object(Bucket=INPUT, Key="uploads/a.jpg")["VersionId"]
    put(s3, "uploads/a.jpg", encoded("JPEG", quality=40))
    invoke(s3_event("uploads/a.jpg"))
    event = batch_event("uploads/a.jpg")
    event["tasks"][0]["s3VersionId"] = old
    assert invoke(event)["results"][0]["resultString"] == "already_stylised"
    assert_one_whole_result(s3)

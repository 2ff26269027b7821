"""A message whose job failed for no fault of its photo comes again soon, later each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from buckets import put, s3_event, sqs_event

from adapters import redelivery

MAX_RECEIVES = 5
HALF_AN_HOUR_S = "1800"


@pytest.fixture
def queue(s3: Any, moto_endpoint: str, environment: pytest.MonkeyPatch) -> Any:
    """A queue as the template has it; a message of it as the function gets it."""
    environment.setenv("AWS_ENDPOINT_URL_SQS", moto_endpoint)
    forget = redelivery._client.cache_clear
    forget()
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="uploads", Attributes={"VisibilityTimeout": HALF_AN_HOUR_S})[
        "QueueUrl"
    ]
    yield sqs, url
    forget()
    sqs.close()


def event_of(message: dict[str, Any], receives: int) -> dict[str, Any]:
    event = sqs_event({})
    (record,) = event["Records"]
    record |= {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:uploads",
        "awsRegion": "us-east-1",
    }
    return event


def test_delays_grow_and_the_last_failure_goes_to_the_dead_letters_at_once() -> None:
    delays = [redelivery.delay_s(receives, MAX_RECEIVES) for receives in range(1, 7)]
    assert delays == [15, 60, 240, 960, 0, 0]
    assert redelivery.delay_s(9, 1000) == redelivery.MAX_DELAY_S


@pytest.mark.parametrize("receives", [1, 2, 5])
def test_a_failed_message_is_hidden_for_the_delay_and_no_longer(
    sick_s3: Any, queue: Any, invoke: Callable[[Any], Any], receives: int
) -> None:
    sqs, url = queue
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(s3_event("uploads/unlucky.jpg")))
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    seen: list[Any] = []
    client = redelivery._client("us-east-1")
    client.meta.events.register(
        "before-parameter-build.sqs.ChangeMessageVisibility",
        lambda params, **_: seen.append(params["VisibilityTimeout"]),
    )
    answer = invoke(event_of(message, receives))
    assert answer["batchItemFailures"] == [{"itemIdentifier": message["MessageId"]}]
    assert seen == [redelivery.delay_s(receives, MAX_RECEIVES)]
    is_back = "Messages" in sqs.receive_message(QueueUrl=url)
    assert is_back == (receives == MAX_RECEIVES)


def test_a_photo_that_is_drawn_or_refused_is_not_brought_again(
    s3: Any, queue: Any, invoke: Callable[[Any], Any], photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redelivery, "_client", lambda region: pytest.fail("nothing failed"))
    put(s3, "uploads/a.jpg", photo)
    put(s3, "uploads/bad.jpg", b"no image")
    for key in ("a", "bad"):
        assert invoke(sqs_event(s3_event(f"uploads/{key}.jpg"))) == {"batchItemFailures": []}


class Denied:
    """A client that may not."""

    def change_message_visibility(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ChangeMessageVisibility")


def test_a_queue_that_does_not_let_us_changes_nothing_else(
    sick_s3: Any,
    invoke: Callable[[Any], Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redelivery, "_client", lambda region: Denied())
    answer = invoke(sqs_event(s3_event("uploads/unlucky.jpg")))
    assert len(answer["batchItemFailures"]) == 1
    (record,) = [each for each in caplog.records if each.message == "redelivery_not_set"]
    assert record.levelname == "WARNING"

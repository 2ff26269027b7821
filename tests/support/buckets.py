"""Two buckets, events about what lies in them, and a look into them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

INPUT, OUTPUT = "kirei-input", "kirei-output"

Event = dict[str, Any]


def s3_event(*keys: str) -> Event:
    """One event of S3 with a record for each key of the input bucket."""
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": INPUT},
                    "object": {"key": quote_plus(key, safe="/")},
                },
            }
            for key in keys
        ]
    }


def sqs_event(*bodies: Any) -> Event:
    """One batch of a queue with a message for each body; their ids are message-0, message-1..."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "a-handle",
                "body": json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:kirei-uploads",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def put(s3: Any, key: str, body: bytes, **metadata: str) -> None:
    """Uploads an object to the input bucket."""
    s3.put_object(Bucket=INPUT, Key=key, Body=body, ContentType="image/jpeg", Metadata=metadata)


def keys(s3: Any, bucket: str) -> list[str]:
    """All keys of a bucket, in order."""
    return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []))


def object_of(s3: Any, bucket: str, key: str) -> bytes:
    """The bytes of an object."""
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body

"""One worker of a fleet: polls a queue as Lambda does, and calls the function.

    python tests/support/fleet_worker.py QUEUE_URL

It runs until it is killed. The endpoints are in the environment: AWS_ENDPOINT_URL_S3 is what the
function sees, AWS_ENDPOINT_URL_SQS the queue itself.
"""

from __future__ import annotations

import sys
from typing import Any

import boto3
from calls import context

from handler import lambda_handler


def event_of(message: dict[str, Any]) -> dict[str, Any]:
    """The event that Lambda makes of a message."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:fleet",
                "awsRegion": "us-east-1",
            }
        ]
    }


def main(queue_url: str) -> None:
    sqs = boto3.client("sqs")
    while True:
        found = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=1)
        for message in found.get("Messages", []):
            answer = lambda_handler(event_of(message), context())
            if not answer["batchItemFailures"]:
                handle = message["ReceiptHandle"]
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=handle)


if __name__ == "__main__":
    main(sys.argv[1])

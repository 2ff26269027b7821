"""A stack on moto, and the commands of `kirei` that look after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from buckets import INPUT, OUTPUT
from click.testing import CliRunner

from operations import cli
from operations.stack import client

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:kirei-StyliseFunction"
ROLE = "arn:aws:iam::123456789012:role/kirei-BackfillRole"
QUEUES = {
    "UploadQueue": {"QueueName": "kirei-uploads"},
    "DeadLetters": {"QueueName": "kirei-dead-letters"},
    "FailedEvents": {"QueueName": "kirei-failed-events"},
}


@pytest.fixture
def stack(s3: Any) -> Iterator[Any]:
    """A stack with what the commands need of template.yaml's; returns its queues' URLs."""
    outputs = {
        "InputBucket": INPUT,
        "OutputBucket": OUTPUT,
        "FunctionName": FUNCTION.rpartition(":")[2],
        "FunctionArn": FUNCTION,
        "FunctionMemoryMb": "3008",
        "BackfillRoleArn": ROLE,
        "BackfillReports": f"s3://{OUTPUT}/backfill",
        "ReadablePhotos": f"s3://{INPUT}/uploads/ s3://{INPUT}/lineart/ s3://old-photos/",
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
def run() -> Any:
    """A command of `kirei`, its exit code, what it prints and what it says on standard error."""

    def call(command: Any, *arguments: Any, **more: Any) -> Any:
        return CliRunner().invoke(getattr(cli, command), list(arguments), **more)

    return call

"""Every alarm on a metric is set off in the emulator, and somebody is told."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from deployed import Deployed, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]


@pytest.fixture(scope="module")
def told(stack: Deployed) -> Any:
    """The names of alarms that the topic told of since the last look."""
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="somebody")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    stack.client("sns").subscribe(
        TopicArn=stack.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn
    )

    def names() -> list[tuple[str, str]]:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        found = []
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            alarm = json.loads(json.loads(message["Body"])["Message"])
            found.append((alarm["AlarmName"], alarm["NewStateValue"]))
        return found

    return names


def test_every_alarm_on_a_metric_rings_and_ends(stack: Deployed, told: Any) -> None:
    cloudwatch = stack.client("cloudwatch")
    alarms = [
        alarm
        for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        if alarm["AlarmName"].startswith("kirei-")
        and stack.outputs["AlarmTopicArn"] in alarm["AlarmActions"]
    ]
    assert len(alarms) == 6
    heard: list[tuple[str, str]] = []

    def is_told(name: str, state: str) -> bool:
        heard.extend(told())
        return (name, state) in heard

    for alarm in alarms:
        name = alarm["AlarmName"]
        datum = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"]}
        cloudwatch.put_metric_data(
            Namespace=alarm["Namespace"], MetricData=[datum | {"Value": alarm["Threshold"] + 1}]
        )
        wait_for(partial(is_told, name, "ALARM"), 20)
        # the datum stays for a period: the end is set, and what is looked at is who is told of it
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="it is over")
        wait_for(partial(is_told, name, "OK"), 20)

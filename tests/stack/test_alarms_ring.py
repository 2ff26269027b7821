"""Every alarm on a metric is set off in the emulator, and somebody is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deployed import Deployed, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]


@pytest.fixture(scope="module")
def told(stack: Deployed) -> Any:
    """The names of alarms that the topic told of since the last look."""
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="somebody")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
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
        if alarm["AlarmName"].startswith("kirei-") and stack.outputs["AlarmTopicArn"] in alarm["AlarmActions"]
    ]
    assert len(alarms) == 6
    for alarm in alarms:
        for value, state in ((alarm["Threshold"] + 1, "ALARM"), (0.0, "OK")):
            kind = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold"
            assert alarm["ComparisonOperator"] in kind
            if state == "OK":  # the data before it are of the past
                cloudwatch.set_alarm_state(
                    AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="over"
                )
            else:
                cloudwatch.put_metric_data(
                    Namespace=alarm["Namespace"],
                    MetricData=[
                        {
                            "MetricName": alarm["MetricName"],
                            "Dimensions": alarm["Dimensions"],
                            "Value": value,
                        }
                    ],
                )
            heard: list[tuple[str, str]] = []

            def is_told() -> bool:
                heard.extend(told())
                return (alarm["AlarmName"], state) in heard

            wait_for(is_told, 20)

"""What a stack costs, from what it has and from the metrics that it sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from buckets import put, s3_event
from click.testing import CliRunner, Result
from templates import of_type, properties

from operations import cli
from operations.costs import Inventory, Usage
from operations.costs import costs as reckon
from operations.estimate import Prices
from operations.stack import Stack, client

FUNCTION = "kirei-StyliseFunction"


def of_template() -> Inventory:
    """What a stack with the template's defaults has."""
    alarms = [
        name for name, item in of_type("AWS::CloudWatch::Alarm").items() if "Condition" not in item
    ]
    metrics = 0
    for name in alarms:
        looked_at = [item for item in properties(name).get("Metrics", []) if "MetricStat" in item]
        metrics += len(looked_at) or 1
    return Inventory(metrics, len(of_type("AWS::CloudWatch::Dashboard")), 1, 5)


def test_an_idle_stack_costs_less_than_a_dollar_a_month() -> None:
    nothing = Usage(14, 0, 0, 0.0, 3008)
    idle = reckon(of_template(), nothing, Prices())
    assert sum(idle.idle_beyond_free.values()) < 1
    assert sum(idle.idle.values()) > sum(idle.idle_beyond_free.values())
    assert idle.per_thousand is None


def test_a_thousand_photos_cost_the_runs_the_requests_and_the_queue() -> None:
    used = Usage(days=14, photos=500, runs=700, seconds=500.0, memory_mb=1024)
    prices = Prices.with_changes(("lambda_gigabyte_second=0.001", "lambda_call=0.01"))
    dollars = reckon(of_template(), used, prices).per_thousand
    assert dollars is not None
    assert dollars["function"] == pytest.approx(1000 * 0.001 + 1400 * 0.01)
    assert dollars["requests"] == pytest.approx(1000 * (6 * 0.4e-6 + 2 * 5e-6))
    assert dollars["metrics_per_month"] == 0


@pytest.fixture
def stack(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stack with a queue and an alarm, on moto."""
    client.cache_clear()
    template = {"Resources": {"UploadQueue": {"Type": "AWS::SQS::Queue"}}}
    client("cloudformation").create_stack(StackName="kirei", TemplateBody=json.dumps(template))
    outputs = {"FunctionName": FUNCTION, "FunctionMemoryMb": "3008"}
    monkeypatch.setattr(Stack, "find", lambda name: Stack(name, outputs))
    cloudwatch = boto3.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="kirei-ErrorsAlarm-1",
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    yield cloudwatch
    client.cache_clear()
    cloudwatch.close()


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli.costs, list(arguments))
    assert done.exit_code == 0, done.output
    return done


def test_the_command_reads_what_the_function_has_sent(
    s3: Any,
    stack: Any,
    invoke: Callable[[Any], Any],
    photo: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("a", "b"):
        put(s3, f"uploads/{name}.jpg", photo)
        invoke(s3_event(f"uploads/{name}.jpg"))
    for line in capsys.readouterr().out.splitlines():
        figures = json.loads(line)
        (group,) = figures["_aws"]["CloudWatchMetrics"]
        for metric in group["Metrics"]:  # as CloudWatch does with a function's log
            stack.put_metric_data(
                Namespace=group["Namespace"],
                MetricData=[
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": [{"Name": "service", "Value": figures["service"]}],
                        "Values": figures[metric["Name"]],
                    }
                ],
            )
    stack.put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Duration",
                "Dimensions": [{"Name": "FunctionName", "Value": FUNCTION}],
                "Values": [900.0, 1100.0],
            }
        ],
    )
    document = json.loads(run("--json").stdout)
    assert (document["usage"]["photos"], document["usage"]["seconds"]) == (2, 2.0)
    expected = 1000 * (3008 / 1024 * 0.0000166667 + 0.0000002)
    assert document["per_thousand"]["function"] == pytest.approx(expected)
    assert document["idle"]["alarms"] == pytest.approx(0.10)
    assert document["idle"]["secrets"] == 0
    text = run("--days", "3", "--price", "alarm_metric_month=2").stdout
    assert "of 2 photos in 3 days, 1.00 s each" in text
    assert "alarms                 $2.00" in text


def test_without_a_photo_there_is_only_the_idle_cost(stack: Any) -> None:
    assert "no picture was drawn in the last 14 days" in run().stdout

"""What a stack costs, from what it has and from the metrics that it sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from buckets import put, s3_event
from click.testing import CliRunner, Result
from templates import ROOT, of_type, properties

from operations import cli
from operations.costs import Inventory, Usage
from operations.costs import costs as reckon
from operations.estimate import Prices
from operations.stack import Stack, client

FUNCTION = "kirei-StyliseFunction"


IMAGE_BYTES = 487_000_000  # in a registry: docs/deploy.md


def of_template(*conditions: str) -> Inventory:
    """What a stack has with the template's defaults, and where these conditions hold besides."""
    alarms = [
        name
        for name, item in of_type("AWS::CloudWatch::Alarm").items()
        if item.get("Condition") in (None, *conditions)
    ]
    metrics = 0
    for name in alarms:
        looked_at = [item for item in properties(name).get("Metrics", []) if "MetricStat" in item]
        metrics += len(looked_at) or 1
    dashboards, secrets = (
        len(of_type(f"AWS::{kind}")) for kind in ("CloudWatch::Dashboard", "SecretsManager::Secret")
    )
    return Inventory(metrics, dashboards, secrets, 5, IMAGE_BYTES)


@pytest.mark.parametrize("conditions", [(), ("DrawsLongClips", "HasRelease")])
def test_an_idle_stack_costs_less_than_a_dollar_a_month(conditions: tuple[str, ...]) -> None:
    nothing = Usage(14, 0, 0, 0.0, 3008)
    has = of_template(*conditions)
    idle = reckon(has, nothing, Prices())
    assert sum(idle.idle_beyond_free.values()) < 1
    assert sum(idle.idle.values()) > sum(idle.idle_beyond_free.values())
    assert idle.per_thousand is None
    assert has.alarm_metrics == 11 + 3 * bool(conditions)


def test_the_page_states_what_an_idle_stack_costs() -> None:
    idle = reckon(of_template(), Usage(14, 0, 0, 0.0, 3008), Prices())
    page = (ROOT / "docs" / "operations.md").read_text()
    table = page[page.index("| idle, a month |") : page.index("| a thousand photos,")]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line[:1] == "|" and "$" in line]
    stated = {re.findall(r"\w+", what)[0]: costs for what, *costs in rows}
    names = {
        **{"alarms": "alarms", "dashboards": "dashboard", "secrets": "secret"},
        **{"queue": "looking", "images": "image"},
    }
    for column, dollars in enumerate((idle.idle, idle.idle_beyond_free)):
        assert {name: stated[row][column].strip() for name, row in names.items()} == {
            name: f"${value:.2f}" for name, value in dollars.items()
        }
        assert stated["together"][column].strip(" *") == f"${sum(dollars.values()):.2f}"


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
    images = boto3.client("ecr")
    repository = images.create_repository(repositoryName="kirei/images")["repository"]
    for tag, size_mb in (("old", 300), ("new", 400)):
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"size": size_mb * 1_000_000},  # which moto takes for the image's
            "layers": [],
        }
        images.put_image(
            repositoryName="kirei/images", imageManifest=json.dumps(manifest), imageTag=tag
        )
    images.close()
    role = boto3.client("iam").create_role(
        RoleName="kirei", AssumeRolePolicyDocument="{}", Path="/"
    )["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=FUNCTION,
        Role=role,
        PackageType="Image",
        Code={"ImageUri": f"{repository['repositoryUri']}:new"},
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
    assert document["idle"]["images"] == pytest.approx(0.7 * 0.10)
    text = run("--days", "3", "--price", "alarm_metric_month=2").stdout
    assert "of 2 photos in 3 days, 1.00 s each" in text
    assert "alarms                 $2.00" in text


def test_without_a_photo_there_is_only_the_idle_cost(stack: Any) -> None:
    assert "no picture was drawn in the last 14 days" in run().stdout

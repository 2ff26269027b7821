"""What a deployed stack costs: each month while it is idle, and for a thousand photos."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.estimate import GETS, GIGABYTE, PUTS, Prices
from operations.stack import Stack, client

# what AWS gives every account each month, without an end
# (https://aws.amazon.com/cloudwatch/pricing/, https://aws.amazon.com/sqs/pricing/)
FREE_ALARM_METRICS, FREE_DASHBOARDS, FREE_CUSTOM_METRICS = 10, 3, 10
FREE_QUEUE_REQUESTS = 1_000_000
# Lambda asks an empty queue over five connections, each of which waits for 20 s
# (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html)
IDLE_QUEUE_REQUESTS = 5 * 3 * 60 * 24 * 30
QUEUE_REQUESTS_PER_PHOTO = 3  # sent, received, deleted
PHOTOS = 1000


@dataclass(frozen=True)
class Inventory:
    """What a stack has that is paid by the month; the bytes: all images in its repository."""

    alarm_metrics: int
    dashboards: int
    secrets: int
    custom_metrics: int
    image_bytes: int


@dataclass(frozen=True)
class Usage:
    """What the function did in some days.

    Attributes:
        days: How many.
        photos: Pictures that were drawn.
        runs: Runs of the function, also those without a photo.
        seconds: Their time, all together.
        memory_mb: The function's memory.
    """

    days: int
    photos: float
    runs: float
    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Costs:
    """US dollars.

    Attributes:
        usage: What they follow from.
        idle: Each month without a photo, by purpose, if nothing is free.
        idle_beyond_free: The same, where the account uses what is free for nothing else.
        per_thousand: For a thousand photos; None if none was drawn.
    """

    usage: Usage
    idle: dict[str, float]
    idle_beyond_free: dict[str, float]
    per_thousand: dict[str, float] | None

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields by name."""
        return asdict(self)


def inventory(stack: Stack) -> Inventory:
    """Counts the stack's resources, its alarms' metrics, and the metrics it has sent of late."""
    pages = client("cloudformation").get_paginator("list_stack_resources")
    kinds = [
        item["ResourceType"]
        for page in pages.paginate(StackName=stack.name)
        for item in page["StackResourceSummaries"]
    ]
    cloudwatch = client("cloudwatch")
    alarm_metrics = 0
    for page in cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{stack.name}-"
    ):
        for alarm in page["MetricAlarms"]:
            metrics = [item for item in alarm.get("Metrics", []) if "MetricStat" in item]
            alarm_metrics += len(metrics) or 1
    sent = cloudwatch.list_metrics(
        Namespace="Kirei", Dimensions=[{"Name": "service", "Value": stack.name}]
    )
    return Inventory(
        alarm_metrics=alarm_metrics,
        dashboards=kinds.count("AWS::CloudWatch::Dashboard"),
        secrets=kinds.count("AWS::SecretsManager::Secret"),
        custom_metrics=len(sent["Metrics"]),
        image_bytes=_image_bytes(stack),
    )


def _image_bytes(stack: Stack) -> int:
    """What lies in the repository of the function's image, older images too, as it is stored."""
    function = client("lambda").get_function(FunctionName=stack.output("FunctionName"))
    repository = function["Code"]["ImageUri"].partition("/")[2].partition("@")[0].partition(":")[0]
    pages = client("ecr").get_paginator("describe_images").paginate(repositoryName=repository)
    return sum(item["imageSizeInBytes"] for page in pages for item in page["imageDetails"])


def usage(stack: Stack, days: int) -> Usage:
    """Reads the function's time and the pictures drawn from CloudWatch."""
    function = [{"Name": "FunctionName", "Value": stack.output("FunctionName")}]
    service = [{"Name": "service", "Value": stack.name}]
    return Usage(
        days=days,
        photos=_sum("Kirei", "Stylised", service, days)[0],
        runs=_sum("AWS/Lambda", "Duration", function, days)[1],
        seconds=_sum("AWS/Lambda", "Duration", function, days)[0] / 1000,
        memory_mb=int(stack.output("FunctionMemoryMb")),
    )


def _sum(
    namespace: str, name: str, dimensions: list[dict[str, str]], days: int
) -> tuple[float, float]:
    """Returns a metric's sum and how many values it had."""
    end = datetime.now(UTC) + timedelta(minutes=1)
    points = client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=dimensions,
        StartTime=end - timedelta(days=days),
        EndTime=end,
        Period=days * 86400,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points), sum(point["SampleCount"] for point in points)


def costs(has: Inventory, used: Usage, prices: Prices) -> Costs:
    """Returns what the inventory costs idle, and what the usage says of a thousand photos."""

    def month(alarms: int, dashboards: int, requests: int) -> dict[str, float]:
        return {
            "alarms": max(alarms, 0) * prices.alarm_metric_month,
            "dashboards": max(dashboards, 0) * prices.dashboard_month,
            "secrets": has.secrets * prices.secret_month,
            "queue": max(requests, 0) * prices.queue_request,
            "images": has.image_bytes / GIGABYTE * prices.image_gigabyte_month,
        }

    idle = month(has.alarm_metrics, has.dashboards, IDLE_QUEUE_REQUESTS)
    beyond = month(
        has.alarm_metrics - FREE_ALARM_METRICS,
        has.dashboards - FREE_DASHBOARDS,
        IDLE_QUEUE_REQUESTS - FREE_QUEUE_REQUESTS,
    )
    if not used.photos:
        return Costs(used, idle, beyond, None)
    share = PHOTOS / used.photos
    gigabyte_seconds = used.seconds * used.memory_mb / 1024
    return Costs(
        usage=used,
        idle=idle,
        idle_beyond_free=beyond,
        per_thousand={
            "function": share
            * (gigabyte_seconds * prices.lambda_gigabyte_second + used.runs * prices.lambda_call),
            "requests": PHOTOS * (GETS * prices.s3_get + PUTS * prices.s3_put),
            "queue": PHOTOS * QUEUE_REQUESTS_PER_PHOTO * prices.queue_request,
            "metrics_per_month": max(has.custom_metrics - FREE_CUSTOM_METRICS, 0)
            * prices.custom_metric_month,
        },
    )

"""Photos that were in a bucket before the stack was: a job of S3 Batch Operations draws them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from adapters.tasks import COLOUR, STYLISE, TASK
from operations.estimate import Work
from operations.stack import OperationsError, Stack, client

DAYS_MEASURED = 14
# Assumed for a function that has not run: twice what a sharp photo of 1920x1080 takes on two
# threads of an idle machine (benchmarks/results.md), because Lambda gives less processor time, and
# S3 takes time too.
SECONDS_ASSUMED = 1.0
MAX_ARGUMENTS = 10  # of a job of S3 Batch Operations
PRIORITY = 10


@dataclass(frozen=True)
class Selection:
    """Objects of a bucket whose keys begin with the prefix and end with one of the suffixes."""

    bucket: str
    prefix: str
    suffixes: tuple[str, ...]

    def contains(self, key: str) -> bool:
        """Tells whether a key is selected. Folder placeholders never are."""
        return not key.endswith("/") and (not self.suffixes or key.endswith(self.suffixes))


def check_readable(stack: Stack, selection: Selection) -> None:
    """Checks that the function may read the photos. Raises OperationsError if not."""
    readable = stack.output("ReadablePhotos").split()
    location = f"s3://{selection.bucket}/{selection.prefix}"
    if not any(location.startswith(prefix) for prefix in readable):
        raise OperationsError(
            f"the function may read {' and '.join(readable)}, but not {location}: deploy with"
            f" BackfillBucketName={selection.bucket} and a BackfillPrefix"
        )


def check_task(stack: Stack, selection: Selection, options: Mapping[str, str]) -> None:
    """Checks that line drawings are not sent the options of photos: each would be refused.

    Raises:
        OperationsError: They would be.
    """
    if TASK in options or not options:
        return
    readable = map(urlsplit, stack.output("ReadablePhotos").split())
    prefixes = [each.path[1:] for each in readable if each.netloc == stack.output("InputBucket")]
    for lineart in prefixes[1:2]:  # after that of photos
        if selection.prefix.startswith(lineart):
            raise OperationsError(
                f"what lies under {lineart} is coloured: --task {COLOUR} takes the options of line"
                f" drawings, --task {STYLISE} those of photos"
            )


def count_photos(
    stack: Stack, selection: Selection, seconds_each: float | None, at_once: int
) -> Work:
    """Lists the bucket: one request for every thousand objects.

    Args:
        stack: The stack.
        selection: What to draw.
        seconds_each: Time for one photo; None to use the function's recent mean.
        at_once: How many run at the same time.
    """
    photos = size = listings = 0
    pages = client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=selection.bucket, Prefix=selection.prefix):
        listings += 1
        for item in page.get("Contents", []):
            if selection.contains(item["Key"]):
                photos += 1
                size += item["Size"]
    source = "as given"
    if seconds_each is None:
        seconds_each, source = _mean_seconds(stack), f"mean of the last {DAYS_MEASURED} days"
    if not seconds_each:
        seconds_each, source = SECONDS_ASSUMED, "assumed"
    return Work(
        photos=photos,
        bytes=size,
        listings=listings,
        seconds_each=seconds_each,
        seconds_from=source,
        memory_mb=int(stack.output("FunctionMemoryMb")),
        at_once=at_once,
    )


def _mean_seconds(stack: Stack) -> float | None:
    """The function's recent mean duration; None if it did not run."""
    end = datetime.now(UTC) + timedelta(minutes=1)  # the request drops fractions of a second
    response = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Dimensions=[{"Name": "FunctionName", "Value": stack.output("FunctionName")}],
        StartTime=end - timedelta(days=DAYS_MEASURED),
        EndTime=end,
        Period=DAYS_MEASURED * 86400,
        Statistics=["Sum", "SampleCount"],
    )
    points = response["Datapoints"]
    runs = sum(point["SampleCount"] for point in points)
    return sum(point["Sum"] for point in points) / runs / 1000 if runs else None


def job_request(stack: Stack, selection: Selection, options: Mapping[str, str]) -> dict[str, Any]:
    """Returns the request that creates the job: S3 lists the objects, and calls with each.

    Args:
        stack: The stack.
        selection: What to draw.
        options: How to draw it.

    Raises:
        OperationsError: A job cannot carry so many options.
    """
    if len(options) > MAX_ARGUMENTS:
        raise OperationsError(
            f"a job can carry {MAX_ARGUMENTS} options at most, not {len(options)}"
        )
    function = stack.output("FunctionArn")
    partition, account = function.split(":")[1], function.split(":")[4]
    reports = urlsplit(stack.output("BackfillReports"))
    names: dict[str, Any] = {"MatchAnyPrefix": [selection.prefix]} if selection.prefix else {}
    if selection.suffixes:
        names["MatchAnySuffix"] = list(selection.suffixes)
    invoke: dict[str, Any] = {"FunctionArn": function, "InvocationSchemaVersion": "2.0"}
    if options:
        invoke["UserArguments"] = dict(options)
    listing: dict[str, Any] = {
        "ExpectedBucketOwner": account,
        "SourceBucket": f"arn:{partition}:s3:::{selection.bucket}",
        "EnableManifestOutput": False,
    }
    if names:
        listing["Filter"] = {"KeyNameConstraint": names}
    return {
        "AccountId": account,
        "ConfirmationRequired": False,
        "ClientRequestToken": str(uuid.uuid4()),
        "Description": f"kirei backfill of s3://{selection.bucket}/{selection.prefix}"[:256],
        "Priority": PRIORITY,
        "RoleArn": stack.output("BackfillRoleArn"),
        "Operation": {"LambdaInvoke": invoke},
        "ManifestGenerator": {"S3JobManifestGenerator": listing},
        "Report": {
            "Enabled": True,
            "Bucket": f"arn:{partition}:s3:::{reports.netloc}",
            "Prefix": reports.path.strip("/"),
            "Format": "Report_CSV_20180820",
            "ReportScope": "FailedTasksOnly",
        },
    }


def create_job(request: Mapping[str, Any]) -> str:
    """Creates the job; returns its id."""
    return str(client("s3control").create_job(**request)["JobId"])

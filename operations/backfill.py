"""Photos that lay in a bucket before the stack did: a job of S3 Batch Operations draws them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from operations.estimate import Work
from operations.stack import OperationsError, Stack, client

DAYS_MEASURED = 14
# where the function has no past: twice what a sharp photo of 1920x1080 takes on two threads of an
# idle machine (benchmarks/results.md), for Lambda gives less processor, and S3 wants its time
SECONDS_ASSUMED = 1.0
MAX_ARGUMENTS = 10  # that a job of S3 Batch Operations can carry
PRIORITY = 10


@dataclass(frozen=True)
class Wanted:
    """Objects of a bucket whose keys start with the prefix and end with one of the suffixes."""

    bucket: str
    prefix: str
    suffixes: tuple[str, ...]

    def takes(self, key: str) -> bool:
        """The marks of folders are no photos."""
        return not key.endswith("/") and (not self.suffixes or key.endswith(self.suffixes))


def check_readable(stack: Stack, wanted: Wanted) -> None:
    """Raises OperationsError where the function may not read what is asked for."""
    places = stack.output("ReadablePhotos").split()
    asked = f"s3://{wanted.bucket}/{wanted.prefix}"
    if not any(asked.startswith(place) for place in places):
        raise OperationsError(
            f"the function may read {' and '.join(places)}, not {asked}: deploy with"
            f" BackfillBucketName={wanted.bucket} and a BackfillPrefix"
        )


def counted(stack: Stack, wanted: Wanted, seconds: float | None, at_once: int) -> Work:
    """Lists the bucket: a request for every thousand objects."""
    photos = size = listings = 0
    pages = client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=wanted.bucket, Prefix=wanted.prefix):
        listings += 1
        for item in page.get("Contents", []):
            if wanted.takes(item["Key"]):
                photos += 1
                size += item["Size"]
    known = None if seconds else _seconds_measured(stack)
    source = "as given"
    if seconds is None:
        source = f"mean of the last {DAYS_MEASURED} days" if known else "assumed"
    return Work(
        photos=photos,
        bytes=size,
        listings=listings,
        seconds_each=seconds or known or SECONDS_ASSUMED,
        seconds_from=source,
        memory_mb=int(stack.output("FunctionMemoryMb")),
        at_once=at_once,
    )


def _seconds_measured(stack: Stack) -> float | None:
    """The function's mean duration of late; None where it did not run."""
    end = datetime.now(UTC) + timedelta(minutes=1)  # times lose their fraction on the way
    answer = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Dimensions=[{"Name": "FunctionName", "Value": stack.output("FunctionName")}],
        StartTime=end - timedelta(days=DAYS_MEASURED),
        EndTime=end,
        Period=DAYS_MEASURED * 86400,
        Statistics=["Sum", "SampleCount"],
    )
    points = answer["Datapoints"]
    runs = sum(point["SampleCount"] for point in points)
    return sum(point["Sum"] for point in points) / runs / 1000 if runs else None


def job_request(stack: Stack, wanted: Wanted, options: Mapping[str, str]) -> dict[str, Any]:
    """What CreateJob is asked for: S3 lists the objects itself and calls the function with each."""
    if len(options) > MAX_ARGUMENTS:
        raise OperationsError(f"a job carries {MAX_ARGUMENTS} options at most, not {len(options)}")
    function = stack.output("FunctionArn")
    partition, account = function.split(":")[1], function.split(":")[4]
    reports = urlsplit(stack.output("BackfillReports"))
    names: dict[str, Any] = {"MatchAnyPrefix": [wanted.prefix]} if wanted.prefix else {}
    if wanted.suffixes:
        names["MatchAnySuffix"] = list(wanted.suffixes)
    invoke: dict[str, Any] = {"FunctionArn": function, "InvocationSchemaVersion": "2.0"}
    if options:
        invoke["UserArguments"] = dict(options)
    listing: dict[str, Any] = {
        "ExpectedBucketOwner": account,
        "SourceBucket": f"arn:{partition}:s3:::{wanted.bucket}",
        "EnableManifestOutput": False,
    }
    if names:
        listing["Filter"] = {"KeyNameConstraint": names}
    return {
        "AccountId": account,
        "ConfirmationRequired": False,
        "ClientRequestToken": str(uuid.uuid4()),
        "Description": f"kirei backfill of s3://{wanted.bucket}/{wanted.prefix}"[:256],
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


def begun(request: Mapping[str, Any]) -> str:
    """Creates the job; returns its id."""
    return str(client("s3control").create_job(**request)["JobId"])

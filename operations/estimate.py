"""What a backfill will cost, before it begins."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from operations.stack import OperationsError

# Requests to S3 for a photo that is drawn. GET or HEAD: the photo, and its state once more at the
# end; the sidecar, if any; the picture's state; both keys of a failure record. PUT: the picture and
# the sidecar.
GETS, PUTS = 6, 2
GIGABYTE = 1e9
PICTURE_BYTES = 500_000  # assumed: a picture of 1920 px at quality 92, with its sidecar


def _price(value: float, about: str) -> Any:
    return field(default=value, metadata={"about": about})


@dataclass(frozen=True)
class Prices:
    """US dollars; AWS's list, us-east-1, first tier, as of PRICES_OF. Free tiers do not count."""

    lambda_gigabyte_second: float = _price(0.0000166667, "x86_64; on arm64 0.0000133334")
    lambda_call: float = _price(0.20e-6, "one call of the function")
    s3_get: float = _price(0.40e-6, "one GET or HEAD")
    s3_put: float = _price(5.00e-6, "one PUT or LIST")
    batch_job: float = _price(0.25, "one job of S3 Batch Operations")
    batch_object: float = _price(1.00e-6, "one object of a job")
    manifest_object: float = _price(0.015e-6, "one object listed for a job's manifest")
    storage_gigabyte_month: float = _price(0.023, "a gigabyte of pictures kept for a month")
    queue_request: float = _price(0.40e-6, "one request to SQS")
    alarm_metric_month: float = _price(0.10, "one metric of an alarm, for a month")
    custom_metric_month: float = _price(
        0.30, "one metric of our own, for a month in which it is sent"
    )
    dashboard_month: float = _price(3.00, "one dashboard for a month")
    secret_month: float = _price(0.40, "one secret for a month")
    image_gigabyte_month: float = _price(0.10, "a gigabyte of images in ECR for a month")

    @classmethod
    def with_changes(cls, changes: tuple[str, ...]) -> Self:
        """Returns the list prices with some of them replaced.

        Args:
            changes: ``NAME=DOLLARS`` each.

        Raises:
            OperationsError: The name is unknown, or the price is not a number.
        """
        values: dict[str, float] = {}
        names = [item.name for item in fields(cls)]
        for change in changes:
            name, _, number = change.partition("=")
            try:
                values[name] = float(number)
            except ValueError:
                values[name] = -1
            if name not in names or not 0 <= values[name] < float("inf"):
                raise OperationsError(
                    f"--price {change!r}: it must be NAME=DOLLARS, NAME one of {', '.join(names)}"
                )
        return cls(**values)


PRICES_OF = "2025"


@dataclass(frozen=True)
class Work:
    """What there is to do.

    Attributes:
        photos: How many photos.
        bytes: Their size, all together.
        listings: How many requests it took to list them.
        seconds_each: Billed time of the function for one photo.
        seconds_from: How that is known.
        memory_mb: The function's memory.
        at_once: How many run at the same time.
    """

    photos: int
    bytes: int
    listings: int
    seconds_each: float
    seconds_from: str
    memory_mb: int
    at_once: int


@dataclass(frozen=True)
class Estimate:
    """What the work costs: dollars by purpose, and hours."""

    work: Work
    dollars: dict[str, float]
    hours: float

    @property
    def total(self) -> float:
        """Dollars, once. Storage, which is paid every month, is not included."""
        return sum(value for name, value in self.dollars.items() if name != "storage_per_month")

    def as_dict(self) -> dict[str, Any]:
        """Returns everything in one dict, as the command prints it."""
        work = asdict(self.work)
        return {**work, "dollars": self.dollars, "total": self.total, "hours": self.hours}


def estimate(work: Work, prices: Prices) -> Estimate:
    """Returns the cost of drawing all photos, if none of them was drawn before."""
    count = work.photos
    gigabyte_seconds = count * work.seconds_each * work.memory_mb / 1024
    dollars = {
        "function": gigabyte_seconds * prices.lambda_gigabyte_second + count * prices.lambda_call,
        "requests": count * (GETS * prices.s3_get + PUTS * prices.s3_put)
        + work.listings * prices.s3_put,
        "batch_operations": prices.batch_job
        + count * (prices.batch_object + prices.manifest_object),
        "storage_per_month": count * PICTURE_BYTES / GIGABYTE * prices.storage_gigabyte_month,
    }
    return Estimate(work, dollars, count * work.seconds_each / work.at_once / 3600)

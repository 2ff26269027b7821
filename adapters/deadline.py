"""How much time there is for a photo."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from aws_lambda_powertools.utilities.typing import LambdaContext

WRITE_RESERVE_S = 5.0  # kept for writing the picture and its sidecar to S3
HTTP_TIMEOUT_S = 29.0  # an HTTP API waits 30 s for its function, and no longer


@dataclass(frozen=True)
class Deadline:
    """A moment on the clock of ``time.monotonic``; None where there is no limit."""

    at_s: float | None = None

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Returns the deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def of_invocation(cls, context: LambdaContext, *, over_http: bool) -> Self:
        """Returns the deadline of a Lambda invocation that begins now.

        Args:
            context: Knows how long the function may run.
            over_http: Whether a client waits for the response at an HTTP API.
        """
        seconds = context.get_remaining_time_in_millis() / 1000 - WRITE_RESERVE_S
        return cls.after(min(seconds, HTTP_TIMEOUT_S) if over_http else seconds)

    def remaining_s(self) -> float | None:
        """Returns the seconds that are left, negative where it is past; None without a limit."""
        return None if self.at_s is None else self.at_s - time.monotonic()


NO_DEADLINE = Deadline()

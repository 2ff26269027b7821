"""How much time the invocation that is under way leaves for a photo."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

from aws_lambda_powertools.utilities.typing import LambdaContext

WRITING_S = 5.0  # kept for the way of the picture and its sidecar to S3
ANSWERING_S = 29.0  # an HTTP API waits half a minute for its function, and not longer

_left_s: ContextVar[Callable[[], float] | None] = ContextVar("left_s", default=None)


def start(context: LambdaContext, answers: bool) -> None:
    """Begins an invocation; ``answers``: somebody waits for it at an HTTP API."""
    until_s = time.monotonic() + ANSWERING_S

    def left_s() -> float:
        function_s = context.get_remaining_time_in_millis() / 1000 - WRITING_S
        return min(function_s, until_s - time.monotonic()) if answers else function_s

    _left_s.set(left_s)


def left_s() -> float | None:
    """Seconds that the pipeline may take; None where no invocation was begun."""
    ask = _left_s.get()
    return ask() if ask else None

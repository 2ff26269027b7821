"""Long clips that could not be drawn: executions of the stack's state machine, if it has one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from operations.stack import Stack, client

MACHINE = "LongClipMachineArn"  # an output of stacks with LongClips=on
UNFINISHED = ("FAILED", "TIMED_OUT")


@dataclass(frozen=True)
class FailedClip:
    """An execution that did not end well and can still be gone on with.

    Attributes:
        execution: Its ARN.
        at: When it ended: UTC, ISO 8601.
        bucket: The clip's bucket.
        key: The clip's key.
        code: The error's name; that of Step Functions where it ran out of time.
        why: The error's message.
    """

    execution: str
    at: str
    bucket: str | None
    key: str | None
    code: str
    why: str


def failed_clips(stack: Stack) -> Iterator[FailedClip]:
    """Yields executions that failed or ran out of time, in the 14 days that they can be redriven.

    Args:
        stack: The stack; without a state machine it has none.
    """
    machine = stack.outputs.get(MACHINE)
    if not machine:
        return
    pages = client("stepfunctions").get_paginator("list_executions")
    for status in UNFINISHED:
        for page in pages.paginate(stateMachineArn=machine, statusFilter=status):
            for item in page["executions"]:
                found = client("stepfunctions").describe_execution(
                    executionArn=item["executionArn"]
                )
                if found.get("redriveStatus") == "REDRIVABLE":
                    yield _failed_clip(found)


def redrive_clips(stack: Stack) -> int:
    """Has each of these executions go on from the step that failed; returns how many."""
    clips = list(failed_clips(stack))
    for clip in clips:
        client("stepfunctions").redrive_execution(executionArn=clip.execution)
    return len(clips)


def _failed_clip(found: dict[str, Any]) -> FailedClip:
    job = json.loads(found["input"])
    code = found.get("error") or "States.Timeout"
    cause = found.get("cause") or found["status"]
    return FailedClip(
        execution=found["executionArn"],
        at=found["stopDate"].isoformat(timespec="seconds"),
        bucket=job.get("bucket"),
        key=job.get("key"),
        code=code,
        why=_message(cause),
    )


def _message(cause: str) -> str:
    """What the function said, out of the record that Step Functions keeps of a failed run."""
    try:
        message = json.loads(cause)["errorMessage"]
    except (ValueError, LookupError, TypeError):
        message = cause
    return " ".join(str(message).split())

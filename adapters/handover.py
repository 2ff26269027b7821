"""Clips that are longer than one run draws are handed to a state machine; see long_clips.py."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING

from adapters.clips import clip_in, working_file
from adapters.jobs import Outcome
from adapters.tasks import Order
from pipeline import Options, Origin, StoreUnavailable

if TYPE_CHECKING:
    from adapters.worker import Worker

JOINABLE = ("auto", "mp4", "webm")  # formats whose segments can be put together
ALREADY_THERE = "ExecutionAlreadyExists"
MAX_NAME = 48  # characters of a fingerprint in an execution's name; 80 are allowed


def is_long(worker: Worker, data: bytes, order: Order) -> bool:
    """Whether a file is a clip that the state machine draws, if there is one."""
    options = order.options
    if not worker.settings.long_clip_machine or not isinstance(options, Options):
        return False
    if options.format not in JOINABLE or clip_in(data, order) != slice(0, len(data)):
        return False
    with working_file(data) as source:
        length_s = worker.pipeline.clip_length_s(source)
    return length_s is not None and length_s > worker.settings.clip_segment_s


def hand_over(worker: Worker, order: Order, origin: Origin) -> Outcome:
    """Starts the state machine with a clip.

    The same clip with the same options is started once: the events of an upload may come twice.

    Raises:
        StoreUnavailable: The state machine could not be started.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from pipeline import to_json

    job = {**asdict(origin), "options": asdict(order.options)}
    name = order.fingerprint(worker.pipeline.version, origin)[:MAX_NAME]
    request = {"stateMachineArn": worker.settings.long_clip_machine, "input": to_json(job).decode()}
    client = boto3.client("stepfunctions")
    try:
        try:
            client.start_execution(**request, name=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != ALREADY_THERE:
                raise
            # one that ended without a result, or with one that is gone
            client.start_execution(**request, name=f"{name}-{secrets.token_hex(4)}")
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable(f"the state machine did not start: {error}") from error
    return Outcome("handed_over", origin.bucket, origin.key, "it is drawn in segments")

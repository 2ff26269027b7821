"""Replays what failed: dead letters, failed asynchronous calls, and refused photos."""

from __future__ import annotations

import json
import time
from typing import Any

from operations.failures import list_refusals
from operations.queues import Message, arn_of, replay
from operations.stack import OperationsError, Stack, client

# Error codes of services like SQS that cannot move messages by themselves. SQS's own failures have
# a name, and are never just 500.
CANNOT_MOVE = {
    "500",
    "501",
    "AWS.SimpleQueueService.UnsupportedOperation",
    "InvalidAction",
    "NotImplemented",
    "UnknownOperationException",
}
POLL_S = 2.0


def move_dead_letters(stack: Stack) -> int:
    """Moves the dead letters back to the upload queue.

    SQS moves them itself if it can; otherwise they are received and sent one by one.

    Args:
        stack: The stack.

    Returns:
        How many were moved.

    Raises:
        OperationsError: SQS could not move them.
    """
    from botocore.exceptions import ClientError

    sqs = client("sqs")
    dead_letters, uploads = stack.output("DeadLettersUrl"), stack.output("UploadQueueUrl")
    source = arn_of(dead_letters)
    try:
        # the destination is named, because those that EventBridge sent came from no queue
        sqs.start_message_move_task(SourceArn=source, DestinationArn=arn_of(uploads))
    except ClientError as error:
        if error.response["Error"].get("Code") not in CANNOT_MOVE:
            raise
        return replay(dead_letters, lambda message: _send(uploads, message.text))[0]
    while True:
        (task,) = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"]
        if task["Status"] == "FAILED":
            raise OperationsError(f"SQS could not move the dead letters: {task['FailureReason']}")
        if task["Status"] != "RUNNING":
            return int(task["ApproximateNumberOfMessagesMoved"])
        time.sleep(POLL_S)


def repeat_failed_calls(stack: Stack) -> tuple[int, list[str]]:
    """Calls the function again with each event that failed permanently.

    Args:
        stack: The stack.

    Returns:
        How many calls were made, and the ids of messages that are not Lambda's records: they stay.
    """
    function = stack.output("FunctionArn")

    def send(message: Message) -> None:
        payload = json.dumps(message.body["requestPayload"]).encode()
        client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)

    def is_ours(message: Message) -> bool:
        return isinstance(message.body, dict) and "requestPayload" in message.body

    return replay(stack.output("FailedEventsUrl"), send, is_ours)


def resubmit_refused(stack: Stack, code: str | None) -> int:
    """Sends refused photos to the upload queue, each with the options that it had.

    The record of a photo that is drawn then is deleted.

    Args:
        stack: The stack.
        code: If set, only photos that were refused with this error code.

    Returns:
        How many were sent.
    """
    uploads, count = stack.output("UploadQueueUrl"), 0
    for refusal in list_refusals(stack, code):
        _send(uploads, json.dumps(refusal.call))
        count += 1
    return count


def _send(url: str, text: str) -> Any:
    return client("sqs").send_message(QueueUrl=url, MessageBody=text)

"""Replays what failed: dead letters, calls that failed for good, and refused photos."""

from __future__ import annotations

import json
import time
from typing import Any

from operations.failures import refusals
from operations.queues import Message, arn_of, replayed
from operations.stack import OperationsError, Stack, client

# what services like SQS answer that cannot move messages by themselves; SQS's own failures have
# a name and are never just 500
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
    """Dead letters go back to the queue of uploads; returns how many did. SQS moves them itself
    where it can, else they are received and sent one by one.
    """
    from botocore.exceptions import ClientError

    sqs = client("sqs")
    dead, uploads = stack.output("DeadLettersUrl"), stack.output("UploadQueueUrl")
    source = arn_of(dead)
    try:
        # the destination is named, for those that EventBridge left there came from no queue
        sqs.start_message_move_task(SourceArn=source, DestinationArn=arn_of(uploads))
    except ClientError as error:
        if error.response["Error"].get("Code") not in CANNOT_MOVE:
            raise
        return replayed(dead, lambda message: _send(uploads, message.text))[0]
    while True:
        (task,) = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"]
        if task["Status"] == "FAILED":
            raise OperationsError(f"SQS could not move the dead letters: {task['FailureReason']}")
        if task["Status"] != "RUNNING":
            return int(task["ApproximateNumberOfMessagesMoved"])
        time.sleep(POLL_S)


def call_again(stack: Stack) -> tuple[int, list[str]]:
    """The function is called once more with each event that failed for good; returns how many,
    and the ids of messages that are no records of Lambda's: they are left where they are.
    """
    function = stack.output("FunctionArn")

    def send(message: Message) -> None:
        payload = json.dumps(message.body["requestPayload"]).encode()
        client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)

    def ours(message: Message) -> bool:
        return isinstance(message.body, dict) and "requestPayload" in message.body

    return replayed(stack.output("FailedEventsUrl"), send, ours)


def ask_again(stack: Stack, code: str | None) -> int:
    """Refused photos (with a code, those of this error) go to the queue of uploads, each with the
    options it had; returns how many. A photo that is drawn then loses its record under failed/.
    """
    uploads, count = stack.output("UploadQueueUrl"), 0
    for refusal in refusals(stack, code):
        _send(uploads, json.dumps(refusal.call))
        count += 1
    return count


def _send(url: str, text: str) -> Any:
    return client("sqs").send_message(QueueUrl=url, MessageBody=text)

"""Queues: looking at messages without removing them, and moving them one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from operations.stack import client

# A message that is being looked at is hidden for this time: if this process is killed, the message
# is back after it.
HIDDEN_S = 60
REASONS = ["ERROR_CODE", "ERROR_MESSAGE"]  # attributes of an event that EventBridge gave up
MAX_BATCH = 10  # messages in one request of SQS


@dataclass(frozen=True)
class Message:
    """One message of a queue; ``error`` is what EventBridge says of an event it did not deliver."""

    id: str
    receipt: str
    sent_at: str
    text: str
    error: str | None = None

    @property
    def body(self) -> Any:
        """The text, parsed if it is JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text


def receive(url: str) -> Iterator[Message]:
    """Yields every message of a queue once. Each stays hidden for HIDDEN_S.

    Args:
        url: The queue's URL.
    """
    seen: set[str] = set()
    while True:
        response = client("sqs").receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=MAX_BATCH,
            VisibilityTimeout=HIDDEN_S,
            WaitTimeSeconds=1,  # asks all of the queue's servers, or some messages are left out
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=REASONS,
        )
        messages = [_message(item) for item in response.get("Messages", [])]
        new = [message for message in messages if message.id not in seen]
        if not new:
            return
        for message in new:
            seen.add(message.id)
            yield message


def peek(url: str, maximum: int) -> list[Message]:
    """Returns messages that stay in the queue, and are visible again at once.

    Args:
        url: The queue's URL.
        maximum: How many to return at most.
    """
    messages: list[Message] = []
    try:
        for message in receive(url):
            messages.append(message)
            if len(messages) == maximum:
                break
    finally:
        _put_back(url, messages)
    return messages


def replay(
    url: str, send: Callable[[Message], None], is_ours: Callable[[Message], bool] | None = None
) -> tuple[int, list[str]]:
    """Sends every message of a queue on, and deletes it once it is sent.

    If the process is killed in between, a message is sent twice, and none is lost.

    Args:
        url: The queue's URL.
        send: Sends one message.
        is_ours: Tells whether a message is to be sent; None for all of them.

    Returns:
        How many were sent, and the ids of the others, which stay.
    """
    count = 0
    others: list[Message] = []
    try:
        for message in receive(url):
            if is_ours is not None and not is_ours(message):
                others.append(message)
                continue
            send(message)
            client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message.receipt)
            count += 1
    finally:
        _put_back(url, others)
    return count, [message.id for message in others]


def arn_of(url: str) -> str:
    """Returns the ARN of a queue."""
    response = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(response["Attributes"]["QueueArn"])


def _put_back(url: str, messages: list[Message]) -> None:
    for start in range(0, len(messages), MAX_BATCH):
        client("sqs").change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                for index, message in enumerate(messages[start : start + MAX_BATCH])
            ],
        )


def _message(item: dict[str, Any]) -> Message:
    attributes = item["Attributes"]
    sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    reasons = item.get("MessageAttributes", {})
    error = [reasons[name]["StringValue"] for name in REASONS if name in reasons]
    return Message(
        id=item["MessageId"],
        receipt=item["ReceiptHandle"],
        sent_at=sent.isoformat(timespec="seconds"),
        text=item["Body"],
        error=": ".join(error) or None,
    )

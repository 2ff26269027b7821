"""Queues: looking at messages without taking them, and taking them out one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from operations.stack import client

HIDDEN_S = 60  # while a message is looked at; should we be killed, it is back after that


@dataclass(frozen=True)
class Message:
    """``body``: parsed where it is JSON, else the text. ``error``: what EventBridge says of an
    event that it could not deliver.
    """

    id: str
    receipt: str
    sent_at: str
    text: str
    error: str | None = None

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text


def received(url: str) -> Iterator[Message]:
    """Every message of a queue once; each stays hidden for HIDDEN_S, unless it is put back."""
    seen: set[str] = set()
    while True:
        answer = client("sqs").receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_S,
            WaitTimeSeconds=1,  # asks all of the queue's servers: without it some are left out
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["ERROR_CODE", "ERROR_MESSAGE"],
        )
        found = [_message(item) for item in answer.get("Messages", [])]
        fresh = [message for message in found if message.id not in seen]
        if not fresh:
            return
        for message in fresh:
            seen.add(message.id)
            yield message


def looked_at(url: str, most: int) -> list[Message]:
    """At most so many messages of a queue, which stay in it and are visible again at once."""
    messages: list[Message] = []
    try:
        for message in received(url):
            messages.append(message)
            if len(messages) == most:
                break
    finally:
        _put_back(url, messages)
    return messages


def replayed(
    url: str, send: Callable[[Message], None], ours: Callable[[Message], bool] = lambda _: True
) -> tuple[int, list[str]]:
    """Sends every message of a queue on that is ``ours``, each deleted once it is sent; returns
    how many, and the ids of the others, which stay.

    Killed in between, a message is sent twice and none is lost.
    """
    count, others = 0, list[Message]()
    try:
        for message in received(url):
            if not ours(message):
                others.append(message)
                continue
            send(message)
            client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message.receipt)
            count += 1
    finally:
        _put_back(url, others)
    return count, [message.id for message in others]


def _put_back(url: str, messages: list[Message]) -> None:
    for start in range(0, len(messages), 10):
        client("sqs").change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                for number, message in enumerate(messages[start : start + 10])
            ],
        )


def arn_of(url: str) -> str:
    """The ARN of a queue."""
    answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def _message(item: dict[str, Any]) -> Message:
    attributes = item["Attributes"]
    sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    said = item.get("MessageAttributes", {})
    error = [said[name]["StringValue"] for name in ("ERROR_CODE", "ERROR_MESSAGE") if name in said]
    return Message(
        id=item["MessageId"],
        receipt=item["ReceiptHandle"],
        sent_at=sent.isoformat(timespec="seconds"),
        text=item["Body"],
        error=": ".join(error) or None,
    )

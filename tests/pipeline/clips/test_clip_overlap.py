"""Work in threads beside the caller: in order, bounded, and with its errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.clips.overlap import BackgroundConsumer, prefetch


def numbers(seen: list[int], end: int) -> Iterator[int]:
    for number in range(end):
        seen.append(number)
        yield number
    raise ValueError("at the end")


def test_items_come_in_order_and_their_error_behind_them() -> None:
    items = prefetch(numbers([], 20), 2)
    assert [next(items) for _ in range(20)] == list(range(20))
    with pytest.raises(ValueError, match="at the end"):
        next(items)


def test_no_more_is_fetched_than_the_queue_holds() -> None:
    seen: list[int] = []
    items = prefetch(numbers(seen, 1000), 1)
    assert next(items) == 0
    threading.Event().wait(0.3)
    assert len(seen) <= 4
    items.close()  # type: ignore[attr-defined]
    count = len(seen)
    threading.Event().wait(0.3)
    assert len(seen) == count


def test_a_handler_gets_all_in_order_and_its_error_ends_the_caller() -> None:
    handled: list[int] = []
    with BackgroundConsumer(handled.append, 1) as consumer:
        for number in range(50):
            consumer.put(number)
    assert handled == list(range(50))

    def fail(number: int) -> None:
        raise KeyError(number)

    def hand_over() -> None:
        with BackgroundConsumer(fail, 1) as consumer:
            for number in range(50):
                consumer.put(number)

    with pytest.raises(KeyError):
        hand_over()

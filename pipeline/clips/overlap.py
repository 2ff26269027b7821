"""Work that goes on in threads of its own while the caller works: what comes before, and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
WAIT_S = 0.2  # between looks at whether anybody still listens


@dataclass(frozen=True)
class _End:
    """Stands behind the last item; ``error`` is what ended them early, if anything did."""

    error: BaseException | None = None


def prefetch(items: Iterable[T], count: int) -> Iterator[T]:
    """Yields items that a thread fetches while the caller works.

    What the items raise is raised here. A caller that stops early ends the thread at its next
    item.

    Args:
        items: What the thread iterates over.
        count: How many are held at most, beside the one that the thread fetches.
    """
    fetcher = _Fetcher(items, count)
    thread = Thread(target=fetcher.fetch, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := fetcher.queue.get(), _End):
            handed_over = [item]
            del item  # only the caller holds it, and may let it go
            yield handed_over.pop()
        if item.error is not None:
            raise item.error
    finally:
        fetcher.stopped.set()
        thread.join()


class _Fetcher(Generic[T]):
    def __init__(self, items: Iterable[T], count: int) -> None:
        self.queue: Queue[T | _End] = Queue(count)
        self.stopped = Event()
        self._items = items

    def fetch(self) -> None:
        """Puts all items into the queue, and then their end."""
        try:
            for item in self._items:
                self._put(item)
                del item  # it is not held while the next is fetched
                if self.stopped.is_set():
                    break
            self._put(_End())
        except BaseException as error:  # noqa: BLE001  # raised again where the items are used
            self._put(_End(error))

    def _put(self, item: T | _End) -> None:
        while not self.stopped.is_set():
            with suppress(Full):
                self.queue.put(item, timeout=WAIT_S)
                return


class BackgroundConsumer(Generic[T]):
    """Handles items in a thread, in their order, while the caller works. A context manager.

    Args:
        handle: Called with each item.
        count: How many wait at most.
    """

    def __init__(self, handle: Callable[[T], object], count: int) -> None:
        self._handle = handle
        self._queue: Queue[T | None] = Queue(count)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="consumer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def put(self, item: T) -> None:
        """Hands an item over; waits where too many do. Raises what handling raised."""
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._handle(item)
                except BaseException as error:  # noqa: BLE001  # raised by put or at the end
                    self._error = error
            del item

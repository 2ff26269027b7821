"""How long each stage took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Timings(dict[str, float]):
    """Milliseconds by stage, and whoever wants to hear of each stage as it begins."""

    def __init__(self, on_stage: Callable[[str], object] | None) -> None:
        super().__init__()
        self.on_stage = on_stage or (lambda stage: None)


@contextmanager
def timed(timings_ms: Timings, stage: str) -> Iterator[None]:
    """Notes what happens within as that stage's."""
    timings_ms.on_stage(stage)
    start = time.perf_counter()
    yield
    timings_ms[stage] = (time.perf_counter() - start) * 1000

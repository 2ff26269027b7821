"""How long each stage took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Timings(dict[str, float]):
    """Milliseconds by stage.

    Args:
        on_stage: Called with the name of each stage as it begins; None for nobody.
    """

    def __init__(self, on_stage: Callable[[str], object] | None) -> None:
        super().__init__()
        self._on_stage = on_stage

    def announce(self, stage: str) -> None:
        """Calls ``on_stage``."""
        if self._on_stage:
            self._on_stage(stage)


@contextmanager
def timed(timings_ms: Timings, stage: str) -> Iterator[None]:
    """Times what happens within as that stage's, and announces the stage."""
    timings_ms.announce(stage)
    start = time.perf_counter()
    yield
    timings_ms[stage] = (time.perf_counter() - start) * 1000

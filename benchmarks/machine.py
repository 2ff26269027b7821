"""What every benchmark needs to know of the machine, and how it takes turns on it."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THREADS = 2


def processor() -> str:
    """The processor's name as the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def interleaved(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    """Times several things side by side, so that other load slows all of them alike.

    Args:
        runs: What to time.
        rounds: How often each runs, after one round of warming.

    Returns:
        The median seconds of each.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for run, found in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run()
            if number:
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in seconds]

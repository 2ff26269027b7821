"""Photos a minute on two cores, in one process or two, and what a thousand of them cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from benchmarks.machine import ROOT, THREADS
from benchmarks.photographs import with_one_face
from benchmarks.processors import AVX2, Unavailable, mask_runtime

SIZE_PX = (1920, 1080)
PHOTOS = 8  # of one round, by all processes together
ROUNDS = 3
LAMBDA_MB = (1024, 1769, 3538)
PROCESSOR_MB = 1769  # Lambda gives a whole processor for each
PRICE_PER_GB_SECOND = 0.0000166667  # dollars, on x86-64
PRICE_PER_CALL = 0.0000002  # dollars
ONE_CORE, TWO_CORES = "one process on one core", "one process of two threads"

# answers a line with a number of photos by drawing as many, and a line when it is done
WORKER = """
import sys
from pathlib import Path
from pipeline import Options, Pipeline, Settings
pipeline = Pipeline(Settings(threads=int(sys.argv[2])))
data, number = Path(sys.argv[1]).read_bytes(), 0
for line in sys.stdin:
    for _ in range(int(line)):
        number += 1
        # another file each time, of the same pixels: no landmarks are remembered
        pipeline.run(data + bytes(number), Options())
    print("done", flush=True)
"""

# name -> threads of each process, and the processors each is held to (none: all)
WAYS: Mapping[str, Sequence[tuple[int, frozenset[int] | None]]] = {
    TWO_CORES: [(THREADS, None)],
    "two processes of one thread": [(1, None), (1, None)],
    ONE_CORE: [(1, frozenset({min(os.sched_getaffinity(0))}))],
}


def measure(photos: int = PHOTOS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Times all ways by turns, after a round of warming.

    Returns:
        ``seconds_a_photo`` by way, medians, those that Lambda's cost follows from also with nothing
        beyond AVX2; ``without_avx2``: why these are not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        cv2.imwrite(str(path), with_one_face(*SIZE_PX)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        workers = {way: [_worker(path, *each) for each in each_of] for way, each_of in WAYS.items()}
        without = ""
        try:
            environment = mask_runtime(Path(folder)).environment(AVX2)
            for way in (ONE_CORE, TWO_CORES):
                lesser = partial(_worker, path, environment=environment)
                workers[f"{way}, {AVX2}"] = [lesser(*each) for each in WAYS[way]]
        except Unavailable as error:
            without = str(error)
        seconds: dict[str, list[float]] = {way: [] for way in workers}
        try:
            for number in range(rounds + 1):
                for way, group in workers.items():
                    taken = _round(group, 1 if number == 0 else photos // len(group))
                    if number:
                        seconds[way].append(taken / (photos // len(group) * len(group)))
        finally:
            for group in workers.values():
                for worker in group:
                    worker.communicate()
    return {
        "width": SIZE_PX[0],
        "height": SIZE_PX[1],
        "photos": photos,
        "seconds_a_photo": {way: statistics.median(found) for way, found in seconds.items()},
        "without_avx2": without,
        "price_per_gb_second": PRICE_PER_GB_SECOND,
    }


def _worker(
    photo: Path,
    threads: int,
    processors: frozenset[int] | None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(photo), str(threads)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if processors is not None:
        os.sched_setaffinity(worker.pid, processors)
    return worker


def _round(group: Sequence[subprocess.Popen[str]], photos: int) -> float:
    """Seconds until each of the workers has drawn as many photos."""
    start = time.perf_counter()
    for worker in group:
        if worker.stdin is None or worker.poll() is not None:
            raise RuntimeError(f"a worker ended with {worker.returncode}")
        worker.stdin.write(f"{photos}\n")
        worker.stdin.flush()
    for worker in group:
        if worker.stdout is None or not worker.stdout.readline():
            raise RuntimeError("a worker ended before it had drawn its photos")
    return time.perf_counter() - start


def lambda_seconds(memory_mb: int, one_core_s: float, two_cores_s: float) -> float:
    """Estimates the seconds of one photo on a function of some memory.

    Between one and two processors by equal ratios of what was measured there, under one in
    proportion, above two no faster than with two.

    Args:
        memory_mb: The function's memory, which decides its share of processors.
        one_core_s: Measured on one core.
        two_cores_s: Measured on two cores.

    Returns:
        Seconds.
    """
    processors = memory_mb / PROCESSOR_MB
    if processors <= 1:
        return one_core_s / processors
    share = min(1.0, processors - 1)
    return float(one_core_s ** (1 - share) * two_cores_s**share)


def dollars_a_thousand(memory_mb: int, seconds: float, price_per_gb_second: float) -> float:
    """A thousand calls of so many seconds each."""
    return 1000 * (seconds * memory_mb / 1024 * price_per_gb_second + PRICE_PER_CALL)


def lines(found: Mapping[str, Any]) -> list[str]:
    """Both tables in Markdown, with how the cost comes about."""
    taken, price = found["seconds_a_photo"], found["price_per_gb_second"]
    made = ["| | seconds a photo | photos a minute |", "|---|---|---|"]
    made += [f"| {way} | {seconds:.3f} | {60 / seconds:.0f} |" for way, seconds in taken.items()]
    made += [
        "",
        f"Photos of {found['width']}x{found['height']} with one face; two processes: of both "
        "together.",
        "",
    ]
    kinds = {"this processor": "", AVX2: f", {AVX2}"}
    if found["without_avx2"]:
        made += [f"Not measured: {AVX2}; {found['without_avx2']}.", ""]
        del kinds[AVX2]
    made += [
        "| Lambda's memory | processors | " + " | ".join(kinds) + " |",
        "|---" * (2 + len(kinds)) + "|",
    ]
    for memory_mb in LAMBDA_MB:
        cells = []
        for suffix in kinds.values():
            one_core_s, two_cores_s = (taken[f"{way}{suffix}"] for way in (ONE_CORE, TWO_CORES))
            seconds = lambda_seconds(memory_mb, one_core_s, two_cores_s)
            cells.append(f"{seconds:.2f} s, ${dollars_a_thousand(memory_mb, seconds, price):.4f}")
        made.append(f"| {memory_mb} MB | {memory_mb / PROCESSOR_MB:.2f} | {' | '.join(cells)} |")
    return [
        *made,
        "",
        "Seconds a photo, and what a thousand cost. Lambda promises AVX2 and no more. "
        f"Reckoned, not billed: 1000 x (seconds x memory / 1024 MB x ${price:.10f} a GB-second + "
        f"${PRICE_PER_CALL:.7f} a call), with this machine's seconds; Lambda gives a processor for "
        f"each {PROCESSOR_MB} MB, so under that the time of one core grows in proportion. Without "
        "starts, transfers and S3, on x86-64 alone. `--price-per-gb-second` takes another price.",
    ]

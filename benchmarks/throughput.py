"""Photos a minute on the cores of this machine, and what 1,000 of them cost on Lambda.

python -m benchmarks.throughput [--price DOLLARS]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from benchmarks.machine import ROOT
from benchmarks.photographs import with_one_face

SIZE = (1920, 1080)
PHOTOS = 12  # of each process
WAYS = ((1, 2), (2, 1))  # processes, and threads of each
PRICE = 0.0000166667  # dollars a GB-second: what AWS asked for x86 in most regions in 2026
MEMORIES_MB = (1024, 1769, 3538)
MB_A_PROCESSOR = 1769  # Lambda gives processor by memory, a whole one for so much

# opens the nets, says so, waits until all are ready, then draws
WORKER = """
import sys, time
from pathlib import Path
from pipeline import Options, Pipeline, Settings
pipeline = Pipeline(Settings(threads=int(sys.argv[2])))
data = Path(sys.argv[1]).read_bytes()
pipeline.run(data, Options())
print("ready", flush=True)
sys.stdin.readline()
start = time.monotonic()
for number in range(int(sys.argv[3])):
    pipeline.run(data + bytes(number + 1), Options())  # no landmarks are remembered
print(time.monotonic() - start, flush=True)
"""


def measure() -> dict[str, Any]:
    """``ways``: for each of WAYS the photos a minute and the seconds of one photo in a process;
    ``cost``: dollars for 1,000 photos by memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        cv2.imwrite(str(photo), with_one_face(*SIZE)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        ways = [_together(photo, *way) for way in WAYS]
        alone = _together(photo, 1, 1)
    return {"ways": ways, "cost": costs(alone["seconds"], ways[0]["seconds"], PRICE)}


def _together(photo: Path, processes: int, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-c", WORKER, str(photo), str(threads), str(PHOTOS)]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for one in started:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    seconds = max(float(one.communicate()[0]) for one in started)
    return {
        "processes": processes,
        "threads": threads,
        "a minute": 60 * processes * PHOTOS / seconds,
        "seconds": seconds / PHOTOS,
    }


def costs(one_thread_s: float, two_threads_s: float, price: float) -> list[dict[str, float]]:
    """What 1,000 photos cost by memory, in dollars: GB times seconds times the price of a
    GB-second. Seconds are those of one thread over the share of a processor that the memory
    brings, and of two threads from two processors on.
    """
    found = []
    for memory_mb in MEMORIES_MB:
        processors = memory_mb / MB_A_PROCESSOR
        seconds = two_threads_s if processors >= 2 else one_thread_s / min(processors, 1.0)
        dollars = 1000 * seconds * memory_mb / 1024 * price
        found.append({"memory_mb": memory_mb, "seconds": seconds, "dollars": dollars})
    return found


def lines(found: Mapping[str, Any], price: float = PRICE) -> list[str]:
    """Both tables in Markdown."""
    made = ["| processes | threads of each | photos a minute |", "|---|---|---|"]
    made += [
        f"| {way['processes']} | {way['threads']} | {way['a minute']:.0f} |"
        for way in found["ways"]
    ]
    made += ["", "| Lambda's memory | seconds a photo | 1,000 photos |", "|---|---|---|"]
    made += [
        f"| {row['memory_mb']} MB | {row['seconds']:.2f} | ${row['dollars']:.4f} |"
        for row in found["cost"]
    ]
    return [
        *made,
        "",
        f"Photos of {SIZE[0]}x{SIZE[1]} with a face. The costs are arithmetic, not measured on "
        "Lambda: memory in GB, times the seconds of this machine over the share of a processor "
        f"that the memory brings ({MB_A_PROCESSOR} MB a processor), times ${price} a GB-second, "
        "which is an input; without requests, S3 and cold starts.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--price", type=float, default=PRICE, help="dollars a GB-second")
    price = parser.parse_args().price
    found = measure()
    # the first way has two threads; the cost with one is that of a processor's memory
    one, two = (row["seconds"] for row in found["cost"][1:])
    print("\n".join(lines({**found, "cost": costs(one, two, price)}, price)))


if __name__ == "__main__":
    main()

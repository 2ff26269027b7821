"""Time and memory of colouring, each drawing in a process of its own.

    python -m benchmarks.lineart_cost FILE SIDE

FILE is a drawing; it is brought to SIDE px. Prints milliseconds on the clock and of
all threads' processor time without decoding, the best of several each, and peak megabytes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import ROOT, THREADS

SIDES = (512, 1024, 2048, 4096)
RUNS = 3


def cost_rows(drawing: bytes) -> list[str]:
    """Rows of a table: side, time, processor time, memory."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drawing.png"
        file.write_bytes(drawing)
        for side in SIDES:
            command = [sys.executable, "-m", "benchmarks.lineart_cost", str(file), str(side)]
            run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            rows.append(f"| {side} px | " + " | ".join(run.stdout.split()) + " |")
    return rows


def main() -> None:
    """Colours one drawing several times."""
    from pipeline import ColourOptions, Pipeline, Settings

    file, side = Path(sys.argv[1]), int(sys.argv[2])
    lines = np.asarray(cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), 0), np.uint8)
    scale = side / max(lines.shape)
    lines = cv2.resize(lines, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".png", lines)[1].tobytes()
    pipeline = Pipeline(Settings(threads=THREADS))
    options = ColourOptions(check="off")
    totals, processor_ms = [], []
    for _ in range(RUNS):
        start = time.process_time()
        totals.append(pipeline.colour(data, options).sidecar.timings_ms["total"])
        processor_ms.append(1000 * (time.process_time() - start))
    # getrusage would tell the peak of whoever started this process, too
    status = Path("/proc/self/status").read_text()
    peak_kb = int(re.findall(r"VmHWM:\s+(\d+)", status)[0])
    print(round(min(totals)), round(min(processor_ms)), round(peak_kb / 1024))


if __name__ == "__main__":
    main()

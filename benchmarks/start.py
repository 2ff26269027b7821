"""Cold start: from the start of a process to its first answer, and what that time is made of."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.machine import ROOT, THREADS

PHOTO = ROOT / "samples" / "astronaut.jpg"  # 512x512
ROUNDS = 5
PARTS = ("interpreter", "imports", "opening nets", "first run", "first answer")
TORCH = "import torch"
OURS = "int8 in ONNX Runtime"
FLOAT = "float weights in torch"

# time.monotonic() has one clock for all processes of the machine, so that the parent can tell
# when it started this one. Networks are opened when they are first needed, in between: what that
# takes is taken from the run, time in which several are opened counted once.
FIRST_ANSWER = """
import time
begun = time.monotonic()
import json, sys
started, engine, threads, photo = json.loads(sys.argv[1])
from pathlib import Path
from pipeline import Options, Settings
import pipeline.registry, pipeline.run
import torch, safetensors.torch  # TORCH
import onnxruntime  # ONNX
imported = time.monotonic()
spans, opened = [], pipeline.registry.open_engine
def open_engine(*what):
    start = time.monotonic()
    engine = opened(*what)
    spans.append((start, time.monotonic()))
    return engine
pipeline.registry.open_engine = open_engine
settings = Settings(engine=engine, threads=threads)
result = pipeline.run.Pipeline(settings).run(Path(photo).read_bytes(), Options())
answered = time.monotonic()
opening, reached = 0.0, imported
for start, end in sorted(spans):
    opening += max(0.0, end - max(start, reached))
    reached = max(reached, end)
assert result.image and spans
print(json.dumps([
    begun - started,
    imported - begun,
    opening,
    answered - imported - opening,
    answered - started,
]))
"""

IMPORT_TORCH = """
import json, sys, time
import torch
print(json.dumps(time.monotonic() - json.loads(sys.argv[1])))
"""


def first_answer_s(engine: str) -> dict[str, float]:
    """Seconds of each of PARTS in a fresh process; ``engine``: "onnx" or "torch"."""
    unused = "# ONNX" if engine == "torch" else "# TORCH"
    code = "\n".join(line for line in FIRST_ANSWER.splitlines() if not line.endswith(unused))
    asked = [time.monotonic(), engine, THREADS, str(PHOTO)]
    return dict(zip(PARTS, _fresh(code, asked), strict=True))


def import_torch_s() -> float:
    """Seconds from the start of a fresh process to the end of its import of torch."""
    return _fresh(IMPORT_TORCH, time.monotonic())


def _fresh(code: str, argument: object) -> Any:
    """What a process of its own, that runs ``code``, prints as JSON."""
    command = [sys.executable, "-c", code, json.dumps(argument)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Times the way to a first answer, engine by engine.

    They run one after the other in every round, after one round that brings the files to memory.

    Args:
        rounds: How often each is timed.

    Returns:
        ``first answer``: by engine, the median seconds of each of PARTS. ``import torch``: median
        seconds.
    """
    ours: list[dict[str, float]] = []
    floats: list[dict[str, float]] = []
    torches: list[float] = []
    for _ in range(rounds + 1):
        ours.append(first_answer_s("onnx"))
        floats.append(first_answer_s("torch"))
        torches.append(import_torch_s())
    return {
        "threads": THREADS,
        "first answer": {OURS: _medians(ours[1:]), FLOAT: _medians(floats[1:])},
        TORCH: statistics.median(torches[1:]),
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {part: statistics.median(run[part] for run in runs) for part in PARTS}


def lines(found: Mapping[str, Any]) -> list[str]:
    """The section of a report: one row an engine, and the import of torch."""
    made = ["| process | " + " | ".join(PARTS) + " |", "|---" * (1 + len(PARTS)) + "|"]
    for engine, row in found["first answer"].items():
        cells = " | ".join(f"{1000 * row[part]:.0f} ms" for part in PARTS)
        made.append(f"| {engine} | {cells} |")
    blank = " | " * (len(PARTS) - 1)
    made.append(f"| `{TORCH}` alone | {blank}{1000 * found[TORCH]:.0f} ms |")
    share = found["first answer"][OURS]["first answer"] / found[TORCH]
    return [
        *made,
        "",
        f"Medians; {found['threads']} threads, a JPEG of 512x512, files in the system's memory. The"
        f" parts are medians by themselves. Our first answer comes after {share:.0%} of the time"
        f" that `{TORCH}` takes.",
    ]


if __name__ == "__main__":
    print("\n".join(lines(measure())))

"""Whether the speed is what the committed report says: ratios alone, and counts of instructions.

    make bench-check        (python -m benchmarks.check)

A ratio of two times of one run says the same on a slow machine as on a fast one, but not on
another kind of processor: there they are shown and not judged. One that is
worse than the report's by more than MARGIN is a failure, as is Python's share of a request when
it takes more instructions than the report's by COUNT_MARGIN (by valgrind's callgrind; where that
is not installed, the counts are passed over and it says so).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from benchmarks import sizes, stages, start
from benchmarks.machine import ROOT, THREADS, processor
from benchmarks.photographs import with_one_face

RESULTS = ROOT / "benchmarks" / "results.json"
MARGIN = 1 / 3
COUNT_MARGIN = 0.15
REQUESTS = 20
INSTRUCTIONS = "instructions of Python a request"

# what a request costs beside pixels and nets: its event, its options, its tiles, its sidecar
REQUEST = """
import json, sys
from pathlib import Path
from adapters.events import kind_of, notified_jobs
from pipeline.settings import Options
from pipeline.tiling import plan
event = json.loads(Path("events/sqs_s3.json").read_text())
asked = {"style": "cel", "strength": "0.8", "format": "png"}
for _ in range(int(sys.argv[1])):
    kind_of(event)
    for record in event["Records"]:
        notified_jobs(json.loads(record["body"]))
    Options.from_mapping(asked)
    list(plan(4000, 6000, 1024, 110, 4))
"""


def measure() -> dict[str, float]:
    """Ratios, of which more is better, by what they compare; and INSTRUCTIONS."""
    (small,) = sizes.measure({(512, 512): 3})
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        cv2.imwrite(str(photo), with_one_face(512, 512)[..., ::-1])
        whole_ms = stages.alone(photo, THREADS)["warm_ms"]["total"]
    first = start.measure(rounds=2)
    found = {
        "AnimeGANv2 in eager torch over stylise, 512x512": small["eager_s"] / small["stylise_s"],
        "AnimeGANv2 in eager torch over the whole way, 512x512": 1000 * small["eager_s"] / whole_ms,
        "import torch over the first answer": first[start.TORCH]
        / first["first answer"][start.OURS]["first answer"],
    }
    if shutil.which("valgrind"):
        found[INSTRUCTIONS] = instructions()
    else:
        print("valgrind is not installed: instructions are not counted")
    return found


def instructions() -> float:
    """Of one request, the interpreter's start and the imports taken off."""
    some, none = (_counted(requests) for requests in (REQUESTS, 0))
    return (some - none) / REQUESTS


def _counted(requests: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, "-c", REQUEST, str(requests)]
        # hashes of texts the same in every run, or sets and dictionaries cost now more, now less
        environment = {"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"}
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
    counted = re.search(r"Collected\s*:\s*(\d+)", run.stderr)
    if counted is None:
        raise ValueError(f"callgrind told nothing: {run.stderr[-300:]}")
    return int(counted[1])


def worse(now: Mapping[str, float], reported: Mapping[str, float]) -> list[str]:
    """What is worse than it was reported, by more than its margin, in words."""
    found = []
    for name, value in now.items():
        if name not in reported:
            continue
        before = reported[name]
        if name == INSTRUCTIONS:
            bad = value > before * (1 + COUNT_MARGIN)
        else:
            bad = value < before * (1 - MARGIN)
        if bad:
            found.append(f"{name}: {value:.4g}, reported {before:.4g}")
    return found


def main() -> None:
    report: dict[str, Any] = json.loads(RESULTS.read_text())
    reported, now = report["guard"], measure()
    for name, value in now.items():
        print(f"{name}: {value:.4g} (reported {reported.get(name, float('nan')):.4g})")
    if report["machine"]["processor"] != processor():
        print(f"not judged: the report is of {report['machine']['processor']}")
    elif found := worse(now, reported):
        sys.exit("worse than reported: " + "; ".join(found))


if __name__ == "__main__":
    main()

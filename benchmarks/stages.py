"""The whole way, stage by stage, at five sizes; and beside the published chain."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.machine import ROOT, THREADS, interleaved
from benchmarks.photographs import blurred_selfie, with_one_face
from pipeline import Options, Pipeline, Settings
from pipeline.architectures.animeganv2 import AnimeGANv2Generator
from pipeline.architectures.rrdbnet import RRDBNet
from pipeline.domain import RgbImage
from pipeline.enhance.classic import denoise, equalise, sharpen
from training.data.tensors import to_tensor

SIZES = ((576, 432), (1152, 864), (1920, 1080), (3456, 2304), (6000, 4000))
WARM_RUNS = 3
CHAIN_ROUNDS = 2

# one whole run, cold and warm, in a process of its own, so that its peak memory is its own
RUN = """
import json, os, re, sys
from pathlib import Path
from pipeline import Options, Pipeline, Settings
pipeline = Pipeline(Settings(threads=int(sys.argv[2])))
data, warm, asked = Path(sys.argv[1]).read_bytes(), int(sys.argv[3]), json.loads(sys.argv[4])
runs = []
for number in range(1 + warm):
    # another file each time, of the same pixels: no landmarks are remembered
    runs.append(pipeline.run(data + bytes(number), Options(**asked)).sidecar)
def peak_mb(process):
    # not ru_maxrss: a child begins with its parent's
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\\s*(\\d+)", status).group(1)) / 1024
children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
print(json.dumps({
    "peak_mb": peak_mb("self") + sum(map(peak_mb, children)),
    "cold_ms": runs[0].timings_ms,
    "warm_ms": [run.timings_ms for run in runs[1:]],
    "faces": sum(bool(face.refined) for face in runs[0].faces),
}))
"""


def measure() -> dict[str, Any]:
    """Times the stages of photos of several sizes.

    Returns:
        ``sizes``: for each of SIZES and for two threads and one, the stages in milliseconds, warm
        and cold, and the peak memory in MB. ``full size``: the same drawn as large as they are, on
        two threads. ``chain``: seconds of a blurred selfie, ours and the published way.
    """
    rows, full = [], []
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            path = Path(folder) / f"{width}.jpg"
            photo = with_one_face(width, height)
            cv2.imwrite(str(path), photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            rows += [
                {"width": width, "height": height, "threads": threads, **alone(path, threads)}
                for threads in (THREADS, 1)
            ]
            if width > 1000:
                found = alone(path, THREADS, 1, detail=1.0, max_side_px=8192, enhance="off")
                full.append({"width": width, "height": height, **found})
    return {"sizes": rows, "full size": full, "chain": against_the_chain()}


def alone(photo: Path, threads: int, warm_runs: int = WARM_RUNS, **asked: object) -> dict[str, Any]:
    """Measures a photo in a process of its own.

    Args:
        photo: The file.
        threads: Of the engines.
        warm_runs: How often it is drawn after the first time.
        **asked: Options.

    Returns:
        The stages in milliseconds, cold and warm, and the peak memory in MB: that of the process
        and of its decoder, added up as if both had been at once.
    """
    arguments = [str(photo), str(threads), str(warm_runs), json.dumps(asked)]
    command = [sys.executable, "-c", RUN, *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = json.loads(run.stdout)
    warm = {
        stage: statistics.median(one[stage] for one in found["warm_ms"])
        for stage in found["cold_ms"]
    }
    return {**found, "warm_ms": warm}


def against_the_chain() -> dict[str, Any]:
    """Times a blurred selfie of 640x480 that is restored and doubled, in one run.

    Returns:
        Seconds of the published chain (RRDBNet of 23 blocks, non-local means, CLAHE, sharpening and
        AnimeGANv2 in eager torch, with random numbers for weights) and of ours.
    """
    torch.set_num_threads(THREADS)
    doubler, generator = RRDBNet(scale=2).eval(), AnimeGANv2Generator().eval()
    photo = blurred_selfie()
    file = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    pipeline = Pipeline(Settings(threads=THREADS))

    def published() -> None:
        decoded = cv2.cvtColor(
            cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
        )
        with torch.inference_mode():
            made = doubler(to_tensor([decoded]))[0]
            doubled: RgbImage = (
                ((made.clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).contiguous().numpy()
            )
            generator(to_tensor([sharpen(equalise(denoise(doubled)))]))

    sidecars = []

    def ours(number: list[int]) -> None:
        number[0] += 1
        sidecars.append(pipeline.run(file + bytes(number[0]), Options(upscale="on")).sidecar)

    seconds = interleaved([published, partial(ours, [0])], CHAIN_ROUNDS)
    output = sidecars[-1].output
    return {
        "published_s": seconds[0],
        "ours_s": seconds[1],
        "size": [output.width_px, output.height_px],
        "faces": sum(bool(face.refined) for face in sidecars[-1].faces),
        "stages_ms": sidecars[-1].timings_ms,
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Both tables in Markdown."""
    rows = found["sizes"]
    stages = [name for name in rows[0]["warm_ms"] if name != "total"]
    made = [
        "| photo | threads | " + " | ".join(stages) + " | total | a megapixel | first | memory |",
        "|---" * (len(stages) + 6) + "|",
    ]
    for row in rows:
        cells = " | ".join(f"{row['warm_ms'][stage]:.0f}" for stage in [*stages, "total"])
        megapixels = row["width"] * row["height"] / 1e6
        made.append(
            f"| {row['width']}x{row['height']} | {row['threads']} | {cells} | "
            f"{row['warm_ms']['total'] / megapixels:.0f} | {row['cold_ms']['total']:.0f} | "
            f"{row['peak_mb']:.0f} MB |"
        )
    made += [
        "",
        f"Milliseconds, medians of {WARM_RUNS} warm runs, each row a process of its own; one face "
        "in each photo, half as high as it; memory is that of the process and of its decoder. What "
        "is longer than 1920 px is reduced to it.",
        "",
        "Drawn at full size (`detail=1`, `max_side_px=8192`, two threads), in tiles:",
        "",
        "| photo | stylise | a megapixel | total | a megapixel | memory |",
        "|---" * 6 + "|",
    ]
    for row in found["full size"]:
        megapixels = row["width"] * row["height"] / 1e6
        cells = " | ".join(
            f"{row['warm_ms'][name]:.0f} | {row['warm_ms'][name] / megapixels:.0f}"
            for name in ("stylise", "total")
        )
        made.append(f"| {row['width']}x{row['height']} | {cells} | {row['peak_mb']:.0f} MB |")
    chain = found["chain"]
    return [
        *made,
        "",
        f"A blurred selfie of 640x480 to {chain['size'][0]}x{chain['size'][1]}, "
        f"{chain['faces']} face: {1000 * chain['ours_s']:.0f} ms; the published chain (RRDBNet "
        "of 23 blocks, non-local means, CLAHE, sharpening, AnimeGANv2 in eager torch) "
        f"{1000 * chain['published_s']:.0f} ms: {chain['published_s'] / chain['ours_s']:.1f} "
        "times as long.",
    ]

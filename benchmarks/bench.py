"""Speed and memory against the published generator, in one run.

    make bench        (python -m benchmarks.bench)

Prints the tables of the README as Markdown and writes them to benchmarks/results.md. All runs
are interleaved, so that a machine that changes its pace changes it for all of them.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

from pipeline import Options, Settings
from pipeline.domain import Photo, Picture
from pipeline.engines import OnnxEngine, open_engine
from pipeline.enlarge import enlarge
from pipeline.nets.animeganv2 import AnimeGANv2Generator
from pipeline.stylise import stylise
from pipeline.weights import Layer
from training.data import read_rgb

ROOT = Path(__file__).resolve().parent.parent
THREADS = 2
SIZES = [(512, 512), (1024, 1024), (1920, 1080)]
ROUNDS = {(512, 512): 7, (1024, 1024): 5, (1920, 1080): 3}

# one whole run, cold and warm, in a process of its own, so that its peak memory is its own
PIPELINE_RUN = """
import json, re, sys
from pathlib import Path
from pipeline import Options, Pipeline, Settings
pipeline = Pipeline(Settings(threads=2))
data = Path(sys.argv[1]).read_bytes()
runs = [pipeline.run(data, Options()).sidecar for _ in range(6)]
# not ru_maxrss: a child begins with its parent's
status = Path("/proc/self/status").read_text()
peak_mb = int(re.search(r"VmHWM:\\s*(\\d+)", status).group(1)) / 1024
print(json.dumps({
    "peak_mb": peak_mb,
    "cold": runs[0].timings_ms,
    "warm": [run.timings_ms for run in runs[1:]],
    "size": [runs[0].output.width_px, runs[0].output.height_px],
}))
"""


def montage(width: int, height: int) -> Picture:
    """A sharp picture of any size out of the two sample photographs, side by side and mirrored."""
    astronaut = read_rgb(ROOT / "samples" / "astronaut.jpg")
    cat = read_rgb(ROOT / "samples" / "chelsea.jpg")
    cat = cv2.resize(cat, (770, 512), interpolation=cv2.INTER_CUBIC)
    row = np.concatenate([astronaut, cat, astronaut[:, ::-1], cat[:, ::-1]], axis=1)
    field = np.concatenate([row, row[:, ::-1], row], axis=0)
    return np.ascontiguousarray(field[:height, :width])


def compare_generators() -> list[str]:
    """AnimeGANv2's generator in eager torch and in ONNX Runtime against our two stages that do
    as much: stylise and enlarge.
    """
    torch.set_num_threads(THREADS)
    published = AnimeGANv2Generator().eval()
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "animeganv2.onnx"
        torch.onnx.export(
            published,
            (torch.zeros(1, 3, 64, 96),),
            graph,
            input_names=["picture"],
            output_names=["drawing"],
            dynamic_axes={name: {2: "height", 3: "width"} for name in ("picture", "drawing")},
            opset_version=17,
            dynamo=False,
        )
        in_onnx = OnnxEngine(graph.read_bytes(), THREADS)
    settings = Settings(threads=THREADS)
    layer = Layer(settings.weights_dir, settings.checkpoints_dir)
    style = layer.style("hayao")
    picture, code = (open_engine(layer, style, role, settings) for role in ("picture", "code"))
    upsampler = open_engine(layer, layer.upsampler, "picture", settings)
    tile_px = settings.tile_px

    def eager(planes: np.ndarray) -> None:
        with torch.inference_mode():
            published(torch.from_numpy(planes))

    def ours(photo: Photo, detail: float) -> None:
        drawn, _ = stylise(photo, style, picture, code, Options(detail=detail), tile_px)
        size = (photo.width_px, photo.height_px)
        enlarge(drawn, size, layer.upsampler, lambda: upsampler, tile_px)

    lines = [
        "| size | AnimeGANv2, eager torch | AnimeGANv2, ONNX Runtime fp32 |"
        " Kirei: stylise and enlarge |"
        " Kirei at full size (detail 1) | times faster than eager |",
        "|---|---|---|---|---|---|",
    ]
    for width, height in SIZES:
        photo = Photo(montage(width, height))
        sides = (1, 3, height // 4 * 4, width // 4 * 4)
        planes = np.random.default_rng(0).uniform(-1, 1, sides).astype(np.float32)

        medians = interleaved(
            [
                partial(eager, planes),
                partial(in_onnx.run, {"picture": planes}),
                partial(ours, photo, Options.detail),
                partial(ours, photo, 1.0),
            ],
            ROUNDS[width, height],
        )
        cells = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in medians)
        lines.append(
            f"| {width}x{height} | {cells} | {medians[0] / medians[2]:.0f}"
            f" (full size {medians[0] / medians[3]:.0f}) |"
        )
    return lines


def interleaved(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each, one after the other in every round, after one round of warming."""
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for run, found in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run()
            if number:
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in seconds]


def measure_pipeline() -> list[str]:
    """The whole way on a sharp and on a blurred photo, stage by stage, and peak memory."""
    blurred = cv2.GaussianBlur(montage(640, 480), (0, 0), 3.0)
    photos = {"sharp 1920x1080": montage(1920, 1080), "blurred 640x480": blurred}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, photo in photos.items():
            path = Path(folder) / "photo.jpg"
            cv2.imwrite(str(path), photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            run = subprocess.run(
                [sys.executable, "-c", PIPELINE_RUN, str(path)],
                cwd=ROOT,
                capture_output=True,
                check=True,
            )
            found[name] = json.loads(run.stdout)
    stages = list(next(iter(found.values()))["cold"])
    lines = ["| photo | result | " + " | ".join(stages) + " | first run | peak memory |"]
    lines.append("|---" * (len(stages) + 4) + "|")
    for name, row in found.items():
        warm = [statistics.median(run[stage] for run in row["warm"]) for stage in stages]
        cells = " | ".join(f"{value:.0f}" for value in warm)
        size = "x".join(map(str, row["size"]))
        lines.append(
            f"| {name} | {size} | {cells} | {row['cold']['total']:.0f} | {row['peak_mb']:.0f} MB |"
        )
    return [*lines, "", "Milliseconds, median of five warm runs; two threads."]


def measure_imports() -> list[str]:
    """Seconds to import, in fresh processes, interleaved; less the bare interpreter."""
    modules = ["sys", "handler", "onnxruntime", "torch"]

    def importing(module: str) -> Callable[[], object]:
        command = [sys.executable, "-c", f"import {module}"]
        return lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    bare, *rest = interleaved([importing(module) for module in modules], 5)
    cells = " | ".join(f"{1000 * (seconds - bare):.0f} ms" for seconds in rest)
    header = " | ".join(f"`import {module}`" for module in modules[1:])
    return [f"| {header} |", "|---" * len(rest) + "|", f"| {cells} |"]


def processor() -> str:
    """The processor's name as the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    lines = [
        f"{processor()}, {THREADS} threads; Python {platform.python_version()}, "
        f"torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}, "
        f"OpenCV {version('opencv-python-headless')}.",
        "",
        *compare_generators(),
        "",
        *measure_pipeline(),
        "",
        *measure_imports(),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "results.md").write_text(text)


if __name__ == "__main__":
    main()

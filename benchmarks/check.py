"""Whether something became slower: ratios and instruction counts against the committed report.

    make bench-check        (python -m benchmarks.check)

No absolute time is compared. Networks and the whole way are measured by turns with convolutions
in integers of the size of ours, and what is compared is the ratio of the two, so that a slow or
busy machine is slow for both. What seems slower is measured once more, and the lesser ratio
counts. Instructions of pure Python are counted by callgrind, where valgrind is installed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.machine import ROOT, THREADS, processor
from benchmarks.photographs import blurred_selfie, with_one_face
from pipeline import Options, Pipeline, Settings
from pipeline.domain import Photo, RgbImage
from pipeline.engines import OnnxEngine
from pipeline.enlarge import enlarge
from pipeline.registry import ModelRegistry
from pipeline.stylise import stylise
from pipeline.weights import WeightStore

RESULTS = ROOT / "benchmarks" / "results.json"
ROUNDS = 9
MARGIN, OTHER_PROCESSOR_MARGIN = 1.8, 3.0  # times the committed ratio
INSTRUCTIONS_MARGIN = 1.1
CHANNELS, LAYERS, SIDE_PX = 64, 8, 128  # of the convolutions that ratios are taken to

# what is repeated in a process of its own, under callgrind; takes how often, and a pickled sidecar
PREPARED = """
import pickle, sys
from pathlib import Path
from pipeline import Options, Origin, Settings, fingerprint, sidecar_document, to_json
from pipeline.tiling import tile_grid
from pipeline.weights import WeightStore
settings = Settings()
sidecar = pickle.loads(Path(sys.argv[2]).read_bytes())
def repeated():
    {work}
for _ in range(int(sys.argv[1])):
    repeated()
"""
PYTHON: Mapping[str, str] = {
    "options": 'Options.from_mapping({"style": "cel", "strength": "0.5", "faces": "off"})',
    "fingerprint": 'fingerprint("1", Options(), Origin("b", "k", "v", "e"))',
    "manifest": "WeightStore(settings.weights_dir, settings.checkpoints_dir).specs",
    "plan of 24 megapixels": "list(tile_grid(4000, 6000, 1024, 112, 4))",
    "sidecar": "to_json(sidecar_document(sidecar))",
}
REPEATED = 20


@dataclass(frozen=True)
class Compared:
    """A figure of now beside the committed one; ``limit`` is the most that passes."""

    what: str
    committed: float
    now: float
    limit: float

    @property
    def passes(self) -> bool:
        """Whether it is within its margin."""
        return self.now <= self.limit


def measure() -> dict[str, Any]:
    """What a later check is compared with."""
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "ratios": ratios(),
        "instructions": instructions(),
    }


def ratios(rounds: int = ROUNDS) -> dict[str, float]:
    """Times each thing and divides its least time by that of the reference convolutions.

    Least times, because whatever else a machine does only ever adds to a time.

    Args:
        rounds: How often each thing is timed.

    Returns:
        Ratios by name, without unit.
    """
    settings = Settings(threads=THREADS)
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    registry = ModelRegistry(layer, settings)
    style, upsampler = registry.style(Options.style), registry.upsampler()
    photo, large = Photo(with_one_face(512, 512)), with_one_face(1024, 1024)
    pipeline = Pipeline(settings)
    number = iter(range(1, 10_000))

    def drawn() -> None:
        stylise(photo.pixels, (512, 512), style)

    def enlarged() -> None:
        enlarge(photo.pixels, large, upsampler)

    def whole(file: bytes) -> None:
        # another file each time, of the same pixels: no landmarks are remembered
        pipeline.run(file + bytes(next(number)), Options())

    reference = OnnxEngine(integer_convolutions(), THREADS)
    planes = np.random.default_rng(0).integers(0, 255, (1, CHANNELS, SIDE_PX, SIDE_PX), np.uint8)
    runs: dict[str, Callable[[], object]] = {
        "reference": lambda: [reference.run({"x": planes}) for _ in range(10)],
        "stylise 512x512": drawn,
        "enlarge 512x512": enlarged,
        "the whole way, 1024x768": partial(whole, _jpeg(with_one_face(1024, 768))),
        "a blurred selfie, 640x480": partial(whole, _jpeg(blurred_selfie())),
    }
    seconds = dict.fromkeys(runs, math.inf)
    for _ in range(1 + rounds):  # by turns, and nothing is warm in the first
        for what, run in runs.items():
            begun = time.perf_counter()
            run()
            seconds[what] = min(seconds[what], time.perf_counter() - begun)
    against = seconds.pop("reference")
    return {what: taken / against for what, taken in seconds.items()}


def _jpeg(pixels: RgbImage) -> bytes:
    return cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes()


def integer_convolutions() -> bytes:
    """An ONNX graph of LAYERS convolutions of uint8 by int8, one after the other: x to y."""
    random = np.random.default_rng(0)
    weights = random.integers(-63, 64, (CHANNELS, CHANNELS, 3, 3), np.int8)
    constants = {
        "scale": np.float32(0.02),
        "middle": np.uint8(128),
        "fine": np.float32(0.001),
        "zero": np.int8(0),
        "weights": weights,
    }
    nodes = [
        helper.make_node(
            "QLinearConv",
            [
                "x" if layer == 0 else f"x{layer}",
                *("scale", "middle", "weights", "fine", "zero", "scale", "middle"),
            ],
            ["y" if layer == LAYERS - 1 else f"x{layer + 1}"],
            pads=[1] * 4,
        )
        for layer in range(LAYERS)
    ]
    shape = (1, CHANNELS, SIDE_PX, SIDE_PX)
    graph = helper.make_graph(
        nodes,
        "reference",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def instructions() -> dict[str, int]:
    """Counts the instructions of each of PYTHON, and of importing the handler, by callgrind.

    Returns:
        Counts by name; empty, after a line that says so, where valgrind is not installed.
    """
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: the instructions of pure Python are not counted")
        return {}
    result = Pipeline(Settings(threads=THREADS)).run(_jpeg(with_one_face(256, 192)), Options())
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(THREADS) as pool:
        sidecar = Path(folder) / "sidecar.pickle"
        sidecar.write_bytes(pickle.dumps(result.sidecar))
        jobs = {"nothing": pool.submit(_counted, "pass")}
        jobs["import handler"] = pool.submit(_counted, "import handler")
        prepared = PREPARED.format(work="pass")
        jobs["prepared"] = pool.submit(_counted, prepared, str(REPEATED), str(sidecar))
        for what, work in PYTHON.items():
            code = PREPARED.format(work=work)
            jobs[what] = pool.submit(_counted, code, str(REPEATED), str(sidecar))
        counted = {what: job.result() for what, job in jobs.items()}
    once = {what: (counted[what] - counted["prepared"]) // REPEATED for what in PYTHON}
    return {"import handler": counted["import handler"] - counted["nothing"], **once}


def _counted(code: str, *arguments: str) -> int:
    """Instructions of a process that runs ``code``; hashes and environment are always the same."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        [*command, sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        | {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"valgrind failed: {done.stderr[-500:]}")
    return int(found[1])


def compared(now: Mapping[str, Any], committed: Mapping[str, Any]) -> list[Compared]:
    """Compares every figure that both reports have.

    Ratios of another processor have a wider margin; counts of another Python are not compared.

    Args:
        now: What was measured now.
        committed: The report in the repository.

    Returns:
        One comparison per figure.

    Raises:
        ValueError: The reports have no figure in common.
    """
    same = now["processor"] == committed["processor"]
    margins = {"ratios": MARGIN if same else OTHER_PROCESSOR_MARGIN}
    if now["python"] == committed["python"]:
        margins["instructions"] = INSTRUCTIONS_MARGIN
    rows = [
        Compared(what, before, now[kind][what], margin * before)
        for kind, margin in margins.items()
        for what, before in committed[kind].items()
        if what in now[kind]
    ]
    if not rows:
        raise ValueError("the committed report has nothing that could be compared")
    return rows


def lines(rows: list[Compared]) -> list[str]:
    """The table in Markdown."""
    return [
        "| | committed | now | at most | |",
        "|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.committed:.4g} | {row.now:.4g} | {row.limit:.4g} | "
            f"{'ok' if row.passes else '**slower**'} |"
            for row in rows
        ),
    ]


def main() -> None:
    """Measures, compares with the committed report, and exits with 1 where something is slower."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    committed = json.loads(RESULTS.read_text()).get("guard") if RESULTS.exists() else None
    if not committed:
        sys.exit(f"{RESULTS} has no figures to compare with: run make bench")
    now = measure()
    rows = compared(now, committed)
    if not all(row.passes for row in rows):
        again = ratios()
        now["ratios"] = {what: min(one, again[what]) for what, one in now["ratios"].items()}
        rows = compared(now, committed)
    print("\n".join(lines(rows)))
    slower = [row.what for row in rows if not row.passes]
    if slower:
        sys.exit(f"slower than committed: {', '.join(slower)}")


if __name__ == "__main__":
    main()

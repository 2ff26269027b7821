"""The published generators beside every style of the layer: size, work, time and memory.

Each in eager torch in float32 and in bfloat16, and in ONNX Runtime as it is served (the published
ones in float32); AnimeGANv2 in OpenVINO, too, where that is installed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import ROOT, THREADS, interleaved
from pipeline import Settings
from pipeline.architectures import build
from pipeline.architectures.animegan import AnimeGANGenerator
from pipeline.architectures.animeganv2 import AnimeGANv2Generator
from pipeline.domain import WeightSpec
from pipeline.engines import OnnxEngine
from pipeline.weights import WeightStore
from training.architectures.cartoongan import CartoonGANGenerator
from training.architectures.whitebox import WhiteBoxCartoonGenerator
from training.export.onnx import export_onnx

FLOP_PX = 256
TIME_PX = 512
ROUNDS = 5
ANIMEGANV2 = "AnimeGANv2 (2020)"
PUBLISHED: dict[str, Callable[[], nn.Module]] = {
    "AnimeGAN (2019)": AnimeGANGenerator,
    ANIMEGANV2: AnimeGANv2Generator,
    "CartoonGAN (2018)": CartoonGANGenerator,
    "White-box CartoonGAN (2020)": WhiteBoxCartoonGenerator,
}

# a process of its own, without torch, so that the peak is that of one network as it is served
MEMORY_RUN = """
import json, re, sys
from pathlib import Path
import numpy as np
from pipeline.engines import OnnxEngine
threads, parts = json.loads(sys.argv[1])
arrays = {}
for path, shapes, output in parts:
    engine = OnnxEngine(Path(path).read_bytes(), threads)
    inputs = {name: arrays.get(name, np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    if engine.takes_pixels:
        inputs["picture"] = np.zeros_like(inputs["picture"], np.uint8).transpose(0, 2, 3, 1)
    for _ in range(2):
        arrays[output] = engine.run(inputs)
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text()).group(1))
"""


@dataclass(frozen=True)
class Part:
    """One network of a style: its torch module, its graph as served, its inputs at a side."""

    module: nn.Module
    graph: Path
    output: str  # under this name a later part takes what this one gives
    shapes: Callable[[int], dict[str, tuple[int, ...]]]  # of the inputs, for a picture's side


@dataclass(frozen=True)
class Contestant:
    """A row of the table. ``parts`` run in order: a code first, the picture last."""

    name: str
    parts: Sequence[Part]
    bytes: int
    kind: str  # of the numbers in the file

    def parameters(self) -> int:
        """The number of weights of all its parts."""
        return sum(p.numel() for part in self.parts for p in part.module.parameters())

    def flop(self, side_px: int) -> int:
        """Two for each multiplication with its addition, in convolutions and products."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for part in self.parts:
                part.module(*(torch.zeros(shape) for shape in part.shapes(side_px).values()))
        return counter.get_total_flops()

    def in_torch(self, side_px: int, kind: torch.dtype = torch.float32) -> Callable[[], object]:
        """A whole run in eager torch on a picture that does not change."""
        modules = [deepcopy(part.module).to(kind) for part in self.parts]
        inputs = [[_noise(s).to(kind) for s in p.shapes(side_px).values()] for p in self.parts]

        def run() -> None:
            with torch.inference_mode():
                for module, tensors in zip(modules, inputs, strict=True):
                    module(*tensors)

        return run

    def in_onnx_runtime(self, side_px: int) -> Callable[[], object]:
        """A whole run of the graphs as served."""
        runs = []
        for part in self.parts:
            engine = OnnxEngine(part.graph.read_bytes(), THREADS)
            runs.append(partial(engine.run, inputs_of(part.shapes(side_px), engine.takes_pixels)))
        return lambda: [run() for run in runs]

    def in_openvino(self, side_px: int) -> Callable[[], object]:
        """A whole run of a contestant of one part in OpenVINO. Raises ImportError without it."""
        import openvino

        (part,) = self.parts
        settings = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(part.graph, "CPU", settings)
        inputs = {name: _noise(s).numpy() for name, s in part.shapes(side_px).items()}
        return lambda: compiled(inputs)

    def peak_mb(self, side_px: int) -> float:
        """Highest resident memory of a process that opens the graphs and runs them twice."""
        parts = [(str(part.graph), part.shapes(side_px), part.output) for part in self.parts]
        command = [sys.executable, "-c", MEMORY_RUN, json.dumps([THREADS, parts])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        return int(done.stdout) / 1024


def inputs_of(shapes: Mapping[str, Sequence[int]], takes_pixels: bool) -> dict[str, NDArray[Any]]:
    """Noise for the inputs of a graph; for one that takes pixels the picture is of bytes."""
    inputs: dict[str, NDArray[Any]] = {
        name: _noise(shape).numpy() for name, shape in shapes.items()
    }
    if takes_pixels:
        pixels = inputs["picture"].transpose(0, 2, 3, 1) * 127.5 + 127.5
        inputs["picture"] = np.ascontiguousarray(pixels.astype(np.uint8))
    return inputs


def _noise(shape: Sequence[int]) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def published(name: str, folder: Path, side_px: int) -> Contestant:
    """A published generator with random numbers for weights: time does not depend on them."""
    net = PUBLISHED[name]().eval()
    graph = folder / f"{re.sub(r'[^a-z0-9]', '', name.lower())}.onnx"
    export_onnx(net, {"picture": torch.zeros(1, 3, side_px, side_px)}, "drawing", graph, False)
    part = Part(net, graph, "drawing", _picture)
    return Contestant(name, [part], 4 * sum(p.numel() for p in net.parameters()), "float32")


def shipped(spec: WeightSpec, layer: WeightStore) -> Contestant:
    """A style of the layer, its files as served."""
    roles = [role for role in ("code", "picture") if role in spec.files]
    modules = {role: build(spec.architecture, role, spec.shape)[0].eval() for role in roles}
    thumbnail = {"thumbnail": (1, 3, spec.thumbnail_px, spec.thumbnail_px)}
    code: dict[str, tuple[int, ...]] = {}
    parts = []
    for role in roles:
        layer.read(spec, role)  # hashed before anything opens it
        graph = layer.weights_dir / spec.files[role].file
        if role == "code":
            with torch.inference_mode():
                code = {"code": tuple(modules[role](torch.zeros(thumbnail["thumbnail"])).shape)}
            parts.append(Part(modules[role], graph, "code", lambda _: dict(thumbnail)))
        else:
            parts.append(Part(modules[role], graph, "drawing", partial(_picture, code=code)))
    size = sum(spec.files[role].bytes for role in roles)
    kind = re.split(",| per ", spec.quantisation)[0]
    return Contestant(f"Kirei {spec.name}", parts, size, kind)


def _picture(
    side_px: int, code: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, tuple[int, ...]]:
    return {"picture": (1, 3, side_px, side_px), **(code or {})}


def measure(time_px: int = TIME_PX, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """A row for each network; all timed runs are interleaved."""
    settings = Settings(threads=THREADS)
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    styles = [spec for spec in layer.specs.values() if spec.kind == "style"]
    with tempfile.TemporaryDirectory() as temporary:
        contestants = [published(name, Path(temporary), time_px) for name in PUBLISHED]
        contestants += [shipped(spec, layer) for spec in styles]
        return rows_of(contestants, time_px, rounds)


def rows_of(contestants: Sequence[Contestant], time_px: int, rounds: int) -> list[dict[str, Any]]:
    """Measures each contestant.

    Args:
        contestants: Networks to compare.
        time_px: The side of the square picture that they are timed on.
        rounds: How often each is timed.

    Returns:
        A row for each: sizes in bytes, work in FLOP, times in seconds, None for what cannot be had.
    """
    torch.set_num_threads(THREADS)
    runs: dict[tuple[str, str], Callable[[], object]] = {}
    for one in contestants:
        runs[one.name, "eager"] = one.in_torch(time_px)
        runs[one.name, "bfloat16"] = one.in_torch(time_px, torch.bfloat16)
        runs[one.name, "served"] = one.in_onnx_runtime(time_px)
        if one.name == ANIMEGANV2:
            try:
                runs[one.name, "openvino"] = one.in_openvino(time_px)
            except ImportError:
                print("OpenVINO is not installed: not in the table")
    seconds = dict(zip(runs, interleaved(list(runs.values()), rounds), strict=True))
    return [
        {
            "name": one.name,
            "parameters": one.parameters(),
            "bytes": one.bytes,
            "kind": one.kind,
            "flop": one.flop(FLOP_PX),
            "peak_mb": one.peak_mb(time_px),
            **{
                f"{engine}_s": seconds.get((one.name, engine))
                for engine in ("eager", "bfloat16", "served", "openvino")
            },
        }
        for one in contestants
    ]


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in Markdown."""

    def ms(seconds: float | None) -> str:
        return "-" if seconds is None else f"{1000 * seconds:.0f} ms"

    made = [
        f"| network | parameters | file | GFLOP at {FLOP_PX}x{FLOP_PX} | eager torch, float32 | "
        "bfloat16 | ONNX Runtime, the file | OpenVINO | peak memory |",
        "|---" * 9 + "|",
    ]
    made += [
        f"| {row['name']} | {row['parameters']:,} | {row['bytes'] / 1e6:.2f} MB, {row['kind']} | "
        f"{row['flop'] / 1e9:.1f} | {ms(row['eager_s'])} | {ms(row['bfloat16_s'])} | "
        f"{ms(row['served_s'])} | {ms(row['openvino_s'])} | {row['peak_mb']:.0f} MB |"
        for row in rows
    ]
    return [
        *made,
        "",
        f"Times and memory at {TIME_PX}x{TIME_PX}, {THREADS} threads, medians of {ROUNDS} rounds, "
        "all networks interleaved; memory is the peak of a process of its own that runs the file "
        "in ONNX Runtime. A FLOP is a multiplication or an addition. Published networks: file size "
        "of their parameters in float32, times and memory of the float32 graph.",
    ]

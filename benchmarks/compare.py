"""The published generators beside every style of the layer, in one run.

    make compare        (python -m benchmarks.compare [--teachers DIR])

Writes benchmarks/comparison.md, a table of size, work, time and memory, and
docs/comparison.jpg, the sample photographs through every network that has weights: the
layer's styles always, published networks where DIR holds their files.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench import ROOT, THREADS, interleaved, processor
from pipeline import Options, Pipeline, Settings
from pipeline.domain import Picture, WeightSpec
from pipeline.engines import OnnxEngine
from pipeline.nets import build
from pipeline.nets.animegan import AnimeGANGenerator
from pipeline.nets.animeganv2 import AnimeGANv2Generator
from pipeline.nets.cartoongan import CartoonGANGenerator
from pipeline.nets.whitebox import WhiteBoxCartoonGenerator
from pipeline.weights import Layer
from training.data import read_rgb
from training.layer import export_onnx
from training.styles import STYLES, draw

FLOP_PX = 256
TIME_PX = 512
ROUNDS = 5
CELL_PX = 400
GAP_PX = 8
LABEL_PX = 28
PHOTOS = ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")
PUBLISHED: dict[str, Callable[[], nn.Module]] = {
    "AnimeGAN (2019)": AnimeGANGenerator,
    "AnimeGANv2 (2020)": AnimeGANv2Generator,
    "CartoonGAN (2018)": CartoonGANGenerator,
    "White-box CartoonGAN (2020)": WhiteBoxCartoonGenerator,
}
TEACHERS = {"AnimeGANv2 (2020)": "hayao", "White-box CartoonGAN (2020)": "cartoon"}

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
        return sum(p.numel() for part in self.parts for p in part.module.parameters())

    def flop(self, side_px: int) -> int:
        """Two for each multiplication with its addition, in convolutions and products."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for part in self.parts:
                part.module(*(torch.zeros(shape) for shape in part.shapes(side_px).values()))
        return counter.get_total_flops()

    def in_torch(self, side_px: int) -> Callable[[], object]:
        """A whole run in eager torch, float32, on a picture that does not change."""
        inputs = [[_noise(shape) for shape in p.shapes(side_px).values()] for p in self.parts]

        def run() -> None:
            with torch.inference_mode():
                for part, tensors in zip(self.parts, inputs, strict=True):
                    part.module(*tensors)

        return run

    def in_onnx_runtime(self, side_px: int) -> Callable[[], object]:
        """A whole run of the graphs as served."""
        runs = []
        for part in self.parts:
            engine = OnnxEngine(part.graph.read_bytes(), THREADS)
            inputs = {name: _noise(s).numpy() for name, s in part.shapes(side_px).items()}
            runs.append(partial(engine.run, inputs))
        return lambda: [run() for run in runs]

    def peak_mb(self, side_px: int) -> float:
        """Highest resident memory of a process that opens the graphs and runs them twice."""
        parts = [(str(part.graph), part.shapes(side_px), part.output) for part in self.parts]
        command = [sys.executable, "-c", MEMORY_RUN, json.dumps([THREADS, parts])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        return int(done.stdout) / 1024


def _noise(shape: Sequence[int]) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def published(name: str, folder: Path, side_px: int) -> Contestant:
    """A published generator with random numbers for weights: time does not depend on them."""
    net = PUBLISHED[name]().eval()
    graph = folder / f"{re.sub(r'[^a-z0-9]', '', name.lower())}.onnx"
    export_onnx(net, {"picture": torch.zeros(1, 3, side_px, side_px)}, "drawing", graph, False)
    part = Part(net, graph, "drawing", _picture)
    return Contestant(name, [part], 4 * sum(p.numel() for p in net.parameters()), "float32")


def shipped(spec: WeightSpec, layer: Layer) -> Contestant:
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
            parts.append(Part(modules[role], graph, "code", lambda side_px: dict(thumbnail)))
        else:
            parts.append(Part(modules[role], graph, "drawing", partial(_picture, code=code)))
    size = sum(spec.files[role].bytes for role in roles)
    kind = re.split(",| per ", spec.quantisation)[0]
    return Contestant(f"Kirei {spec.name}", parts, size, kind)


def _picture(
    side_px: int, code: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, tuple[int, ...]]:
    return {"picture": (1, 3, side_px, side_px), **(code or {})}


def table(contestants: Sequence[Contestant], time_px: int, rounds: int) -> list[str]:
    """Markdown lines; all timed runs are interleaved."""
    torch.set_num_threads(THREADS)
    count = len(contestants)
    runs = [one.in_torch(time_px) for one in contestants]
    runs += [one.in_onnx_runtime(time_px) for one in contestants]
    seconds = interleaved(runs, rounds)
    lines = [
        f"| network | parameters | file | GFLOP at {FLOP_PX}x{FLOP_PX} | eager torch, float32 | "
        "ONNX Runtime, the file | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for one, eager, served in zip(contestants, seconds[:count], seconds[count:], strict=True):
        lines.append(
            f"| {one.name} | {one.parameters():,} | {one.bytes / 1e6:.2f} MB, {one.kind} | "
            f"{one.flop(FLOP_PX) / 1e9:.1f} | {1000 * eager:.0f} ms | {1000 * served:.0f} ms | "
            f"{one.peak_mb(time_px):.0f} MB |"
        )
    return [
        *lines,
        "",
        f"Times and memory at {time_px}x{time_px}, {THREADS} threads, median of {rounds} rounds, "
        "all networks interleaved; memory is the peak of a process of its own that runs the file "
        "in ONNX Runtime. A FLOP is a multiplication or an addition. Published networks: file size "
        "of their parameters in float32, times and memory of the float32 graph.",
    ]


def drawings(photo: Path, layer: Layer, teachers: Path | None) -> dict[str, Picture]:
    """The photograph, and what each network with weights makes of it, by name.

    Published networks draw at the photo's size; ours go through the whole pipeline as a user
    would have it.
    """
    pixels = read_rgb(photo)
    found = {"photograph": pixels}
    height, width = (side // 4 * 4 for side in pixels.shape[:2])
    for name, style in TEACHERS.items():
        taught_by = STYLES[style]
        if teachers is None or taught_by.file is None or taught_by.load is None:
            continue
        if (teachers / taught_by.file).exists():
            drawn = draw(taught_by.load(teachers / taught_by.file), pixels[:height, :width])
            found[name] = _as_bright_as(pixels, drawn) if style == "hayao" else drawn
    pipeline = Pipeline(Settings(threads=THREADS, weights_dir=layer.weights_dir))
    for spec in pipeline.styles():
        result = pipeline.run(photo.read_bytes(), Options(style=spec.name))
        decoded = cv2.imdecode(np.frombuffer(result.image, np.uint8), cv2.IMREAD_COLOR)
        found[f"Kirei {spec.name}"] = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return found


def _as_bright_as(photo: Picture, drawing: Picture) -> Picture:
    """As AnimeGANv2's test code ends: the drawing times the ratio of mean brightness."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean() for picture in (photo, drawing)]
    return cv2.convertScaleAbs(drawing, alpha=grey[0] / max(1.0, grey[1]))


def sheet(rows: Sequence[Mapping[str, Picture]]) -> Picture:
    """A row for each photograph, a column for each name, the names on top."""
    lines = []
    for row in rows:
        cells = [_cell(picture) for picture in row.values()]
        least = min(cell.shape[0] for cell in cells)  # sides cut to multiples of 4 differ
        lines.append(np.concatenate([cell[:least] for cell in cells], axis=1))
    head = np.full((LABEL_PX, lines[0].shape[1], 3), 255, np.uint8)
    for column, name in enumerate(rows[0]):
        place = (column * (CELL_PX + GAP_PX) + 4, LABEL_PX - 9)
        cv2.putText(head, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40,) * 3, 1, cv2.LINE_AA)
    return np.concatenate([head, *lines])


def _cell(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    size = (CELL_PX, round(height * CELL_PX / width))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(small, 0, GAP_PX, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(255,) * 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teachers", type=Path, help="folder of the published networks' files")
    options = parser.parse_args()
    settings = Settings(threads=THREADS)
    layer = Layer(settings.weights_dir, settings.checkpoints_dir)
    styles = [spec for spec in layer.specs.values() if spec.kind == "style"]
    with tempfile.TemporaryDirectory() as temporary:
        contestants = [published(name, Path(temporary), TIME_PX) for name in PUBLISHED]
        contestants += [shipped(spec, layer) for spec in styles]
        lines = table(contestants, TIME_PX, ROUNDS)
    samples = ROOT / "samples"
    rows = [drawings(samples / name, layer, options.teachers) for name in PHOTOS]
    absent = [one.name for one in contestants if one.name not in rows[0]]
    lines = [
        f"{processor()}, {THREADS} threads; Python {platform.python_version()}, "
        f"torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}.",
        "",
        *lines,
        "",
        "![The sample photographs through the networks](../docs/comparison.jpg)",
    ]
    if absent:
        lines += [
            "",
            f"In the table but not on the sheet, for want of weights: {', '.join(absent)}.",
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    folder = ROOT / "benchmarks"
    (folder / "comparison.md").write_text(text)
    picture = cv2.cvtColor(sheet(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(ROOT / "docs" / "comparison.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()

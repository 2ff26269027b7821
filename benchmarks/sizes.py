"""Published generators against the two stages of ours that do as much, at three sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import THREADS, interleaved
from benchmarks.photographs import montage
from pipeline import Options, Settings
from pipeline.architectures.animeganv2 import AnimeGANv2Generator
from pipeline.domain import Photo, RgbImage
from pipeline.engines import OnnxEngine
from pipeline.enlarge import enlarge
from pipeline.registry import ModelRegistry
from pipeline.scale import choose_scale
from pipeline.stylise import stylise
from pipeline.weights import WeightStore
from training.export.onnx import export_onnx

STYLE = "hayao"
ANIMEGANV3 = "animeganv3_hayao.onnx"  # as its authors distribute it, under terms of their own
ROUNDS = {(512, 512): 7, (1024, 1024): 3, (1920, 1080): 2}


def measure(
    rounds: Mapping[tuple[int, int], int] = ROUNDS, teachers: Path | None = None
) -> list[dict[str, Any]]:
    """Times the published generators and ours at several sizes, by turns.

    Args:
        rounds: How often each size is timed.
        teachers: A folder with ANIMEGANV3, if there is one.

    Returns:
        A row for each size, in seconds: AnimeGANv2 in eager torch and in ONNX Runtime, AnimeGANv3
        in ONNX Runtime, None without it; ours, stylise alone at full size, and stylise and enlarge
        as they are by default.
    """
    torch.set_num_threads(THREADS)
    published = AnimeGANv2Generator().eval()
    settings = Settings(threads=THREADS)
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    registry = ModelRegistry(layer, settings)
    style, upsampler = registry.style(STYLE), registry.upsampler()
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "animeganv2.onnx"
        example = {"picture": torch.zeros(1, 3, 64, 96)}
        export_onnx(published, example, "drawing", graph, dynamic_hw=True)
        in_onnx = OnnxEngine(graph.read_bytes(), THREADS)
    newer = _animeganv3(teachers)

    def eager(planes: np.ndarray) -> None:
        with torch.inference_mode():
            published(torch.from_numpy(planes))

    def drawn_at(size: tuple[int, int], photo: Photo) -> RgbImage:
        return stylise(photo.pixels, size, style).pixels

    def drawn(photo: Photo) -> None:
        drawn_at((photo.width_px, photo.height_px), photo)

    def usual(photo: Photo) -> None:
        size = (photo.width_px, photo.height_px)
        scale = choose_scale(size, style.spec, Options(), settings.tile_px)
        small = drawn_at(scale.size(*size), photo)
        enlarge(small, photo.pixels, upsampler)

    rows = []
    for (width, height), count in rounds.items():
        photo = Photo(montage(width, height))
        sides = (1, 3, height // 4 * 4, width // 4 * 4)
        planes = np.random.default_rng(0).uniform(-1, 1, sides).astype(np.float32)
        runs: list[Callable[[], object]] = [
            partial(eager, planes),
            partial(in_onnx.run, {"picture": planes}),
            partial(drawn, photo),
            partial(usual, photo),
        ]
        names = ["eager_s", "onnx_s", "stylise_s", "stylise_enlarge_s"]
        if newer:
            names.append("animeganv3_s")
            runs.append(partial(newer, np.ascontiguousarray(planes.transpose(0, 2, 3, 1))))
        seconds = dict(zip(names, interleaved(runs, count), strict=True))
        rows.append({"width": width, "height": height, "animeganv3_s": None, **seconds})
    return rows


def _animeganv3(teachers: Path | None) -> Callable[[np.ndarray], object] | None:
    """Draws (1, H, W, 3) with the published graph; None where it is not at hand."""
    path = teachers and teachers / ANIMEGANV3
    if not path or not path.exists():
        print(f"{ANIMEGANV3} is not at hand: not in the table (TEACHERS=DIR)")
        return None
    engine = OnnxEngine(path.read_bytes(), THREADS)
    return lambda pixels: engine.run({"AnimeGANv3_input:0": pixels})


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in Markdown."""
    made = [
        "| size | AnimeGANv2, eager torch | AnimeGANv2, ONNX Runtime fp32 | AnimeGANv3, the same | "
        "Kirei: stylise, full size | stylise and enlarge, as by default | "
        "times faster than AnimeGANv2, eager | ONNX Runtime | than AnimeGANv3 |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        published = ("eager_s", "onnx_s", "animeganv3_s")
        cells = [
            f"{1000 * row[name]:.0f} ms" if row.get(name) else "-"
            for name in (*published, "stylise_s", "stylise_enlarge_s")
        ]
        cells += [
            f"{row[name] / row['stylise_s']:.0f} ({row[name] / row['stylise_enlarge_s']:.0f})"
            if row.get(name)
            else "-"
            for name in published
        ]
        made.append(f"| {row['width']}x{row['height']} | {' | '.join(cells)} |")
    return [
        *made,
        "",
        "In brackets against what is drawn by default: at the working scale, then enlarged.",
    ]

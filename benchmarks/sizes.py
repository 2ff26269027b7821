"""AnimeGANv2's generator against the two stages of ours that do as much, at three sizes."""

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
ROUNDS = {(512, 512): 7, (1024, 1024): 3, (1920, 1080): 2}


def measure(rounds: Mapping[tuple[int, int], int] = ROUNDS) -> list[dict[str, Any]]:
    """Times the published generator and ours at several sizes.

    Args:
        rounds: How often each size is timed.

    Returns:
        A row for each size, in seconds: the published generator in eager torch and in ONNX Runtime;
        ours, stylise alone at full size, and stylise and enlarge as they are by default.
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
        names = ("eager_s", "onnx_s", "stylise_s", "stylise_enlarge_s")
        seconds = interleaved(runs, count)
        rows.append({"width": width, "height": height, **dict(zip(names, seconds, strict=True))})
    return rows


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in Markdown."""
    made = [
        "| size | AnimeGANv2, eager torch | AnimeGANv2, ONNX Runtime fp32 | "
        "Kirei: stylise, full size | stylise and enlarge, as by default | "
        "times faster than eager | than ONNX Runtime |",
        "|---" * 7 + "|",
    ]
    for row in rows:
        names = ("eager_s", "onnx_s", "stylise_s", "stylise_enlarge_s")
        cells = " | ".join(f"{1000 * row[name]:.0f} ms" for name in names)
        eager, onnx = (
            f"{row[name] / row['stylise_s']:.0f} ({row[name] / row['stylise_enlarge_s']:.0f})"
            for name in ("eager_s", "onnx_s")
        )
        made.append(f"| {row['width']}x{row['height']} | {cells} | {eager} | {onnx} |")
    return [
        *made,
        "",
        "In brackets against what is drawn by default: at the working scale, then enlarged.",
    ]

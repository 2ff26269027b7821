"""The pictures of the report: bars beside the peers, and where the time goes by size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# letters as text, and the same names in the same file each time
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "kirei"})
OURS, THEIRS = "#d6336c", "#868e96"


def draw(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """speed-peers.svg and speed-stages.svg, of what was measured; returns what it wrote."""
    made = []
    if "peers" in found:
        made.append(_peers(found["peers"], folder / "speed-peers.svg"))
    if "stages" in found:
        made.append(_stages(found["stages"]["sizes"], folder / "speed-stages.svg"))
    return made


def _peers(rows: list[dict[str, Any]], path: Path) -> Path:
    """Time at 512x512 in ONNX Runtime, by network, on a logarithmic scale."""
    figure, axes = plt.subplots(figsize=(7, 0.4 * len(rows) + 1.2))
    names = [row["name"] for row in rows]
    times = [1000 * row["served_s"] for row in rows]
    colours = [OURS if name.startswith("Kirei") else THEIRS for name in names]
    bars = axes.barh(names, times, color=colours)
    axes.bar_label(bars, [f"{time:.0f} ms" for time in times], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(right=3 * max(times))
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_title("a picture of 512x512 in ONNX Runtime, the file as served", fontsize=10)
    return _save(figure, path)


def _stages(rows: list[dict[str, Any]], path: Path) -> Path:
    """Milliseconds a megapixel, by stage, for two threads."""
    rows = [row for row in rows if row["threads"] == 2]
    figure, axes = plt.subplots(figsize=(7, 3.6))
    sizes = [f"{row['width'] * row['height'] / 1e6:.2g} MP" for row in rows]
    below = [0.0] * len(rows)
    for stage in (name for name in rows[0]["warm_ms"] if name != "total"):
        parts = [row["warm_ms"][stage] / (row["width"] * row["height"] / 1e6) for row in rows]
        axes.bar(sizes, parts, bottom=below, label=stage)
        below = [low + part for low, part in zip(below, parts, strict=True)]
    axes.legend(fontsize=7, ncols=2)
    axes.set_ylabel("ms a megapixel", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title("the whole way, by stage", fontsize=10)
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path

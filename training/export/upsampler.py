"""From an upsampler's checkpoint to the served files.

The convolutions are int8. What they add to is the drawing, interpolated in whole sixteenths, so
that flat areas come through unchanged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from pipeline.architectures.upsampler import Upsampler, UpsamplerShape
from pipeline.domain import RgbImage
from training.data.tensors import to_planes
from training.data.upsampler import DrawnPair, drawn_pairs
from training.export.graphs import upsampler_graph
from training.export.manifest import (
    OutputDirs,
    WeightInfo,
    check_parity,
    float_file,
    install,
    load_average,
    new_spec,
    parity,
    provenance,
    rounded,
)
from training.export.onnx import (
    INTEGERS,
    Inputs,
    draw_with_graph,
    export_onnx,
    graph_bytes,
    quantise,
)
from training.metrics.drawing import upsampling_metrics
from training.tasks.upsampler import Recipe, upsample

IN_FLOAT = ("/Conv", "/Add")  # the interpolation, and what is added to it
CALIBRATION_DRAWINGS = 64
INFO = WeightInfo(
    "upsampler",
    "Upsampler of drawings",
    "Apache-2.0: trained on drawings of this repository's own renderer; see MODEL_CARD.md",
)


def graph_inputs(inputs: list[RgbImage], pairs: list[DrawnPair]) -> Iterator[Inputs]:
    """What the graph takes for each small drawing and its photograph."""
    for picture, (photo, _) in zip(inputs, pairs, strict=True):
        yield {"picture": to_planes([picture]), "guide": to_planes([photo])}


def add_upsampler(
    checkpoint: Path, targets: Path, validation: Path, dirs: OutputDirs
) -> list[Path]:
    """Adds the averaged network of a checkpoint to the weights; returns what it wrote.

    Args:
        checkpoint: of an upsampler's training.
        targets: the drawings that calibrate int8 (training.data.upsampler_targets).
        validation: those that it is measured on, steepened.
        dirs: where the files go.

    Raises:
        ExportRejected: int8 strays too far from float; nothing is written.
    """
    average, saved = load_average(checkpoint, "upsampler")
    shape = UpsamplerShape(**saved["shape"])
    net = rounded(Upsampler(shape), average)
    recipe = Recipe(**saved["history"][-1]["recipe"])
    known, held_out = (drawn_pairs(folder, recipe.reduced) for folder in (targets, validation))
    calibration = known[:: max(1, len(known) // CALIBRATION_DRAWINGS)]
    inputs, calibration_inputs = (
        recipe.middling([drawing for _, drawing in pairs]) for pairs in (held_out, calibration)
    )
    with tempfile.TemporaryDirectory() as temporary:
        example = {"picture": torch.zeros(1, 3, 64, 96), "guide": torch.zeros(1, 3, 128, 192)}
        graph = export_onnx(net, example, "drawing", Path(temporary) / "upsampler.onnx", True)
        quantised = quantise(graph, graph_inputs(calibration_inputs, calibration), IN_FLOAT)
        served = upsampler_graph(graph_bytes(quantised), shape)
    drawings = draw_with_graph(served, graph_inputs(inputs, held_out))
    metrics = parity(upsample(net, inputs, held_out), drawings)
    metrics |= upsampling_metrics(inputs, drawings, [drawing for _, drawing in held_out])
    check_parity(checkpoint, metrics)
    spec = new_spec(
        INFO,
        "upsampler",
        "upsampler",
        INTEGERS,
        scale=2,
        multiple_of_px=2,
        overlap_px=shape.receptive_radius_px,
        tileable=True,
        shape=shape.as_dict(),
        recipe=provenance(saved, windows=len(known)),
        figures=metrics,
    )
    files = {
        "picture": (f"{INFO.name}.int8.onnx", served),
        "float": float_file(INFO.name, net),
    }
    return install(dirs, spec, files)

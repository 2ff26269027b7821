"""From a quality model's checkpoint to the served files, with the gate's thresholds.

The thresholds are what nearly all clean photographs of the training set stay under, as the int8
graph sees them; the held-out ones then tell how often a clean photo is left alone and how often
a degraded one is found.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from pipeline.architectures.quality import BLOCK, MEASURES, QualityModel, QualityShape
from pipeline.domain import RgbImage
from pipeline.quality_model import LIGHTS
from training.data.photographs import photographs
from training.data.quality import (
    Case,
    held_out_cases,
    model_inputs,
    sample_case,
    targets_by_kind,
    whole_photos,
)
from training.engine.errors import ExportRejected
from training.export.manifest import (
    OutputDirs,
    WeightInfo,
    float_file,
    install,
    load_average,
    new_spec,
    provenance,
    rounded,
)
from training.export.onnx import INT8, Inputs, export_onnx, quantise, run_graph, served_bytes
from training.metrics.quality import Measures, quality_metrics, thresholds_of
from training.tasks.quality import Recipe, predict

CALIBRATION_CASES, CLEAN_PHOTOS = 128, 1600
MAX_BYTES = 300_000
# Mean absolute differences that int8 may make: a tenth to a fifth of what a gate must tell apart.
MAX_STRAY = dict(zip(MEASURES, (0.15, 1.5, 6.0, 0.2, 0.05), strict=True))
INFO = WeightInfo(
    "quality",
    "Quality model of photographs",
    "Apache-2.0: trained on photographs spoilt by this repository's own code; see MODEL_CARD.md",
)


def graph_inputs(photos: Sequence[RgbImage], shape: QualityShape) -> Iterator[Inputs]:
    """What the graph takes for each photo."""
    for photo in photos:
        names = ("thumbnail", "patches", "light")
        tensors = model_inputs([photo], shape)
        pairs = zip(names, tensors, strict=True)
        yield {name: tensor.contiguous().numpy() for name, tensor in pairs}


def run_quality(graph: bytes, photos: Sequence[RgbImage], shape: QualityShape) -> Measures:
    """(N, 5): the measures that the graph predicts."""
    return np.concatenate(run_graph(graph, graph_inputs(photos, shape)))


def graph_of(model: QualityModel, folder: Path, calibration: Sequence[RgbImage]) -> Path:
    """The int8 graph: its convolutions but the blocks'; what follows them stays in float."""
    shape = model.shape
    example = {
        "thumbnail": torch.zeros(1, 3, shape.thumbnail_px, shape.thumbnail_px),
        "patches": torch.zeros(shape.patches, 3, shape.patch_px, shape.patch_px),
        "light": torch.zeros(1, LIGHTS),
    }
    graph = export_onnx(model, example, "measures", folder / "quality.onnx", False)
    in_float = [node.name for node in onnx.load(graph).graph.node if _stays(node)]
    return quantise(graph, graph_inputs(calibration, shape), in_float)


def _stays(node: onnx.NodeProto) -> bool:
    """Whether a node stays in float: additions, and the branch of the blocks.

    Of the large coefficients of the blocks the small ones are what tells.
    """
    sides = [list(one.ints) for one in node.attribute if one.name == "kernel_shape"]
    return node.op_type == "Add" or sides in ([[1, 1]], [[BLOCK, BLOCK]])


def add_quality(
    checkpoint: Path,
    photos: tuple[Sequence[RgbImage], Sequence[RgbImage]],
    held_out: Mapping[str, Sequence[Case]],
    count: int,
    dirs: OutputDirs,
) -> list[Path]:
    """Adds the averaged model of a checkpoint to the weights; returns what it wrote.

    Args:
        checkpoint: of a quality model's training.
        photos: what int8 is calibrated on, and clean ones that set the thresholds.
        held_out: what it is measured on, by kind of damage.
        count: of the photographs that it learned from.
        dirs: where the files go.

    Raises:
        ExportRejected: int8 strays from float by more than MAX_STRAY, or the graph is larger than
            MAX_BYTES; nothing is written.
    """
    average, saved = load_average(checkpoint, "quality")
    shape = QualityShape.from_dict(saved["shape"])
    model = rounded(QualityModel(shape), average)
    calibration, clean = photos
    with tempfile.TemporaryDirectory() as temporary:
        graph = served_bytes(graph_of(model, Path(temporary), calibration))
    pictures = {kind: [case.photo for case in cases] for kind, cases in held_out.items()}
    predictions = {kind: run_quality(graph, ones, shape) for kind, ones in pictures.items()}
    in_float = np.concatenate([predict(model, ones) for ones in pictures.values()])
    strays = np.abs(np.concatenate(list(predictions.values())) - in_float).mean(0)
    thresholds = thresholds_of(run_quality(graph, clean, shape))
    metrics = {f"{name}_stray": float(s) for name, s in zip(MEASURES, strays, strict=True)}
    metrics |= quality_metrics(predictions, targets_by_kind(held_out), thresholds)
    print(f"int8 graph: {metrics}, thresholds {thresholds}")
    for name, most in MAX_STRAY.items():
        if metrics[f"{name}_stray"] > most:
            raise ExportRejected(
                f"{checkpoint}: int8 is {metrics[f'{name}_stray']:.2f} of {name} from float, "
                f"over {most}: nothing written"
            )
    if len(graph) > MAX_BYTES:
        raise ExportRejected(f"{checkpoint}: the graph has {len(graph)} bytes, over {MAX_BYTES}")
    spec = new_spec(
        INFO,
        "quality",
        "quality",
        INT8,
        thumbnail_px=shape.thumbnail_px,
        shape=shape.as_dict(),
        recipe=provenance(saved, photographs=count),
        figures=metrics,
        thresholds=thresholds,
    )
    files = {"report": (f"{INFO.name}.int8.onnx", graph), "float": float_file(INFO.name, model)}
    return install(dirs, spec, files)


def export(checkpoint: Path, data: Path, dirs: OutputDirs) -> list[Path]:
    """``add_quality`` with the photographs of a folder."""
    files = photographs(data, validation=False)
    seeds = ((4, number) for number in range(CALIBRATION_CASES))
    calibration = [sample_case(files, None, Recipe().shares, seed).photo for seed in seeds]
    photos = (calibration, whole_photos(files, CLEAN_PHOTOS))
    count = sum(map(len, files.values()))
    return add_quality(checkpoint, photos, held_out_cases(data), count, dirs)

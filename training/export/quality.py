"""Turns a quality model's checkpoint into files of the layer, with the gate's thresholds.

    python -m training.export.quality --checkpoint .cache/runs/quality/last.pt \\
        --data ../shared/data

The thresholds are what nearly all clean photographs of the training set stay under, as the int8
graph sees them; the held-out ones then tell how often a clean photo is left alone and how often
a spoilt one is found.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch
from numpy.typing import NDArray

from pipeline.architectures.quality import BLOCK, MEASURES, QualityModel, QualityShape
from pipeline.domain import RgbImage
from pipeline.quality_model import LIGHTS
from training.engine.errors import StyleRefused
from training.export.layer import (
    INT8,
    Inputs,
    Place,
    command,
    export_onnx,
    graph_bytes,
    install,
    made_by,
    quantise,
)
from training.tasks.quality import (
    SHARE,
    Case,
    Recipe,
    draw_case,
    figures,
    held_out_cases,
    judge,
    shown,
    thresholds_of,
    whole_photos,
)
from training.tasks.restorer import photographs

NAME = "quality"
CALIBRATION_CASES, CLEAN_PHOTOS = 128, 1600
MOST_BYTES = 300_000
# Mean absolute differences that int8 may make: a tenth to a fifth of what a gate must tell apart.
MOST_STRAY = dict(zip(MEASURES, (0.15, 1.5, 6.0, 0.2, 0.05), strict=True))
LICENCE = (
    "Apache-2.0: trained on photographs spoilt by this repository's own code; see MODEL_CARD.md"
)


def inputs_of(photos: Sequence[RgbImage], shape: QualityShape) -> Iterator[Inputs]:
    """What the graph takes for each photo."""
    for photo in photos:
        thumbnail, patches, light = shown([photo], shape)
        yield {
            "thumbnail": thumbnail.contiguous().numpy(),
            "patches": patches.contiguous().numpy(),
            "light": light.numpy(),
        }


def run_quality(
    graph: bytes, photos: Sequence[RgbImage], shape: QualityShape
) -> NDArray[np.float32]:
    """(N, 5): what the graph says."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    said = [session.run(None, one)[0] for one in inputs_of(photos, shape)]
    return np.concatenate(said)


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
    return quantise(graph, folder, inputs_of(calibration, shape), in_float)


def _stays(node: onnx.NodeProto) -> bool:
    """Whether a node stays in float: additions, and the branch of the blocks, of whose large
    coefficients the small ones are what tells.
    """
    sides = [list(one.ints) for one in node.attribute if one.name == "kernel_shape"]
    return node.op_type == "Add" or sides in ([[1, 1]], [[BLOCK, BLOCK]])


def add_quality(
    checkpoint: Path,
    calibration: Sequence[RgbImage],
    clean: Sequence[RgbImage],
    held_out: dict[str, list[Case]],
    recipe: dict[str, Any],
    place: Place,
) -> list[Path]:
    """Adds the averaged model of a checkpoint to the layer; returns what it wrote.

    ``clean``: photos that set the thresholds. Raises StyleRefused, and writes nothing, when int8
    strays from float by more than MOST_STRAY or the graph is larger than MOST_BYTES.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    shape = QualityShape.from_dict(saved["shape"])
    model = QualityModel(shape).eval()
    model.load_state_dict({name: t.half().float() for name, t in saved["average"].items()})
    with tempfile.TemporaryDirectory() as temporary:
        graph = graph_bytes(graph_of(model, Path(temporary), calibration))
    photos = {kind: [case.photo for case in cases] for kind, cases in held_out.items()}
    said = {kind: run_quality(graph, ones, shape) for kind, ones in photos.items()}
    in_float = np.concatenate([judge(model, ones) for ones in photos.values()])
    strays = np.abs(np.concatenate(list(said.values())) - in_float).mean(0)
    thresholds = thresholds_of(run_quality(graph, clean, shape), SHARE)
    true = {kind: np.stack([case.truth for case in cases]) for kind, cases in held_out.items()}
    measured = {f"{name}_stray": float(s) for name, s in zip(MEASURES, strays, strict=True)}
    measured |= figures(said, true, thresholds)
    print(f"int8 graph: {measured}, thresholds {thresholds}")
    for name, most in MOST_STRAY.items():
        if measured[f"{name}_stray"] > most:
            raise StyleRefused(
                f"{checkpoint}: int8 is {measured[f'{name}_stray']:.2f} of {name} from float, "
                f"over {most}: nothing written"
            )
    if len(graph) > MOST_BYTES:
        raise StyleRefused(f"{checkpoint}: the graph has {len(graph)} bytes, over {MOST_BYTES}")
    entry = {
        "name": NAME,
        "title": "Quality model of photographs",
        "kind": "quality",
        "architecture": "quality",
        "files": {},
        "quantisation": INT8,
        "input_range": [-1, 1],
        "scale": 1,
        "multiple_of_px": 1,
        "overlap_px": 0,
        "tileable": False,
        "working_px": 0,
        "thumbnail_px": shape.thumbnail_px,
        "licence": LICENCE,
        "shape": shape.as_dict(),
        "recipe": made_by(saved, recipe),
        "figures": {name: round(value, 4) for name, value in measured.items()},
        "thresholds": thresholds,
    }
    tensors = {name: t.half().contiguous() for name, t in model.state_dict().items()}
    files = {
        "report": (f"{NAME}.int8.onnx", graph),
        "float": (f"{NAME}.safetensors", safetensors.torch.save(tensors)),
    }
    return install(place, entry, files)


def add(checkpoint: Path, data: Path, place: Place) -> None:
    """Adds the quality model, calibrated and measured on the photographs of ``data``."""
    lists = photographs(data, validation=False)
    of_any_kind = [draw_case(lists, None, Recipe(), (4, n)) for n in range(CALIBRATION_CASES)]
    written = add_quality(
        checkpoint,
        [case.photo for case in of_any_kind],
        whole_photos(lists, CLEAN_PHOTOS),
        held_out_cases(data),
        {"photographs": sum(map(len, lists.values()))},
        place,
    )
    print("wrote", *written)


if __name__ == "__main__":
    command(__doc__, add)

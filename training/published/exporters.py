"""Networks that others have trained, or of their kind, on their way to the served files.

The smallest of three graphs is served that computes what the torch module computes, and the
manifest says which.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.architectures.bisenet import BiSeNet
from pipeline.domain import RgbImage
from training.data.photographs import halves, resize
from training.data.tensors import to_picture, to_planes, to_tensor
from training.export.ladder import FULL, Served, first_in_agreement
from training.export.manifest import (
    MIN_PARITY_DB,
    Exported,
    OutputDirs,
    WeightInfo,
    float_file,
    install,
    new_spec,
    parity,
    source_commit,
)
from training.export.onnx import Inputs, draw_with_graph, export_onnx, run_graph

MULTIPLE_OF_PX = 4
MIN_CONVERSION_DB = 50.0  # of a graph that computes in float: rounding to 8 bits alone is 55
# shares of pixels that a graph must label as torch does: int8, and what computes in float
MIN_AGREEMENT, MIN_CONVERSION = 0.97, 0.999


@dataclass(frozen=True)
class Import:
    """What is imported.

    Attributes:
        net: the torch module.
        info: name, title and licence.
        architecture: its name in pipeline/architectures.
        shape: its settings there.
        recipe: where the weights came from.
    """

    net: nn.Module
    info: WeightInfo
    architecture: str
    shape: Mapping[str, Any]
    recipe: Mapping[str, Any]


def add_generator(
    imported: Import, photos: Sequence[RgbImage], dirs: OutputDirs, kind: str = "style", **more: Any
) -> Exported:
    """Adds what makes pictures of pictures, (1, 3, H, W) in [-1, 1], to the weights.

    Served is the first of int8 (MIN_PARITY_DB), weights in half precision and float32
    (MIN_CONVERSION_DB) that agrees with the torch module. The float file is of that precision.

    Args:
        imported: the network.
        photos: half of them calibrate, the others measure.
        dirs: where the files go.
        kind: what it is for, as the manifest has it.
        more: fields of WeightSpec.

    Raises:
        ExportRejected: none of the graphs agrees; nothing is written.
    """
    net = imported.net.eval().requires_grad_(False)
    calibration, measured = halves(photos)
    with torch.inference_mode():
        targets = [to_picture(net(to_tensor([photo]))) for photo in measured]
    with tempfile.TemporaryDirectory() as temporary:
        example = {"picture": torch.zeros(1, 3, 64, 96)}
        graph = export_onnx(net, example, "drawing", Path(temporary) / "float.onnx", True)
        metrics: dict[str, float] = {}

        def agreement(candidate: Path) -> float:
            metrics.update(parity(targets, draw_with_graph(candidate, _inputs(measured))))
            return metrics["parity_psnr_db"]

        served = first_in_agreement(
            graph, _inputs(calibration), agreement, MIN_PARITY_DB, MIN_CONVERSION_DB
        )
    about = {"multiple_of_px": MULTIPLE_OF_PX, "figures": metrics, **more}
    return _install(imported, served, (kind, "picture"), len(photos), dirs, **about)


def add_bisenet(imported: Import, photos: Sequence[RgbImage], dirs: OutputDirs) -> Exported:
    """Adds BiSeNet to the weights as the face parser.

    Served is the first of int8 (MIN_AGREEMENT of the pixels), weights in half precision and
    float32 (MIN_CONVERSION) that labels as the torch module does.

    Args:
        imported: the network, a BiSeNet.
        photos: of any size, best of faces; half of them calibrate, the others measure.
        dirs: where the files go.

    Raises:
        ExportRejected: none of the graphs agrees; nothing is written.
    """
    net: BiSeNet = imported.net.eval().requires_grad_(False)
    side_px = net.side_px
    calibration, measured = (
        list(_inputs([_square(photo, side_px) for photo in half])) for half in halves(photos)
    )
    with torch.inference_mode():
        targets = [net(torch.from_numpy(one["picture"])).argmax(1).numpy() for one in measured]
    with tempfile.TemporaryDirectory() as temporary:
        example = {"picture": torch.zeros(1, 3, side_px, side_px)}
        graph = export_onnx(net, example, "logits", Path(temporary) / "float.onnx", False)

        def agreement(candidate: Path) -> float:
            labels = [logits.argmax(1) for logits in run_graph(candidate, measured)]
            return float(np.mean([a == b for a, b in zip(labels, targets, strict=True)]))

        served = first_in_agreement(graph, calibration, agreement, MIN_AGREEMENT, MIN_CONVERSION)
    figures = {"label_agreement": served.tried[served.suffix]}
    about = {"multiple_of_px": 32, "figures": figures}
    exported = _install(imported, served, ("parser", "regions"), len(photos), dirs, **about)
    return Exported(exported.written, exported.quantisation, {})


def _install(
    imported: Import,
    served: Served,
    kind_and_role: tuple[str, str],
    photos: int,
    dirs: OutputDirs,
    **more: Any,
) -> Exported:
    kind, role = kind_and_role
    recipe = {**imported.recipe, "commit": source_commit(), "photographs": photos}
    about = {"shape": dict(imported.shape), "recipe": recipe, **more}
    spec = new_spec(imported.info, kind, imported.architecture, served.quantisation, **about)
    name = imported.info.name
    files = {
        role: (f"{name}.{served.suffix}.onnx", served.graph),
        "float": float_file(name, imported.net, half=served.quantisation != FULL),
    }
    return Exported(install(dirs, spec, files), served.quantisation, served.tried)


def _square(photo: RgbImage, side_px: int) -> RgbImage:
    """The middle square of a photo at that size."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(photo[top : top + side, left : left + side], side_px / side)


def _inputs(photos: Sequence[RgbImage]) -> list[Inputs]:
    return [{"picture": to_planes([photo])} for photo in photos]

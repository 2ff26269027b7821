"""From a parser's checkpoint to the served files.

The batch normalisation of the training is folded into the convolutions; all of them are int8.
The metrics are of the int8 graph as pipeline/faces/parse.py runs it, on held-out faces of
photographs as the pipeline has repaired them when it parses; ``plain_mean_iou`` is of the same
photographs as they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.architectures.parser import Parser, ParserShape
from pipeline.domain import Engine, RgbImage, WeightSpec
from pipeline.engines import OnnxEngine
from pipeline.faces.parse import FaceParser, label_map
from pipeline.model import Model
from training.architectures.normalised import folded, normalised
from training.data.parser import labelled, sample_batch, sampling_weights
from training.data.parser_targets import FACES, FaceCase, load_cases
from training.engine.errors import ExportRejected
from training.export.manifest import (
    OutputDirs,
    WeightInfo,
    check_info,
    float_file,
    install,
    load_average,
    new_spec,
    provenance,
    rounded,
)
from training.export.onnx import (
    INT8,
    Inputs,
    export_onnx,
    pad_output_channels,
    quantise,
    served_bytes,
)
from training.metrics.segmentation import LabelledFace, Labels, overlaps

SERVED_OUTPUTS = 32  # of the head: blocks of 16
CALIBRATION_BATCH, CALIBRATION_DEGRADED = 96, 0.45
MAX_BYTES = 1_000_000
MIN_AGREEMENT = 0.97  # share of the pixels that int8 labels as float does
INFO = WeightInfo(
    "parser",
    "Face parser",
    "Non-commercial research: distilled from BiSeNetV2 as trained on CelebAMask-HQ; see "
    "MODEL_CARD.md",
)


def graph_of(net: Parser, folder: Path, calibration: Sequence[Inputs]) -> Path:
    """The int8 graph; its head is served with some outputs of zero, which are cut off again."""
    served = deepcopy(net)
    served.head = pad_output_channels(served.head, SERVED_OUTPUTS)
    side = net.shape.side_px
    example = {"picture": torch.zeros(1, 3, side, side)}
    graph = export_onnx(served, example, "logits", folder / "parser.onnx", False)
    return quantise(graph, calibration)


class TorchParser:
    """The torch module as an engine."""

    def __init__(self, net: Parser) -> None:
        self._net = net

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits of the picture."""
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._net(torch.from_numpy(inputs["picture"])).numpy()
        return logits


def parse_with(engine: Engine, spec: WeightSpec, pictures: Sequence[RgbImage]) -> list[Labels]:
    """Labels (256, 256) of aligned faces, as the pipeline makes them."""
    parser = FaceParser(Model(spec, "regions", lambda: engine))
    return [label_map(parser.parse(picture)) for picture in pictures]


def add_parser(
    checkpoint: Path,
    calibration: Sequence[Inputs],
    held_out: Mapping[str, Sequence[LabelledFace]],
    faces: int,
    dirs: OutputDirs,
) -> list[Path]:
    """Adds the averaged network of a checkpoint to the weights; returns what it wrote.

    Args:
        checkpoint: of a parser's training.
        calibration: what int8 is calibrated on.
        held_out: faces of both of FACES.
        faces: how many it learned from.
        dirs: where the files go.

    Raises:
        ExportRejected: int8 strays too far from float, the graph is larger than MAX_BYTES, or the
            weights have another parser; nothing is written.
    """
    average, saved = load_average(checkpoint, "parser")
    shape = ParserShape.from_dict(saved["shape"])
    trained = normalised(Parser(shape)).eval()
    trained.load_state_dict(average)
    net = rounded(folded(trained))
    check_info(INFO, "parser", dirs, overwrite=True)
    with tempfile.TemporaryDirectory() as temporary:
        graph = served_bytes(graph_of(net, Path(temporary), calibration))
    spec = new_spec(
        INFO,
        "parser",
        "parser",
        INT8,
        multiple_of_px=32,
        shape=shape.as_dict(),
        recipe=provenance(saved, faces=faces),
    )
    engine = OnnxEngine(graph, 1)
    pictures, targets = zip(*held_out["repaired"], strict=True)
    predictions = parse_with(engine, spec, pictures)
    in_float = parse_with(TorchParser(net), spec, pictures)
    plain, plain_targets = zip(*held_out["plain"], strict=True)
    agreement = float(np.mean([a == b for a, b in zip(predictions, in_float, strict=True)]))
    metrics = {
        "label_agreement": agreement,
        "mean_iou_float": overlaps(in_float, targets)["mean_iou"],
        "plain_mean_iou": overlaps(parse_with(engine, spec, plain), plain_targets)["mean_iou"],
        **overlaps(predictions, targets),
    }
    print(f"int8 graph, {len(graph)} bytes: {metrics}")
    if agreement < MIN_AGREEMENT or len(graph) > MAX_BYTES:
        raise ExportRejected(
            f"{checkpoint}: int8 labels {agreement:.3f} of the pixels as float does (least "
            f"{MIN_AGREEMENT}) in {len(graph)} bytes (most {MAX_BYTES}): nothing written"
        )
    files = {"regions": (f"{INFO.name}.int8.onnx", graph), "float": float_file(INFO.name, net)}
    return install(dirs, replace(spec, figures=metrics), files)


def calibration_of(faces: Sequence[FaceCase]) -> list[Inputs]:
    """Training faces as they are shown in training, with as many degraded as there."""
    weights = sampling_weights(faces)
    batch = sample_batch(faces, weights, CALIBRATION_BATCH, CALIBRATION_DEGRADED, (6, 0))
    return [{"picture": one[None].contiguous().numpy()} for one in batch.input]


def export(checkpoint: Path, targets: Path, dirs: OutputDirs) -> list[Path]:
    """``add_parser`` with the faces that ``training.data.parser_targets`` drew."""
    faces = load_cases(targets / "repaired" / "training")
    held_out = {name: labelled(load_cases(targets / name / "validation")) for name in FACES}
    return add_parser(checkpoint, calibration_of(faces), held_out, len(faces), dirs)

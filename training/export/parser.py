"""Turns a parser's checkpoint into files of the layer.

    python -m training.export.parser --checkpoint .cache/runs/parser/last.pt \\
        --targets .cache/targets/parser

The batch normalisation of the training is folded into the convolutions; all of them are int8.
The figures are of the int8 graph as pipeline/faces/parse.py runs it, on held-out faces of
photographs as the pipeline has repaired them when it parses; ``plain_mean_iou`` is of the same
photographs as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from pipeline.architectures.parser import Parser, ParserShape
from pipeline.domain import Engine, RgbImage, WeightFile, WeightSpec
from pipeline.engines import OnnxEngine
from pipeline.faces.parse import FaceParser, label_map
from pipeline.model import Model
from training.data.parser import as_measured, batch, chances
from training.data.parser_targets import FACES, Case, load
from training.engine.errors import StyleRefused
from training.export.layer import (
    CHECKPOINTS,
    INT8,
    LAYER,
    Inputs,
    Label,
    Place,
    export_onnx,
    graph_bytes,
    install,
    made_by,
    quantise,
    widened,
)
from training.published.bisenet import check_alone
from training.tasks.parser import Measured, folded, normalised, overlaps

NAME = "parser"
SERVED_OUTPUTS = 32  # of the head: blocks of 16
CALIBRATION_BATCH = 96
MOST_BYTES = 1_000_000
LEAST_AGREEMENT = 0.97  # share of the pixels that int8 labels as float does
LICENCE = (
    "Non-commercial research: distilled from BiSeNetV2 as trained on CelebAMask-HQ; see "
    "MODEL_CARD.md"
)


def graph_of(net: Parser, folder: Path, calibration: Sequence[Inputs]) -> Path:
    """The int8 graph; its head is served with some outputs of zero, which are cut off again."""
    served = deepcopy(net)
    served.head = widened(served.head, SERVED_OUTPUTS)
    side = net.shape.side_px
    example = {"picture": torch.zeros(1, 3, side, side)}
    graph = export_onnx(served, example, "logits", folder / "parser.onnx", free_sides=False)
    return quantise(graph, folder, calibration)


class InTorch:
    """The torch module as an engine."""

    def __init__(self, net: Parser) -> None:
        self._net = net

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._net(torch.from_numpy(inputs["picture"])).numpy()
        return logits


def labelled(
    engine: Engine, shape: ParserShape, pictures: Sequence[RgbImage]
) -> list[NDArray[np.uint8]]:
    """Labels (256, 256) of aligned faces, as the pipeline makes them."""
    parser = FaceParser(Model(spec_of(shape), "regions", lambda: engine))
    return [label_map(parser.parse(picture)) for picture in pictures]


def spec_of(shape: ParserShape) -> WeightSpec:
    """What ``parse`` needs to know of a graph that is not in the layer yet."""
    return WeightSpec(
        name=NAME,
        title="Face parser",
        kind="parser",
        architecture="parser",
        files={"regions": WeightFile(f"{NAME}.int8.onnx", "", 0)},
        quantisation=INT8,
        input_range=(-1.0, 1.0),
        scale=1,
        multiple_of_px=32,
        overlap_px=0,
        tileable=False,
        working_px=0,
        thumbnail_px=0,
        licence=LICENCE,
        shape=shape.as_dict(),
    )


def add_parser(
    checkpoint: Path,
    calibration: Sequence[Inputs],
    held_out: Mapping[str, Measured],
    faces: int,
    place: Place,
) -> list[Path]:
    """Adds the averaged net of a checkpoint to the layer; returns what it wrote.

    ``held_out``: faces of both of FACES; ``faces``: how many it learned from. Raises
    StyleRefused, and writes nothing, when int8 strays too far from float, the graph is larger
    than MOST_BYTES, or the layer has another parser.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    shape = ParserShape.from_dict(saved["shape"])
    trained = normalised(Parser(shape))
    trained.load_state_dict(saved["average"])
    net = folded(trained.eval())
    net.load_state_dict({name: t.half().float() for name, t in net.state_dict().items()})
    check_alone(Label(NAME, NAME, LICENCE), place)
    with tempfile.TemporaryDirectory() as temporary:
        graph = graph_bytes(graph_of(net, Path(temporary), calibration))
    engine = OnnxEngine(graph, 1)
    pictures, wanted = zip(*held_out["repaired"], strict=True)
    made = labelled(engine, shape, pictures)
    in_float = labelled(InTorch(net), shape, pictures)
    plain, plain_wanted = zip(*held_out["plain"], strict=True)
    agreement = float(np.mean([one == other for one, other in zip(made, in_float, strict=True)]))
    measured = {
        "label_agreement": agreement,
        "mean_iou_float": overlaps(in_float, wanted)["mean_iou"],
        "plain_mean_iou": overlaps(labelled(engine, shape, plain), plain_wanted)["mean_iou"],
        **overlaps(made, wanted),
    }
    print(f"int8 graph, {len(graph)} bytes: {measured}")
    if agreement < LEAST_AGREEMENT or len(graph) > MOST_BYTES:
        raise StyleRefused(
            f"{checkpoint}: int8 labels {agreement:.3f} of the pixels as float does (least "
            f"{LEAST_AGREEMENT}) in {len(graph)} bytes (most {MOST_BYTES}): nothing written"
        )
    spec = spec_of(shape)
    entry = {
        "name": NAME,
        "title": spec.title,
        "kind": spec.kind,
        "architecture": spec.architecture,
        "files": {},
        "quantisation": spec.quantisation,
        "input_range": list(spec.input_range),
        "scale": spec.scale,
        "multiple_of_px": spec.multiple_of_px,
        "overlap_px": spec.overlap_px,
        "tileable": spec.tileable,
        "working_px": spec.working_px,
        "thumbnail_px": spec.thumbnail_px,
        "licence": spec.licence,
        "shape": shape.as_dict(),
        "recipe": made_by(saved, {"faces": faces}),
        "figures": {name: round(value, 4) for name, value in measured.items()},
    }
    tensors = {name: t.half().contiguous() for name, t in net.state_dict().items()}
    files = {
        "regions": (f"{NAME}.int8.onnx", graph),
        "float": (f"{NAME}.safetensors", safetensors.torch.save(tensors)),
    }
    return install(place, entry, files)


def calibration_of(faces: Sequence[Case]) -> list[Inputs]:
    """Training faces as they are shown in training, with as many spoilt as there."""
    pictures, _, _ = batch(faces, chances(faces), CALIBRATION_BATCH, 0.45, (6, 0))
    return [{"picture": one[None].contiguous().numpy()} for one in pictures]


def add(checkpoint: Path, targets: Path, place: Place) -> None:
    """Adds the parser, calibrated and measured on the faces of training.data.parser_targets."""
    faces = load(targets / "repaired" / "training")
    held_out = {name: as_measured(load(targets / name / "validation")) for name in FACES}
    written = add_parser(checkpoint, calibration_of(faces), held_out, len(faces), place)
    print("wrote", *written)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--targets", type=Path, required=True, help="drawn faces")
    parser.add_argument("--layer", type=Path, default=LAYER)
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    add(options.checkpoint, options.targets, Place(options.layer, options.checkpoints))


if __name__ == "__main__":
    main()

"""Turns a detector's checkpoint into files of the layer.

    python -m training.export.detector --checkpoint .cache/runs/detector/last.pt \\
        --data ../shared/data --teachers ../shared/teachers

The int8 graph is measured against the teacher on held-out pictures (training/metrics/detection.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import safetensors.torch
import torch

from pipeline.architectures.detector import Detector, DetectorShape, folded
from pipeline.domain import RgbImage
from training.data.detector import face_photographs
from training.engine.errors import StyleRefused
from training.export.detectors import (
    DETECTOR,
    DETECTOR_ROLE,
    answers,
    detector_entry,
    detector_graph,
    detector_inputs,
)
from training.export.layer import (
    CHECKPOINTS,
    INT8,
    LAYER,
    Label,
    Place,
    graph_bytes,
    install,
    made_by,
    quantise,
)
from training.metrics.detection import Found, agreement, count_faces, found_in, held_out_pictures
from training.tasks.detector import (
    TEACHER,
    Pictures,
    Recipe,
    Teacher,
    batch,
    found_by,
    found_by_teacher,
)

SPAN = (-1.0, 1.0)
# names of nodes: what reads pixels, what tells places
IN_FLOAT = ("/front.0/", "/heads.", "/Concat")
CALIBRATION_PICTURES = 64
MOST_LOST = 0.01  # of recall and of precision, through int8
LICENCE = (
    "research: distilled from RetinaFace (MIT), whose training data, WIDER FACE, is for research; "
    "see MODEL_CARD.md"
)
LABEL = Label(DETECTOR, "Detector of faces", LICENCE)


def calibration_pictures(data: Path) -> list[RgbImage]:
    """Training pictures, as the student saw them."""
    lists, recipe = face_photographs(data, validation=False), Recipe(batch=8, seed=3)
    return [
        seen
        for step in range(CALIBRATION_PICTURES // recipe.batch)
        for seen in batch(lists, recipe, step)[1]
    ]


def graph_of(net: Detector, folder: Path, calibration: Sequence[RgbImage]) -> Path:
    """The int8 graph in ``folder``; the first and the last layers stay in float."""
    graph = detector_graph(net, folder / "detector.onnx")
    nodes = onnx.load(graph).graph.node
    in_float = [node.name for node in nodes if node.name.startswith(IN_FLOAT)]
    # the activation of the patches, which runs as part of their convolution
    patches = next(node.output[0] for node in nodes if node.name.startswith("/front.0/"))
    in_float += [node.name for node in nodes if patches in node.input]
    return quantise(graph, folder, detector_inputs(calibration, SPAN), in_float, ["Concat"])


def found_by_graph(graph: bytes, pictures: Pictures) -> dict[str, list[Found]]:
    """What the graph finds in pictures whose sides are multiples of 32."""
    found = {}
    for kind, ones in pictures.items():
        made = answers(graph, detector_inputs(ones, SPAN))
        found[kind] = [found_in(values, one) for values, one in zip(made, ones, strict=True)]
    return found


def add_detector(
    checkpoint: Path,
    calibration: Sequence[RgbImage],
    held_out: Pictures,
    wanted: Mapping[str, list[Found]],
    recipe: dict[str, Any],
    place: Place,
) -> list[Path]:
    """Adds the averaged detector of a checkpoint to the layer; returns what it wrote.

    ``wanted``: what the teacher finds in the held-out pictures. Raises StyleRefused, and writes
    nothing, when int8 costs more than MOST_LOST of recall or precision.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    shape = DetectorShape.from_dict(saved["shape"])
    trained = Detector(shape, normalised=True).eval()
    trained.load_state_dict(saved["average"])
    net = folded(trained).eval().requires_grad_(False)
    net.load_state_dict({name: t.half().float() for name, t in net.state_dict().items()})
    with tempfile.TemporaryDirectory() as temporary:
        graph = graph_bytes(graph_of(net, Path(temporary), calibration))
    in_float = agreement(wanted, found_by(net, held_out))
    measured = agreement(wanted, found_by_graph(graph, held_out))
    print(f"float: {in_float}\nint8 graph: {measured}")
    for name in ("recall", "precision"):
        if measured[name] < in_float[name] - MOST_LOST:
            raise StyleRefused(
                f"{checkpoint}: {name} falls from {in_float[name]:.3f} to {measured[name]:.3f} "
                "by int8: nothing written"
            )
    entry = detector_entry(LABEL, "detector", INT8, SPAN) | {
        "shape": shape.as_dict(),
        "recipe": made_by(saved, recipe),
        "figures": {name: round(value, 4) for name, value in measured.items()},
    }
    entry["recipe"] |= {f"faces_in_{kind}": count_faces(ones) for kind, ones in wanted.items()}
    tensors = {name: t.half().contiguous() for name, t in net.state_dict().items()}
    files = {
        DETECTOR_ROLE: (f"{DETECTOR}.int8.onnx", graph),
        "float": (f"{DETECTOR}.safetensors", safetensors.torch.save(tensors)),
    }
    return install(place, entry, files)


def add(checkpoint: Path, data: Path, teachers: Path, place: Place) -> None:
    """Adds the detector, calibrated and measured on the photographs of ``data``."""
    held_out = held_out_pictures(data, Recipe().held_out_scenes)
    photographs = sum(map(len, face_photographs(data, validation=False).values()))
    written = add_detector(
        checkpoint,
        calibration_pictures(data),
        held_out,
        found_by_teacher(Teacher(teachers / TEACHER), held_out),
        {"photographs": photographs},
        place,
    )
    print("wrote", *written)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos/, portraits/")
    parser.add_argument("--teachers", type=Path, required=True, help=f"folder of {TEACHER}")
    parser.add_argument("--layer", type=Path, default=LAYER)
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    place = Place(options.layer, options.checkpoints)
    add(options.checkpoint, options.data, options.teachers, place)


if __name__ == "__main__":
    main()

"""Turns a student's checkpoint into files of the layer: ONNX, int8, parity, manifest.

    python -m training.export.student --checkpoint .cache/runs/hayao/last.pt --name hayao \\
        --targets .cache/targets/hayao \\
        --validation .cache/targets/hayao-validation

Writes layers/weights/NAME.int8.onnx, NAME.code.onnx, their entry in manifest.json, and the
float student as training/checkpoints/NAME.safetensors (half precision, to fine-tune from).
Stops without writing when int8 strays too far from float.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from pipeline.architectures.student import StudentShape
from pipeline.domain import RgbImage
from training.data.tensors import to_picture, to_tensor
from training.export.graphs import student_graph
from training.export.layer import (
    CHECKPOINTS,
    INTEGERS,
    KEPT,
    LAYER,
    Inputs,
    Label,
    Place,
    export_onnx,
    graph_bytes,
    install,
    made_by,
    parity,
    quantise,
    refuse_unlike,
    run_graph,
    widened,
)
from training.looks.styles import STYLES
from training.metrics.drawing import figures, flat_grain
from training.tasks.student import Pairs, Student

WORKING_PX = 384
CALIBRATION_WINDOWS = 64

Window = tuple[RgbImage, RgbImage]  # a part of a photograph, and the thumbnail of the whole


def load_student(checkpoint: Path) -> tuple[Student, dict[str, Any]]:
    """The averaged student of a checkpoint, rounded to half precision, and the checkpoint.

    Rounded first, so that the float file, the ONNX graph and the figures are of one network.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    student = Student(StudentShape.from_dict(saved["shape"]))
    student.load_state_dict({name: t.half().float() for name, t in saved["average"].items()})
    return student.eval(), saved


def export_float(student: Student, folder: Path) -> tuple[Path, Path]:
    """The generator (free height and width) and the encoder as float32 ONNX graphs."""
    shape = student.generator.shape
    served = deepcopy(student.generator)
    served.head = widened(served.head)
    example = {
        "picture": torch.zeros(1, 3, 64, 96),
        "code": torch.ones(1, shape.code_length, 1, 1),
    }
    picture = export_onnx(served, example, "drawing", folder / "picture.onnx", True)
    thumbnail = {"thumbnail": torch.zeros(1, 3, shape.thumbnail_px, shape.thumbnail_px)}
    code = export_onnx(student.encoder, thumbnail, "code", folder / "code.onnx", False)
    return picture, code


def graph_inputs(student: Student, windows: Iterable[Window]) -> Iterator[Inputs]:
    """What the generator's graph takes for each window: the picture and its thumbnail's code."""
    for photo, thumbnail in windows:
        with torch.inference_mode():
            code = student.encoder(to_tensor([thumbnail])).numpy()
        yield {"picture": to_tensor([photo]).contiguous().numpy(), "code": code}


def draw(student: Student, windows: Iterable[Window]) -> list[RgbImage]:
    """The windows as the torch module draws them."""
    with torch.inference_mode():
        return [
            to_picture(student(to_tensor([photo]), to_tensor([thumbnail])))
            for photo, thumbnail in windows
        ]


def add_student(
    checkpoint: Path,
    label: Label,
    calibration: Sequence[Window],
    held_out: Sequence[Window],
    targets: Sequence[RgbImage],
    recipe: Mapping[str, Any],
    place: Place,
    chosen: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Adds the averaged student of a checkpoint to the layer as a style; returns what it wrote.

    The int8 graph is calibrated on the first windows and measured on the others: against the
    torch module, and against the ``targets`` where there are any. ``recipe`` is kept in the
    manifest beside the checkpoint's own history; ``chosen`` are more of its fields there. Raises
    StyleRefused, and writes nothing, when int8 strays too far from float.
    """
    student, saved = load_student(checkpoint)
    shape = student.generator.shape
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        picture, code = export_float(student, folder)
        quantised = quantise(picture, folder, graph_inputs(student, calibration))
        served = student_graph(graph_bytes(quantised), shape)
        quantised.write_bytes(served)
        drawn = run_graph(quantised, graph_inputs(student, held_out))
        encoder = graph_bytes(code)
    measured = parity(draw(student, held_out), drawn)
    if targets:
        measured |= figures(list(zip(drawn, targets, strict=True)))
        photos = [photo for photo, _ in held_out]
        for name, pictures in (("grain", drawn), ("grain_of_target", targets)):
            grains = [flat_grain(*pair) for pair in zip(photos, pictures, strict=True)]
            measured[name] = float(np.nanmean(grains))
    refuse_unlike(checkpoint, measured)
    entry = {
        "name": label.name,
        "title": label.title,
        "kind": "style",
        "architecture": "student",
        "files": {},
        "quantisation": INTEGERS,
        "input_range": [-1, 1],
        "scale": 1,
        "multiple_of_px": 4,
        "overlap_px": shape.receptive_radius_px,
        "tileable": True,
        "working_px": WORKING_PX,
        "thumbnail_px": shape.thumbnail_px,
        "licence": label.licence,
        "shape": shape.as_dict(),
        "recipe": made_by(saved, recipe),
        "figures": {name: round(value, 4) for name, value in measured.items()},
        **(chosen or {}),
    }
    tensors = {name: t.half().contiguous() for name, t in student.state_dict().items()}
    files = {
        "picture": (f"{label.name}.int8.onnx", served),
        "code": (f"{label.name}.code.onnx", encoder),
        "float": (f"{label.name}.safetensors", safetensors.torch.save(tensors)),
    }
    return install(place, entry, files)


def add_style(
    name: str, checkpoint: Path, targets: Path, validation: Path, place: Place
) -> list[Path]:
    """Adds a style of training/looks/styles.py, measured on its held-out windows."""
    style = STYLES[name]
    student, saved = load_student(checkpoint)
    crop_px = saved["history"][-1]["recipe"]["crop_px"]
    thumbnail_px = student.generator.shape.thumbnail_px
    pairs = Pairs(targets, thumbnail_px, crop_px, style.grade)
    held_out = Pairs(validation, thumbnail_px, crop_px, style.grade)
    windows = list(zip(pairs.photos, pairs.thumbnails, strict=True))
    names = "\n".join(pairs.names).encode()
    written = add_student(
        checkpoint,
        Label(name, style.title, style.licence),
        windows[:: max(1, len(windows) // CALIBRATION_WINDOWS)],
        list(zip(held_out.photos, held_out.thumbnails, strict=True)),
        held_out.targets,
        {"windows": len(windows), "windows_sha256": hashlib.sha256(names).hexdigest()},
        place,
        {name: getattr(style, name) for name in KEPT},
    )
    print("wrote", *written)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--name", choices=STYLES, required=True)
    parser.add_argument("--targets", type=Path, required=True, help="training windows")
    parser.add_argument("--validation", type=Path, required=True, help="held-out windows")
    parser.add_argument("--layer", type=Path, default=LAYER)
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    place = Place(options.layer, options.checkpoints)
    add_style(options.name, options.checkpoint, options.targets, options.validation, place)


if __name__ == "__main__":
    main()

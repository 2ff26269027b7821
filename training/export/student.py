"""From a student's checkpoint to a style: two graphs, a float file, an entry of the manifest."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.architectures.student import StudentShape
from pipeline.domain import RgbImage
from training.architectures.student import Student
from training.data.student import graded_pairs, thumbnail_of
from training.data.tensors import to_picture, to_planes, to_tensor
from training.export.graphs import student_graph
from training.export.manifest import (
    CHOSEN,
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
    pad_output_channels,
    quantise,
)
from training.looks.styles import STUDENTS, STYLES
from training.metrics.drawing import drawing_metrics, flat_grain

WORKING_PX = 384
CALIBRATION_WINDOWS = 64
CALIBRATION_SEED = 3

Window = tuple[RgbImage, RgbImage]  # a part of a photograph, and the thumbnail of the whole


def export_float(student: Student, folder: Path) -> tuple[Path, Path]:
    """The generator (any height and width) and the encoder as float32 ONNX graphs."""
    shape = student.generator.shape
    served = deepcopy(student.generator)
    served.head = pad_output_channels(served.head)
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
        yield {"picture": to_planes([photo]), "code": code}


def add_student(
    checkpoint: Path,
    info: WeightInfo,
    windows: tuple[Sequence[Window], Sequence[Window]],
    dirs: OutputDirs,
    targets: Sequence[RgbImage] = (),
    **more: Any,
) -> list[Path]:
    """Adds the averaged student of a checkpoint to the weights, as a style unless told otherwise.

    Args:
        checkpoint: of a student's training.
        info: the style's name, title and licence.
        windows: what int8 is calibrated on, and what it is measured on, against the torch module.
        dirs: where the files go.
        targets: of the measured windows, when there are any.
        more: ``recipe``, kept in the manifest beside the checkpoint's own history; ``kind``; and
            fields of CHOSEN.

    Returns:
        The paths of what was written.

    Raises:
        ExportRejected: int8 strays too far from float; nothing is written.
    """
    average, saved = load_average(checkpoint, "student")
    student = rounded(Student(StudentShape.from_dict(saved["shape"])), average)
    shape = student.generator.shape
    calibration, held_out = windows
    with tempfile.TemporaryDirectory() as temporary:
        picture, code = export_float(student, Path(temporary))
        quantised = quantise(picture, graph_inputs(student, calibration))
        served = student_graph(graph_bytes(quantised), shape)
        encoder = graph_bytes(code)
    drawings = draw_with_graph(served, graph_inputs(student, held_out))
    with torch.inference_mode():
        in_float = [
            to_picture(student(to_tensor([photo]), to_tensor([thumbnail])))
            for photo, thumbnail in held_out
        ]
    metrics = parity(in_float, drawings)
    if targets:
        metrics |= drawing_metrics(drawings, targets)
        photos = [photo for photo, _ in held_out]
        for name, pictures in (("grain", drawings), ("grain_of_target", targets)):
            grains = [flat_grain(*pair) for pair in zip(photos, pictures, strict=True)]
            if not np.isnan(grains).all():  # no photo has anything smooth
                metrics[name] = float(np.nanmean(grains))
    check_parity(checkpoint, metrics)
    spec = new_spec(
        info,
        more.pop("kind", "style"),
        "student",
        INTEGERS,
        multiple_of_px=4,
        overlap_px=shape.receptive_radius_px,
        tileable=True,
        working_px=WORKING_PX,
        thumbnail_px=shape.thumbnail_px,
        shape=shape.as_dict(),
        figures=metrics,
        **{**more, "recipe": provenance(saved, **more.get("recipe", {}))},
    )
    files = {
        "picture": (f"{info.name}.int8.onnx", served),
        "code": (f"{info.name}.code.onnx", encoder),
        "float": float_file(info.name, student),
    }
    return install(dirs, spec, files, inherit=not set(CHOSEN) & set(more))


def windows_of(pictures: Sequence[RgbImage]) -> list[Window]:
    """Whole photographs as windows of themselves."""
    side_px = StudentShape().thumbnail_px
    return [(photo, thumbnail_of(photo, side_px)) for photo in pictures]


def add_style(
    name: str, checkpoint: Path, targets: Path, validation: Path, dirs: OutputDirs
) -> list[Path]:
    """Adds a student of training/looks/styles.py, measured on its held-out windows.

    What sees heads is calibrated on spoilt ones, too.
    """
    style, recipe = STUDENTS[name], load_average(checkpoint, "student")[1]["history"][-1]["recipe"]
    pairs, held_out = (graded_pairs(f, name, recipe["crop_px"]) for f in (targets, validation))
    windows, measured = (list(zip(p.inputs, p.thumbnails, strict=True)) for p in (pairs, held_out))
    calibration = windows[:: max(1, len(windows) // CALIBRATION_WINDOWS)]
    if pairs.input_transform:
        random = np.random.default_rng(CALIBRATION_SEED)
        spoilt = [pairs.input_transform(photo, random) for photo, _ in calibration]
        calibration = windows_of(spoilt)
    names = "\n".join(pairs.names).encode()
    made_of = {"windows": len(windows), "windows_sha256": hashlib.sha256(names).hexdigest()}
    return add_student(
        checkpoint,
        WeightInfo(name, style.title, style.licence),
        (calibration, measured),
        dirs,
        held_out.targets,
        recipe=made_of,
        kind="style" if name in STYLES else name,
        **{field: getattr(style, field) for field in CHOSEN},
    )

"""From a detector's checkpoint, or the published one, to the served files.

The int8 graph is measured against the teacher on held-out pictures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from pipeline.architectures.detector import Detector, DetectorShape, folded
from pipeline.domain import RgbImage
from pipeline.model import to_planes
from training.data.detector import face_photographs, sample_pictures
from training.engine.errors import ExportRejected
from training.export.ladder import FULL
from training.export.manifest import (
    Exported,
    OutputDirs,
    WeightInfo,
    float_file,
    install,
    load_average,
    new_spec,
    provenance,
    rounded,
    source_commit,
)
from training.export.onnx import (
    INT8,
    Inputs,
    export_onnx,
    graph_bytes,
    open_graph,
    quantise,
    run_graph,
)
from training.metrics.detection import (
    Answers,
    DetectionsByKind,
    Pictures,
    agreement,
    answers_of,
    count_faces,
    detect_all,
    held_out_pictures,
)
from training.published.retinaface import TEACHER, RetinaFaceTeacher
from training.tasks.detector import Recipe

KIND, ROLE = "detector", "faces"  # its kind in the manifest, and its graph's role
MULTIPLE_PX = 32
SPAN, PUBLISHED_SPAN = (-1.0, 1.0), (0.0, 255.0)
MAX_APART = 1e-3  # of the published graph's answers from torch's, in scores and deltas
# names of nodes: what reads pixels, what tells places
IN_FLOAT = ("/front.0/", "/heads.", "/Concat")
CALIBRATION_PICTURES, CALIBRATION_SEED = 64, 3
MAX_LOST = 0.01  # of recall and of precision, through int8
INFO = WeightInfo(
    KIND,
    "Detector of faces",
    "research: distilled from RetinaFace (MIT), whose training data, WIDER FACE, is for research; "
    "see MODEL_CARD.md",
)


def export_float(net: nn.Module, folder: Path) -> Path:
    """The float32 graph of a detector, for pictures of any sides that are multiples of 32."""
    example = {"picture": torch.zeros(1, 3, 96, 128)}
    return export_onnx(net, example, ROLE, folder / "detector.onnx", True, {1: "priors"})


def graph_inputs(pictures: Iterable[RgbImage], span: tuple[float, float]) -> Iterator[Inputs]:
    """What the graph takes for each picture, whose sides are multiples of 32."""
    for picture in pictures:
        yield {"picture": to_planes(picture, span)}


def graph_of(net: Detector, folder: Path, calibration: Sequence[RgbImage]) -> Path:
    """The int8 graph in ``folder``; the first and the last layers stay in float."""
    graph = export_float(net, folder)
    nodes = onnx.load(graph).graph.node
    in_float = [node.name for node in nodes if node.name.startswith(IN_FLOAT)]
    # the activation of the patches, which runs as part of their convolution
    patches = next(node.output[0] for node in nodes if node.name.startswith("/front.0/"))
    in_float += [node.name for node in nodes if patches in node.input]
    return quantise(graph, graph_inputs(calibration, SPAN), in_float, ["Concat"])


def detect_with_graph(graph: bytes, pictures: Pictures) -> DetectionsByKind:
    """The faces that an int8 graph finds."""
    session = open_graph(graph)

    def detect(picture: RgbImage) -> Answers:
        answers: Answers = session.run(None, {"picture": to_planes(picture, SPAN)})[0][0]
        return answers

    return detect_all(detect, pictures)


def add_detector(
    checkpoint: Path,
    calibration: Sequence[RgbImage],
    held_out: tuple[Pictures, DetectionsByKind],
    photos: int,
    dirs: OutputDirs,
) -> list[Path]:
    """Adds the averaged detector of a checkpoint to the weights; returns what it wrote.

    Args:
        checkpoint: of a detector's training.
        calibration: what int8 is calibrated on.
        held_out: pictures by kind, and what the teacher finds in them.
        photos: how many photographs it learned from.
        dirs: where the files go.

    Raises:
        ExportRejected: int8 costs more than MAX_LOST of recall or precision; nothing is written.
    """
    average, saved = load_average(checkpoint, "detector")
    shape = DetectorShape.from_dict(saved["shape"])
    trained = Detector(shape, normalised=True).eval()
    trained.load_state_dict(average)
    net = rounded(folded(trained))
    with tempfile.TemporaryDirectory() as temporary:
        graph = graph_bytes(graph_of(net, Path(temporary), calibration))
    pictures, targets = held_out
    in_float = agreement(targets, detect_all(answers_of(net), pictures))
    metrics = agreement(targets, detect_with_graph(graph, pictures))
    print(f"float: {in_float}\nint8 graph: {metrics}")
    for name in ("recall", "precision"):
        if metrics[name] < in_float[name] - MAX_LOST:
            raise ExportRejected(
                f"{checkpoint}: {name} falls from {in_float[name]:.3f} to {metrics[name]:.3f} "
                "by int8: nothing written"
            )
    faces = {f"faces_in_{kind}": count_faces(found) for kind, found in targets.items()}
    recipe = provenance(saved, photographs=photos, **faces)
    spec = _spec(
        INFO, "detector", INT8, SPAN, recipe=recipe, shape=shape.as_dict(), figures=metrics
    )
    files = {ROLE: (f"{KIND}.int8.onnx", graph), "float": float_file(KIND, net)}
    return install(dirs, spec, files)


def add_retinaface(
    net: nn.Module,
    info: WeightInfo,
    photos: Sequence[RgbImage],
    recipe: Mapping[str, Any],
    dirs: OutputDirs,
) -> Exported:
    """Adds the published RetinaFace to the weights as the detector, in float32.

    Args:
        net: the torch module.
        info: name, title and licence.
        photos: what the graph is compared on; sides are multiples of 32.
        recipe: where the weights came from.
        dirs: where the files go.

    Raises:
        ExportRejected: the graph's answers are not the torch module's; nothing is written.
    """
    net = net.eval().requires_grad_(False)
    inputs = list(graph_inputs(photos, PUBLISHED_SPAN))
    with tempfile.TemporaryDirectory() as temporary:
        graph = graph_bytes(export_float(net, Path(temporary)))
    with torch.inference_mode():
        targets = [net(torch.from_numpy(one["picture"])).numpy() for one in inputs]
    answers = run_graph(graph, inputs)
    apart = max(float(np.abs(a - t).max()) for a, t in zip(answers, targets, strict=True))
    if not apart <= MAX_APART:
        raise ExportRejected(f"{info.name}: the graph's answers are {apart:.2g} from torch's")
    recipe = {**recipe, "commit": source_commit(), "photographs": len(photos)}
    figures = {"answers_apart": round(apart, 6)}
    spec = _spec(info, "retinaface", FULL, PUBLISHED_SPAN, recipe=recipe, figures=figures)
    files = {ROLE: (f"{info.name}.fp32.onnx", graph), "float": float_file(info.name, net, False)}
    return Exported(install(dirs, spec, files), FULL, {})


def export(checkpoint: Path, data: Path, teachers: Path, dirs: OutputDirs) -> list[Path]:
    """``add_detector`` with the photographs of a folder and a published RetinaFace."""
    files = face_photographs(data, validation=False)
    recipe = Recipe(**load_average(checkpoint, "detector")[1]["history"][-1]["recipe"])
    seeds = [(CALIBRATION_SEED, *divmod(n, 8)) for n in range(CALIBRATION_PICTURES)]
    _, calibration = sample_pictures(files, Recipe.crop_px, Recipe.damaged, seeds)
    pictures = held_out_pictures(data, recipe.held_out_scenes)
    targets = detect_all(RetinaFaceTeacher(teachers / TEACHER).answers, pictures)
    photos = sum(map(len, files.values()))
    return add_detector(checkpoint, calibration, (pictures, targets), photos, dirs)


def _spec(
    info: WeightInfo, architecture: str, quantisation: str, span: tuple[float, float], **more: Any
) -> Any:
    about = {"input_range": span, "multiple_of_px": MULTIPLE_PX, **more}
    return new_spec(info, KIND, architecture, quantisation, **about)

"""What the face path is worth: faces deformed with it and without, how alike, in what time.

    make eval-faces DATA=DIR TEACHERS=DIR

A face counts as deformed when its five landmarks, looked for again in the drawing at 640 px by
the teacher's detector (by ours without TEACHERS), moved by more than 12 % of the distance between
its eyes on average, or are not found any more. Faces under 32 px at 640 px are not counted, nor
those of a score under 0.9, which no path cares for. Without DATA, of the sample photographs.
Writes benchmarks/faces.md and docs/faces.jpg.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import face_scenes
from benchmarks.machine import ROOT, THREADS, processor
from pipeline import Options, Pipeline, Settings
from pipeline.architectures import build
from pipeline.decode import decode_image
from pipeline.domain import Face, RgbImage
from pipeline.faces.align import crop, estimate_similarity
from pipeline.faces.detect import COARSE_SIDE_PX, FaceDetector
from pipeline.model import Model
from pipeline.result import Sidecar
from pipeline.weights import WeightStore
from training.data.photographs import read_rgb
from training.data.tensors import to_tensor
from training.export.detector import PUBLISHED_SPAN
from training.published.retinaface import load_retinaface_onnx

Finder = Callable[[RgbImage], tuple[Face, ...]]
Distance = Callable[[RgbImage, RgbImage], float]

LEAST_FACE_PX, LEAST_SCORE = 32, 0.9
DEFORMED = 0.12  # inter-ocular distances
SAME_FACE = 0.5  # of a face's width: how far a face in the drawing may be for being the same
BANDS = ((32, 64), (64, 128), (128, 640))  # px at 640 px
PATHS = ("off", "on")
ON_SHEET = ("cel", "hayao", "paprika")  # as docs/figures.md says
ALIGNED_PX = 256
PUBLISHED = """| published (face2paint) | deformed | LPIPS | seconds |
|---|---|---|---|
| without face handling | 38 % | 0.41 | 1.1 |
| with it | 9 % | 0.27 | 1.8 |"""


@dataclass
class Row:
    """What became of the faces of one set: shifts are infinite where a face is gone."""

    widths: list[float] = field(default_factory=list)  # px at 640 px
    shifts: list[float] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    stage_ms: list[float] = field(default_factory=list)  # of each photo

    def deformed(self, least_px: float = 0, below_px: float = np.inf) -> tuple[float, int]:
        """The share of deformed faces of some widths, and how many faces those are."""
        shifts = [
            shift
            for shift, width in zip(self.shifts, self.widths, strict=True)
            if least_px <= width < below_px
        ]
        return (float(np.mean(np.array(shifts) > DEFORMED)) if shifts else np.nan), len(shifts)


class _Published:
    """The published detector as an engine."""

    def __init__(self, path: Path) -> None:
        self._net = load_retinaface_onnx(path)

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            answers: NDArray[np.float32] = self._net(torch.from_numpy(inputs["picture"])).numpy()
        return answers


def finder(pipeline: Pipeline, teachers: Path | None) -> tuple[Finder, str]:
    """What looks for faces in a picture of 640 px: the teacher, or the layer's own detector."""
    layer = WeightStore(pipeline.settings.weights_dir, pipeline.settings.checkpoints_dir)
    spec = layer.require("detector")
    if teachers is not None:
        published = _Published(teachers / "retinaface_mobilenet025.onnx")
        spec = replace(spec, input_range=PUBLISHED_SPAN)
        detector = FaceDetector(Model(spec, "faces", lambda: published))
        return detector.detect, "RetinaFace as published"
    models = pipeline.registry.faces(Options())
    if models is None:
        raise ValueError("the layer has no detector")
    return models.detector.detect, "our own detector"


def perceptual_distance(settings: Settings) -> tuple[Distance, str]:
    """Makes a measure of how different two aligned faces are to our parser.

    This is LPIPS (Zhang et al., CVPR 2018) without its learned weights, on the four stages of a net
    that knows eyes from brows.

    Args:
        settings: Where the weights are.

    Returns:
        The measure and its name for the report.
    """
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    spec = layer.require("parser")
    net, _ = build(spec.architecture, "regions", spec.shape)
    state = safetensors.torch.load(layer.read(spec, "float"))
    net.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    found: list[Tensor] = []
    for stage in net.eval().stages:
        stage.register_forward_hook(lambda _, __, output: found.append(output))

    def features(picture: RgbImage) -> list[Tensor]:
        found.clear()
        with torch.inference_mode():
            net(to_tensor([picture]))
        return [F.normalize(one, dim=1) for one in found]

    def distance(one: RgbImage, other: RgbImage) -> float:
        pairs = zip(features(one), features(other), strict=True)
        return float(np.mean([(a - b).square().sum(1).mean().item() for a, b in pairs]))

    return distance, "LPIPS's formula on the stages of our parser, without learned weights"


def at_640(picture: RgbImage) -> RgbImage:
    """The picture with its longer side reduced to what is looked at."""
    scale = min(1.0, COARSE_SIDE_PX / max(picture.shape[:2]))
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return picture if scale == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def counted(photo: RgbImage, find: Finder) -> list[Face]:
    """The faces of a photo of 640 px that are large and sure enough."""
    return [
        face
        for face in find(photo)
        if face.score >= LEAST_SCORE and face.box[2] - face.box[0] >= LEAST_FACE_PX
    ]


def shift_in(drawing: RgbImage, face: Face, find: Finder) -> float:
    """How far a face's landmarks moved, in inter-ocular distances; infinite when it is gone."""
    before = np.array(face.landmarks)
    apart = float(np.linalg.norm(before[1] - before[0]))
    width = face.box[2] - face.box[0]
    shifts = [
        float(np.linalg.norm(np.array(other.landmarks) - before, axis=1).mean())
        for other in find(drawing)
    ]
    near = [shift for shift in shifts if shift <= SAME_FACE * width]
    return min(near) / apart if near else np.inf


def draw(pipeline: Pipeline, photo: RgbImage, options: Options) -> tuple[RgbImage, Sidecar]:
    """The drawing of a photo, and its sidecar."""
    content = cv2.imencode(".png", photo[..., ::-1])[1].tobytes()
    result = pipeline.run(content, options)
    return decode_image(result.image, pipeline.settings)[0].pixels, result.sidecar


def face_ms(sidecar: Sidecar) -> float:
    """What the stages of the face path took of a photo."""
    return sidecar.timings_ms["faces"] + sidecar.timings_ms["redraw"]


def evaluate(
    pipeline: Pipeline, photos: Sequence[RgbImage], style: str, find: Finder, distance: Distance
) -> dict[str, Row]:
    """A Row without the face path ("off") and one with it ("on")."""
    rows = {path: Row() for path in PATHS}
    for photo in photos:
        small = at_640(photo)
        faces = counted(small, find)
        matrices = [estimate_similarity(face.landmarks, ALIGNED_PX) for face in faces]
        for path, row in rows.items():
            options = Options(style=style, faces=path, enhance="off", format="png")
            drawn, sidecar = draw(pipeline, photo, options)
            drawing = cv2.resize(drawn, small.shape[1::-1], interpolation=cv2.INTER_AREA)
            row.stage_ms.append(face_ms(sidecar))
            for face, matrix in zip(faces, matrices, strict=True):
                row.widths.append(face.box[2] - face.box[0])
                row.shifts.append(shift_in(drawing, face, find))
                pair = (crop(picture, matrix, ALIGNED_PX) for picture in (small, drawing))
                row.distances.append(distance(*pair))
    return rows


def table(rows: Mapping[str, Mapping[str, Mapping[str, Row]]]) -> list[str]:
    """Markdown: a line for every set of photographs, style and path."""
    bands = " | ".join(f"{least}-{most} px" for least, most in BANDS)
    lines = [
        f"| photographs | style | face path | faces | deformed | {bands} | distance |",
        "|---" * (6 + len(BANDS)) + "|",
    ]
    for kind, by_style in rows.items():
        for style, by_path in by_style.items():
            for path, row in by_path.items():
                shares = [row.deformed(), *(row.deformed(*band) for band in BANDS)]
                cells = [f"{100 * share:.1f} %" if n else "-" for share, n in shares]
                of = [f" of {n}" if n else "" for _, n in shares]
                told = [cells[0], *(cell + n for cell, n in zip(cells[1:], of[1:], strict=True))]
                lines.append(
                    f"| {kind} | {style} | {'without' if path == 'off' else 'with'} |"
                    f" {shares[0][1]} | {' | '.join(told)} | {np.mean(row.distances):.3f} |"
                )
    return lines


def speed(pipeline: Pipeline, rounds: int) -> list[str]:
    """What the face path adds to a photo without a face, with one, and with thirty."""
    nobody = face_scenes.filling(read_rgb(ROOT / "samples" / "rocket.jpg"), face_scenes.CROWD_PX)
    one = read_rgb(ROOT / "samples" / "astronaut.jpg")
    lines = ["| photo | faces | finding and refining | drawing | in all |", "|---" * 5 + "|"]
    photos = {"1920x1080": nobody, "512x512": one, "1920x1080, a crowd": face_scenes.crowd()}
    for name, photo in photos.items():
        found, drawing, count = [], [], 0
        for number in range(rounds + 1):
            changed = photo.copy()
            changed[0, 0, 0] = number  # another photo: nothing is remembered of it
            sidecar = draw(pipeline, changed, Options(enhance="off"))[1]
            found.append(sidecar.timings_ms["faces"])
            drawing.append(sidecar.timings_ms["redraw"])
            count = sum(bool(face.refined) for face in sidecar.faces)
        parts = np.median([found[1:], drawing[1:]], 1)
        lines.append(
            f"| {name} | {count} | {parts[0]:.0f} ms | {parts[1]:.0f} ms | {parts.sum():.0f} ms |"
        )
    return lines


def sheet(pipeline: Pipeline, styles: Sequence[str]) -> RgbImage:
    """Draws twelve faces of the sample scenes, four in each of three styles.

    Args:
        pipeline: What draws.
        styles: Names of styles.

    Returns:
        Rows of photo, drawing without and drawing with the face path, uint8 (H, W, 3) RGB.
    """
    columns = []
    for scene, style in zip(face_scenes.of_samples(), styles, strict=False):
        (without, _), (made, sidecar) = (
            draw(pipeline, scene, Options(style=style, faces=path, enhance="off")) for path in PATHS
        )
        faces = [face for face in sidecar.faces if face.refined][:4]
        rows = []
        for face in sorted(faces, key=lambda face: face.box[0]):
            left, top, right, bottom = face.box
            side = 0.85 * (bottom - top)
            x, y = (left + right) / 2, (top + bottom) / 2
            parts = [
                cv2.getRectSubPix(picture, (round(2 * side), round(2 * side)), (x, y))
                for picture in (scene, without, made)
            ]
            sized = [cv2.resize(one, (150, 150), interpolation=cv2.INTER_CUBIC) for one in parts]
            rows.append(np.hstack(sized))
        columns.append(np.vstack(rows))
    return np.hstack(columns)


def main() -> None:
    """Measures what the face path is worth and writes faces.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of photos/, portraits/ [samples]")
    parser.add_argument("--teachers", type=Path, help="folder of retinaface_mobilenet025.onnx")
    parser.add_argument("--styles", nargs="+", help="[all of the layer]")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    settings = Settings(threads=THREADS)
    pipeline = Pipeline(settings)
    styles = given.styles or [style.name for style in pipeline.styles()]
    find, by_whom = finder(pipeline, given.teachers)
    distance, about = perceptual_distance(settings)
    if given.data is None:
        sets = {"scenes of the samples": face_scenes.of_samples()}
    else:
        portraits = face_scenes.held_out_portraits(given.data)
        people = [*portraits, *face_scenes.held_out_faces(given.data)]
        scenes = face_scenes.held_out_scenes(given.data)
        sets = {
            "held-out portraits": portraits,
            "held-out people in scenes": face_scenes.small_faces(people, scenes),
        }
    rows = {
        kind: {style: evaluate(pipeline, photos, style, find, distance) for style in styles}
        for kind, photos in sets.items()
    }
    lines = [f"{processor()}, {THREADS} threads. Landmarks by {by_whom}; distance: {about}.", ""]
    lines += [*table(rows), "", PUBLISHED, "", *speed(pipeline, given.rounds)]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "faces.md").write_text(text)
    shown = sheet(pipeline, given.styles or ON_SHEET)
    compressed = [cv2.IMWRITE_JPEG_QUALITY, 88]
    cv2.imwrite(str(ROOT / "docs" / "faces.jpg"), shown[..., ::-1], compressed)


if __name__ == "__main__":
    main()

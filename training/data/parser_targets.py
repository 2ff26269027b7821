r"""Faces and what the teacher says of them, made once: what the parser is trained on.

    python -m training.data.parser_targets --data DIR --teachers DIR \
        --output .cache/targets/parser

Faces are found and aligned as the pipeline aligns them, by the five landmarks of the published
RetinaFace, in the photographs as they are ("plain") and once more as the pipeline has repaired
them when it parses their faces ("repaired"): there the teacher has less to be wrong about. Of
each a wider crop is kept, so that training can turn, shift and scale it, and the
teacher's logits for the aligned square.

The teacher tells left from right by chance (of frontal faces it swaps both eyes and both brows
in half; it must have learned from mirrored faces with labels that were not), so the members of
a pair are told apart by the landmarks instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Options, Pipeline, Settings
from pipeline.decode import decode_image, fit
from pipeline.domain import RgbImage
from pipeline.enhance import enhance
from pipeline.faces.align import crop, estimate_similarity, invert_affine, transform_points
from pipeline.faces.detect import COARSE_SIDE_PX, Detections
from pipeline.quality import assess
from training.data.photographs import read_rgb, split
from training.engine.errors import NoPictures
from training.metrics.detection import detections, padded
from training.published import retinaface
from training.published.parser_teacher import SIDE_PX, STEP_PX, TEACHER, ParserTeacher

FACES = ("plain", "repaired")
KINDS = ("faces/face-*.jpg", "portraits/portrait-*.jpg", "photos/*.jpg")
ALIGNED_PX = 256
WIDER = 1.5  # side of the kept crop over that of the aligned square
MIN_SCORE = 0.9  # the pipeline's own threshold
MIN_FACE_PX = 36  # of the box's longer side; smaller ones show no eyes to learn from
BORDER_SHARE = 0.3  # photographs that end at the cheeks are shown with some border around
LOGIT_STEP = 0.125  # of the logits as they are kept, int8
PAIRS = ((2, 3), (4, 5), (7, 8))  # brows, eyes, ears: the person's own left, and right
NEVER = -16.0  # the logit of a left eye on the right side


def detect_faces(photo: RgbImage, detector: retinaface.RetinaFaceTeacher) -> Detections:
    """The faces of a photo of any size, the surest first, in its pixels."""
    border = round(BORDER_SHARE * min(photo.shape[:2]))
    around = cv2.copyMakeBorder(photo, border, border, border, border, cv2.BORDER_CONSTANT)
    scale = min(1.0, COARSE_SIDE_PX / max(around.shape[:2]))
    seen = padded(around)
    faces = detections(detector.answers(seen), seen, MIN_SCORE)
    return faces.rescaled((scale, scale), (-border, -border))


@dataclass(frozen=True)
class FaceCase:
    """A face as it is kept.

    Attributes:
        name: of its photograph, and a number.
        wide: uint8 (384, 384, 3), with the aligned 256 px square in its middle.
        logits: int8 (19, 56, 56), the teacher's over LOGIT_STEP, where ``cells`` says.
        inside: bool (56, 56), which cells are of the photograph and not of the border around it.
    """

    name: str
    wide: RgbImage
    logits: NDArray[np.int8]
    inside: NDArray[np.bool_]


class Restored:
    """Reads photos as the pipeline shows them to its parser, with the options' defaults."""

    def __init__(self) -> None:
        self._pipeline, self._options = Pipeline(Settings(threads=1)), Options()

    def read(self, path: Path) -> RgbImage:
        """The photo of a file, decoded and repaired by the layer's own networks."""
        photo, _ = decode_image(path.read_bytes(), self._pipeline.settings)
        photo = fit(photo, self._options.max_side_px)
        models = self._pipeline.registry.restoration(self._options)
        report = assess(photo, self._pipeline.settings, models.quality)
        repaired, _ = enhance(photo, report, self._options, models)
        return repaired.pixels


def cases_of(
    photo: RgbImage, name: str, detector: retinaface.RetinaFaceTeacher, teacher: ParserTeacher
) -> Iterator[FaceCase]:
    """Every face of a photograph that is large enough, named by it and numbered."""
    faces = detect_faces(photo, detector)
    for number, (box, landmarks) in enumerate(zip(faces.boxes, faces.landmarks, strict=True)):
        if (box[2:] - box[:2]).max() < MIN_FACE_PX:
            continue
        matrix = estimate_similarity(landmarks, SIDE_PX)
        logits = teacher.logits([crop(photo, matrix, SIDE_PX)])[0]
        logits = sided(logits, transform_points(landmarks, matrix))
        wide_px = round(ALIGNED_PX * WIDER)
        wider = estimate_similarity(landmarks, ALIGNED_PX)
        wider[:, 2] += (wide_px - ALIGNED_PX) / 2
        points = transform_points(cells().reshape(-1, 2), invert_affine(matrix))
        inside = np.asarray(((points >= 0) & (points < photo.shape[1::-1])).all(1))
        yield FaceCase(
            f"{name}-{number}",
            crop(photo, wider, wide_px),
            np.clip(np.rint(logits / LOGIT_STEP), -128, 127).astype(np.int8),
            inside.reshape(logits.shape[1:]),
        )


def cells() -> NDArray[np.float64]:
    """(56, 56, 2): where in the aligned square of 448 px, x and y, the teacher's cells are."""
    along = np.arange(SIDE_PX // STEP_PX) * STEP_PX + 0.5
    return np.stack(np.meshgrid(along, along), -1)


def sided(logits: NDArray[np.float32], landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
    """Gives each pair's logits, joined, to the member whose side it is.

    Brows and eyes go to the nearer eye, ears to their side of the line between the eyes and from
    its middle down.

    Args:
        logits: (19, 56, 56).
        landmarks: (5, 2) in the aligned square, left to right as seen.
    """
    points, eyes = cells(), landmarks[:2]
    nearer = np.linalg.norm(points[..., None, :] - eyes, axis=-1).argmin(-1)
    beyond = (points - eyes.mean(0)) @ (eyes[1] - eyes[0]) > 0
    result = logits.copy()
    for pair, right_as_seen in zip(PAIRS, (nearer == 1, nearer == 1, beyond), strict=True):
        joined = np.logaddexp(*logits[list(pair)])
        result[pair[0]] = np.where(right_as_seen, joined, NEVER)  # the person's own left
        result[pair[1]] = np.where(right_as_seen, NEVER, joined)
    return result


def draw(data: Path, teachers: Path, output: Path) -> None:
    """Writes OUTPUT/FACES/validation and OUTPUT/FACES/training, for both of FACES.

    A face is NAME.png and NAME.npz. Interrupted, a second run goes on where the first stopped.
    """
    detector = retinaface.RetinaFaceTeacher(teachers / retinaface.TEACHER)
    teacher = ParserTeacher(teachers / TEACHER)
    for faces, read in (("plain", read_rgb), ("repaired", Restored().read)):
        for name, validation in (("validation", True), ("training", False)):
            folder = output / faces / name
            folder.mkdir(parents=True, exist_ok=True)
            done = folder / "done.txt"
            past = set(done.read_text().splitlines()) if done.exists() else set()
            for path in (p for kind in KINDS for p in split(data.glob(kind), validation)):
                if path.name in past:
                    continue
                for case in cases_of(read(path), path.stem, detector, teacher):
                    write_case(case, folder)
                with done.open("a") as file:
                    file.write(f"{path.name}\n")
            print(f"{faces} {name}: {len(list(folder.glob('*.npz')))} faces", flush=True)


def write_case(case: FaceCase, folder: Path) -> None:
    """Writes a face as NAME.png and NAME.npz."""
    cv2.imwrite(str(folder / f"{case.name}.png"), case.wide[..., ::-1])
    np.savez_compressed(folder / f"{case.name}.npz", logits=case.logits, inside=case.inside)


def load_cases(folder: Path) -> list[FaceCase]:
    """Reads the faces of a folder that ``draw`` wrote, in name order, some 0.6 MB each.

    Raises:
        NoPictures: there are none.
    """
    cases = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            cases.append(FaceCase(path.stem, read_rgb(path.with_suffix(".png")), **arrays))
    if not cases:
        raise NoPictures(f"{folder}: no faces; run python -m training.data.parser_targets first")
    return cases


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    draw(options.data, options.teachers, options.output)


if __name__ == "__main__":
    main()

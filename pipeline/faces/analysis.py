"""Which faces a photo has, where their regions lie, and which of them are refined and redrawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.domain import Decision, Face, FaceParsing, GrayImage, Photo, RgbImage
from pipeline.faces.align import (
    ALIGNED_PX,
    Matrix,
    crop,
    estimate_similarity,
    invert_affine,
    transform_points,
)
from pipeline.faces.detail import MIN_DETAIL_PX, detail_px
from pipeline.faces.detect import MIN_SCORE, MIN_WEAK_SCORE
from pipeline.faces.face import DetectedFace, is_same_place
from pipeline.faces.human import CONFIDENT, why_not_human
from pipeline.faces.landmarks import CROP_PX, detect_in_crop, landmarks_in_crop
from pipeline.faces.models import FaceModels
from pipeline.faces.parse import REGIONS, label_map, soft_mask
from pipeline.faces.regions import GROUPS
from pipeline.settings import Options

MAX_FACES = 64  # in one photo: the largest; each costs some 40 ms
MIN_WIDTH_PX = 12.0  # a face less wide has no features to keep
MIN_LANDMARKS_INSIDE = 3  # of the five, in the photo
MIN_REGION_SHARE = 5e-4  # of the aligned square, for a region to be listed


def analyse_faces(
    photo: Photo, options: Options, models: FaceModels, key: str | None
) -> tuple[tuple[DetectedFace, ...], Decision]:
    """Detects, aligns and parses the faces of a photo.

    Args:
        photo: The photo as it is drawn, after its restoration.
        options: ``alignment_threshold`` and ``parsing_smooth`` are read.
        models: The networks.
        key: See ``models.photo_key``; faces of an earlier photo with this key are used again.
            None: of none.

    Returns:
        The faces, largest first and MAX_FACES at most: the aligned ones with their regions, the
        others with the reason why not. And the decision.
    """
    detections = models.cache.get_or_detect(
        key, lambda: models.detector.search(photo.pixels, MIN_WEAK_SCORE)
    )
    largest = detections[:MAX_FACES]
    analysed = models.map(lambda face: _analyse(photo.pixels, face, options, models), largest)
    faces = tuple(_confirmed(analysed, largest))
    aligned = sum(face.is_aligned for face in faces)
    count = len(faces) + sum(face.score >= MIN_SCORE for face in detections[MAX_FACES:])
    if not faces:
        return (), Decision("faces", False, "no face found", 0, 1)
    why = f"{aligned} of {len(faces)} aligned"
    if count > len(faces):
        why += f", the largest of {count}"
    return faces, Decision("faces", aligned > 0, why, count, MAX_FACES)


def _confirmed(
    analysed: Sequence[DetectedFace], detections: Sequence[Face]
) -> Iterator[DetectedFace]:
    """Drops weak detections that are no faces.

    Keeps confident detections, and weak ones that the closer look confirms and that do not
    duplicate a confident face.
    """
    pairs = list(zip(analysed, detections, strict=True))
    confident = [face.face for face, detection in pairs if detection.score >= MIN_SCORE]
    for face, detection in pairs:
        if detection.score >= MIN_SCORE:
            yield face
        elif face.face.score >= MIN_SCORE and not any(
            is_same_place(face.face, other, other.box[2] - other.box[0]) for other in confident
        ):
            confident.append(face.face)
            yield face


def _analyse(pixels: RgbImage, face: Face, options: Options, models: FaceModels) -> DetectedFace:
    """Detects the face again at a closer look, then aligns and parses it.

    It is parsed where it is confident enough then, and aligned where it is a person's.
    """

    def rejected(why: str) -> DetectedFace:
        return DetectedFace(replace(face, not_refined=why))

    width_px = face.box[2] - face.box[0]
    if width_px < MIN_WIDTH_PX:
        return rejected(f"it is {width_px:.0f} px wide; {MIN_WIDTH_PX:.0f} are needed")
    height, width = pixels.shape[:2]
    inside = sum(0 <= x < width and 0 <= y < height for x, y in face.landmarks)
    if inside < MIN_LANDMARKS_INSIDE:
        return rejected("most of its landmarks lie outside the picture")
    try:
        to_aligned = estimate_similarity(face.landmarks, ALIGNED_PX)
        closer = detect_in_crop(pixels, to_aligned, models.detector)
        if closer is not None:
            face = _refined_landmarks(face, closer, to_aligned)
            to_aligned = estimate_similarity(face.landmarks, ALIGNED_PX)
    except ValueError as error:
        return rejected(str(error))
    if face.score < options.alignment_threshold:
        return rejected(f"its score of {face.score:.2f} is under {options.alignment_threshold:g}")
    square = crop(pixels, to_aligned, ALIGNED_PX)
    if models.quality is not None:
        face = replace(face, detail_px=detail_px(pixels, to_aligned, models.quality))
    lacks_detail = face.detail_px is not None and face.detail_px < MIN_DETAIL_PX
    restored = None
    if lacks_detail and models.restorer and face.score >= CONFIDENT:
        restored, labels = models.restorer.restore(square, models.parser)
    else:
        labels = label_map(models.parser.parse(square))
    face = replace(face, regions=_names(labels))
    shown_px = face.detail_px if lacks_detail and face.detail_px else width_px
    why_not = why_not_human(labels, shown_px, face.score)
    if why_not:
        return DetectedFace(replace(face, not_refined=why_not), was_parsed=True)
    masks = {
        group: np.rint(soft_mask(labels, regions, options.parsing_smooth) * 255).astype(np.uint8)
        for group, regions in GROUPS.items()
    }
    parsing = FaceParsing(masks, invert_affine(to_aligned))
    landmarks = landmarks_in_crop(pixels, to_aligned, models.detector)
    return DetectedFace(face, parsing, True, landmarks, lacks_detail, restored)


def _names(labels: GrayImage) -> tuple[str, ...]:
    """The regions that a face has, by name."""
    counts = np.bincount(labels.ravel(), minlength=len(REGIONS))
    return tuple(
        name
        for name, count in zip(REGIONS, counts, strict=True)
        if name != "background" and count >= MIN_REGION_SHARE * labels.size
    )


def _refined_landmarks(face: Face, closer: Face, to_aligned: Matrix) -> Face:
    """A face with the landmarks of a closer look, and the better score of the two."""
    crop_to_photo = invert_affine(to_aligned * (CROP_PX / ALIGNED_PX))
    points = transform_points(closer.landmarks, crop_to_photo)
    landmarks = tuple((float(x), float(y)) for x, y in points)
    return replace(face, score=max(face.score, closer.score), landmarks=landmarks)

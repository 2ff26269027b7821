"""The face detector: boxes, scores and five landmarks, found at one scale or two.

J. Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild", CVPR 2020:
for every prior, a square of known position and size, the network answers how a face lies to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Face, RgbImage
from pipeline.model import Model

Array = NDArray[np.float32]

COARSE_SIDE_PX = 640  # longer side of the first, coarse pass
FINE_SIDE_PX = 1280  # longer side at which parts that may hold small faces are passed again
MULTIPLE_PX = 32  # of the sides that the network takes
PRIOR_LEVELS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))  # stride and sizes, px
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
MIN_SCORE = 0.5
MIN_WEAK_SCORE = 0.2  # of a weak detection: too small for the coarse pass, or in bad light
SMALL_FACE_PX = 32  # a smaller face is better seen at the finer scale
NMS_IOU = 0.4  # intersection over union from which on two boxes are one face
VOTING_IOU = 0.6  # and from which on both are averaged
MIN_FACE_PX = 4  # at the scale of the pass
MAX_FACES = 100  # the largest
PRE_NMS_TOP_K = 4000
MAX_LANDMARK_OVERHANG = 0.5  # of the box's sides: how far outside it a landmark may lie
# Further passes over a whole photo
MIN_ENLARGEMENT, MAX_ENLARGEMENT = 1.25, 2.0  # of a small photo
# Of a face that only these see: counted, 17 of 17 were people. A lower score counts half, so that a
# closer look has to confirm it: in 419 photographs 23 faces more that way, 21 of them people's.
MIN_FURTHER_SCORE = 0.9
MAX_SHARED = 0.5  # of the smaller of two boxes: more, and they are one face
MAX_COLOUR_CAST = 1.5  # ratio of the channels' means from which on the light is coloured
MIN_GREY, MEAN_GREY = 70.0, 110.0  # grey levels: under the first a photo is dim
MAX_LIGHT_GAIN = 2.5
PADDING = (123, 117, 104)  # the mean of the images that RetinaFace learned from


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes (N, 4: left, top, right, bottom), scores (N,), landmarks (N, 5, 2), in px."""

    boxes: Array
    scores: Array
    landmarks: Array

    def __getitem__(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
        return Detections(self.boxes[chosen], self.scores[chosen], self.landmarks[chosen])

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def sides(self) -> Array:
        """(N,): square roots of the boxes' areas."""
        width, height = (self.boxes[:, 2:] - self.boxes[:, :2]).T
        return np.sqrt(np.maximum(width, 0) * np.maximum(height, 0))

    def rescaled(self, scale: tuple[float, float], offset: tuple[float, float]) -> Detections:
        """Every point divided by ``scale``, then moved by ``offset``; both as x, y."""
        divisor, shift = np.array(scale, np.float32), np.array(offset, np.float32)
        boxes = (self.boxes.reshape(-1, 2, 2) / divisor + shift).reshape(-1, 4)
        return Detections(boxes, self.scores, self.landmarks / divisor + shift)


class FaceDetector:
    """A network of the kind "detector" on images of any size.

    Args:
        model: The network.
        coarse_side_px: Longer side of the image in the coarse pass.
        fine_side_px: Longer side of the whole image in the fine pass.
    """

    def __init__(
        self,
        model: Model,
        coarse_side_px: int = COARSE_SIDE_PX,
        fine_side_px: int = FINE_SIDE_PX,
    ) -> None:
        self.model = model
        self.coarse_side_px = coarse_side_px
        self.fine_side_px = fine_side_px

    def detect(self, pixels: RgbImage, min_score: float = MIN_SCORE) -> tuple[Face, ...]:
        """Finds faces, largest first, MAX_FACES at most. Never fails for an image.

        The coarse pass sees the whole image reduced. If it was reduced, and something smaller than
        SMALL_FACE_PX scored MIN_WEAK_SCORE or more, the part of the image that holds all such
        weak detections is passed again at the finer scale: an image without any costs nothing
        more. Boxes are cut at the image's borders; a landmark of a face that a border cuts may lie
        outside.

        Args:
            pixels: uint8 (H, W, 3) RGB of any size.
            min_score: The least score of a face, 0..1.

        Returns:
            The faces, in pixels of ``pixels``.

        Raises:
            WeightsInvalid, EngineUnavailable: The model cannot be opened.
        """
        height, width = pixels.shape[:2]
        longer = max(height, width)
        faces, scale = self._pass(
            pixels, self.coarse_side_px / longer, min(min_score, MIN_WEAK_SCORE)
        )
        weak = faces[faces.sides * scale < SMALL_FACE_PX]
        faces = faces[faces.scores >= min_score]
        if longer > self.coarse_side_px and len(weak):
            fine = self._fine_pass(pixels, weak, min_score)
            small = fine.sides * scale < 2 * SMALL_FACE_PX
            faces = _joined(fine[small], faces)
        faces = plausible(faces, width, height)
        order = np.argsort(-faces.sides, kind="stable")[:MAX_FACES]
        return tuple(_to_faces(faces[order]))

    def search(self, pixels: RgbImage, min_score: float = MIN_SCORE) -> tuple[Face, ...]:
        """Finds faces in a whole photo, also where one pass easily misses them.

        As ``detect``; a small photo is passed again enlarged, a dim or coloured one in even light.
        """
        height, width = pixels.shape[:2]
        found = [self.detect(pixels, min_score)]
        enlarged = min(MAX_ENLARGEMENT, self.fine_side_px / max(height, width))
        passes = []
        if enlarged >= MIN_ENLARGEMENT:
            size = (round(width * enlarged), round(height * enlarged))
            passes.append(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC))
        evened = even_light(pixels)
        if evened is not None:
            passes.append(evened)
        for image in passes:
            scale = min(1.0, self.fine_side_px / max(image.shape[:2]))
            faces, _ = self._pass(image, scale, min_score)
            scores = np.where(faces.scores < MIN_FURTHER_SCORE, faces.scores / 2, faces.scores)
            faces = replace(faces, scores=scores)[scores >= min_score]
            ratio = (image.shape[1] / width, image.shape[0] / height)
            faces = plausible(faces.rescaled(ratio, (0, 0)), width, height)
            found.append(tuple(_to_faces(faces)))
        return _distinct(found)

    def _pass(self, pixels: RgbImage, scale: float, min_score: float) -> tuple[Detections, float]:
        """Detects faces in the image reduced to ``scale``; from 1 on: as it is.

        Returns:
            The detections in px of ``pixels``, and the scale that the image had.
        """
        height, width = pixels.shape[:2]
        scale = min(1.0, scale)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = pixels
        if size != (width, height):
            image = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        below, right = (-side % MULTIPLE_PX for side in image.shape[:2])
        if below or right:
            image = cv2.copyMakeBorder(
                image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=PADDING
            )
        outputs = self.model.run({"picture": self.model.planes(image)})[0]
        faces = nms(decode_boxes(outputs, image.shape[0], image.shape[1], min_score))
        faces = faces[faces.sides >= MIN_FACE_PX]
        return faces.rescaled((size[0] / width, size[1] / height), (0, 0)), scale

    def _fine_pass(self, pixels: RgbImage, weak: Detections, min_score: float) -> Detections:
        """Detections in the part that holds the weak ones, and around each twice its size."""
        height, width = pixels.shape[:2]
        margin = 2 * float(weak.sides.max())
        left, top = np.maximum(weak.boxes[:, :2].min(0) - margin, 0).astype(int)
        right, bottom = np.minimum(weak.boxes[:, 2:].max(0) + margin, (width, height)).astype(int)
        part = pixels[top:bottom, left:right]
        faces, _ = self._pass(part, self.fine_side_px / max(height, width), min_score)
        return faces.rescaled((1, 1), (float(left), float(top)))


def even_light(pixels: RgbImage) -> RgbImage | None:
    """A photo as in white light of ordinary brightness.

    Each channel is multiplied so that the means are equal (the grey world of Buchsbaum, 1980), then
    a power brings the mean to MEAN_GREY.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        uint8 (H, W, 3) RGB; None where its light is ordinary as it is.
    """
    means = np.array(cv2.mean(pixels)[:3])
    if means.max() < MAX_COLOUR_CAST * max(1.0, means.min()) and means.mean() > MIN_GREY:
        return None
    gains = np.clip(means.mean() / np.maximum(means, 1), 1 / MAX_LIGHT_GAIN, MAX_LIGHT_GAIN)
    power = np.log(MEAN_GREY / 255) / np.log(np.clip(means.mean() / 255, 0.01, 0.99))
    levels = np.arange(256)[:, None] / 255 * gains
    table = np.rint(255 * np.clip(levels, 0, 1) ** min(1.0, float(power))).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table[None]), np.uint8)


def _distinct(passes: Sequence[tuple[Face, ...]]) -> tuple[Face, ...]:
    """The faces of all passes, each once: as the first pass saw it that was confident.

    Without one, as the last pass saw it: that was the larger image or the better light. Within a
    pass the surer face stays: what the network sees between two heads is less sure than these.
    """
    faces: list[Face] = []
    for face in chain(*(sorted(found, key=lambda face: -face.score) for found in passes)):
        same = next((other for other in faces if _overlap(face, other) > MAX_SHARED), None)
        if same is None:
            faces.append(face)
        elif same.score < MIN_SCORE:
            faces[faces.index(same)] = face
    return tuple(sorted(faces, key=_area, reverse=True)[:MAX_FACES])


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def _overlap(face: Face, other: Face) -> float:
    """Intersection over the smaller box: a part of a face that another pass took for a face."""
    left, top = (max(face.box[n], other.box[n]) for n in (0, 1))
    right, bottom = (min(face.box[n], other.box[n]) for n in (2, 3))
    both = max(0.0, right - left) * max(0.0, bottom - top)
    return both / max(1e-6, min(_area(face), _area(other)))


@lru_cache(maxsize=8)
def priors(height: int, width: int) -> Array:
    """The priors of an image, in the order of the network's outputs.

    Args:
        height: Of the image, a multiple of 32.
        width: Of the image, a multiple of 32.

    Returns:
        (P, 3): x and y of the centre and the side, in px.
    """
    levels = []
    for stride, sizes in PRIOR_LEVELS:
        y, x = np.mgrid[: height // stride, : width // stride] * stride + stride / 2
        by_size = [np.stack([x, y, np.full(x.shape, size)], -1) for size in sizes]
        levels.append(np.stack(by_size, 2).reshape(-1, 3))
    return np.concatenate(levels).astype(np.float32)


def decode_boxes(outputs: Array, height: int, width: int, min_score: float) -> Detections:
    """Turns the network's outputs into boxes and landmarks.

    Args:
        outputs: (P, 15): for each of ``priors`` offsets of centre and size, the score, offsets of
            five landmarks. Rows that are not finite are dropped.
        height: Of the image.
        width: Of the image.
        min_score: Priors below it are dropped.

    Returns:
        Best first, PRE_NMS_TOP_K at most.
    """
    chosen = np.flatnonzero(outputs[:, 4] >= min_score)
    order = np.argsort(-outputs[chosen, 4], kind="stable")[:PRE_NMS_TOP_K]
    prior, output = priors(height, width)[chosen[order]], outputs[chosen[order]]
    finite = np.isfinite(output).all(1)
    prior, output = prior[finite], output[finite]
    side = prior[:, 2:]
    centre = prior[:, :2] + output[:, :2] * CENTRE_VARIANCE * side
    # e^12 times a prior is far beyond any image: what is larger would be infinite
    half = side * np.exp(np.minimum(output[:, 2:4] * SIZE_VARIANCE, 12)) / 2
    offsets = output[:, 5:].reshape(-1, 5, 2)
    points = prior[:, None, :2] + offsets * CENTRE_VARIANCE * side[:, None]
    return Detections(np.concatenate([centre - half, centre + half], 1), output[:, 4], points)


def nms(faces: Detections) -> Detections:
    """Greedy non-maximum suppression with box voting.

    Of boxes that overlap by more than NMS_IOU the first is kept. Its box and landmarks become the
    mean of all that overlap it by VOTING_IOU, weighted by their scores: priors see one face a
    little differently, and what one of them says changes when the photo moves by a few pixels.

    Source of the mean: V. Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection
    on mobile GPUs", 2019, section 3.5.

    Args:
        faces: Detections, best first.
    """
    left, top, right, bottom = faces.boxes.T
    area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    kept, boxes, landmarks = [], faces.boxes.copy(), faces.landmarks.copy()
    remaining = np.arange(len(faces))
    while len(remaining):
        best, others = remaining[0], remaining[1:]
        kept.append(best)
        width = np.minimum(right[best], right[others]) - np.maximum(left[best], left[others])
        height = np.minimum(bottom[best], bottom[others]) - np.maximum(top[best], top[others])
        intersection = np.maximum(width, 0) * np.maximum(height, 0)
        union = area[best] + area[others] - intersection
        voters = np.append(best, others[intersection > VOTING_IOU * union])
        shares = faces.scores[voters] / max(float(faces.scores[voters].sum()), 1e-6)
        boxes[best] = shares @ faces.boxes[voters]
        landmarks[best] = np.tensordot(shares, faces.landmarks[voters], 1)
        remaining = others[intersection <= NMS_IOU * union]
    return Detections(boxes, faces.scores, landmarks)[np.array(kept, np.intp)]


def _joined(fine: Detections, coarse: Detections) -> Detections:
    """Both; of a face that both have, the finer."""
    pairs = ((fine.boxes, coarse.boxes), (fine.scores, coarse.scores))
    boxes, scores = (np.concatenate(pair) for pair in pairs)
    landmarks = np.concatenate([fine.landmarks, coarse.landmarks])
    return nms(Detections(boxes, scores, landmarks))


def plausible(faces: Detections, width: int, height: int) -> Detections:
    """Cuts the boxes at the image's borders and drops implausible ones.

    Those are empty then, or have landmarks further outside the box than MAX_LANDMARK_OVERHANG of
    its sides.
    """
    overhang = MAX_LANDMARK_OVERHANG * (faces.boxes[:, 2:] - faces.boxes[:, :2])
    low = (faces.boxes[:, :2] - overhang)[:, None]
    high = (faces.boxes[:, 2:] + overhang)[:, None]
    inside = ((faces.landmarks >= low) & (faces.landmarks <= high)).all((1, 2))
    limits = np.array([width, height, width, height], np.float32)
    cut = Detections(np.clip(faces.boxes, 0, limits), faces.scores, faces.landmarks)
    return cut[inside & (cut.sides > 0)]


def _to_faces(detections: Detections) -> list[Face]:
    faces = []
    rows = zip(detections.boxes, detections.scores, detections.landmarks, strict=True)
    for box, score, points in rows:
        left, top, right, bottom = (float(value) for value in box)
        landmarks = tuple((float(x), float(y)) for x, y in points)
        faces.append(Face((left, top, right, bottom), float(score), landmarks))
    return faces

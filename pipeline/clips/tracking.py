"""Faces followed from frame to frame: each stays one face, and does not tremble.

Faces are looked for in every DETECT_EVERY-th frame. In between they move as the picture around
them does, which is smoother than any detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.clips.flow import Motion
from pipeline.domain import Decision, Face, FaceParsing, Photo
from pipeline.faces import DetectedFace, FaceModels, analyse_faces
from pipeline.faces.align import Matrix, compose_affine, transform_points
from pipeline.faces.face import is_same_place
from pipeline.settings import Options

DETECT_EVERY = 6  # drawn frames: half a second of 12
MAX_MISSED = 2  # times that a face may be looked for in vain before its track ends
NEW_SHARE = 0.4  # of what was detected, in what was expected
MIN_POINTS = 8  # of the flow that carry a face
GRID = 12  # points across and down a face
MAX_ERROR_PX = 2.0  # of such a point, at the size of the flow
MAX_ZOOM = 1.25  # of a face from one frame to the next


@dataclass(eq=False)
class Track:
    """A face through the frames of a shot.

    Attributes:
        face: As it is in the last frame.
        missed: How often it was looked for in vain since it was last detected.
    """

    face: DetectedFace
    missed: int = 0


class FaceTracker:
    """Follows the faces of one shot; its frames come in their order."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._frame = 0
        self.count = 0

    def follow(
        self, photo: Photo, options: Options, models: FaceModels, *, motion: Motion | None
    ) -> tuple[tuple[DetectedFace, ...], Decision]:
        """The faces of the next frame.

        Args:
            photo: The frame as it is drawn.
            options: As of ``analyse_faces``.
            models: The networks.
            motion: From this frame to the one before; None for the first of a shot.

        Returns:
            The aligned faces with the numbers of their tracks, largest first; and the decision.
        """
        if motion is not None:
            scale = photo.width_px / motion.flow.shape[1]
            for track in self._tracks:
                track.face = moved(track.face, motion, scale)
        if self._frame % DETECT_EVERY == 0:
            faces, _ = analyse_faces(photo, options, models, None)
            self._match([face for face in faces if face.is_aligned])
        self._frame += 1
        faces = tuple(track.face for track in self._tracks)
        if not faces:
            return (), Decision("faces", False, "no face is followed", 0, 1)
        why = f"{len(faces)} followed from frame to frame"
        return faces, Decision("faces", True, why, len(faces), 1)

    def _match(self, detected: Sequence[DetectedFace]) -> None:
        """Joins detected faces to the tracks, ends tracks and begins new ones."""
        left = list(detected)
        for track in self._tracks:
            known = track.face
            same = next(
                (one for one in left if is_same_place(one.face, known.face, known.width_px)), None
            )
            if same is None:
                track.missed += 1
                continue
            left.remove(same)
            track.face, track.missed = blended(track.face, same), 0
        self._tracks = [track for track in self._tracks if track.missed < MAX_MISSED]
        for face in left:
            self._tracks.append(Track(replace(face, track=self.count)))
            self.count += 1
        self._tracks.sort(key=lambda track: -track.face.side_px)


def moved(face: DetectedFace, motion: Motion, scale: float) -> DetectedFace:
    """A face where the motion carries it.

    Args:
        face: An aligned face in the frame before.
        motion: From the frame to the one before.
        scale: Pixels of the photo per pixel of the motion.

    Returns:
        The face in this frame; the same object where nothing of the motion can be followed.
    """
    matrix = similarity_of(face.face.box, motion, scale)
    if matrix is None:
        return face
    landmarks = tuple(
        (float(x), float(y)) for x, y in transform_points(face.face.landmarks, matrix)
    )
    left, top, right, bottom = face.face.box
    corners = transform_points([(left, top), (right, top), (right, bottom), (left, bottom)], matrix)
    centre, side = corners.mean(0), float(np.hypot(matrix[0, 0], matrix[1, 0]))
    half = np.array([right - left, bottom - top]) / 2 * side
    (x0, y0), (x1, y1) = centre - half, centre + half
    parsing = replace(face.regions, to_photo=compose_affine(face.regions.to_photo, matrix))
    box = (float(x0), float(y0), float(x1), float(y1))
    return replace(face, face=replace(face.face, box=box, landmarks=landmarks), parsing=parsing)


def similarity_of(
    box: tuple[float, float, float, float], motion: Motion, scale: float
) -> Matrix | None:
    """How what was in a box has moved: a similarity, 2x3, from the frame before to this one.

    Robust to what moves in front of it or behind (RANSAC).

    Args:
        box: Left, top, right and bottom in the photo before.
        motion: From the frame to the one before.
        scale: Pixels of the photo per pixel of the motion.
    """
    height, width = motion.seen.shape
    left, top, right, bottom = (value / scale for value in box)
    # points of this frame, from twice the box: those that come out of the box are its
    span_x, span_y = right - left, bottom - top
    x = np.linspace(left - span_x / 2, right + span_x / 2, 2 * GRID)
    y = np.linspace(top - span_y / 2, bottom + span_y / 2, 2 * GRID)
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    columns, rows = np.rint(points).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    points, columns, rows = points[inside], columns[inside], rows[inside]
    before = points + motion.flow[rows, columns]
    in_box = (before >= (left, top)).all(1) & (before <= (right, bottom)).all(1)
    kept = in_box & (motion.seen[rows, columns] > 0)
    if kept.sum() < MIN_POINTS:
        return None
    matrix, _ = cv2.estimateAffinePartial2D(
        before[kept], points[kept], method=cv2.RANSAC, ransacReprojThreshold=MAX_ERROR_PX
    )
    if matrix is None or not np.isfinite(matrix).all():
        return None
    zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not 1 / MAX_ZOOM < zoom < MAX_ZOOM:
        return None
    in_photo: NDArray[np.float64] = matrix.copy()
    in_photo[:, 2] *= scale
    return in_photo


def blended(expected: DetectedFace, detected: DetectedFace) -> DetectedFace:
    """A face between where it was expected and where it was detected, with what was detected of it.

    Its masks are blended, too: the parser sees their borders a little differently every time.
    """

    def between(old: object, new: object) -> NDArray[np.float64]:
        return (1 - NEW_SHARE) * np.asarray(old) + NEW_SHARE * np.asarray(new)

    box = between(expected.face.box, detected.face.box)
    points = between(expected.face.landmarks, detected.face.landmarks)
    face: Face = replace(
        detected.face,
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        landmarks=tuple((float(x), float(y)) for x, y in points),
    )
    old, new = expected.regions, detected.regions
    masks = {
        name: cv2.addWeighted(old.masks[name], 1 - NEW_SHARE, mask, NEW_SHARE, 0)
        for name, mask in new.masks.items()
    }
    parsing = FaceParsing(masks, between(old.to_photo, new.to_photo))
    return replace(detected, face=face, parsing=parsing, track=expected.track)

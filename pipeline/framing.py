"""The part of a photo that becomes the picture: all of it, or a square around its largest face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.domain import WHOLE, Content, Decision, Photo
from pipeline.faces.align import ALIGNED_PX, transform_points
from pipeline.faces.face import DetectedFace

SIDE = 3.0  # of the square, in widths of the face: head and shoulders
BELOW = 0.3  # how far its centre lies under the face's, in the same


@dataclass(frozen=True, eq=False)
class Framing:
    """What later stages work on.

    Attributes:
        original: The photo as it was given, at the size that was planned.
        enhanced: The restored photo.
        faces: The faces in pixels of ``enhanced``.
        content: The part within bars.
        decision: On ``crop=face``; None where it was not asked for.
    """

    original: Photo
    enhanced: Photo
    faces: tuple[DetectedFace, ...]
    content: Content
    decision: Decision | None = None


def frame_largest_face(framing: Framing, why_no_faces: str | None = None) -> Framing:
    """Crops a photo to a square around its largest aligned face, as far as the photo goes.

    Args:
        framing: Of the whole photo.
        why_no_faces: Why faces were not looked for; None where they were.

    Returns:
        Of the square; of the whole photo where no face is aligned. Faces outside the square are
        left out. The decision tells the square's side.
    """
    largest = max(
        (face for face in framing.faces if face.is_aligned),
        key=lambda face: face.width_px,
        default=None,
    )
    if largest is None:
        decision = Decision("crop", False, why_no_faces or "no face to crop to", 0, 1)
        return Framing(framing.original, framing.enhanced, framing.faces, framing.content, decision)
    width, height = framing.enhanced.width_px, framing.enhanced.height_px
    rows, columns = framing.content.area(width, height)
    side = min(round(SIDE * largest.width_px), rows.stop - rows.start, columns.stop - columns.start)
    ((x, y),) = transform_points([(ALIGNED_PX / 2, ALIGNED_PX / 2)], largest.regions.to_photo)
    left = _inside(x - side / 2, columns, side)
    top = _inside(y + BELOW * largest.width_px - side / 2, rows, side)
    scale = framing.original.width_px / width
    enhanced = _cropped(framing.enhanced, left, top, side)
    original = _cropped(
        framing.original, round(left * scale), round(top * scale), max(1, round(side * scale))
    )
    faces = tuple(face.moved(-left, -top) for face in framing.faces)
    why = f"a square around a face {largest.width_px:.0f} px wide"
    decision = Decision("crop", True, why, side)
    return Framing(original, enhanced, _within(faces, side), WHOLE, decision)


def _inside(start: float, span: slice, side: int) -> int:
    return max(span.start, min(round(start), span.stop - side))


def _cropped(photo: Photo, left: int, top: int, side: int) -> Photo:
    area = slice(top, top + side), slice(left, left + side)
    return Photo(photo.pixels[area], None if photo.alpha is None else photo.alpha[area])


def _within(faces: Sequence[DetectedFace], side: int) -> tuple[DetectedFace, ...]:
    """The faces whose box has its centre in a square of that side."""
    inside = []
    for face in faces:
        left, top, right, bottom = face.face.box
        if 0 <= left + right < 2 * side and 0 <= top + bottom < 2 * side:
            inside.append(face)
    return tuple(inside)

"""Faces drawn by themselves, where the drawing of the whole lost or moved them.

A generator sees a small face as twenty pixels and draws a blot. So each such face is cut out and
drawn at the scale at which the generator draws faces well, with the tones of the whole photo (the
thumbnail's code) and of the drawing around it, and becomes a patch with a soft border. What the
landmarks, found again, say of a patch decides whether it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.domain import Decision, FacePatch, Photo, Picture
from pipeline.faces.check import Points, landmarks_in, shift_of
from pipeline.faces.paste import matched, weight_of
from pipeline.faces.place import Found, Place, chained, mask_in, place_of
from pipeline.faces.refine import refined
from pipeline.faces.tools import Detect, FaceTools
from pipeline.settings import Options

DRAWN_PX = 144.0  # how wide a face is drawn by itself: seen side by side, see benchmarks/faces.md
FINER_PX = 224.0  # and where that is not enough: nearer to the photograph
ENOUGH_PX = 112.0  # from which width on the drawing of the whole is looked at first
MOST_ENLARGED = 4.0  # a photo's pixels, for a face to be drawn
MOVED = 0.08  # eye distances on average, from which on a drawing is not as it should be
GENTLER = 0.5  # of the photo, in the features that no drawing keeps


@dataclass(frozen=True)
class Brush:
    """``draw``: a part of the photo, in the style, size and tones of the whole; ``enlarge``: a
    drawing to the size of the photo that it is of, no smaller; ``scale``: drawing over photo, of
    the whole.
    """

    draw: Callable[[Picture], Picture]
    enlarge: Callable[[Picture, Picture], Picture]
    scale: float


def redraw_faces(
    photo: Photo,
    drawing: Picture,
    found: Sequence[Found],
    options: Options,
    tools: FaceTools | None,
    take_brush: Callable[[], Brush],
) -> tuple[tuple[FacePatch, ...], tuple[Found, ...], Decision]:
    """in: the enhanced Photo, the drawing of the whole of the same size, and the faces found;
    out: patches for the faces that want one, the faces, which say so, and how many there are.
    Nothing given is written to. The brush is taken when there is a face.
    """
    aligned = sum(one.regions is not None for one in found)
    if not aligned or tools is None:
        return (), tuple(found), Decision("redraw", False, "no face is cared for", 0, 1)
    brush, detect = take_brush(), tools.detect
    patches, told = [], []
    made = tools.each(lambda one: _best(photo.pixels, drawing, one, options, detect, brush), found)
    for one, (patch, done) in zip(found, made, strict=True):
        if patch is not None:
            patches.append(patch)
        told.append(replace(one, face=replace(one.face, refined=(*one.face.refined, *done))))
    why = f"{len(patches)} of {aligned} faces drawn by themselves"
    return tuple(patches), tuple(told), Decision("redraw", bool(patches), why, len(patches), 1)


def _best(
    photo: Picture,
    drawing: Picture,
    one: Found,
    options: Options,
    detect: Detect,
    brush: Brush,
) -> tuple[FacePatch | None, tuple[str, ...]]:
    """The first way of drawing a face that leaves its landmarks where they were; else the best."""
    least = math.inf
    best: tuple[FacePatch | None, tuple[str, ...]] = (None, ())
    for number, (patch, done) in enumerate(_ways(photo, drawing, one, options, brush)):
        if one.landmarks is None:  # nothing to compare with: the first way suits most faces
            return patch, done
        shift = shift_of(one.landmarks, _landmarks_after(drawing, patch, one, detect))
        if number == 0 or shift < least:
            least, best = shift, (patch, done)
        if least <= MOVED:
            break
    return best


def _landmarks_after(
    drawing: Picture, patch: FacePatch | None, one: Found, detect: Detect
) -> Points | None:
    """The face's landmarks in the drawing, with its patch laid over it."""
    if patch is None:
        return landmarks_in(drawing, one.to_aligned, detect)
    height, width = patch.weight.shape
    rows = slice(patch.top_px, patch.top_px + height)
    columns = slice(patch.left_px, patch.left_px + width)
    share = patch.weight.astype(np.float32) / 255
    seen = cv2.blendLinear(patch.pixels, drawing[rows, columns], share, 1 - share)
    shift = np.array([[1.0, 0, patch.left_px], [0, 1.0, patch.top_px]])
    return landmarks_in(seen, chained(shift, one.to_aligned), detect)


def _ways(
    photo: Picture, drawing: Picture, one: Found, options: Options, brush: Brush
) -> Iterator[tuple[FacePatch | None, tuple[str, ...]]]:
    """Ways of drawing a face, those that are most of a drawing first, each with its names: None
    for the drawing of the whole as it is. No way for a face that was not aligned.
    """
    whole = place_of(one, photo.shape, math.inf, 1.0)
    if whole is None or one.regions is None:
        return
    face_px = one.width_px
    drawn_px = face_px * brush.scale
    if drawn_px >= ENOUGH_PX:
        yield None, ()
    pixels, names = drawing[whole.area], tuple[str, ...]()
    for width_px, also in ((DRAWN_PX, "redrawn"), (FINER_PX, "finer")):
        if min(width_px, MOST_ENLARGED * face_px) > drawn_px:
            place = place_of(one, photo.shape, width_px, MOST_ENLARGED)
            if place is None:
                return
            pixels, names = _drawn(photo, drawing, one, place, options, brush), (*names, also)
            yield _patch(pixels, one, whole), names
    share = GENTLER * mask_in(one, whole, "features")
    toned = matched(photo[whole.area], pixels, share)
    mixed = cv2.blendLinear(toned, pixels, share, 1 - share)
    yield _patch(mixed, one, whole), (*names, "gentler")


def _drawn(
    photo: Picture, drawing: Picture, one: Found, place: Place, options: Options, brush: Brush
) -> Picture:
    """What ``place`` shows, drawn by itself: in the photo's pixels and the drawing's tones."""
    drawn = brush.draw(refined(place.shown(photo), one, place, options)[0])
    if place.scale > 1:
        drawn = cv2.resize(drawn, place.size, interpolation=cv2.INTER_AREA)
    elif drawn.shape[1::-1] != place.size:
        drawn = brush.enlarge(drawn, photo[place.area])
    return matched(drawn, drawing[place.area], mask_in(one, place, "features"))


def _patch(pixels: Picture, one: Found, whole: Place) -> FacePatch:
    return FacePatch(pixels, weight_of(one, whole), whole.left, whole.top)

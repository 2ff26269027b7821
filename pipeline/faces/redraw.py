"""Faces drawn by themselves, where the drawing of the whole picture lost or moved them.

A generator sees a small face as twenty pixels and draws a blot. So each such face is cut out and
drawn at the scale at which the generator draws faces well, with the tones of the whole photo and
of the drawing around it, and becomes a patch with a soft border. The landmarks, found again in
each candidate, decide which is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.domain import Decision, FacePatch, RgbImage
from pipeline.faces.align import compose_affine
from pipeline.faces.face import DetectedFace
from pipeline.faces.landmarks import Landmarks, landmark_shift, landmarks_in_crop
from pipeline.faces.models import FaceModels
from pipeline.faces.paste import feather_mask, match_tones
from pipeline.faces.roi import Roi, face_roi, region_mask
from pipeline.faces.styliser import FaceDrawer

DRAWN_PX = 144.0  # how wide a face is drawn by itself: seen side by side, see benchmarks/faces.md
FINER_PX = 224.0  # and where that is not enough: nearer to the photograph
# A face that the drawing of the whole shows at least this wide may be left as it is there.
MIN_KEPT_PX = 112.0
MAX_ENLARGEMENT = 4.0  # of a photo's pixels, for a face to be drawn
MAX_LANDMARK_SHIFT = 0.08  # inter-ocular distances: a candidate that moves no more is used
PHOTO_BLEND = 0.5  # share of the photo in the features, where no drawing keeps them in place


@dataclass(frozen=True, eq=False)
class Candidate:
    """One rendering of a face.

    Attributes:
        patch: What is laid over the drawing of the whole; None for the drawing as it is.
        treatments: Names of what was done, for the sidecar: "redrawn", "finer", "gentler".
    """

    patch: FacePatch | None = None
    treatments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FaceRedrawer:
    """Chooses the best rendering of each face of a picture.

    Attributes:
        photo: uint8 (H, W, 3) RGB.
        drawing: uint8 (H, W, 3) RGB, the drawing of the whole.
        models: Find the landmarks again.
        drawer: Draws a face by itself.
    """

    photo: RgbImage
    drawing: RgbImage
    models: FaceModels
    drawer: FaceDrawer

    def best(self, face: DetectedFace) -> Candidate:
        """Chooses the first candidate that keeps the landmarks in place.

        If none does, the one that moves them least. Without landmarks to compare, the first
        candidate, which suits most faces.
        """
        min_shift, best = math.inf, Candidate()
        for number, candidate in enumerate(self.candidates(face)):
            if face.landmarks is None:
                return candidate
            shift = landmark_shift(face.landmarks, self._landmarks_of(candidate, face))
            if number == 0 or shift < min_shift:
                min_shift, best = shift, candidate
            if min_shift <= MAX_LANDMARK_SHIFT:
                break
        return best

    def candidates(self, face: DetectedFace) -> Iterator[Candidate]:
        """Yields renderings from most to least stylised; none for a face that is not aligned."""
        full = face_roi(face, self.photo.shape, math.inf, 1.0)
        if full is None:
            return
        face_px = face.width_px
        drawn_px = face_px * self.drawer.scale  # in the drawing of the whole
        if drawn_px >= MIN_KEPT_PX:
            yield Candidate()
        pixels, treatments = self.drawing[full.area], tuple[str, ...]()
        for width_px, treatment in ((DRAWN_PX, "redrawn"), (FINER_PX, "finer")):
            if min(width_px, MAX_ENLARGEMENT * face_px) > drawn_px:
                roi = face_roi(face, self.photo.shape, width_px, MAX_ENLARGEMENT)
                if roi is None:
                    return
                pixels, treatments = self._drawn(face, roi), (*treatments, treatment)
                yield Candidate(_patch(pixels, face, full), treatments)
        share = PHOTO_BLEND * region_mask(face, full, "features")
        toned = match_tones(self.photo[full.area], pixels, share)
        mixed = cv2.blendLinear(toned, pixels, share, 1 - share)
        yield Candidate(_patch(mixed, face, full), (*treatments, "gentler"))

    def _drawn(self, face: DetectedFace, roi: Roi) -> RgbImage:
        """The ROI drawn by itself, in the photo's pixels and the tones of the whole."""
        drawn = self.drawer.draw(self.photo, face, roi)
        return match_tones(drawn, self.drawing[roi.area], region_mask(face, roi, "features"))

    def _landmarks_of(self, candidate: Candidate, face: DetectedFace) -> Landmarks | None:
        """The face's landmarks in the drawing, with the candidate's patch laid over it."""
        patch, detector = candidate.patch, self.models.detector
        if patch is None:
            return landmarks_in_crop(self.drawing, face.to_aligned, detector)
        height, width = patch.weight.shape
        rows = slice(patch.top_px, patch.top_px + height)
        columns = slice(patch.left_px, patch.left_px + width)
        share = patch.weight.astype(np.float32) / 255
        blended = cv2.blendLinear(patch.pixels, self.drawing[rows, columns], share, 1 - share)
        to_photo = np.array([[1.0, 0, patch.left_px], [0, 1.0, patch.top_px]])
        return landmarks_in_crop(blended, compose_affine(to_photo, face.to_aligned), detector)


def redraw_faces(
    redrawer: FaceRedrawer, faces: Sequence[DetectedFace]
) -> tuple[tuple[FacePatch, ...], tuple[DetectedFace, ...], Decision]:
    """Draws by themselves the faces that need it. Nothing given is written to.

    Args:
        redrawer: What draws and compares.
        faces: The faces of the photo.

    Returns:
        The patches; the faces, with what was done to them; and the decision.
    """
    patches, redrawn = [], []
    renderings = redrawer.models.map(redrawer.best, faces)
    for face, rendering in zip(faces, renderings, strict=True):
        if rendering.patch is not None:
            patches.append(rendering.patch)
        refined = (*face.face.refined, *rendering.treatments)
        redrawn.append(replace(face, face=replace(face.face, refined=refined)))
    aligned = sum(face.is_aligned for face in faces)
    why = f"{len(patches)} of {aligned} faces drawn by themselves"
    return tuple(patches), tuple(redrawn), Decision("redraw", bool(patches), why, len(patches), 1)


def _patch(pixels: RgbImage, face: DetectedFace, roi: Roi) -> FacePatch:
    return FacePatch(pixels, feather_mask(face, roi), roi.left, roi.top)

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
from pipeline.faces.heads import MAX_HEAD_SHIFT, HeadStyliser
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
RESTORED_PX = 256.0  # how wide a restored face may be drawn: twice the restorer's
MAX_LANDMARK_SHIFT = 0.08  # inter-ocular distances: a candidate that moves no more is used
HEAD = ("head",)  # the treatment of a head in a style of its own
PHOTO_BLEND = 0.5  # share of the photo in the features, where no drawing keeps them in place


@dataclass(frozen=True, eq=False)
class Candidate:
    """One rendering of a face.

    Attributes:
        patch: What is laid over the drawing of the whole; None for the drawing as it is.
        treatments: Names of what was done, for the sidecar: "restored", "redrawn", "finer",
            "gentler".
        drawn_as: The style that drew it.
        drawn_why: Why that is not the style that was asked for; None where it is.
    """

    patch: FacePatch | None
    treatments: tuple[str, ...]
    drawn_as: str
    drawn_why: str | None = None


@dataclass(frozen=True)
class Rendering:
    """Which candidate a face is drawn as.

    Attributes:
        treatments: See Candidate.
        drawn_as: See Candidate.
        drawn_why: See Candidate.
    """

    treatments: tuple[str, ...]
    drawn_as: str
    drawn_why: str | None


@dataclass(frozen=True)
class FaceDrawers:
    """What draws faces.

    Attributes:
        style: The name of the style of the whole picture.
        styliser: Draws faces in it.
        heads: Draws heads in a style of their own, which is preferred; None without one.
    """

    style: str
    styliser: FaceDrawer
    heads: HeadStyliser | None = None


@dataclass(frozen=True, eq=False)
class FaceRedrawer:
    """Chooses the best rendering of each face of a picture.

    Attributes:
        photo: uint8 (H, W, 3) RGB.
        drawing: uint8 (H, W, 3) RGB, the drawing of the whole.
        models: Find the landmarks again.
        drawers: Draw a face by itself.
        renderings: Of a clip: how the face of each track is drawn. A track that it lacks is added.
            None in a photo, each of whose faces is decided on.
    """

    photo: RgbImage
    drawing: RgbImage
    models: FaceModels
    drawers: FaceDrawers
    renderings: dict[int, Rendering] | None = None

    def rendering(self, face: DetectedFace) -> Candidate:
        """The candidate of a face: in a clip as its track is drawn, else the best."""
        if self.renderings is None or face.track is None or not face.is_aligned:
            return self.best(face)
        chosen = self.renderings.get(face.track)
        if chosen is None:
            candidate = self.best(face)
            self.renderings[face.track] = Rendering(
                candidate.treatments, candidate.drawn_as, candidate.drawn_why
            )
            return candidate
        if chosen.drawn_as != self.drawers.style:
            return self._drawn_head(face) or self._candidate(None)
        if not chosen.treatments:
            return replace(self._candidate(None), drawn_why=chosen.drawn_why)
        for candidate in self.candidates(face):
            if candidate.treatments == chosen.treatments:
                return replace(candidate, drawn_why=chosen.drawn_why)
        return replace(self._candidate(None), drawn_why=chosen.drawn_why)

    def best(self, face: DetectedFace) -> Candidate:
        """Chooses the first candidate that keeps the landmarks in place.

        If none does, the one that moves them least. Without landmarks to compare, the first
        candidate, which suits most faces.

        A head in a style of its own comes before all others, and only where its landmarks are in
        place.
        """
        why_not_head, head = self._head(face)
        if head is not None:
            return head
        return replace(self._best_of_style(face), drawn_why=why_not_head)

    def _head(self, face: DetectedFace) -> tuple[str | None, Candidate | None]:
        """The head in a style of its own, or why not; neither where none is asked for."""
        heads = self.drawers.heads
        if heads is None or not face.is_aligned:
            return None, None
        why_not = heads.why_not(self.photo, face)
        if why_not:
            return why_not, None
        candidate = self._drawn_head(face)
        if candidate is not None and face.landmarks is not None:
            after = self._landmarks_of(candidate, face)
            if landmark_shift(face.landmarks, after) > MAX_HEAD_SHIFT:
                return "its features were not found where they should be in the drawing", None
        return None, candidate

    def _drawn_head(self, face: DetectedFace) -> Candidate | None:
        """The head in a style of its own; None where nothing of it lies in the photo."""
        heads = self.drawers.heads
        roi = face_roi(face, self.photo.shape, math.inf, 1.0)
        if heads is None or roi is None:
            return None
        drawn = heads.draw(self.photo, face, roi)
        toned = match_tones(drawn, self.drawing[roi.area], region_mask(face, roi, "features"))
        return Candidate(_patch(toned, face, roi), (), heads.style.name)

    def _best_of_style(self, face: DetectedFace) -> Candidate:
        min_shift, best = math.inf, self._candidate(None)
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
        drawn_px = face_px * self.drawers.styliser.scale  # in the drawing of the whole
        is_restored = face.restored is not None
        if drawn_px >= MIN_KEPT_PX and not is_restored:
            yield self._candidate(None)
        pixels, treatments = self.drawing[full.area], ("restored",) if is_restored else ()
        max_scale = RESTORED_PX / face_px if is_restored else MAX_ENLARGEMENT
        for width_px, treatment in ((DRAWN_PX, "redrawn"), (FINER_PX, "finer")):
            if is_restored or min(width_px, max_scale * face_px) > drawn_px:
                roi = face_roi(face, self.photo.shape, width_px, max_scale)
                if roi is None:
                    return
                pixels, treatments = self._drawn(face, roi), (*treatments, treatment)
                yield self._candidate(_patch(pixels, face, full), treatments)
        if is_restored:
            return
        share = PHOTO_BLEND * region_mask(face, full, "features")
        toned = match_tones(self.photo[full.area], pixels, share)
        mixed = cv2.blendLinear(toned, pixels, share, 1 - share)
        yield self._candidate(_patch(mixed, face, full), (*treatments, "gentler"))

    def _candidate(self, patch: FacePatch | None, treatments: tuple[str, ...] = ()) -> Candidate:
        return Candidate(patch, treatments, self.drawers.style)

    def _drawn(self, face: DetectedFace, roi: Roi) -> RgbImage:
        """The ROI drawn by itself, in the photo's pixels and the tones of the whole."""
        drawn = self.drawers.styliser.draw(self.photo, face, roi)
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
    patches, redrawn, heads = [], [], 0
    renderings = redrawer.models.map(redrawer.rendering, faces)
    for face, rendering in zip(faces, renderings, strict=True):
        if rendering.patch is not None:
            patches.append(rendering.patch)
        if not face.is_aligned:
            redrawn.append(face)
            continue
        is_head = rendering.drawn_as != redrawer.drawers.style
        heads += is_head
        described = replace(
            face.face,
            # a head is drawn from the photo as it is: what was refined is under it
            refined=HEAD if is_head else (*face.face.refined, *rendering.treatments),
            drawn_as=rendering.drawn_as,
            drawn_why=rendering.drawn_why,
            invented=face.restored is not None or (face.lacks_detail and is_head),
        )
        redrawn.append(replace(face, face=described))
    aligned = sum(face.is_aligned for face in faces)
    why = f"{len(patches)} of {aligned} faces drawn by themselves"
    if redrawer.drawers.heads:
        why += f", {heads} as {redrawer.drawers.heads.style.name}"
    return tuple(patches), tuple(redrawn), Decision("redraw", bool(patches), why, len(patches), 1)


def _patch(pixels: RgbImage, face: DetectedFace, roi: Roi) -> FacePatch:
    return FacePatch(pixels, feather_mask(face, roi), roi.left, roi.top)

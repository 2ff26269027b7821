"""Heads drawn by a style's own network: aligned, at the one size at which it draws faces.

A face style draws heads alone; another style draws the picture around them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.enlarge import enlarge_by_itself
from pipeline.faces.align import (
    compose_affine,
    invert_affine,
    to_pixel_centres,
)
from pipeline.faces.face import DetectedFace
from pipeline.faces.refine import enhance_eyes
from pipeline.faces.roi import AlignedGrid, Roi
from pipeline.model import Model
from pipeline.settings import Options
from pipeline.stylise import StyleModel

HEAD_PX = 448  # side of the aligned square as it is drawn: the face is half as wide
MAX_ENLARGED_PX = 2048  # side to which a drawn head is enlarged; what is left is interpolated
MIN_WIDTH_PX = 20.0  # a face less wide tells nothing of its features
DEFAULT_EYE_RATIO = Options().eye_enhance_ratio
MAX_HEAD_SHIFT = 0.15  # inter-ocular distances: these styles enlarge eyes and narrow chins


@dataclass(frozen=True)
class HeadStyliser:
    """The FaceDrawer of a face style.

    Attributes:
        style: Its networks.
        upsampler: Brings a drawn head to the size of a large face.
        eye_enhance_ratio: Contrast of the drawn eyes; at its default they stay as they are.
        may_invent: Whether faces with too little detail are drawn, too; see pipeline/faces/detail.
    """

    style: StyleModel
    upsampler: Model
    eye_enhance_ratio: float
    may_invent: bool

    def why_not(self, photo: RgbImage, face: DetectedFace) -> str | None:
        """Why an aligned face is left to the style around it; None where it is drawn."""
        height, width = photo.shape[:2]
        if not all(0 <= x < width and 0 <= y < height for x, y in face.face.landmarks):
            return "the border of the picture cuts its features"
        if face.width_px < MIN_WIDTH_PX:
            return f"it is {face.width_px:.0f} px wide; {MIN_WIDTH_PX:.0f} are needed"
        if face.lacks_detail and not self.may_invent:
            return "its features would have to be invented, and restore_faces is off"
        return None

    def draw(self, photo: RgbImage, face: DetectedFace, roi: Roi) -> RgbImage:
        """Draws the head and brings it to where it is in the photo.

        Args:
            photo: uint8 (H, W, 3) RGB, the whole photo.
            face: An aligned face of it.
            roi: The part of the photo that is wanted.

        Returns:
            uint8 RGB in the ROI's photo pixels, ``roi.size``; beyond the aligned square its border
            goes on.
        """
        grid = AlignedGrid.of(face, HEAD_PX)
        head = grid.crop(photo)
        drawn = self.style.picture(head, inputs=self.style.embed(head))
        drawn = enhance_eyes(drawn, face, grid, self.eye_enhance_ratio / DEFAULT_EYE_RATIO - 1)
        # to the photo's resolution, still upright
        side = round(HEAD_PX / grid.scale)
        if side > HEAD_PX:
            side = min(side, MAX_ENLARGED_PX)
            drawn = enlarge_by_itself(drawn, (side, side), self.upsampler)
        else:
            side = max(1, side)
            drawn = cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA)
        to_photo = invert_affine(AlignedGrid.of(face, side).to_grid)
        to_roi = compose_affine(to_photo, np.array([[1.0, 0, -roi.left], [0, 1.0, -roi.top]]))
        return cv2.warpAffine(
            drawn,
            to_pixel_centres(to_roi),
            roi.size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )

"""How a face is drawn by itself.

``redraw`` decides which faces are drawn by themselves, how large, and which of the drawings is
used. What draws them is a FaceDrawer; to draw faces in another way (with another network, from
another crop, restored before), write another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.enlarge import enlarge, enlarge_by_itself
from pipeline.faces.face import DetectedFace
from pipeline.faces.refine import refine_roi
from pipeline.faces.restore import crop_face
from pipeline.faces.roi import Roi
from pipeline.model import Model
from pipeline.settings import Options


class FaceDrawer(Protocol):
    """Draws one face of a photo.

    Attributes:
        scale: Pixels of the drawing of the whole picture per pixel of the photo, at most 1.
    """

    @property
    def scale(self) -> float:
        """See above."""
        ...

    def draw(self, photo: RgbImage, face: DetectedFace, roi: Roi) -> RgbImage:
        """Draws what a ROI shows.

        Args:
            photo: uint8 (H, W, 3) RGB, the whole photo.
            face: An aligned face of it.
            roi: What to draw, and at which resolution the network should see it.

        Returns:
            uint8 RGB in the ROI's photo pixels, ``roi.size``.
        """
        ...


@dataclass(frozen=True)
class FaceStyliser:
    """The FaceDrawer of a style: its own network, conditioned on the whole picture.

    Attributes:
        model: The style's picture network.
        embedding: What the network is told of the whole picture; see ``StyleModel.embed``.
        upsampler: Brings small drawings to the photo's size.
        scale: See FaceDrawer.
        options: How the face is refined before it is drawn.
    """

    model: Model
    embedding: Mapping[str, NDArray[np.float32]]
    upsampler: Model
    scale: float
    options: Options

    def draw(self, photo: RgbImage, face: DetectedFace, roi: Roi) -> RgbImage:
        """See FaceDrawer."""
        crop, _ = refine_roi(crop_face(photo, face, roi), face, roi, self.options)
        drawn = self.model(crop, inputs=self.embedding)
        if roi.scale > 1:
            return cv2.resize(drawn, roi.size, interpolation=cv2.INTER_AREA)
        if face.restored is not None:
            return enlarge_by_itself(drawn, roi.size, self.upsampler)
        return enlarge(drawn, photo[roi.area], self.upsampler)[0]

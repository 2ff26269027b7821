"""Faces too blurred or too small to be drawn, restored by a network that learned what faces are.

What it draws is likely, not known: it invents. So the sidecar says of which face it did, and
``restore_faces=off`` forbids it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.faces.align import ALIGNED_PX, compose_affine, crop, to_pixel_centres
from pipeline.faces.face import DetectedFace
from pipeline.faces.paste import feather_mask, match_tones
from pipeline.faces.roi import Roi
from pipeline.stylise import StyleModel


@dataclass(frozen=True)
class FaceRestorer:
    """Restores aligned faces.

    Attributes:
        networks: Of the kind "face_restorer": a picture network and its encoder.
    """

    networks: StyleModel

    def restore(self, photo: RgbImage, face: DetectedFace) -> RgbImage:
        """Restores a face.

        Args:
            photo: uint8 (H, W, 3) RGB.
            face: An aligned face of it.

        Returns:
            The aligned square, uint8 (ALIGNED_PX, ALIGNED_PX, 3) RGB, in the photo's tones.
        """
        square = crop(photo, face.to_aligned, ALIGNED_PX)
        restored = self.networks.picture(square, inputs=self.networks.embed(square))
        features = face.regions.masks["features"].astype(np.float32) / np.float32(255)
        return match_tones(restored, square, features)


def crop_face(photo: RgbImage, face: DetectedFace, roi: Roi) -> RgbImage:
    """What a ROI shows of a photo, on its grid, with the face as it was restored, if it was.

    Args:
        photo: uint8 (H, W, 3) RGB.
        face: The face that the ROI is of.
        roi: Where, and at which resolution.

    Returns:
        uint8 (h, w, 3) RGB on the ROI's grid.
    """
    pixels = roi.crop(photo)
    if face.restored is None:
        return pixels
    matrix = compose_affine(face.regions.to_photo, roi.to_grid)
    warped = cv2.warpAffine(
        face.restored,
        to_pixel_centres(matrix),
        roi.grid_size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    share = feather_mask(face, roi).astype(np.float32) / np.float32(255)
    return cv2.blendLinear(warped, np.ascontiguousarray(pixels), share, 1 - share)

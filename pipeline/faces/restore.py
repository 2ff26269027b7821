"""Faces too blurred or too small to be drawn, restored by a network that learned what faces are.

What it draws is likely, not known: it invents. So the sidecar says of which face it did, and
``restore_faces=off`` forbids it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.domain import GrayImage, RgbImage
from pipeline.faces.align import compose_affine, to_pixel_centres
from pipeline.faces.face import DetectedFace
from pipeline.faces.parse import FaceParser, label_map, soft_mask
from pipeline.faces.paste import feather_mask, match_tones
from pipeline.faces.regions import GROUPS
from pipeline.faces.roi import Roi
from pipeline.stylise import StyleModel


@dataclass(frozen=True)
class FaceRestorer:
    """Restores aligned faces.

    Attributes:
        networks: Of the kind "face_restorer": a picture network and its encoder.
    """

    networks: StyleModel

    def restore(self, square: RgbImage, parser: FaceParser) -> tuple[RgbImage, GrayImage]:
        """Restores a face.

        Args:
            square: uint8 (S, S, 3) RGB, the aligned square of a face.
            parser: Tells its features from its skin, once they can be seen.

        Returns:
            The restored square, uint8 (S, S, 3) RGB, in the tones that it had; and the regions of
            it, uint8 (S, S), see ``parse.label_map``.
        """
        restored = self.networks.picture(square, inputs=self.networks.embed(square))
        labels = label_map(parser.parse(restored))
        return match_tones(restored, square, soft_mask(labels, GROUPS["features"], 0)), labels


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

"""The face parser: which part of an aligned face is which of nineteen regions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage
from pipeline.errors import WeightsInvalid
from pipeline.model import Model

# In BiSeNet's order; left and right are the person's own.
REGIONS: tuple[str, ...] = (
    "background",
    "skin",
    "left_brow",
    "right_brow",
    "left_eye",
    "right_eye",
    "glasses",
    "left_ear",
    "right_ear",
    "earring",
    "nose",
    "mouth",
    "upper_lip",
    "lower_lip",
    "neck",
    "necklace",
    "cloth",
    "hair",
    "hat",
)

MAX_BLUR = 1 / 32  # of the side: the sigma of a border's softness at a smooth of 1


class FaceParser:
    """A network of the kind "parser" on aligned faces.

    Args:
        model: The network.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def parse(self, crop: RgbImage) -> NDArray[np.float32]:
        """Probabilities of the regions of an aligned face.

        The network sees the face at its own size, ``side_px`` of its shape.

        Args:
            crop: uint8 (S, S, 3) RGB of any S.

        Returns:
            float32 (19, S, S), the probability of each of REGIONS; they sum to 1 at each pixel.

        Raises:
            ValueError: The crop is not such a square.
            WeightsInvalid: The network is missing, damaged or has other outputs.
            EngineUnavailable: What runs it is not installed.
        """
        if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8:
            raise ValueError(f"a crop is uint8 (S, S, 3), not {crop.dtype} {crop.shape}")
        side = int(crop.shape[0])
        if side == 0 or side != crop.shape[1]:
            raise ValueError(f"a crop is a square, not {crop.shape[1]}x{side} px")
        spec = self.model.spec
        face = _resized(crop, int(str(spec.shape["side_px"])))
        logits = self.model.run({"picture": self.model.planes(face)})
        if logits.ndim != 4 or logits.shape[:2] != (1, len(REGIONS)):
            raise WeightsInvalid(
                f"{spec.name} is no parser of {len(REGIONS)} regions: it gives {logits.shape}"
            )
        # Between two cells, logits place a thin region better than probabilities do; at twice
        # the cells the two are as good as one (measured), with far fewer exponentials to take.
        cells = int(logits.shape[2])
        planes = _enlarged(logits[0], min(2 * cells, max(side, cells)))
        exponents = np.exp(planes - planes.max(0))
        return _enlarged(exponents / exponents.sum(0), side)


def _enlarged(planes: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """(19, h, h) to (19, side, side), pixel centres on pixel centres."""
    if planes.shape[1] == side_px:
        return planes
    return np.stack([_resized(plane, side_px) for plane in planes])


def _resized(plane: NDArray[np.uint8] | NDArray[np.float32], side_px: int) -> np.ndarray:
    """A square image or plane of ``side_px``; averages where it gets smaller."""
    if plane.shape[0] == side_px:
        return plane
    interpolation = cv2.INTER_AREA if side_px < plane.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (side_px, side_px), interpolation=interpolation))


def label_map(probabilities: NDArray[np.float32]) -> GrayImage:
    """float32 (19, S, S) to uint8 (S, S): the likeliest region, 0..18; the first of equals."""
    return probabilities.argmax(0).astype(np.uint8)


def soft_mask(labels: GrayImage, regions: Sequence[str], smooth: float) -> NDArray[np.float32]:
    """The mask of some regions, with a soft border.

    The crop's own border softens nothing: a region that goes on beyond it stays 1 there.

    Args:
        labels: uint8 (S, S), see ``label_map``.
        regions: Names out of REGIONS.
        smooth: 0 for a hard border, up to 1: a Gaussian of ``smooth * S / 32`` px.

    Returns:
        float32 (S, S) in 0..1, 1 inside the regions.

    Raises:
        ValueError: A name is not one of REGIONS, or ``smooth`` is out of its range.
    """
    if not 0 <= smooth <= 1:
        raise ValueError(f"smooth is 0..1, not {smooth}")
    unknown = [name for name in regions if name not in REGIONS]
    if unknown:
        raise ValueError(f"no regions {', '.join(unknown)}; there are {', '.join(REGIONS)}")
    chosen = np.zeros(len(REGIONS), np.float32)
    chosen[[REGIONS.index(name) for name in regions]] = 1
    hard = chosen[labels]
    sigma = smooth * MAX_BLUR * hard.shape[0]
    if sigma == 0:
        return hard
    soft = cv2.GaussianBlur(hard, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.clip(soft, 0, 1)  # the kernel sums to 1 but for rounding

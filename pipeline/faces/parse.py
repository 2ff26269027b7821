"""Which part of an aligned face is what: nineteen regions, and soft masks of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Engine, Picture, Plane, WeightSpec
from pipeline.errors import WeightsInvalid
from pipeline.networks import to_planes

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

MOST_BLUR = 1 / 32  # of the side: the sigma of a border's softness at a smooth of 1


def parse(crop: Picture, spec: WeightSpec, engine: Engine) -> NDArray[np.float32]:
    """in: an aligned face, uint8 (S, S, 3) RGB of any S, and the opened parser;
    out: float32 (19, S, S), the probability of each of REGIONS, which sum to 1 at each pixel.

    The network sees the face at its own size, ``side_px`` of its shape. Raises ValueError for a
    crop that is not such a square, WeightsInvalid for a network with other outputs.
    """
    if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8:
        raise ValueError(f"a crop is uint8 (S, S, 3), not {crop.dtype} {crop.shape}")
    side = int(crop.shape[0])
    if side == 0 or side != crop.shape[1]:
        raise ValueError(f"a crop is a square, not {crop.shape[1]}x{side} px")
    seen = _resized(crop, int(str(spec.shape["side_px"])))
    logits = engine.run({"picture": to_planes(seen, spec.input_range)})
    if logits.ndim != 4 or logits.shape[:2] != (1, len(REGIONS)):
        raise WeightsInvalid(
            f"{spec.name} is no parser of {len(REGIONS)} regions: it gives {logits.shape}"
        )
    # Where a thin region lies between two cells, logits tell better than probabilities; at twice
    # the cells the two are as good as one (measured), with far fewer exponentials to take.
    cells = int(logits.shape[2])
    planes = _enlarged(logits[0], min(2 * cells, max(side, cells)))
    exponents = np.exp(planes - planes.max(0))
    return _enlarged(exponents / exponents.sum(0), side)


def _enlarged(planes: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """(19, h, h) to (19, side, side), pixel middles on pixel middles."""
    if planes.shape[1] == side_px:
        return planes
    return np.stack([_resized(plane, side_px) for plane in planes])


def _resized(plane: NDArray[np.uint8] | NDArray[np.float32], side_px: int) -> np.ndarray:
    """A square picture or plane of ``side_px``; averages where it gets smaller."""
    if plane.shape[0] == side_px:
        return plane
    way = cv2.INTER_AREA if side_px < plane.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (side_px, side_px), interpolation=way))


def labels(probabilities: NDArray[np.float32]) -> Plane:
    """float32 (19, S, S) to uint8 (S, S): the likeliest region, 0..18; the first of equals."""
    return probabilities.argmax(0).astype(np.uint8)


def mask(
    probabilities: NDArray[np.float32], regions: Sequence[str], smooth: float
) -> NDArray[np.float32]:
    """``mask_of`` the likeliest regions of float32 (19, S, S)."""
    return mask_of(labels(probabilities), regions, smooth)


def mask_of(label_map: Plane, regions: Sequence[str], smooth: float) -> NDArray[np.float32]:
    """in: uint8 (S, S), names out of REGIONS, and ``parsing_smooth`` in 0..1;
    out: float32 (S, S) in 0..1, 1 where the region is one of them.

    With ``smooth`` above 0 its border is softened by a Gaussian of ``smooth * S / 32`` px; 0 is
    hard. The crop's border softens nothing: a region that goes on beyond it stays 1 there.
    Raises ValueError for a name that is none of REGIONS, and for a smooth out of its range.
    """
    if not 0 <= smooth <= 1:
        raise ValueError(f"smooth is 0..1, not {smooth}")
    unknown = [name for name in regions if name not in REGIONS]
    if unknown:
        raise ValueError(f"no regions {', '.join(unknown)}; there are {', '.join(REGIONS)}")
    chosen = np.zeros(len(REGIONS), np.float32)
    chosen[[REGIONS.index(name) for name in regions]] = 1
    hard = chosen[label_map]
    sigma = smooth * MOST_BLUR * hard.shape[0]
    if sigma == 0:
        return hard
    soft = cv2.GaussianBlur(hard, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.clip(soft, 0, 1)  # the kernel sums to 1 but for rounding

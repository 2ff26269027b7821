"""Pictures of bytes to tensors, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.domain import RgbImage


def to_tensor(pictures: Sequence[RgbImage]) -> Tensor:
    """Stacks pictures of one size.

    Args:
        pictures: uint8 (H, W, 3).

    Returns:
        float32 (N, 3, H, W) in [-1, 1], channels last in memory.
    """
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return (stacked / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_planes(pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
    """``to_tensor`` as an ONNX graph takes it: contiguous planes."""
    planes: NDArray[np.float32] = to_tensor(pictures).contiguous().numpy()
    return planes


def to_picture(prediction: Tensor) -> RgbImage:
    """The first of (N, 3, H, W) in [-1, 1] as uint8 (H, W, 3)."""
    scaled = (prediction[0].float().permute(1, 2, 0) + 1) * 127.5 + 0.5
    picture: RgbImage = scaled.clamp(0, 255).to(torch.uint8).cpu().numpy()
    return picture

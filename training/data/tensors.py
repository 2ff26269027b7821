"""Pictures of bytes to tensors, and back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_tensor(pictures: list[NDArray[np.uint8]]) -> Tensor:
    """uint8 (H, W, 3) pictures of one size to float32 (N, 3, H, W) in [-1, 1], channels last."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return (stacked / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_picture(drawing: Tensor) -> NDArray[np.uint8]:
    """(1, 3, H, W) in [-1, 1] to uint8 (H, W, 3)."""
    scaled = (drawing[0].float().permute(1, 2, 0) + 1) * 127.5 + 0.5
    return scaled.clamp(0, 255).to(torch.uint8).numpy()

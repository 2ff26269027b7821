"""Float weights in a byte each, for networks whose file would be too large in half precision."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

STEP = ".step"  # behind the name of a tensor of whole numbers
LEVELS = 127
MIN_LENGTH = 1024  # of what is worth it


def compacted(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as a file has them.

    Args:
        tensors: By name, of any shape, float.

    Returns:
        Of long ones int8, with a step float32 for each of their first axis under the name with
        STEP behind it; the others in half precision.
    """
    compact: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.numel() < MIN_LENGTH:
            compact[name] = tensor.half()
            continue
        most = tensor.abs().flatten(1).amax(1).clamp(min=1e-12)
        step = (most / LEVELS).reshape(-1, *[1] * (tensor.dim() - 1))
        compact[name] = (tensor / step).round().to(torch.int8)
        compact[name + STEP] = step
    return compact


def expanded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse but for rounding, float32; tensors that are not compact only become float32."""
    return {
        name: tensor.float() * tensors[name + STEP] if name + STEP in tensors else tensor.float()
        for name, tensor in tensors.items()
        if not name.endswith(STEP)
    }

"""RetinaFace with the MobileNet-0.25 backbone, as published.

J. Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild", CVPR 2020.
Names and shapes of the tensors are those of the published mobilenet0.25_Final.pth
(github.com/biubug6/Pytorch_Retinaface).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (104.0, 117.0, 123.0)  # of BGR, which is what the network was trained on
PRIORS = 2  # in every place of every level
FEATURES = 64  # of every level
SLOPE = 0.1  # of every leaky ReLU
BACKBONE = (  # inputs, outputs, stride of each separable convolution, by stage
    ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)),
    ((64, 128, 2), *((128, 128, 1),) * 5),
    ((128, 256, 2), (256, 256, 1)),
)


def _normed(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def _active(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_normed(inputs, outputs, kernel, stride), nn.LeakyReLU(SLOPE))


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *_normed(inputs, inputs, 3, stride, inputs),
        nn.LeakyReLU(SLOPE),
        *_normed(inputs, outputs, 1),
        nn.LeakyReLU(SLOPE),
    )


class _Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        stages = [[_separable(*sizes) for sizes in stage] for stage in BACKBONE]
        self.stage1 = nn.Sequential(_active(3, 8, stride=2), *stages[0])
        self.stage2 = nn.Sequential(*stages[1])
        self.stage3 = nn.Sequential(*stages[2])


class _Pyramid(nn.Module):
    """T.-Y. Lin et al., "Feature pyramid networks for object detection", CVPR 2017."""

    def __init__(self) -> None:
        super().__init__()
        self.output1 = _active(64, FEATURES, 1)
        self.output2 = _active(128, FEATURES, 1)
        self.output3 = _active(256, FEATURES, 1)
        self.merge2 = _active(FEATURES, FEATURES)  # in order of execution
        self.merge1 = _active(FEATURES, FEATURES)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        fine, middle, coarse = self.output1(fine), self.output2(middle), self.output3(coarse)
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:]))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:]))
        return [fine, middle, coarse]


class _Context(nn.Module):
    """Windows of 3, 5 and 7 side by side.

    M. Najibi et al., "SSH: single stage headless face detector", ICCV 2017.
    """

    def __init__(self) -> None:
        super().__init__()
        half, quarter = FEATURES // 2, FEATURES // 4
        self.conv3X3 = nn.Sequential(*_normed(FEATURES, half))
        self.conv5X5_1 = _active(FEATURES, quarter)
        self.conv5X5_2 = nn.Sequential(*_normed(quarter, quarter))
        self.conv7X7_2 = _active(quarter, quarter)
        self.conv7x7_3 = nn.Sequential(*_normed(quarter, quarter))

    def forward(self, x: Tensor) -> Tensor:
        narrow, shared = self.conv3X3(x), self.conv5X5_1(x)
        middle = self.conv5X5_2(shared)
        wide = self.conv7x7_3(self.conv7X7_2(shared))
        return F.relu(torch.cat([narrow, middle, wide], 1))


class _Head(nn.Module):
    def __init__(self, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(FEATURES, PRIORS * values, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, h, w) to (N, 2hw, values)."""
        y: Tensor = self.conv1x1(x)
        return y.permute(0, 2, 3, 1).reshape(x.shape[0], -1, self.values)


class RetinaFace(nn.Module):
    """float32 (N, 3, H, W) RGB of 0..255 to (N, P, 15): for each prior deltas and a score.

    Box deltas (4), the score of a face in [0, 1] and landmark deltas (10: the eyes, the tip of the
    nose, the corners of the mouth, left to right as seen). H and W are multiples of 32. The priors,
    in order of the three levels, of rows, of columns: strides of 8, 16 and 32 px, and in every
    place squares of 16 and 32, 64 and 128, 256 and 512 px. pipeline/faces/detect.py decodes them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = _Body()
        self.fpn = _Pyramid()
        self.ssh1, self.ssh2, self.ssh3 = _Context(), _Context(), _Context()
        self.ClassHead = nn.ModuleList(_Head(2) for _ in range(3))
        self.BboxHead = nn.ModuleList(_Head(4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(_Head(10) for _ in range(3))
        mean = torch.tensor(MEAN).reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        fine = self.body.stage1(x.flip(1) - self.mean)
        middle = self.body.stage2(fine)
        levels = self.fpn(fine, middle, self.body.stage3(middle))
        contexts = (self.ssh1, self.ssh2, self.ssh3)
        seen = [context(level) for context, level in zip(contexts, levels, strict=True)]
        boxes, classes, landmarks = (
            torch.cat([head(level) for head, level in zip(heads, seen, strict=True)], 1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return torch.cat([boxes, classes.softmax(2)[..., 1:], landmarks], 2)


def is_retinaface(state: Mapping[str, Any]) -> bool:
    """Whether a state dict is meant as one; strict loading tells whether all fits."""
    heads = ("ClassHead.0.", "BboxHead.0.", "LandmarkHead.0.")
    return all(any(name.startswith(head) for name in state) for head in heads)

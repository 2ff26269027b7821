"""BiSeNet as it was published for faces: github.com/zllrunning/face-parsing.PyTorch.

C. Yu et al., "BiSeNet: bilateral segmentation network for real-time semantic segmentation",
ECCV 2018, on a ResNet-18 whose features at an eighth stand for the spatial path. Names and
shapes of the tensors are those of 79999_iter.pth, trained on CelebAMask-HQ at 512 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REGIONS = 19
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, 0..1
TELLING = ("cp.resnet.conv1.weight", "cp.arm16.conv_atten.weight", "ffm.convblk.conv.weight")


class _ConvBNReLU(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs or stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class _ResNet18(nn.Module):
    """K. He et al., CVPR 2016, without its classifier: features at 1/8, 1/16 and 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(_BasicBlock(64, 64, 1), _BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(_BasicBlock(64, 128, 2), _BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(_BasicBlock(128, 256, 2), _BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(_BasicBlock(256, 512, 2), _BasicBlock(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(y))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class _AttentionRefinement(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _ConvBNReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.conv(x)
        mean = features.mean((2, 3), keepdim=True)
        return features * self.bn_atten(self.conv_atten(mean)).sigmoid()


class _ContextPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet = _ResNet18()
        self.arm16 = _AttentionRefinement(256, 128)
        self.arm32 = _AttentionRefinement(512, 128)
        self.conv_head32 = _ConvBNReLU(128, 128)
        self.conv_head16 = _ConvBNReLU(128, 128)
        self.conv_avg = _ConvBNReLU(512, 128, kernel=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features at 1/8, and what the deeper layers make of them there."""
        eighth, sixteenth, deep = self.resnet(x)
        whole = self.conv_avg(deep.mean((2, 3), keepdim=True))
        y = F.interpolate(self.arm32(deep) + whole, scale_factor=2, mode="nearest")
        y = self.arm16(sixteenth) + self.conv_head32(y)
        return eighth, self.conv_head16(F.interpolate(y, scale_factor=2, mode="nearest"))


class _FeatureFusion(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convblk = _ConvBNReLU(inputs, outputs, kernel=1)
        self.conv1 = nn.Conv2d(outputs, outputs // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs // 4, outputs, 1, bias=False)

    def forward(self, fine: Tensor, context: Tensor) -> Tensor:
        features: Tensor = self.convblk(torch.cat([fine, context], 1))
        mean = features.mean((2, 3), keepdim=True)
        return features + features * self.conv2(F.relu(self.conv1(mean))).sigmoid()


class _Output(nn.Module):
    def __init__(self, inputs: int, middle: int) -> None:
        super().__init__()
        self.conv = _ConvBNReLU(inputs, middle)
        self.conv_out = nn.Conv2d(middle, REGIONS, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conv_out(self.conv(x))
        return logits


class BiSeNet(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1], an aligned face, to float32 logits (N, 19, H, W).

    H and W are multiples of 32. The published network expects colours normalised as ImageNet's are;
    that is done here, so that its input is that of every other network. ``conv_out16`` and
    ``conv_out32`` helped it to learn and are in its file; their outputs are not used. ``side_px``:
    of the faces that it learned from.
    """

    def __init__(self, side_px: int = 512) -> None:
        super().__init__()
        self.side_px = side_px
        self.cp = _ContextPath()
        self.ffm = _FeatureFusion(256, 256)
        self.conv_out = _Output(256, 256)
        self.conv_out16 = _Output(128, 64)
        self.conv_out32 = _Output(128, 64)
        mean, deviation = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, DEVIATION))
        # (x + 1) / 2, less the mean, over the deviation
        self.register_buffer("gain", 0.5 / deviation, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / deviation, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        eighth, context = self.cp(x * self.gain + self.shift)
        logits = self.conv_out(self.ffm(eighth, context))
        size = (int(x.shape[2]), int(x.shape[3]))
        # corners on corners, as it was trained
        return F.interpolate(logits, size, mode="bilinear", align_corners=True)


def renamed(saved: Mapping[Any, Any]) -> dict[str, Any]:
    """The state dict in ``saved``, itself or the value of one of its keys.

    The prefix ``module.`` of parallel training is removed. Empty where there is no BiSeNet for
    faces.
    """
    for candidate in (saved, *(v for v in saved.values() if isinstance(v, Mapping))):
        plain = {str(name).removeprefix("module."): value for name, value in candidate.items()}
        if any(name in plain for name in TELLING):
            return plain
    return {}

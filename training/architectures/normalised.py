"""Batch normalisation behind every convolution while a network trains, and folded into them."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Net = TypeVar("Net", bound=nn.Module)


def normalised(net: Net) -> Net:
    """The network, each convolution but the head followed by batch normalisation; in place.

    What ends a residual block starts at zero, so that a deep network begins as a shallow one.
    """
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d) and name != "head":
            norm = nn.BatchNorm2d(module.out_channels)
            if name.endswith("second"):
                nn.init.zeros_(norm.weight)
            net.set_submodule(name, nn.Sequential(module, norm))
    return net


def folded(net: Net) -> Net:
    """A copy without the normalisation: the same outputs as in eval mode."""
    plain = deepcopy(net).requires_grad_(False).eval()
    for name, module in list(plain.named_modules()):
        if isinstance(module, nn.Sequential) and len(module) == 2:
            first, second = module
            if isinstance(second, nn.BatchNorm2d):
                plain.set_submodule(name, fuse_conv_bn_eval(first, second))
    return plain

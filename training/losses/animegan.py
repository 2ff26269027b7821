"""AnimeGAN's losses, and the total variation that the second version adds.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019), section 3.2, and github.com/TachibanaYoshino/AnimeGANv2. All take and give
float32; pictures are (N, 3, H, W) RGB in [-1, 1]. Weights are the caller's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTH_SHARE = 0.1  # of the smoothed frames in the discriminator's loss
YUV_FROM_RGB = (  # ITU-R BT.601, as TensorFlow's rgb_to_yuv
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)


def discriminator_loss(anime: Tensor, grey: Tensor, smooth: Tensor, drawn: Tensor) -> Tensor:
    """Least squares over scores of any one shape: 1 for anime, 0 for all else.

    That is anime without colour, anime without edges, and what the generator drew. The grey
    frames tell the generator to colour (the grey-scale adversarial loss), the smoothed ones to
    draw edges.
    """
    return (
        (anime - 1).square().mean()
        + grey.square().mean()
        + drawn.square().mean()
        + SMOOTH_SHARE * smooth.square().mean()
    )


def generator_loss(drawn: Tensor) -> Tensor:
    """Least squares over the scores of drawings: the target is 1."""
    return (drawn - 1).square().mean()


def content_loss(of_photo: Tensor, of_drawing: Tensor) -> Tensor:
    """L1 between features (N, C, h, w)."""
    return (of_photo - of_drawing).abs().mean()


def gram(features: Tensor) -> Tensor:
    """(N, C, h, w) to (N, C, C): inner products of channels, divided by C h w."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / features[0].numel()


def grey_style_loss(of_grey_anime: Tensor, of_drawing: Tensor) -> Tensor:
    """L1 between the Gram matrices of features: the texture of anime without its colours."""
    return (gram(of_grey_anime) - gram(of_drawing)).abs().mean()


def to_yuv(picture: Tensor) -> Tensor:
    """RGB in [-1, 1] to YUV of the same picture in [0, 1]: Y in [0, 1], U and V about zero."""
    matrix = torch.tensor(YUV_FROM_RGB, dtype=picture.dtype, device=picture.device)
    return torch.einsum("yc,nchw->nyhw", matrix, (picture + 1) / 2)


def colour_loss(photo: Tensor, drawing: Tensor) -> Tensor:
    """Colour reconstruction: L1 of Y and Huber (delta 1) of U and V between the two."""
    target, prediction = to_yuv(photo), to_yuv(drawing)
    lightness = (target[:, 0] - prediction[:, 0]).abs().mean()
    return (
        lightness
        + F.huber_loss(prediction[:, 1], target[:, 1])
        + F.huber_loss(prediction[:, 2], target[:, 2])
    )


def total_variation_loss(drawing: Tensor) -> Tensor:
    """Half the mean square of first differences, down and across, added."""
    return (drawing.diff(dim=2).square().mean() + drawing.diff(dim=3).square().mean()) / 2

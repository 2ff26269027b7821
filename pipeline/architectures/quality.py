"""The quality model: faults of a photo, estimated from a thumbnail and a few patches.

Blur, noise and JPEG artefacts show in native pixels only; exposure shows in the whole. So one
branch looks at patches, chosen where the photo has the most contrast (there blur shows) and where
it has its usual contrast (there noise does), and one at a thumbnail. A third sees the patches as
JPEG does, by the cosine transform of blocks of 8x8 from the photo's corner on: what a coarse
quantisation has set to zero is zero there. Darkness shows best in a photo's brightest positions,
which a thumbnail averages away: so quantiles of its light are an input as well. The features
between the convolutions and the last layers are logarithms of mean activations: a photo twice as
noisy is as far from the first as that one is from one half as noisy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.shape import Shape
from pipeline.quality_model import LIGHTS

MEASURES = ("blur_px", "noise", "jpeg_quality", "exposure_stops", "score")
BLOCK = 8  # a JPEG's, in px
LUMA = (0.299, 0.587, 0.114)
LIGHT_SPAN = 8.0  # stops
BLUR_SPAN_PX, NOISE_SPAN, ARTEFACT_SPAN, STOPS_SPAN = 4.0, math.log(51), 75.0, 4.0


@dataclass(frozen=True)
class QualityShape(Shape):
    """Settings of a QualityModel.

    Channels of the patches' three stages, of the last layer but one, of the features of blocks and
    of light, and the inputs' sizes; half of the ``patches`` are those of the highest variance, half
    those of the median.
    """

    channels: tuple[int, int, int] = (32, 48, 64)
    hidden: int = 32
    block_channels: int = 64
    light_channels: int = 32
    patches: int = 8
    patch_px: int = 64
    thumbnail_px: int = 64


class QualityModel(nn.Module):
    """Thumbnails, patches and light to (N, 5): MEASURES in their units, and a score from 0 to 1.

    Inputs: float32 RGB in [-1, 1], thumbnails (N, 3, T, T) and patches (N * K, 3, P, P), those of
    the highest variance first, and stops below white (N, LIGHTS), as ``model_inputs`` in
    pipeline/quality_model.py makes them. The measures are those of training/data/degradations.py.
    The score is one half for a photo in which a fault is just clearly visible, see ``truth_of`` in
    training/tasks/quality.py.
    """

    def __init__(self, shape: QualityShape) -> None:
        super().__init__()
        self.shape = shape
        first, second, third = shape.channels
        self.fine = nn.Conv2d(12, first, 3, padding=1)
        self.middle = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.last = nn.Conv2d(third, third, 3, padding=1)
        self.register_buffer("luma", torch.tensor(LUMA).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("cosines", _cosines(), persistent=False)
        self.blocks = nn.Conv2d(BLOCK * BLOCK, shape.block_channels, 1)
        self.whole = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.light = nn.Linear(LIGHTS, shape.light_channels)
        features = first + second + third + shape.block_channels
        self.mix = nn.Linear(4 * features + 2 * 48 + shape.light_channels, shape.hidden)
        self.out = nn.Linear(shape.hidden, len(MEASURES))

    def forward(self, thumbnail: Tensor, patches: Tensor, light: Tensor) -> Tensor:
        """See the class."""
        return in_units(self.normalised(thumbnail, patches, light))

    def normalised(self, thumbnail: Tensor, patches: Tensor, light: Tensor) -> Tensor:
        """(N, 5), each of about 0 to 1: what the loss is taken of."""
        y = F.relu(self.fine(F.pixel_unshuffle(patches, 2)))
        means = [_log_mean(y)]
        y = F.relu(self.middle(y))
        means.append(_log_mean(y))
        y = F.relu(self.last(F.relu(self.coarse(y))))
        means.append(_log_mean(y))
        means.append(_log_mean(F.relu(self.blocks(self.spectrum(patches)))))
        of_patches = torch.cat(means, 1)  # (N * K, features)
        length = of_patches.shape[1]
        of_patches = of_patches.reshape(-1, 2, self.shape.patches // 2, length)
        whole = self.whole(thumbnail)
        mean = whole.mean((2, 3), keepdim=True)
        spread = (whole - mean).square().mean((2, 3))
        known = [of_patches.mean(2).flatten(1), of_patches.amax(2).flatten(1)]
        known += [(mean.flatten(1) + 0.01).log(), (spread + 1e-4).log() / 2]
        known.append(F.relu(self.light(light / LIGHT_SPAN)))
        result: Tensor = self.out(F.relu(self.mix(torch.cat(known, 1))))
        return result

    def spectrum(self, patches: Tensor) -> Tensor:
        """(N, 64, P / 8, P / 8): logarithms of the magnitudes of the blocks' cosine coefficients.

        Of one more than the magnitudes, in grey levels.
        """
        with torch.autocast("cpu", enabled=False):  # a level more or less is what matters
            luma = (patches * self.luma).sum(1, keepdim=True)
            return F.conv2d(luma, self.cosines, stride=BLOCK).abs().log1p()


def _cosines() -> Tensor:
    """(64, 1, 8, 8): the orthonormal cosine transform of a block in [-1, 1], in grey levels."""
    positions = torch.arange(BLOCK, dtype=torch.float64)
    angles = math.pi / BLOCK * torch.outer(positions, positions + 0.5)
    rows = torch.cos(angles) * math.sqrt(2 / BLOCK)
    rows[0] /= math.sqrt(2)
    waves = torch.einsum("uy,vx->uvyx", rows, rows).reshape(BLOCK * BLOCK, 1, BLOCK, BLOCK)
    return (waves * 127.5).float()


def _log_mean(activations: Tensor) -> Tensor:
    """(N, C, H, W), none negative, to (N, C)."""
    return (activations.float().mean((2, 3)) + 0.01).log()


def in_units(normalised: Tensor) -> Tensor:
    """(N, 5) of about 0 to 1 to MEASURES in their units and ranges."""
    blur, noise, artefacts, stops, score = normalised.split(1, 1)
    return torch.cat(
        [
            blur.clamp(0, 2) * BLUR_SPAN_PX,
            (noise.clamp(0, 1.25) * NOISE_SPAN).exp() - 1,
            100 - artefacts.clamp(0, 1) * ARTEFACT_SPAN,
            stops.clamp(-1.25, 1.25) * STOPS_SPAN,
            score.clamp(0, 1),
        ],
        1,
    )


def normalise(measures: Tensor) -> Tensor:
    """The inverse of ``in_units`` within its ranges."""
    blur, noise, quality, stops, score = measures.split(1, 1)
    return torch.cat(
        [
            blur / BLUR_SPAN_PX,
            noise.log1p() / NOISE_SPAN,
            (100 - quality) / ARTEFACT_SPAN,
            stops / STOPS_SPAN,
            score,
        ],
        1,
    )

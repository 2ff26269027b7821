"""What a colouriser draws, and how good that is: decibels, colour differences, colourfulness."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.architectures.colouriser import split
from pipeline.domain import RgbImage
from pipeline.lineart.palette import bin_colours
from pipeline.measure import colour_shift, psnr_db
from training.data.colour import Sample, stack
from training.data.tensors import to_picture


def mean_chroma(picture: RgbImage) -> float:
    """Mean chroma in CIELAB: little where all is grey or brown."""
    lab = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def colour_metrics(
    predictions: Sequence[RgbImage], targets: Sequence[RgbImage]
) -> dict[str, float]:
    """Means over pairs: PSNR in dB, CIEDE2000, and chroma over that of the target."""
    pairs = list(zip(predictions, targets, strict=True))
    chroma = [[mean_chroma(picture) for picture in pair] for pair in pairs]
    ours, theirs = np.mean(chroma, axis=0)
    return {
        "psnr_db": float(np.mean([psnr_db(*pair) for pair in pairs])),
        "ciede2000": float(np.mean([colour_shift(*pair) for pair in pairs])),
        "chroma_ratio": float(ours / max(theirs, 1e-6)),
    }


def colour(net: nn.Module, sample: Sample) -> RgbImage:
    """The picture that the torch module makes of a sample."""
    return to_picture(answer_of(net, sample)[0])


def likeliest(net: nn.Module, sample: Sample) -> RgbImage:
    """The colour of the likeliest bin of each 4x4 pixels, at the size of the sample."""
    scores = answer_of(net, sample)[1]
    colours = bin_colours()[scores[0].argmax(0).numpy()]
    height, width = sample.ink.shape
    return cv2.resize(colours, (width, height), interpolation=cv2.INTER_NEAREST)


def bin_accuracy(net: nn.Module, samples: list[Sample]) -> float:
    """The mean share that the targets have in the likeliest bin."""
    shares = []
    for sample in samples:
        chosen = answer_of(net, sample)[1].argmax(1, keepdim=True)
        shares.append(float(stack([sample]).bins.gather(1, chosen).mean()))
    return float(np.mean(shares))


def answer_of(net: nn.Module, sample: Sample) -> tuple[Tensor, Tensor]:
    """The picture and the scores of the bins that the torch module gives, on the CPU."""
    device = next(net.parameters()).device
    inputs = stack([sample])[:3]
    with torch.inference_mode():
        picture, scores = split(net(*(tensor.to(device) for tensor in inputs)))
    return picture.cpu(), scores.cpu()

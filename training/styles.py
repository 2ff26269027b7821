"""The styles that are shipped: who teaches each, and in what colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.cel import render
from training.colours import Colours, reconstruct_colours
from training.teachers import load_animeganv2_tflite, load_whitebox_tflite

Draw = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Style:
    """``load`` opens the teacher's network out of ``file``; without them the teacher is the
    renderer of training/cel.py, which needs no file and whose colours stand as they are.
    """

    title: str
    licence: str
    file: str | None = None
    load: Callable[[Path], nn.Module] | None = None
    colours: Colours = Colours()


STYLES = {
    "hayao": Style(
        title="Hayao",
        file="animeganv2_hayao_int8.tflite",
        load=load_animeganv2_tflite,
        colours=Colours(teacher_chroma=0.1, tone=0.8, vividness=1.08),
        licence="non-commercial (academic) use: distilled from AnimeGANv2's Hayao weights, whose "
        "terms say so; see MODEL_CARD.md",
    ),
    "cartoon": Style(
        title="Cartoon",
        file="whitebox_cartoongan_fp16.tflite",
        load=load_whitebox_tflite,
        colours=Colours(teacher_chroma=0.0, tone=0.9, vividness=1.05),
        licence="CC BY-NC-SA 4.0: distilled from White-box CartoonGAN, whose terms say so; see "
        "MODEL_CARD.md",
    ),
    "cel": Style(
        title="Cel",
        licence="Apache-2.0: distilled from this repository's own renderer; see MODEL_CARD.md",
    ),
}


def open_teacher(name: str, teachers: Path | None) -> Draw:
    """What turns uint8 (H, W, 3) RGB, sides multiples of 4, into the target of the same size.

    ``teachers``: the folder with the published networks. Raises ValueError for a style that is
    not in STYLES, or that needs the folder when it is not given; FileNotFoundError.
    """
    if name not in STYLES:
        raise ValueError(f"no style {name!r}; there are {', '.join(STYLES)}")
    style = STYLES[name]
    if style.file is None or style.load is None:
        return render
    if teachers is None:
        raise ValueError(f"{name} is taught by {style.file}: give the folder that holds it")
    if not (teachers / style.file).exists():
        raise FileNotFoundError(teachers / style.file)
    network = style.load(teachers / style.file).to(memory_format=torch.channels_last)

    def draw_in_the_photos_colours(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return reconstruct_colours(photo, draw(network, photo), style.colours)

    return draw_in_the_photos_colours


def draw(network: nn.Module, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """in, out: uint8 (H, W, 3) RGB, sides multiples of 4. bfloat16: 54 dB from float32."""
    x = torch.from_numpy(photo.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        y = network(x)[0].float().permute(1, 2, 0).numpy()
    return np.clip((y + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)

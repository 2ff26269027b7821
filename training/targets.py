"""Computes a teacher's drawings once, so that a student can be trained on them for hours.

    python -m training.targets --data ../shared/data \\
        --teacher ../shared/teachers/animeganv2_hayao_int8.tflite \\
        --out .cache/targets/hayao --count 1400 --seed 1

Each PNG holds a window of a photograph on the left and its target on the right. A second run
with the same options continues where the first stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.nets.animeganv2 import UPSAMPLINGS, AnimeGANv2Generator
from training.colours import reconstruct_colours
from training.data import windows
from training.teachers import load_animeganv2_tflite


def draw(teacher: AnimeGANv2Generator, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """in, out: uint8 (H, W, 3) RGB, sides multiples of 4. bfloat16: 54 dB from float32."""
    x = torch.from_numpy(photo.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        y = teacher(x)[0].float().permute(1, 2, 0).numpy()
    return np.clip((y + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--teacher", type=Path, required=True, help="the .tflite of AnimeGANv2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1400)
    parser.add_argument("--side", type=int, default=448, help="longest side of a window in px")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--upsampling", choices=UPSAMPLINGS, default="legacy")
    parser.add_argument("--validation", action="store_true", help="draw from the held-out files")
    options = parser.parse_args()

    teacher = load_animeganv2_tflite(options.teacher, options.upsampling)
    teacher = teacher.to(memory_format=torch.channels_last)
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    chosen = windows(options.data, options.count, options.side, options.seed, options.validation)
    for number, window in enumerate(chosen, 1):
        path = options.out / f"{window.name}.png"
        if path.exists():
            continue
        target = reconstruct_colours(window.pixels, draw(teacher, window.pixels))
        pair = np.concatenate([window.pixels, target], axis=1)
        temporary = path.with_name("part.png")
        cv2.imwrite(str(temporary), cv2.cvtColor(pair, cv2.COLOR_RGB2BGR))
        temporary.replace(path)
        if number % 50 == 0:
            print(f"{number}/{options.count}, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

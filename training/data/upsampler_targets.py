r"""Clean large drawings for the upsampler, made once: what enlarging is to give.

    python -m training.data.upsampler_targets --data DIR \
        --output .cache/targets/upsampler
    python -m training.data.upsampler_targets --data DIR --validation \
        --output .cache/targets/upsampler-validation

Each PNG holds a photograph on the left and a drawing of the same size on the right. All drawings
are the cel renderer's, so that the upsampler is free of others' terms; its settings vary from
cel's to those of a film: thin pale contours, many steps of light. There are three kinds.
``thin``: contours of a pixel or two. ``wide``: drawn at half the size and enlarged, since a
drawing that is enlarged has contours of three or four. ``large``: drawn with settings scaled by
two, so that they are wide and where the photograph has them. What a drawing's grain or an
interpolation leaves is removed from all three. A second run with the same options continues
where the first stopped.
"""

from __future__ import annotations

import argparse
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np

from pipeline.domain import RgbImage
from training.data.photographs import windows
from training.data.targets import write_pair
from training.looks.cel import CelSettings, flow, render, smooth_l0, smooth_lines

FLATNESS = 0.0012  # lambda of the L0 smoothing that removes grain
FLOW_SIGMA_PX = 1.5
SIDE_PX = 512
SEED = 5
COUNT = 300
HELD_OUT = 24


def steepen(picture: RgbImage) -> RgbImage:
    """Steeper edges without halos: an unsharp mask within the range of the 3x3 pixels around.

    Nothing trained on soft edges alone draws steep ones, for their place is uncertain and the
    mean of steep edges is a soft one.
    """
    around = np.ones((3, 3), np.uint8)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
    sharp = cv2.addWeighted(picture, 2.5, soft, -1.5, 0)
    return np.clip(sharp, cv2.erode(picture, around), cv2.dilate(picture, around))


def clean(drawing: RgbImage, times: int = 1) -> RgbImage:
    """Makes areas flat and contours even.

    Enlarged by Lanczos; small gradients removed (L0 smoothing); smoothed along its edges, which
    leaves no staircases on slanted lines; its edges made steeper, once for each ``times``.

    Args:
        drawing: uint8 (H, W, 3).
        times: 1, or 2 to double it.

    Returns:
        uint8 (times H, times W, 3).
    """
    height, width = drawing.shape[:2]
    if times > 1:
        size = (times * width, times * height)
        drawing = cv2.resize(drawing, size, interpolation=cv2.INTER_LANCZOS4)
    picture = np.asarray(drawing, np.float32) / np.float32(255)
    along, _ = flow(picture, FLOW_SIGMA_PX)
    sigma = 0.4 + 0.8 * times
    even = smooth_lines(smooth_l0(picture, FLATNESS), along, sigma)
    result = np.clip(even * 255 + 0.5, 0, 255).astype(np.uint8)
    for _ in range(times):
        result = steepen(result)
    return result


def thin(photo: RgbImage, look: CelSettings) -> RgbImage:
    """The look's drawing of the photograph as it is."""
    return clean(render(photo, look))


def wide(photo: RgbImage, look: CelSettings) -> RgbImage:
    """The look's drawing of the photograph at half the size, enlarged."""
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return clean(render(half, look), 2)


def large(photo: RgbImage, look: CelSettings) -> RgbImage:
    """The look's drawing of the photograph with all lengths doubled."""
    return clean(render(photo, look.scaled(2)))


def sample_look(random: np.random.Generator) -> CelSettings:
    """A look between cel's and a film's."""
    film = float(random.uniform())  # 0: cel
    levels = np.linspace(0.1, 0.92, 5 + round(7 * film))
    return CelSettings(
        flatness=0.012 * 0.1**film,
        levels=tuple(float(level) for level in levels),
        level_contrast=1.25 - 0.25 * film,
        line_sigma_px=1.1 - 0.3 * film,
        line_opacity=float(random.uniform(0.4, 0.95)),
        line_flatness=0.004 * 0.3**film,
        stroke_px=13.0 - 8.0 * film,
        lift=0.8 + 0.2 * film,
        vividness=1.4 - 0.3 * film,
    )


def draw(data: Path, count: int, output: Path, validation: bool = False) -> None:
    """Writes ``count`` pairs into ``output``; those that are there already stay."""
    output.mkdir(parents=True, exist_ok=True)
    selection = windows(data, count, SIDE_PX, SEED, validation)
    for number, (window, kind) in enumerate(
        zip(selection, cycle((thin, wide, large)), strict=False)
    ):
        path = output / f"{kind.__name__}-{window.name}.png"
        if path.exists():
            continue
        look = sample_look(np.random.default_rng((SEED, number)))
        write_pair(path, window.pixels, kind(window.pixels, look))
        if number % 50 == 49:
            print(f"{number + 1}/{count}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, help=f"by default {COUNT}, or {HELD_OUT} held out")
    parser.add_argument("--validation", action="store_true", help="from the held-out photographs")
    options = parser.parse_args()
    count = options.count or (HELD_OUT if options.validation else COUNT)
    draw(options.data, count, options.output, options.validation)


if __name__ == "__main__":
    main()

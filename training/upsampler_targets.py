"""Clean large drawings for the upsampler, made once: what enlarging is to give.

    python -m training.upsampler_targets --data ../shared/data --output .cache/targets/upsampler \\
        --targets .cache/targets/hayao .cache/targets/cel
    python -m training.upsampler_targets --data ../shared/data --validation \\
        --output .cache/targets/upsampler-validation --targets .cache/targets/hayao-validation

Each PNG holds a photograph on the left and a drawing of the same size on the right. There are
three kinds. ``thin``: a look's own drawing, with contours of a pixel or two. ``wide``: the same
at twice the size, since a drawing that is enlarged has contours of three or four. ``large``: the
cel renderer's drawing of a photograph at near its full size, with settings scaled by two, so that
grain and texture of a photograph lie under wide contours and flat areas. What a drawing's grain
or an interpolation leaves is removed from all three. A second run with the same options
continues where the first stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cel import CelSettings, flow, render, smooth_l0, smooth_lines
from training.data import read_rgb, windows

Picture = NDArray[np.uint8]
Pair = tuple[Picture, Picture]  # a photograph and its drawing
Job = tuple[str, Callable[[], Pair]]

FLATNESS = 0.0012  # lambda of the L0 smoothing that removes grain
FLOW_SIGMA_PX = 1.5
LARGE_PX = 576  # side of what is drawn at twice the size
LARGE_SEED = 5


def steepen(picture: Picture) -> Picture:
    """Steeper edges without halos: an unsharp mask that keeps within the range of the 3x3 pixels
    around. Nothing trained on soft edges alone draws steep ones, for their place is uncertain
    and the mean of steep edges is a soft one.
    """
    around = np.ones((3, 3), np.uint8)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
    sharp = cv2.addWeighted(picture, 2.5, soft, -1.5, 0)
    return np.clip(sharp, cv2.erode(picture, around), cv2.dilate(picture, around))


def clean(drawing: Picture, times: int = 1) -> Picture:
    """uint8 (H, W, 3) to (times H, times W, 3), times being 1 or 2: areas flat, contours even.

    Enlarged by Lanczos; small gradients removed (L0 smoothing); smoothed along its edges, which
    leaves no staircases on slanted lines; its edges made steeper, once for each ``times``.
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


def thin(path: Path) -> Pair:
    """Photograph and drawing of a file that training.targets made, the drawing clean."""
    photo, drawing = np.split(read_rgb(path), 2, axis=1)
    return photo, clean(drawing)


def wide(path: Path) -> Pair:
    """The middle of such a file at twice the size, LARGE_PX a side at most."""
    photo, drawing = (_middle(half) for half in np.split(read_rgb(path), 2, axis=1))
    photo = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return photo, clean(drawing, 2)


def large(photo: Picture) -> Pair:
    """A photograph and what cel makes of it with contours twice as wide."""
    return photo, clean(render(photo, CelSettings().scaled(2)))


def drawn(
    targets: list[Path], data: Path, count: int, count_large: int, validation: bool
) -> Iterator[Job]:
    """Names, and what makes each pair; the kinds and the folders by turns, so that the first
    hundred are of all.

    ``count`` files of each folder of ``targets``, ``count_large`` windows of the photographs in
    ``data``. Raises FileNotFoundError for a folder without targets.
    """
    turns = [_of_folder(folder, count) for folder in targets]
    chosen = windows(data, count_large, LARGE_PX, LARGE_SEED, validation)
    turns.append((f"cel-large-{w.name}", partial(large, w.pixels)) for w in chosen)
    for round_of_kinds in zip_longest(*turns):
        yield from (job for job in round_of_kinds if job is not None)


def _of_folder(folder: Path, count: int) -> Iterator[Job]:
    files = sorted(folder.glob("?????-*.png"))[:count]
    if not files:
        raise FileNotFoundError(f"{folder}: no targets; run training.targets first")
    look = folder.name.removesuffix("-validation")
    for path, kind in zip(files, cycle((thin, wide)), strict=False):
        yield f"{look}-{kind.__name__}-{path.stem}", partial(kind, path)


def _middle(picture: Picture) -> Picture:
    rows, columns = (
        slice(start, start + LARGE_PX // 2)
        for start in (max(0, side - LARGE_PX // 2) // 2 for side in picture.shape[:2])
    )
    return np.ascontiguousarray(picture[rows, columns])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--targets", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=120, help="files of each folder of targets")
    parser.add_argument("--large", type=int, default=60, help="photographs drawn large")
    parser.add_argument("--validation", action="store_true", help="from the held-out photographs")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    jobs = drawn(options.targets, options.data, options.count, options.large, options.validation)
    for number, (name, draw) in enumerate(jobs, 1):
        path = options.output / f"{name}.png"
        if path.exists():
            continue
        pair = cv2.cvtColor(np.concatenate(draw(), axis=1), cv2.COLOR_RGB2BGR)
        temporary = options.output / "part.png"
        cv2.imwrite(str(temporary), pair)
        temporary.replace(path)
        if number % 50 == 0:
            print(f"{number} drawings", flush=True)


if __name__ == "__main__":
    main()

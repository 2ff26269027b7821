r"""Computes a teacher's drawings once, so that a student can be trained on them for hours.

    python -m training.data.targets --style hayao --data DIR --teachers DIR \
        --out .cache/targets/hayao --count 800 --seed 11

Each PNG holds a window of a photograph on the left and the teacher's drawing, in the teacher's own
colours, on the right: it is graded when a training reads it, so that a grade can be changed without
drawing again. A second run with the same options continues where the first stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.domain import RgbImage
from training.data.heads import heads
from training.data.photographs import Window, windows
from training.looks.styles import STUDENTS, open_teacher


@dataclass(frozen=True)
class Targets:
    """Which windows are drawn.

    Attributes:
        style: of training/looks/styles.py.
        count: how many windows; of heads all that there are.
        seed: the windows are the same for the same seed.
        side_px: the longest side.
        validation: whether they are of the held-out photographs.
    """

    style: str
    count: int
    seed: int
    side_px: int = 448
    validation: bool = False


def draw_targets(targets: Targets, data: Path, teachers: Path | None, out: Path) -> None:
    """Writes a PNG a window into ``out``; those that are there already stay."""
    teacher = open_teacher(targets.style, teachers)
    out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for number, window in enumerate(windows_of(targets, data), 1):
        path = out / f"{window.name}.png"
        if path.exists():
            continue
        write_pair(path, window.pixels, teacher(window.pixels))
        if number % 50 == 0:
            print(f"{number}/{targets.count}, {time.monotonic() - start:.0f} s", flush=True)


def windows_of(targets: Targets, data: Path) -> Iterator[Window]:
    """The windows of photographs that are drawn."""
    of_heads = STUDENTS[targets.style].heads
    if of_heads:
        return heads(data, targets.seed, targets.validation, of_heads.sides_px)
    return windows(data, targets.count, targets.side_px, targets.seed, targets.validation)


def write_pair(path: Path, photo: RgbImage, drawing: RgbImage) -> None:
    """A PNG with the photo on the left and its drawing on the right, whole or not at all."""
    pair = np.concatenate([photo, drawing], axis=1)
    temporary = path.with_name("part.png")
    cv2.imwrite(str(temporary), cv2.cvtColor(pair, cv2.COLOR_RGB2BGR))
    temporary.replace(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--style", choices=STUDENTS, required=True)
    parser.add_argument("--teachers", type=Path, help="folder of the published networks")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--validation", action="store_true", help="draw from the held-out files")
    options = parser.parse_args()
    requested = Targets(options.style, options.count, options.seed, validation=options.validation)
    draw_targets(requested, options.data, options.teachers, options.out)


if __name__ == "__main__":
    main()

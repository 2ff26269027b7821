"""Computes a teacher's drawings once, so that a student can be trained on them for hours.

    python -m training.targets --style hayao --data ../shared/data \\
        --teachers ../shared/teachers --out .cache/targets/hayao --count 1600 --seed 1

Each PNG holds a window of a photograph on the left and its target on the right. A second run
with the same options continues where the first stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from training.data import windows
from training.styles import STYLES, open_teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--style", choices=STYLES, required=True)
    parser.add_argument("--teachers", type=Path, help="folder of the published networks")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1600)
    parser.add_argument("--side", type=int, default=448, help="longest side of a window in px")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validation", action="store_true", help="draw from the held-out files")
    options = parser.parse_args()

    teacher = open_teacher(options.style, options.teachers)
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    chosen = windows(options.data, options.count, options.side, options.seed, options.validation)
    for number, window in enumerate(chosen, 1):
        path = options.out / f"{window.name}.png"
        if path.exists():
            continue
        pair = np.concatenate([window.pixels, teacher(window.pixels)], axis=1)
        temporary = path.with_name("part.png")
        cv2.imwrite(str(temporary), cv2.cvtColor(pair, cv2.COLOR_RGB2BGR))
        temporary.replace(path)
        if number % 50 == 0:
            print(f"{number}/{options.count}, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""Blurred selfies, drawn: what the restoration of faces is worth in figures of the first article.

    python -m benchmarks.selfies --data DIR

Held-out faces are blurred by a Gaussian of SIGMAS_PX at a face of 128 px, with fixed seeds, and
drawn; each drawing is compared with that of the sharp face in the same way: PSNR, SSIM and the
Fréchet distance between the two sets of drawings. Writes benchmarks/selfies.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.faces import draw
from benchmarks.frechet import distance, student_features
from benchmarks.machine import ROOT, THREADS, processor
from benchmarks.portraits import held_out
from pipeline import Options, Pipeline, Settings
from pipeline.domain import RgbImage
from pipeline.measure import psnr_db, ssim

SIGMAS_PX = (1.5, 6.0)  # of a face 128 px wide
FACE_PX = 141  # of the held-out faces
WAYS = {
    "hayao, restore_faces=off": Options(restore_faces="off"),
    "hayao": Options(),
    "portrait": Options(style="portrait"),
    "cute": Options(style="cute"),
}


def blurred(photo: RgbImage, seed: int) -> RgbImage:
    """uint8 (H, W, 3), as a selfie out of focus."""
    sigma = np.random.default_rng(seed).uniform(*SIGMAS_PX) * FACE_PX / 128
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), sigma), np.uint8)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of faces256/")
    parser.add_argument("--count", type=int, default=200)
    given = parser.parse_args()
    pipeline = Pipeline(Settings(threads=THREADS))
    photos = list(held_out(given.data, given.count).values())
    features, about = student_features()
    lines = [
        f"{processor()}, {THREADS} threads; {len(photos)} held-out faces. Fréchet: {about}.",
        "",
        "| drawn as | PSNR, dB | SSIM | Fréchet |",
        "|---|---|---|---|",
    ]
    for name, options in WAYS.items():
        pairs = [
            (draw(pipeline, photo, options)[0], draw(pipeline, blurred(photo, n), options)[0])
            for n, photo in enumerate(photos)
        ]
        sharp, drawn = zip(*pairs, strict=True)
        decibels = np.mean([psnr_db(*pair) for pair in pairs])
        likeness = np.mean([ssim(*pair) for pair in pairs])
        far = distance(drawn, sharp, features)
        lines.append(f"| {name} | {decibels:.2f} | {likeness:.3f} | {far:.4g} |")
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "selfies.md").write_text(text)


if __name__ == "__main__":
    main()

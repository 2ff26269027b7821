"""The sample photographs through the published generators and every style of the layer.

    make compare        (python -m benchmarks.compare [--teachers DIR])

Writes docs/comparison.jpg: the layer's styles always, published networks where DIR holds their
files. How large and how fast each is, `make bench` measures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import ROOT, THREADS
from pipeline import Options, Pipeline, Settings
from pipeline.domain import RgbImage
from pipeline.weights import WeightStore
from training.data.photographs import read_rgb
from training.published.readers import (
    draw_with,
    load_animeganv2_tflite,
    load_whitebox_tflite,
    open_animeganv3,
)

CELL_PX = 400
GAP_PX = 8
LABEL_PX = 28
PHOTOS = ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")
ANIMEGANV2 = "AnimeGANv2 (2020)"
Draw = Callable[[RgbImage], RgbImage]


def _open_animeganv2(path: Path) -> Draw:
    return partial(draw_with, load_animeganv2_tflite(path))


def _open_whitebox(path: Path) -> Draw:
    return partial(draw_with, load_whitebox_tflite(path))


PUBLISHED: dict[str, tuple[str, Callable[[Path], Draw]]] = {
    ANIMEGANV2: ("animeganv2_hayao_int8.tflite", _open_animeganv2),
    "AnimeGANv3 (2023)": ("animeganv3_hayao.onnx", open_animeganv3),
    "White-box CartoonGAN (2020)": ("whitebox_cartoongan_fp16.tflite", _open_whitebox),
}


def drawings(photo: Path, layer: WeightStore, teachers: Path | None) -> dict[str, RgbImage]:
    """The photograph, and what each network with weights makes of it, by name.

    Published networks draw at the photo's size; ours go through the whole pipeline as a user
    would have it.
    """
    pixels = read_rgb(photo)
    found = {"photograph": pixels}
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    for name, (file, open_published) in PUBLISHED.items():
        if teachers is not None and (teachers / file).exists():
            drawn = open_published(teachers / file)(pixels[:height, :width])
            found[name] = _as_bright_as(pixels, drawn) if name == ANIMEGANV2 else drawn
    pipeline = Pipeline(Settings(threads=THREADS, weights_dir=layer.weights_dir))
    for spec in pipeline.styles():
        result = pipeline.run(photo.read_bytes(), Options(style=spec.name))
        decoded = cv2.imdecode(np.frombuffer(result.image, np.uint8), cv2.IMREAD_COLOR)
        found[f"Kirei {spec.name}"] = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return found


def _as_bright_as(photo: RgbImage, drawing: RgbImage) -> RgbImage:
    """As AnimeGANv2's test code ends: the drawing times the ratio of mean brightness."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean() for picture in (photo, drawing)]
    return cv2.convertScaleAbs(drawing, alpha=grey[0] / max(1.0, grey[1]))


def sheet(rows: Sequence[Mapping[str, RgbImage]]) -> RgbImage:
    """A row for each photograph, a column for each name, the names on top."""
    lines = []
    for row in rows:
        cells = [_cell(picture) for picture in row.values()]
        least = min(cell.shape[0] for cell in cells)  # sides cut to multiples of 8 differ
        lines.append(np.concatenate([cell[:least] for cell in cells], axis=1))
    head = np.full((LABEL_PX, lines[0].shape[1], 3), 255, np.uint8)
    for column, name in enumerate(rows[0]):
        place = (column * (CELL_PX + GAP_PX) + 4, LABEL_PX - 9)
        cv2.putText(head, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40,) * 3, 1, cv2.LINE_AA)
    return np.concatenate([head, *lines])


def _cell(picture: RgbImage) -> RgbImage:
    height, width = picture.shape[:2]
    size = (CELL_PX, round(height * CELL_PX / width))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(small, 0, GAP_PX, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(255,) * 3)


def main() -> None:
    """Draws the sheet that shows our styles beside the published networks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teachers", type=Path, help="folder of the published networks' files")
    options = parser.parse_args()
    settings = Settings(threads=THREADS)
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    rows = [drawings(ROOT / "samples" / name, layer, options.teachers) for name in PHOTOS]
    picture = cv2.cvtColor(sheet(rows), cv2.COLOR_RGB2BGR)
    path = ROOT / "docs" / "comparison.jpg"
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    print("wrote", path)


if __name__ == "__main__":
    main()

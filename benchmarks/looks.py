"""Whether the looks are looks of their own, and what they do to skin.

    make eval-looks DATA=DIR

Held-out photographs, each in every style of the layer by the whole pipeline: how far apart two
looks are in colour (mean CIEDE2000 of pictures reduced to 256 px) and in their dark lines, how far
each is from the photo, and how far the skin of held-out faces moves, in thirds by its lightness.
Without DATA, of the sample photographs alone. Writes benchmarks/looks.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import ROOT, THREADS, processor
from pipeline import Options, Pipeline, Settings
from pipeline.domain import RgbImage
from pipeline.faces.align import ALIGNED_PX, crop, estimate_similarity
from pipeline.faces.parse import REGIONS
from pipeline.measure import ciede2000, colour_shift
from training.data.photographs import read_rgb, split
from training.metrics.drawing import dark_lines

PHOTOGRAPHS = 24
FACES = 60
PICTURE_PX = 1280
LINES_PX = 640
PHOTO = "photo"
LEAST_SKIN = 0.03  # of the aligned square: less is no face to judge by
# of each kind, by turns: scenes first, for that is where looks differ least
SCENES = ("hd/hd-*.jpg", "photos/bsds-*.jpg", "photos/scene-*.jpg", "portraits/portrait-*.jpg")
FACE_CROPS = "faces256/face2-*.jpg"


def held_out(data: Path | None, kinds: Sequence[str], count: int) -> list[Path]:
    """Held-out photographs of a folder, of each kind by turns; the samples without a folder."""
    if data is None:
        return sorted((ROOT / "samples").glob("*.jpg"))[:count]
    lists = [split(list(data.glob(kind)), validation=True) for kind in kinds]
    turns = [files[number] for number in range(count) for files in lists if number < len(files)]
    return turns[:count]


def draw(pipeline: Pipeline, photo: Path, style: str) -> RgbImage:
    """The picture of a photo in a style, with the pipeline's defaults."""
    options = Options(style=style, format="png", max_side_px=PICTURE_PX)
    image = pipeline.run(photo.read_bytes(), options).image
    bgr = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def line_density(picture: RgbImage) -> float:
    """The share of pixels on a dark line, at one size for all."""
    scale = LINES_PX / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(dark_lines(small).mean())


def apart(
    pictures: Sequence[dict[str, RgbImage]],
) -> Iterator[tuple[str, str, float, float, float]]:
    """Measures how far every two looks are apart, the photo among them.

    Args:
        pictures: For each photo its drawings by name of the look, uint8 (H, W, 3) RGB.

    Yields:
        Two names, the median and the least of their mean CIEDE2000, and the ratio of their line
        densities, at least 1.
    """
    densities = {
        name: float(np.mean([line_density(row[name]) for row in pictures])) for name in pictures[0]
    }
    for one, other in combinations(pictures[0], 2):
        shifts = [colour_shift(row[one], row[other]) for row in pictures]
        pair = (densities[one], densities[other])
        yield one, other, float(np.median(shifts)), min(shifts), max(pair) / max(1e-6, min(pair))


def skin_shifts(pipeline: Pipeline, photos: Sequence[Path], style: str) -> NDArray[np.float64]:
    """Measures what a style does to the skin of each photo's largest face.

    Args:
        pipeline: What draws.
        photos: Photographs.
        style: The name of a style.

    Returns:
        (N, 2): the skin's lightness L in each photo, and the mean CIEDE2000 there between photo and
        picture, both under a Gaussian of 4 px at 256 px.
    """
    models = pipeline.registry.faces(Options())
    if models is None:
        raise ValueError("the folder of weights has no detector")
    skin_regions = [REGIONS.index("skin"), REGIONS.index("nose")]
    rows = []
    for path in photos:
        photo, drawn = read_rgb(path), draw(pipeline, path, style)
        photo = cv2.resize(photo, drawn.shape[1::-1], interpolation=cv2.INTER_AREA)
        for face in models.detector.detect(photo)[:1]:
            matrix = estimate_similarity(face.landmarks, ALIGNED_PX)
            aligned = [crop(picture, matrix, ALIGNED_PX) for picture in (photo, drawn)]
            skin = np.isin(models.parser.parse(aligned[0]).argmax(0), skin_regions)
            if skin.mean() > LEAST_SKIN:
                labs = [_lab(cv2.GaussianBlur(picture, (0, 0), 4))[skin] for picture in aligned]
                rows.append((labs[0][:, 0].mean(), ciede2000(labs[0], labs[1]).mean()))
    return np.array(rows, np.float64)


def _lab(picture: RgbImage) -> NDArray[np.float64]:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, np.float64)


def report(pipeline: Pipeline, data: Path | None) -> str:
    """benchmarks/looks.md."""
    styles = [spec.name for spec in pipeline.styles()]
    photos = held_out(data, SCENES, PHOTOGRAPHS)
    pictures = []
    for photo in photos:
        row = {PHOTO: read_rgb(photo)} | {style: draw(pipeline, photo, style) for style in styles}
        size = row[styles[0]].shape[1::-1]
        pictures.append(row | {PHOTO: cv2.resize(row[PHOTO], size, interpolation=cv2.INTER_AREA)})
    lines = [
        "# How far the looks are apart",
        "",
        f"`make eval-looks`, {len(photos)} held-out photographs, longer side at most "
        f"{PICTURE_PX} px, {processor()}.",
        "",
        "| look | look | CIEDE2000, median | least | ratio of line densities |",
        "|---|---|---|---|---|",
    ]
    for one, other, median, least, ratio in apart(pictures):
        lines.append(f"| {one} | {other} | {median:.1f} | {least:.1f} | {ratio:.2f} |")
    lines += [
        "",
        "The skin of held-out faces, mean CIEDE2000 between photo and picture, in thirds by the "
        "lightness of the skin:",
        "",
        "| look | faces | darkest third | middle | lightest third |",
        "|---|---|---|---|---|",
    ]
    faces = held_out(data, (FACE_CROPS,), FACES)
    for style in styles:
        shifts = skin_shifts(pipeline, faces, style)
        thirds = np.array_split(shifts[shifts[:, 0].argsort(), 1], 3)
        cells = " | ".join(f"{third.mean():.1f}" if len(third) else "-" for third in thirds)
        lines.append(f"| {style} | {len(shifts)} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures how far the looks are apart and what they do to skin, and writes looks.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of photographs")
    options = parser.parse_args()
    path = ROOT / "benchmarks" / "looks.md"
    path.write_text(report(Pipeline(Settings(threads=THREADS)), options.data))
    print(path.read_text())


if __name__ == "__main__":
    main()

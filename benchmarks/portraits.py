"""What the face styles and the face restorer are worth: eyes, skin, likeness, bad selfies.

    make eval-portraits DATA=DIR TEACHERS=DIR

Measured on framed faces that no training saw, in thirds by the lightness of their skin (ITA, the
individual typology angle of Chardon et al., 1991, on the parsed skin), and by age, which was judged
by eye. An eye counts as drawn when the published detector finds it in the picture within EYE_SHIFT
inter-ocular distances of where it was in the sharp photo. Writes benchmarks/portraits.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.faces import Distance, Finder, draw, finder, perceptual_distance
from benchmarks.machine import ROOT, THREADS, processor
from pipeline import Options, Pipeline, Settings
from pipeline.domain import RgbImage
from pipeline.faces.align import ALIGNED_PX, crop, estimate_similarity
from pipeline.faces.parse import REGIONS, FaceParser, label_map
from pipeline.measure import ciede2000, psnr_db
from training.data.photographs import read_rgb, split
from training.data.spoilt_heads import FACE_SHARE, spoil_to
from training.metrics.drawing import line_f1

EYE_SHIFT = 0.15
THIRDS = ("lightest", "middle", "darkest")
AGES = ("children", "adults", "old")
# Numbers of face2-NUMBER.jpg: under about 14 years, and from about 60 on, as they look.
CHILDREN = frozenset({1424, 1443, 1462, 1468, 1498, 1523, 1534})
OLD = frozenset(
    {1420, 1451, 1454, 1477, 1482, 1484, 1508, 1524, 1529, 1531, 1546, 1565, 1568},
)
SIZES_PX = (141, 56, 36)  # width of the face in the photo
# A bad selfie: the width of its face, and the share of the strongest blur.
MIDDLE, END = (56.0, 0.5), (28.0, 1.0)
SKIN = [REGIONS.index(name) for name in ("skin", "nose")]
HEAD = [*range(1, 14), REGIONS.index("hair"), REGIONS.index("hat")]
LOW_SIGMA = 18 / 448  # in sides of the photo: the low frequencies of a skin


@dataclass
class Figures:
    """What was measured on the faces of one group."""

    eyes: dict[str, list[bool]] = field(default_factory=dict)
    skin: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    lines: list[float] = field(default_factory=list)
    psnr: dict[str, list[float]] = field(default_factory=dict)
    distance: dict[str, list[float]] = field(default_factory=dict)

    def add(self, other: Figures) -> None:
        """Adds the faces of another group to this one."""
        for attribute in ("skin", "apart", "lines"):
            getattr(self, attribute).extend(getattr(other, attribute))
        for attribute in ("eyes", "psnr", "distance"):
            for label, values in getattr(other, attribute).items():
                getattr(self, attribute).setdefault(label, []).extend(values)


def held_out(data: Path, count: int) -> dict[str, RgbImage]:
    """The first ``count`` framed faces that no training saw, uint8 (256, 256, 3), by file name."""
    files = split(list((data / "faces256").glob("face2-*.jpg")), validation=True)
    return {file.stem: read_rgb(file) for file in files[:count]}


def age_of(name: str) -> str:
    """Which of AGES the face of a file is, by eye."""
    number = int(name.rpartition("-")[2])
    return "children" if number in CHILDREN else "old" if number in OLD else "adults"


def typology_angle(photo: RgbImage, skin: NDArray[np.bool_]) -> float:
    """The ITA of a skin in degrees: above 41 light, under 10 dark."""
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[skin]
    lightness, yellow = np.median(lab[:, 0]), np.median(lab[:, 2])
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def eyes_drawn(picture: RgbImage, eyes: NDArray[np.float64], find: Finder) -> bool:
    """Whether both eyes are found near ``eyes``, (2, 2) in sides of the picture."""
    # at the size at which the detector sees faces best
    seen = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_CUBIC)
    between = np.linalg.norm(eyes[1] - eyes[0])
    for face in find(seen):
        shifts = np.linalg.norm(np.array(face.landmarks[:2]) / 256 - eyes, axis=1) / between
        if shifts.max() <= EYE_SHIFT:
            return True
    return False


def ciede_low(photo: RgbImage, picture: RgbImage, mask: NDArray[np.bool_]) -> float:
    """Mean CIEDE2000 between the low frequencies of two pictures within a mask."""
    labs = []
    for pixels in (photo, picture):
        lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), LOW_SIGMA * len(lab))
        low = cv2.GaussianBlur(lab * mask[..., None], (0, 0), LOW_SIGMA * len(lab))
        labs.append((low / np.maximum(weight, 1e-3)[..., None])[mask])
    return float(ciede2000(*labs).mean())


@dataclass
class Evaluation:
    """Draws faces in many ways and measures what becomes of them."""

    pipeline: Pipeline
    parser: FaceParser
    find: Finder
    distance: Distance

    def measure(self, photo: RgbImage, style: str, seed: int) -> Figures:
        """A face's figures in a face style; ``photo``: uint8 (256, 256, 3), sharp.

        None are measured where the published detector finds no face in the photo itself.
        """
        figures = Figures()
        faces = self.find(photo)
        if not faces:
            return figures
        eyes = np.array(faces[0].landmarks[:2]) / len(photo)
        labels = label_map(self.parser.parse(photo))
        for face_px in SIZES_PX:
            side = round(face_px / FACE_SHARE)
            small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
            picture = self._draw(small, style)
            figures.eyes.setdefault(f"{face_px} px", []).append(
                eyes_drawn(picture, eyes, self.find)
            )
            if side >= len(photo):
                plain = self._draw(small, "hayao")
                figures.skin.append(ciede_low(small, picture, np.isin(labels, SKIN)))
                figures.apart.append(ciede_mean(plain, picture, np.isin(labels, HEAD)))
                figures.lines.append(line_f1(plain, picture))
        for name, (width, badness) in (("middle", MIDDLE), ("end", END)):
            self._measure_spoilt(photo, style, figures, (name, width, badness, seed), eyes)
        return figures

    def _measure_spoilt(
        self,
        photo: RgbImage,
        style: str,
        figures: Figures,
        damage: tuple[str, float, float, int],
        eyes: NDArray[np.float64],
    ) -> None:
        name, width, badness, seed = damage
        side = round(width / FACE_SHARE)
        spoilt = spoil_to(photo, width, badness, np.random.default_rng(seed))
        spoilt = cv2.resize(spoilt, (side, side), interpolation=cv2.INTER_AREA)
        # as large as the sharp photo, so that both drawings can be compared
        spoilt = cv2.resize(spoilt, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        for way, restore in ((style, "auto"), ("hayao", "auto"), ("hayao", "off")):
            label = f"{name}, {way}{'' if restore == 'auto' else ' as it is'}"
            clean = self._draw(photo, way, restore)
            drawn = self._draw(spoilt, way, restore)
            figures.eyes.setdefault(label, []).append(eyes_drawn(drawn, eyes, self.find))
            figures.psnr.setdefault(label, []).append(psnr_db(clean, drawn))
            matrix = estimate_similarity(self.find(photo)[0].landmarks, ALIGNED_PX)
            pair = (crop(picture, matrix, ALIGNED_PX) for picture in (clean, drawn))
            figures.distance.setdefault(label, []).append(self.distance(*pair))

    def _draw(self, photo: RgbImage, style: str, restore: str = "auto") -> RgbImage:
        return draw(
            self.pipeline,
            photo,
            Options(style=style, restore_faces=restore, upscale="off", format="png"),
        )[0]


def ciede_mean(some: RgbImage, other: RgbImage, mask: NDArray[np.bool_]) -> float:
    """Mean CIEDE2000 between two pictures within a mask."""
    labs = [cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (some, other)]
    return float(ciede2000(labs[0][mask], labs[1][mask]).mean())


def table(groups: dict[str, Figures], style: str) -> list[str]:
    """Markdown: a line for each figure, a column for each group."""
    lines = [f"| {style} | {' | '.join(groups)} |", "|---" * (1 + len(groups)) + "|"]

    def row(label: str, cells: Sequence[str]) -> None:
        lines.append(f"| {label} | {' | '.join(cells)} |")

    every = list(groups.values())
    row("faces", [str(len(figures.skin)) for figures in every])
    for name in every[0].eyes:
        shares = [100 * np.mean(figures.eyes[name]) for figures in every]
        row(f"both eyes: {name}", [f"{share:.0f} %" for share in shares])
    row("skin, CIEDE2000 from the photo", [f"{np.mean(f.skin):.1f}" for f in every])
    row("head, CIEDE2000 from hayao", [f"{np.mean(f.apart):.1f}" for f in every])
    row("lines, F1 with hayao's", [f"{np.mean(f.lines):.2f}" for f in every])
    for name in every[0].psnr:
        row(f"spoilt to clean drawing: {name}", [f"{np.mean(f.psnr[name]):.1f} dB" for f in every])
    for name in every[0].distance:
        row(f"distance: {name}", [f"{np.mean(f.distance[name]):.3f}" for f in every])
    return lines


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of faces256/")
    parser.add_argument("--teachers", type=Path, help="folder of retinaface_mobilenet025.onnx")
    parser.add_argument("--styles", nargs="+", default=["portrait", "cute"])
    parser.add_argument("--count", type=int, default=157)
    parser.add_argument("--weights", type=Path, help="folder of manifest.json")
    given = parser.parse_args()
    settings = Settings(threads=THREADS)
    if given.weights:
        settings = Settings(threads=THREADS, weights_dir=given.weights)
    pipeline = Pipeline(settings)
    models = pipeline.registry.faces(Options())
    if models is None:
        parser.error("the folder of weights has no face networks")
    find, by_whom = finder(pipeline, given.teachers)
    distance, about = perceptual_distance(settings)
    evaluation = Evaluation(pipeline, models.parser, find, distance)
    photos = held_out(given.data, given.count)
    angles = [
        typology_angle(photo, np.isin(label_map(models.parser.parse(photo)), SKIN))
        for photo in photos.values()
    ]
    darkness = np.argsort(np.argsort(angles)[::-1])  # rank of each, the lightest first
    lines = [
        f"{processor()}, {THREADS} threads, {len(photos)} held-out faces. Landmarks by {by_whom}; "
        f"distance: {about}. Ages by eye. A bad selfie's face is {MIDDLE[0]:.0f} px wide and half "
        f"as blurred as the worst (middle), or {END[0]:.0f} px and the worst (end).",
    ]
    for style in given.styles:
        groups = {name: Figures() for name in ("all", *THIRDS, *AGES)}
        for number, (name, photo) in enumerate(photos.items()):
            figures = evaluation.measure(photo, style, number)
            for group in ("all", THIRDS[3 * darkness[number] // len(photos)], age_of(name)):
                groups[group].add(figures)
        lines += ["", *table(groups, style)]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "portraits.md").write_text(text)


if __name__ == "__main__":
    main()

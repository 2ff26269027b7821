"""The line drawings to try colouring with: one drawn here, of curves, and one out of a photograph.

python -m benchmarks.drawings

The lines of the photograph are those of its drawing as ``cel``, by an extended difference of
Gaussians (H. Winnemöller et al., "XDoG", Computers & Graphics 36, 2012, section 2).
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.examples import FOLDER, ROOT, SAMPLES, SMALL_PX, webp
from pipeline import Options, Pipeline, Settings

WIDTH_PX, HEIGHT_PX = 900, 1100
FINER = 4  # drawn so many times larger, and reduced
INK = 30
LINE_PX = 5.0
STEPS = 24  # between two points of a curve
PHOTOGRAPH, SIDE_PX = "astronaut", 1000
SIGMA_PX, WIDER, SHARE, STEEPNESS = 1.6, 1.6, 0.985, 60.0

Points = list[tuple[float, float]]

# Curves through points, in pixels of the drawing; closed where the first point comes again.
CURVES: list[tuple[float, Points]] = [
    # the face, from ear to ear
    (1.0, [(292, 430), (296, 520), (330, 620), (400, 690), (450, 712), (500, 690),
           (570, 620), (604, 520), (608, 430)]),
    # ears
    (0.9, [(294, 470), (262, 462), (262, 520), (300, 556)]),
    (0.9, [(606, 470), (638, 462), (638, 520), (600, 556)]),
    # hair: its outline, the fringe in four locks
    (1.1, [(250, 800), (196, 640), (186, 440), (240, 270), (340, 180), (450, 158), (560, 180),
           (660, 270), (714, 440), (704, 640), (650, 800)]),
    (1.0, [(292, 446), (300, 380), (330, 330), (356, 300)]),
    (1.0, [(356, 300), (352, 380), (330, 440), (300, 480)]),
    (1.0, [(356, 300), (372, 380), (398, 440), (430, 470)]),
    (1.0, [(430, 470), (434, 400), (450, 330), (462, 290)]),
    (1.0, [(462, 290), (492, 370), (530, 430), (570, 460)]),
    (1.0, [(570, 460), (560, 390), (548, 340), (530, 300)]),
    (1.0, [(530, 300), (570, 350), (600, 400), (608, 446)]),
    (1.0, [(250, 800), (290, 760), (306, 690), (318, 600)]),
    (1.0, [(650, 800), (610, 760), (594, 690), (582, 600)]),
    # a ribbon in it
    (1.0, [(560, 180), (610, 120), (690, 110), (680, 170), (620, 200), (560, 180)]),
    (1.0, [(560, 180), (540, 110), (480, 70), (462, 120), (500, 168), (560, 180)]),
    # brows, lids, mouth and nose
    (1.2, [(326, 486), (356, 470), (396, 478)]),
    (1.2, [(504, 478), (544, 470), (574, 486)]),
    (2.2, [(322, 540), (340, 514), (372, 506), (404, 522)]),
    (2.2, [(496, 522), (528, 506), (560, 514), (578, 540)]),
    (0.8, [(338, 590), (366, 600), (396, 588)]),
    (0.8, [(504, 588), (534, 600), (562, 590)]),
    (0.8, [(448, 606), (442, 622), (452, 626)]),
    (1.0, [(418, 654), (450, 668), (482, 654)]),
    # neck and shoulders
    (1.0, [(412, 696), (410, 750), (396, 790)]),
    (1.0, [(488, 696), (490, 750), (504, 790)]),
    (1.1, [(396, 790), (300, 810), (190, 850), (130, 930), (112, 1110)]),
    (1.1, [(504, 790), (600, 810), (710, 850), (770, 930), (788, 1110)]),
    # a sailor's collar and its knot
    (1.0, [(396, 790), (360, 850), (400, 930), (450, 980)]),
    (1.0, [(504, 790), (540, 850), (500, 930), (450, 980)]),
    (1.0, [(396, 790), (430, 840), (450, 880), (470, 840), (504, 790)]),
    (1.0, [(320, 806), (290, 880), (350, 960), (450, 1030)]),
    (1.0, [(580, 806), (610, 880), (550, 960), (450, 1030)]),
    (1.0, [(450, 980), (400, 960), (370, 1010), (400, 1050), (450, 1010), (450, 980)]),
    (1.0, [(450, 980), (500, 960), (530, 1010), (500, 1050), (450, 1010)]),
    # sleeves
    (1.0, [(232, 836), (226, 930), (214, 1110)]),
    (1.0, [(668, 836), (674, 930), (686, 1110)]),
    # hills, a cloud and the sun behind her
    (1.0, [(-10, 760), (60, 700), (130, 690), (200, 720)]),
    (1.0, [(700, 700), (770, 660), (840, 680), (910, 730)]),
    (1.0, [(60, 250), (50, 210), (90, 190), (120, 150), (170, 170), (200, 210), (180, 250),
           (120, 262), (60, 250)]),
]  # fmt: skip
# centre, half axes: irises, the sun
ELLIPSES: list[tuple[tuple[int, int], tuple[int, int]]] = [
    ((368, 552), (26, 38)),
    ((532, 552), (26, 38)),
    ((780, 200), (70, 70)),
]
FILLED: list[tuple[tuple[int, int], tuple[int, int]]] = [
    ((368, 556), (12, 20)),
    ((532, 556), (12, 20)),
]


def smooth(points: Points) -> NDArray[np.float64]:
    """A curve through points (E. Catmull and R. Rom, 1974), as float64 (N, 2)."""
    given = np.asarray(points, np.float64)
    is_closed = bool((given[0] == given[-1]).all())
    before = given[-2] if is_closed else 2 * given[0] - given[1]
    after = given[1] if is_closed else 2 * given[-1] - given[-2]
    p = np.vstack([before, given, after])
    t = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.vstack([*pieces, given[-1:]])


def girl() -> Image.Image:
    """The drawing of curves: black on white, one channel."""
    canvas = np.full((HEIGHT_PX * FINER, WIDTH_PX * FINER), 255, np.uint8)
    for width, points in CURVES:
        line = np.rint(smooth(points) * FINER).astype(np.int32)
        cv2.polylines(canvas, [line], False, INK, round(LINE_PX * width * FINER), cv2.LINE_AA)
    for centre, axes in ELLIPSES:
        at, half = ([each * FINER for each in pair] for pair in (centre, axes))
        cv2.ellipse(canvas, at, half, 0, 0, 360, INK, round(LINE_PX * FINER), cv2.LINE_AA)
    for centre, axes in FILLED:
        at, half = ([each * FINER for each in pair] for pair in (centre, axes))
        cv2.ellipse(canvas, at, half, 0, 0, 360, INK, -1, cv2.LINE_AA)
    small = cv2.resize(canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return Image.fromarray(small)


def lines_of_photograph(pipeline: Pipeline) -> Image.Image:
    """The lines of a sample, black on white, one channel."""
    photo = (SAMPLES / f"{PHOTOGRAPH}.jpg").read_bytes()
    options = Options(style="cel", detail=0.3, max_side_px=SIDE_PX, format="png")
    drawn = Image.open(io.BytesIO(pipeline.run(photo, options).image)).convert("L")
    grey = cv2.bilateralFilter(np.asarray(drawn), 9, 40, 7).astype(np.float32) / 255
    narrow = cv2.GaussianBlur(grey, (0, 0), SIGMA_PX)
    wide = cv2.GaussianBlur(grey, (0, 0), SIGMA_PX * WIDER)
    difference = narrow - SHARE * wide
    lines = np.where(difference >= 0, 1, 1 + np.tanh(STEEPNESS * difference))
    return Image.fromarray((np.clip(lines, 0, 1) * 255).astype(np.uint8))


def write(picture: Image.Image, name: str) -> list[Path]:
    """Writes a drawing, and the small picture of it that is shown on the page."""
    path = FOLDER / f"{name}.png"
    picture.quantize(16).save(path, optimize=True)
    small = ImageOps.fit(
        picture, (SMALL_PX, SMALL_PX), Image.Resampling.LANCZOS, centering=(0.5, 0.35)
    )
    preview = FOLDER / f"{name}.small.webp"
    preview.write_bytes(webp(small.convert("RGB")))
    return [path, preview]


def main() -> None:
    """Writes all of them, and the first one among the samples."""
    drawing = girl()
    drawing.quantize(16).save(SAMPLES / "drawing.png", optimize=True)
    written = write(drawing, "girl")
    written += write(lines_of_photograph(Pipeline(Settings())), f"{PHOTOGRAPH}-lines")
    for path in [SAMPLES / "drawing.png", *written]:
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

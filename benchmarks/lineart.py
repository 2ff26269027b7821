"""What colouring line drawings is worth: lines, leaks, dots, colours, refusals, time, memory.

    make eval-lineart DATA=DIR

DATA is the folder of photographs and illustrations; all that is measured on was held out of the
training. Lines are drawn out of the artist's coloured pictures, so that the true colours are
known. Writes benchmarks/lineart.md, and with --pictures what there is to look at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.lineart_cost import cost_rows
from benchmarks.lineart_files import (
    Layered,
    decode_layers,
    png,
    scanned,
    shoot,
    transparent,
)
from benchmarks.machine import ROOT, THREADS, processor
from pipeline import ColourOptions, KireiError, NotALineDrawing, Pipeline, Settings
from pipeline.decode import decode_image
from pipeline.domain import RgbImage
from pipeline.lineart.paper import find_sheet
from pipeline.measure import ciede2000, psnr_db
from training.data.colour import HELD_OUT_DOTS, HELD_OUT_HAND, MIN_SIDE_PX, chosen_places
from training.data.linework import draw_lines
from training.data.photographs import read_rgb, split

FULL_PX = 1024  # longer side of the drawings in which lines and leaks are measured
FULL_SIZE_PICTURES = 4
EVERY = 3  # of the held-out pictures
RANDOM_DOTS, DOTS_EACH = 200, 10
DOT_REACH_PX = 4
CLEAR_INK = 0.1
MIN_INK = 0.005
LINE, FREE = 128, 40  # ink of a line's pixel, and of one beside it
NEAR_PX, FAR_PX = 2.0, 6.0  # from a line: where a colour that leaks is looked for
SEEN_DIFFERENCE = 10.0  # CIE76 between a pixel and its area's colour
MIN_AREA_PX = 150
LINE_DRAWINGS = "015 020 021 025 035 036 039 040 078 080 099 114 133 162 224 278 282 309 359 360"
LINE_DRAWINGS += " 389 394 411 412 491 558 559"


@dataclass(frozen=True, eq=False)
class Pair:
    """A coloured picture and the lines drawn out of it.

    Attributes:
        name: Of its file.
        target: uint8 (H, W, 3).
        ink: float32 (H, W) in 0..1.
    """

    name: str
    target: RgbImage
    ink: NDArray[np.float32]

    @property
    def lines(self) -> RgbImage:
        """Black on white."""
        grey = (255 * (1 - self.ink)).round().astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[..., None], 3, 2))


def held_out_pairs(data: Path, longer_px: int | None = None) -> Iterator[Pair]:
    """The last tenth of the coloured pictures, with lines; at a size, or at their own."""
    files = split(list((data / "illustrations").glob("colour-*.jpg")), validation=True)
    for number, file in enumerate(files):
        picture = read_rgb(file)
        if min(picture.shape[:2]) < MIN_SIDE_PX:
            continue
        if longer_px:
            scale = longer_px / max(picture.shape[:2])
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        ink = draw_lines(picture, HELD_OUT_HAND, np.random.default_rng(number))
        if ink.mean() > MIN_INK:  # of a soft painting hardly any lines are left
            yield Pair(file.stem, picture, ink)


def draw(pipeline: Pipeline, file: bytes, **options: object) -> RgbImage:
    """The coloured picture of a file."""
    result = pipeline.colour(file, ColourOptions.from_mapping({"check": "off", **options}))
    return decode_image(result.image, pipeline.settings)[0].pixels


def draw_layers(pipeline: Pipeline, file: bytes, **options: object) -> Layered:
    """The layers of a coloured file."""
    asked = ColourOptions.from_mapping({"check": "off", "layers": "tiff", **options})
    return decode_layers(pipeline.colour(file, asked).image)


def dots_of(pair: Pair, count: int) -> str:
    """True colours of a picture as hints, where a user would put them."""
    hints = []
    for y, x in chosen_places(pair.target, pair.ink, count):
        around = pair.target[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].reshape(-1, 3)
        colour = bytes(np.median(around, axis=0).astype(np.uint8)).hex()
        hints.append(f"{x},{y},#{colour},5")
    return ";".join(hints)


def lab_of(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIELAB of uint8 (..., 3) RGB."""
    flat = picture.reshape(-1, 1, 3).astype(np.float32) / np.float32(255)
    lab = cv2.cvtColor(flat, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, np.float64).reshape(picture.shape)


def line_f1(given: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """F1 of line pixels, with no tolerance of place."""
    both = np.count_nonzero(given & seen)
    return 2 * int(both) / max(1, int(np.count_nonzero(given)) + int(np.count_nonzero(seen)))


def line_rows(pipeline: Pipeline, pairs: Sequence[Pair]) -> list[str]:
    """F1 of lines by how a drawing came: in the layer of lines, and as seen in the picture."""
    rows = []
    for name, made in (
        ("black on white", lambda pair: png(pair.lines)),
        ("white on black", lambda pair: png(255 - pair.lines)),
        ("lines on transparency", lambda pair: transparent(pair.ink)),
        ("scan: grain, warm paper, uneven light", lambda pair: scanned(pair.lines)),
    ):
        scores = []
        for pair in pairs:
            given = pair.ink > 0.5
            layers = draw_layers(pipeline, made(pair))
            scores.append(
                (line_f1(given, layers.ink >= LINE), line_f1(given, layers.seen_ink >= LINE))
            )
        layer, seen = np.mean(scores, axis=0)
        rows.append(f"| {name} | {len(pairs)} | {layer:.4f} | {seen:.4f} |")
    return rows


def leak_share(paint: RgbImage, ink: NDArray[np.uint8]) -> tuple[int, int]:
    """Counts pixels beside lines that have the colour of the other side.

    An area is what lines enclose in the given drawing, pixel by pixel; its colour is the median of
    its pixels away from lines. An area of several colours has none that could leak.

    Args:
        paint: uint8 (H, W, 3): the colours without lines.
        ink: uint8 (H, W): as given.

    Returns:
        Pixels whose colour crossed, and pixels that were looked at.
    """
    free = (ink < FREE).astype(np.uint8)
    count, areas, stats, _ = cv2.connectedComponentsWithStats(free, connectivity=4)
    room = cv2.distanceTransform(free, cv2.DIST_L2, 5)
    lab = lab_of(paint).astype(np.float32)
    colours = np.full((count, 3), np.nan, np.float32)
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] < MIN_AREA_PX:
            continue
        left, top, width, height = stats[number, :4]
        box = np.s_[top : top + height, left : left + width]
        inner = (areas[box] == number) & (room[box] > FAR_PX)
        if np.count_nonzero(inner) >= 20:
            colour = np.median(lab[box][inner], axis=0)
            spread = np.linalg.norm(lab[box][inner] - colour, axis=-1)
            if np.percentile(spread, 75) < SEEN_DIFFERENCE:
                colours[number] = colour
    is_beside = (room > NEAR_PX) & (room <= FAR_PX) & ~np.isnan(colours[areas, 0])
    own = np.linalg.norm(lab - colours[areas], axis=-1)
    known = np.where(np.isnan(colours[:, 0]), 0, np.arange(count))
    named = known[areas].astype(np.float32)
    kernel = np.ones((21, 21), np.uint8)
    crossed = np.zeros(ink.shape, np.bool_)
    lowest = cv2.erode(np.where(named > 0, named, count).astype(np.float32), kernel)
    for other in (cv2.dilate(named, kernel), lowest):
        other = other.astype(np.int32) % count
        is_other = (other != areas) & (other > 0)
        theirs = np.linalg.norm(lab - colours[other], axis=-1)
        crossed |= is_beside & is_other & (own > SEEN_DIFFERENCE) & (theirs < 0.5 * own)
    return int(np.count_nonzero(crossed)), int(np.count_nonzero(is_beside))


def colour_rows(pipeline: Pipeline, pairs: Sequence[Pair]) -> list[str]:
    """PSNR and CIEDE2000 to the artist's colours, without dots and with true ones."""
    rows = []
    for dots in (0, HELD_OUT_DOTS):
        scores = []
        for pair in pairs:
            options = {"hints": dots_of(pair, dots)} if dots else {}
            drawn = draw(pipeline, png(pair.lines), **options)
            clear = cv2.dilate(pair.ink, np.ones((3, 3), np.uint8)) < CLEAR_INK
            shifts = ciede2000(lab_of(drawn), lab_of(pair.target))
            error = (drawn[clear].astype(np.float64) - pair.target[clear]) ** 2
            scores.append(
                (
                    10 * np.log10(255**2 / max(float(error.mean()), 1e-9)),
                    float(shifts[clear].mean()),
                    psnr_db(drawn, pair.target),
                    float(shifts.mean()),
                )
            )
        cells = " | ".join(f"{value:.2f}" for value in np.mean(scores, axis=0))
        rows.append(f"| {dots} | {len(pairs)} | {cells} |")
    return rows


def dot_errors(pipeline: Pipeline, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """CIEDE2000 between what random dots ask for and what is drawn there, off the lines."""
    random = np.random.default_rng(22)
    errors: list[float] = []
    for number in range(RANDOM_DOTS // DOTS_EACH):
        pair = pairs[number % len(pairs)]
        ink = (255 * pair.ink).astype(np.uint8)
        height, width = ink.shape
        rows, columns = np.nonzero(cv2.dilate(ink, np.ones((5, 5), np.uint8)) < FREE)
        places = random.choice(len(rows), DOTS_EACH, replace=False)
        colours = random.integers(0, 256, (DOTS_EACH, 3)).astype(np.uint8)
        dots = list(zip(rows[places], columns[places], colours, strict=True))
        hints = ";".join(f"{x},{y},#{bytes(colour).hex()}" for y, x, colour in dots)
        drawn = draw(pipeline, png(pair.lines), hints=hints)
        for y, x, colour in dots:
            box = np.s_[max(0, y - 1) : min(height, y + 2), max(0, x - 1) : min(width, x + 2)]
            mean = drawn[box].reshape(-1, 3).mean(0).round().astype(np.uint8)
            errors.append(
                float(ciede2000(lab_of(mean[None, None]), lab_of(colour[None, None]))[0, 0])
            )
    return np.array(errors)


def refusal_rows(pipeline: Pipeline, data: Path) -> list[str]:
    """How many line drawings are refused, and how many photographs are not."""
    lines = [data / "illustrations" / f"line-{number}.jpg" for number in LINE_DRAWINGS.split()]
    kinds = {
        "line drawings of the artist": lines,
        "photographs, held out": [
            *split(list((data / "photos").glob("*.jpg")), validation=True)[::4],
            *split(list((data / "portraits").glob("*.jpg")), validation=True),
        ],
        "coloured pictures, held out": split(
            list((data / "illustrations").glob("colour-*.jpg")), validation=True
        ),
    }
    rows = []
    for kind, files in kinds.items():
        refused = warned = 0
        for file in files:
            try:
                result = pipeline.colour(file.read_bytes(), ColourOptions(max_side_px=512))
                warned += any("no line drawing" in text for text in result.sidecar.warnings)
            except NotALineDrawing:
                refused += 1
            except KireiError as error:
                print(f"{file.name}: {error.message}")
        rows.append(f"| {kind} | {len(files)} | {refused} | {warned} |")
    return rows


def sheet_row(data: Path, pairs: Sequence[Pair]) -> str:
    """Photographs of drawings on tables: how many sheets are found, and how exactly."""
    random = np.random.default_rng(5)
    tables = split(list((data / "photos").glob("*.jpg")), validation=True)[:: 97 // 24]
    errors = []
    for number in range(24):
        pair = pairs[number % len(pairs)]
        photograph, corners = shoot(pair.lines, read_rgb(tables[number % len(tables)]), random)
        sheet = find_sheet(photograph)
        if sheet is not None:
            apart = np.linalg.norm(sheet.corners[:, None] - corners[None], axis=-1).min(0)
            errors.append(float(apart.max()))
    share = 100 * np.median(errors) / max(photograph.shape[:2])
    return (
        f"{len(errors)} of 24 sheets photographed on held-out photographs as tables were found; "
        f"the worst corner of each is off by {share:.2f} % of the longer side (median)."
    )


def report(pipeline: Pipeline, data: Path) -> Iterator[str]:
    """The lines of benchmarks/lineart.md, each as soon as it is measured."""
    pairs = list(held_out_pairs(data))[::EVERY]
    large = list(held_out_pairs(data, FULL_PX))
    large = large[:: max(1, len(large) // FULL_SIZE_PICTURES)][:FULL_SIZE_PICTURES]
    yield "# Line drawings coloured"
    yield ""
    yield (
        f"`make eval-lineart`, {processor()}, {THREADS} threads. Held out of the training: the "
        "last tenth of each list. Lines are drawn out of coloured pictures; their own colours "
        "are the truth. Processor time is that of all threads without decoding; time on the clock "
        "grows with whatever else the machine does."
    )
    yield ""
    yield "| drawing | time, ms | processor time, ms | peak memory, MB |"
    yield "|---|---|---|---|"
    yield from cost_rows(png(large[0].lines))
    yield ""
    crossed = looked_at = 0
    for pair in large:
        layers = draw_layers(pipeline, png(pair.lines))
        leaked, counted = leak_share(layers.paint, (255 * pair.ink).astype(np.uint8))
        crossed, looked_at = crossed + leaked, looked_at + counted
    yield (
        f"Leaks, {len(large)} drawings of {FULL_PX} px: of {looked_at} pixels 2 to 6 px beside "
        f"closed lines {crossed} ({100 * crossed / max(1, looked_at):.2f} %) have the colour of "
        "the other side."
    )
    yield ""
    errors = dot_errors(pipeline, pairs)
    yield (
        f"Of {len(errors)} random dots of random colours {100 * (errors <= 6).mean():.1f} % are "
        f"within CIEDE2000 6 of what was asked; median {np.median(errors):.2f}, 95th percentile "
        f"{np.percentile(errors, 95):.2f}."
    )
    yield ""
    yield f"Lines, at {FULL_PX} px, without any tolerance of place:"
    yield ""
    yield "| came as | drawings | F1 in the layer of lines | F1 as seen in the picture |"
    yield "|---|---|---|---|"
    yield from line_rows(pipeline, large)
    yield ""
    yield (
        "Colours against the artist's, away from the given lines and everywhere (the given lines "
        "are black also where the artist has none):"
    )
    yield ""
    yield "| dots | pictures | PSNR, dB | CIEDE2000 | PSNR with lines | CIEDE2000 with lines |"
    yield "|---|---|---|---|---|---|"
    yield from colour_rows(pipeline, pairs)
    yield ""
    yield sheet_row(data, pairs)
    yield ""
    yield "| given | files | refused by name | warned of |"
    yield "|---|---|---|---|"
    yield from refusal_rows(pipeline, data)


def save_pictures(pipeline: Pipeline, pairs: Sequence[Pair], folder: Path) -> None:
    """Lines, colours without dots and with, and the artist's, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        file = png(pair.lines)
        row = [pair.lines, draw(pipeline, file)]
        row += [draw(pipeline, file, hints=dots_of(pair, HELD_OUT_DOTS)), pair.target]
        (folder / f"{pair.name}.png").write_bytes(png(np.concatenate(row, 1)))


def main() -> None:
    """Measures colouring and writes lineart.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="photographs and illustrations")
    parser.add_argument("--pictures", type=Path, help="folder for pictures to look at")
    arguments = parser.parse_args()
    pipeline = Pipeline(Settings(threads=THREADS))
    if arguments.pictures:
        save_pictures(pipeline, list(held_out_pairs(arguments.data))[::EVERY], arguments.pictures)
    lines = []
    for line in report(pipeline, arguments.data):
        print(line, flush=True)
        lines.append(line)
    (ROOT / "benchmarks" / "lineart.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

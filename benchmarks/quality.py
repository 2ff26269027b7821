"""What the repair of bad photos is worth: nothing, x2 alone, classic and auto, in one run.

    make eval DATA=DIR        (python -m benchmarks.quality --help)

Clean photographs that no training saw are spoilt with fixed seeds, in three levels of blur,
noise, JPEG and darkness and in mixtures; restored; and drawn. The restored photo is compared
with the clean one, its drawing with the clean photo's drawing. Writes benchmarks/quality.md
and docs/quality.svg, and with --sheet docs/restored.jpg of the sample photographs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import torch
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from benchmarks.frechet import Features, distance, inception_features, student_features
from benchmarks.machine import ROOT, THREADS, interleaved, processor
from benchmarks.photographs import montage
from pipeline import Options, Pipeline, Settings, WeightsInvalid
from pipeline.decode import decode_image
from pipeline.domain import Photo, RgbImage
from pipeline.enhance import enhance
from pipeline.enhance.classic import denoise
from pipeline.enhance.gate import by_estimate
from pipeline.quality import assess
from training.data.degradations import Blur, Darken, Jpeg, Noise, Resize, Step, degrade
from training.data.photographs import photographs, read_rgb
from training.data.quality import whole_photos

matplotlib.use("svg")
import matplotlib.pyplot as plt

CONDITIONS: dict[str, dict[str, list[Step]]] = {
    "blur": {
        "1": [Blur(1.0)],
        "2": [Blur(1.8, "motion", 30)],
        "3": [Blur(3.0, "defocus")],
    },
    "noise": {"1": [Noise(8)], "2": [Noise(18, poisson=True)], "3": [Noise(32)]},
    "jpeg": {"1": [Jpeg(70)], "2": [Jpeg(45)], "3": [Jpeg(25)]},
    "dark": {
        "1": [Darken(1.2), Noise(1.5)],
        "2": [Darken(2.0), Noise(3)],
        "3": [Darken(3.0), Noise(5)],
    },
    "mixed": {
        "1": [Blur(1.0), Noise(8), Jpeg(70)],
        "2": [Blur(1.6), Resize(1.7), Noise(14, poisson=True), Jpeg(50)],
        "3": [Blur(1.2), Darken(1.5), Noise(5), Jpeg(60)],
        "4": [Blur(2.4, "defocus"), Noise(20), Jpeg(35)],
    },
}
CLEAR_LEVELS = ("2", "3", "4")
NO_OTHER_STEP = Options(denoise="off", clahe="off", sharpen="off", max_side_px=8192)
WAYS = {
    "nothing": Options(enhance="off", max_side_px=8192),
    "x2 alone": replace(NO_OTHER_STEP, enhance="classic", upscale="on"),
    "classic": Options(enhance="classic", max_side_px=8192),
    "auto": Options(enhance="auto", max_side_px=8192),
}
COLOURS = {"nothing": "#adb5bd", "x2 alone": "#f783ac", "classic": "#e64980", "auto": "#862e9c"}
PUBLISHED = """| published, 200 blurred selfies | PSNR | SSIM | FID | seconds |
|---|---|---|---|---|
| nothing | 22.1 | 0.78 | 48.6 | 1.8 |
| super-resolution alone | 24.3 | | | |
| all | 26.7 | 0.86 | 31.4 | 3.2 |"""


@dataclass
class Row:
    """What one way made of the photos of one kind of damage."""

    restored: list[tuple[float, float]] = field(default_factory=list)  # PSNR in dB, SSIM
    drawn: list[tuple[float, float]] = field(default_factory=list)
    drawings: list[RgbImage] = field(default_factory=list)
    wanted: list[RgbImage] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def clean_photos(data: Path | None, count: int) -> list[RgbImage]:
    """Evenly chosen from the held-out photographs; without ``data``, from samples/."""
    if data is None:
        return whole_photos({"samples": sorted((ROOT / "samples").glob("*.jpg"))}, count)
    return whole_photos(photographs(data, validation=True), count)


def restore(pipeline: Pipeline, pixels: RgbImage, options: Options) -> tuple[RgbImage, float]:
    """The repaired photo brought back to its size, and the seconds that gate and repair took."""
    start = time.perf_counter()
    made = restore_only(pipeline, pixels, options)
    seconds = time.perf_counter() - start
    if made.shape != pixels.shape:
        made = cv2.resize(made, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    return made, seconds


def draw(pipeline: Pipeline, pixels: RgbImage) -> RgbImage:
    """As the pipeline draws it, without a repair."""
    _, content = cv2.imencode(".png", pixels[..., ::-1])
    options = Options(enhance="off", format="png", max_side_px=8192)
    return decode_image(pipeline.run(content.tobytes(), options).image, pipeline.settings)[0].pixels


def likeness(made: RgbImage, wanted: RgbImage) -> tuple[float, float]:
    """PSNR in dB, 100 for equal pictures, and SSIM of the grey ones."""
    if np.array_equal(made, wanted):
        return 100.0, 1.0
    pair = [torch.tensor(p).permute(2, 0, 1)[None].float() for p in (made, wanted)]
    psnr_db = peak_signal_noise_ratio(*pair, data_range=255.0)
    pair = [
        torch.tensor(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY))[None, None].float()
        for p in (made, wanted)
    ]
    ssim = structural_similarity_index_measure(*pair, data_range=255.0)
    return float(psnr_db), float(ssim)


def compare(
    pipeline: Pipeline, photos: Sequence[RgbImage], ways: dict[str, Options]
) -> dict[str, dict[str, Row]]:
    """Rows by kind of damage and way; "clean" is a kind, too."""
    rows: dict[str, dict[str, Row]] = {}
    drawings = [draw(pipeline, photo) for photo in photos]
    conditions = {"clean": {"0": list[Step]()}, **CONDITIONS}
    for kind, levels in conditions.items():
        rows[kind] = {way: Row() for way in ways}
        for level, steps in levels.items():
            for number, photo in enumerate(photos):
                bad, _ = degrade(photo, steps, (number, int(level)))
                for way, options in ways.items():
                    row = rows[kind][way]
                    made, seconds = restore(pipeline, bad, options)
                    drawn = draw(pipeline, made)
                    row.restored.append(likeness(made, photo))
                    row.drawn.append(likeness(drawn, drawings[number]))
                    row.drawings.append(drawn)
                    row.wanted.append(drawings[number])
                    row.seconds.append(seconds)
        print(f"{kind}: done", flush=True)
    return rows


def table(rows: dict[str, dict[str, Row]], features: Features, about: str) -> list[str]:
    """Markdown, a line for every kind of damage and way."""
    lines = [
        "| damage | repair | restored: PSNR | SSIM | drawn: PSNR | SSIM | Fréchet | ms |",
        "|---" * 8 + "|",
    ]
    for kind, by_way in rows.items():
        for way, row in by_way.items():
            numbers = [*np.mean(row.restored, 0), *np.mean(row.drawn, 0)]
            formats = ("{:.2f}", "{:.3f}", "{:.2f}", "{:.3f}")
            cells = [one.format(n) for one, n in zip(formats, numbers, strict=True)]
            far = distance(row.drawings, row.wanted, features)
            cells += [f"{far:.4g}", f"{1000 * np.mean(row.seconds):.0f}"]
            lines.append(f"| {kind} | {way} | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        f"Fréchet distance on {about}. PSNR and SSIM by torchmetrics; "
        "PSNR of equal pictures counts as 100 dB.",
    ]


def confusion(pipeline: Pipeline, photos: Sequence[RgbImage], learned: bool) -> list[str]:
    """How often each gate acts, on clean photos and on clearly spoilt ones, by kind."""
    lines = ["| photos | acted on by the quality model | by the Laplacian |", "|---|---|---|"]
    conditions = {"clean": {"2": list[Step]()}, **CONDITIONS}
    models = pipeline.registry.restoration(WAYS["auto" if learned else "classic"])
    for kind, levels in conditions.items():
        acted: list[tuple[bool, bool]] = []
        for level in (one for one in levels if one in CLEAR_LEVELS):
            for number, pixels in enumerate(photos):
                photo = Photo(degrade(pixels, levels[level], (number, int(level)))[0])
                report = assess(photo, pipeline.settings, models.quality)
                estimate = report.estimate
                restores = estimate is not None and any(
                    by_estimate(step, photo.width_px, estimate, models.thresholds).needed
                    for step in ("denoise", "clahe", "sharpen")
                )
                acted.append((restores, report.blur_variance < report.blur_variance_min))
        shares = [f"{100 * share:.0f} %" for share in np.mean(acted, 0)]
        lines.append(f"| {kind} ({len(acted)}) | {shares[0] if learned else '-'} | {shares[1]} |")
    return lines


def speed(pipeline: Pipeline, rounds: int) -> list[str]:
    """The restorer beside non-local means and beside the stylise stage."""
    twice = Options(enhance="auto", upscale="on", denoise="on", sharpen="on", clahe="off")
    once = replace(twice, upscale="off")
    small, large = montage(640, 480), montage(1920, 1080)
    grown = montage(1280, 960)
    stylised: list[float] = []

    def run_whole() -> None:
        content = cv2.imencode(".png", large[..., ::-1])[1].tobytes()
        sidecar = pipeline.run(content, Options(enhance="off", max_side_px=1920)).sidecar
        stylised.append(sidecar.timings_ms["stylise"])

    doubled, means, same, _ = interleaved(
        [
            lambda: restore_only(pipeline, small, twice),
            lambda: denoise(grown),
            lambda: restore_only(pipeline, large, once),
            run_whole,
        ],
        rounds,
    )
    return [
        "| restoring 640x480 to 1280x960 | non-local means on 1280x960 | restoring 1920x1080 |"
        " stylise stage of 1920x1080 |",
        "|---|---|---|---|",
        f"| {1000 * doubled:.0f} ms | {1000 * means:.0f} ms | {1000 * same:.0f} ms |"
        f" {np.median(stylised[1:]):.0f} ms |",
    ]


def restore_only(pipeline: Pipeline, pixels: RgbImage, options: Options) -> RgbImage:
    """Runs the gate and the restoration of a photo, and nothing after them."""
    photo, models = Photo(pixels), pipeline.registry.restoration(options)
    report = assess(photo, pipeline.settings, models.quality)
    return enhance(photo, report, options, models)[0].pixels


def plot(rows: dict[str, dict[str, Row]], path: Path) -> None:
    """PSNR of the restored photos and of their drawings, by kind of damage and way."""
    kinds = [kind for kind in rows if kind != "clean"]
    figure, panels = plt.subplots(1, 2, figsize=(10, 3), sharex=True)
    for panel, (title, what) in zip(
        panels, (("restored photo", "restored"), ("its drawing", "drawn")), strict=True
    ):
        ways = list(rows[kinds[0]])
        for place, way in enumerate(ways):
            heights = [np.mean(getattr(rows[kind][way], what), 0)[0] for kind in kinds]
            left = np.arange(len(kinds)) + 0.8 * place / len(ways)
            panel.bar(left, heights, 0.8 / len(ways), label=way, color=COLOURS[way], align="edge")
        panel.set_title(f"{title}: PSNR against the clean one's, dB")
        panel.set_xticks(np.arange(len(kinds)) + 0.4, kinds)
        panel.set_ylim(bottom=10)
    panels[0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def sheet(pipeline: Pipeline, options: Options) -> RgbImage:
    """The sample photographs, spoilt in five ways: spoilt, restored, clean, a row each."""
    rows = []
    for number, file in enumerate(sorted((ROOT / "samples").glob("*.jpg"))):
        photo = read_rgb(file)
        side = min(360, *photo.shape[:2])
        y, x = ((length - side) // 2 for length in photo.shape[:2])
        photo = np.ascontiguousarray(photo[y : y + side, x : x + side])
        for kind in CONDITIONS:
            bad, _ = degrade(photo, CONDITIONS[kind]["2"], (number, 2))
            row = np.hstack([bad, restore(pipeline, bad, options)[0], photo])
            rows.append(cv2.resize(row, (1080, 360), interpolation=cv2.INTER_AREA))
    half = len(rows) // 2
    return np.hstack([np.vstack(rows[:half]), np.vstack(rows[half : 2 * half])])


def main() -> None:
    """Measures what the restoration of bad photos is worth and writes quality.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of photos/, portraits/ [samples]")
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--gate-photos", type=int, default=100)
    parser.add_argument("--inception", type=Path, help="TorchScript file; then Fréchet is FID")
    parser.add_argument("--sheet", action="store_true")
    options = parser.parse_args()
    pipeline = Pipeline(Settings(threads=THREADS))
    ways = dict(WAYS)
    try:
        pipeline.check(WAYS["auto"])
    except WeightsInvalid as error:
        print(f"without auto: {error.message}")
        del ways["auto"]
    learned = "auto" in ways
    features, about = (
        inception_features(options.inception) if options.inception else student_features()
    )
    photos = clean_photos(options.data, options.photos)
    rows = compare(pipeline, photos, ways)
    lines = [f"{processor()}, {THREADS} threads; {len(photos)} photographs.", ""]
    lines += [*table(rows, features, about), "", PUBLISHED, ""]
    lines += [*confusion(pipeline, clean_photos(options.data, options.gate_photos), learned), ""]
    if learned:
        lines += speed(pipeline, 3)
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "quality.md").write_text(text)
    plot(rows, ROOT / "docs" / "quality.svg")
    if options.sheet:
        picture = sheet(pipeline, WAYS["auto" if learned else "classic"])
        compressed = [cv2.IMWRITE_JPEG_QUALITY, 78]
        cv2.imwrite(str(ROOT / "docs" / "restored.jpg"), picture[..., ::-1], compressed)


if __name__ == "__main__":
    main()

"""The README's picture that moves: photographs of the gallery, and the same in the looks.

    make demo           (python -m benchmarks.demo)

Writes docs/demo.webp, about ten seconds that repeat: each picture is wiped over the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchmarks.gallery import PEOPLE, SCENES, draw
from benchmarks.machine import ROOT, THREADS
from pipeline import Options, Pipeline, Settings

FILE = ROOT / "docs" / "demo.webp"
SCRIPT = (
    (PEOPLE["portrait"], ("hayao", "portrait", "cute")),
    (SCENES["pavilion"], ("shinkai", "paprika", "cel")),
    (SCENES["landscape"], ("hayao", "shinkai")),
)
PHOTO_LABEL = "photo"
SIZE_PX = (720, 540)
ANCHOR = (0.5, 0.0)  # what is kept where a photo is higher than the frame: heads
WIPE_STEPS, STEP_MS = 9, 45
HOLD_MS = 540
LABEL_PX, LABEL_MARGIN_PX = 26, 12
DIVIDER_PX = 3
WEBP_QUALITY = 78


def fitted(picture: Image.Image, label: str) -> Image.Image:
    """The picture in RGB, cut to SIZE_PX, with a label in its lower left corner."""
    frame = ImageOps.fit(
        picture.convert("RGB"), SIZE_PX, Image.Resampling.LANCZOS, centering=ANCHOR
    )
    pen = ImageDraw.Draw(frame, "RGBA")
    font = ImageFont.load_default(LABEL_PX)
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    x, y = 2 * LABEL_MARGIN_PX, SIZE_PX[1] - 2 * LABEL_MARGIN_PX - bottom
    pen.rounded_rectangle(
        (
            x + left - LABEL_MARGIN_PX,
            y + top - LABEL_MARGIN_PX,
            x + right + LABEL_MARGIN_PX,
            y + bottom + LABEL_MARGIN_PX,
        ),
        LABEL_MARGIN_PX,
        fill=(0, 0, 0, 150),
    )
    pen.text((x, y), label, font=font, fill="white")
    return frame


def wipe(before: Image.Image, after: Image.Image) -> Iterator[Image.Image]:
    """Frames in which ``after`` comes over ``before`` from the left, behind a white divider."""
    width, height = before.size
    for step in range(1, WIPE_STEPS):
        x = round(width * step / WIPE_STEPS)
        frame = before.copy()
        frame.paste(after.crop((0, 0, x, height)), (0, 0))
        frame.paste("white", (x, 0, x + DIVIDER_PX, height))
        yield frame


def pictures(pipeline: Pipeline) -> Iterator[Image.Image]:
    """The labelled pictures of SCRIPT, in its order."""
    for photo, looks in SCRIPT:
        with Image.open(photo) as original:
            yield fitted(original, PHOTO_LABEL)
        for look in looks:
            options = Options(style=look, format="png")
            yield fitted(draw(pipeline, photo.read_bytes(), options), look)


def write(stills: list[Image.Image], path: Path) -> None:
    """Writes an animated WebP that holds every still and wipes to the next, in a circle."""
    frames: list[Image.Image] = []
    durations_ms: list[int] = []
    for still, following in zip(stills, stills[1:] + stills[:1], strict=True):
        frames.append(still)
        durations_ms.append(HOLD_MS)
        for frame in wipe(still, following):
            frames.append(frame)
            durations_ms.append(STEP_MS)
    frames[0].save(
        path,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations_ms,
        loop=0,
        quality=WEBP_QUALITY,
        method=6,
        minimize_size=True,
    )
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes, {sum(durations_ms) / 1000} s")


if __name__ == "__main__":
    write(list(pictures(Pipeline(Settings(threads=THREADS)))), FILE)

"""The small pictures on the page's style cards.

Each shows a person above a building, drawn in one style; of a style that draws heads, a person.

python -m benchmarks.thumbnails
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from pipeline import Options, Pipeline, Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "web" / "thumbnails"
# left, top, right, bottom of what is shown of the samples, in the shape of half a card
SHOWN = {"astronaut": (108, 40, 338, 182), "pavilion": (30, 25, 380, 240)}
HEAD = ("astronaut", (125, 5, 325, 255))
SIZE_PX, GAP_PX, MOST_BYTES = (216, 270), 4, 7_000  # twice the size of a card
DRAWN_PX = 480  # how wide each is drawn: larger than it is shown, so that it is drawn as a picture


def thumbnail(pipeline: Pipeline, style: str) -> bytes:
    """A JPEG of SIZE_PX and at most MOST_BYTES."""
    card = Image.new("RGB", SIZE_PX, (255, 255, 255))
    if pipeline.style(style).around:
        card.paste(_drawn(pipeline, style, *HEAD, SIZE_PX))
    else:
        half = (SIZE_PX[0], (SIZE_PX[1] - GAP_PX) // 2)
        for number, (name, box) in enumerate(SHOWN.items()):
            small = _drawn(pipeline, style, name, box, half)
            card.paste(small, (0, number * (half[1] + GAP_PX)))
    quality = 92
    while True:
        encoded = io.BytesIO()
        card.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
        if encoded.tell() <= MOST_BYTES:
            return encoded.getvalue()
        quality -= 2


def _drawn(
    pipeline: Pipeline,
    style: str,
    name: str,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> Image.Image:
    """A part of a sample, drawn in a style and reduced to that size."""
    photo = io.BytesIO()
    with Image.open(ROOT / "samples" / f"{name}.jpg") as sample:
        part = sample.convert("RGB").crop(box)
        height_px = round(DRAWN_PX * size[1] / size[0])
        part.resize((DRAWN_PX, height_px), Image.Resampling.LANCZOS).save(photo, "PNG")
    options = Options(style=style, enhance="off", format="png")
    picture = Image.open(io.BytesIO(pipeline.run(photo.getvalue(), options).image))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    """Draws the pictures on the page's style cards."""
    pipeline = Pipeline(Settings())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for style in pipeline.styles():
        path = FOLDER / f"{style.name}.jpg"
        path.write_bytes(thumbnail(pipeline, style.name))
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

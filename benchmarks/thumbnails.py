"""The small pictures on the page's style cards.

Each shows a person above a building, drawn in one style.

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
SIZE_PX, GAP_PX, MOST_BYTES = (216, 270), 4, 7_000  # twice the size of a card
DRAWN_PX = 480  # how wide each is drawn: larger than it is shown, so that it is drawn as a picture


def thumbnail(pipeline: Pipeline, style: str) -> bytes:
    """A JPEG of SIZE_PX and at most MOST_BYTES."""
    half = (SIZE_PX[0], (SIZE_PX[1] - GAP_PX) // 2)
    card = Image.new("RGB", SIZE_PX, (255, 255, 255))
    for number, (name, box) in enumerate(SHOWN.items()):
        photo = io.BytesIO()
        with Image.open(ROOT / "samples" / f"{name}.jpg") as sample:
            height_px = round(DRAWN_PX * half[1] / half[0])
            part = sample.convert("RGB").crop(box)
            part.resize((DRAWN_PX, height_px), Image.Resampling.LANCZOS).save(photo, "PNG")
        options = Options(style=style, enhance="off", format="png")
        drawn = Image.open(io.BytesIO(pipeline.run(photo.getvalue(), options).image))
        small = drawn.convert("RGB").resize(half, Image.Resampling.LANCZOS)
        card.paste(small, (0, number * (half[1] + GAP_PX)))
    quality = 92
    while True:
        encoded = io.BytesIO()
        card.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
        if encoded.tell() <= MOST_BYTES:
            return encoded.getvalue()
        quality -= 2


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

"""The small pictures on the page's style cards: the same photo in every style of the layer.

python -m benchmarks.thumbnails
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from pipeline import Options, Pipeline, Settings

ROOT = Path(__file__).resolve().parent.parent
SAMPLE, CROP = ROOT / "samples" / "astronaut.jpg", (70, 0, 390, 320)
FOLDER = ROOT / "web" / "thumbnails"
SIDE_PX, MOST_BYTES = 240, 12_000


def thumbnail(pipeline: Pipeline, style: str) -> bytes:
    """The sample in that style as a JPEG of at most MOST_BYTES."""
    photo = io.BytesIO()
    with Image.open(SAMPLE) as sample:
        sample.crop(CROP).save(photo, "PNG")
    drawn = pipeline.run(photo.getvalue(), Options(style=style, format="png")).image
    small = Image.open(io.BytesIO(drawn)).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    quality = 92
    while True:
        encoded = io.BytesIO()
        small.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
        if encoded.tell() <= MOST_BYTES:
            return encoded.getvalue()
        quality -= 2


def main() -> None:
    pipeline = Pipeline(Settings())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for style in pipeline.styles():
        path = FOLDER / f"{style.name}.jpg"
        path.write_bytes(thumbnail(pipeline, style.name))
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

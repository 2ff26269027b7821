"""The small pictures on the page's style cards: the same photo in every style of the layer.

python -m benchmarks.thumbnails
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from pipeline import Options, Pipeline, Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "web" / "thumbnails"
FACE = (148, 14, 292, 194)  # left, top, right, bottom in the sample
SIZE_PX, MOST_BYTES = (216, 270), 12_000  # twice the size of a card


def thumbnail(pipeline: Pipeline, style: str) -> bytes:
    """The sample's face in that style, as detail 0 draws it at this size (finer lines would not
    be seen on a card), as a JPEG of at most MOST_BYTES.
    """
    photo = io.BytesIO()
    with Image.open(ROOT / "samples" / "astronaut.jpg") as sample:
        sample.crop(FACE).resize(SIZE_PX, Image.Resampling.LANCZOS).save(photo, "PNG")
    options = Options(style=style, detail=0, enhance="off", format="png")
    drawn = Image.open(io.BytesIO(pipeline.run(photo.getvalue(), options).image))
    quality = 92
    while True:
        encoded = io.BytesIO()
        drawn.convert("RGB").save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
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

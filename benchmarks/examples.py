"""The photographs of the page's invitation: those to try it with, and one before and after.

python -m benchmarks.examples
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image, ImageOps

from pipeline import Options, Pipeline, Settings

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
FOLDER = ROOT / "web" / "examples"
NAMES = ("astronaut", "chelsea", "coffee", "pavilion")
SMALL_PX = 144  # twice the size at which they are shown
HERO, HERO_STYLE, HERO_PX = "pavilion", "paprika", (560, 420)
QUALITY = 60  # of WebP


def webp(picture: Image.Image) -> bytes:
    """The picture as a WebP file."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def before_and_after(pipeline: Pipeline) -> tuple[Image.Image, Image.Image]:
    """The same part of a sample and of its drawing, each of HERO_PX."""
    photo = (SAMPLES / f"{HERO}.jpg").read_bytes()
    drawing = pipeline.run(photo, Options(style=HERO_STYLE, format="png")).image
    before, after = (
        ImageOps.fit(
            Image.open(io.BytesIO(content)).convert("RGB"), HERO_PX, Image.Resampling.LANCZOS
        )
        for content in (photo, drawing)
    )
    return before, after


def main() -> None:
    """Writes all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        shutil.copyfile(SAMPLES / f"{name}.jpg", FOLDER / f"{name}.jpg")
        with Image.open(SAMPLES / f"{name}.jpg") as sample:
            small = ImageOps.fit(
                sample.convert("RGB"), (SMALL_PX, SMALL_PX), Image.Resampling.LANCZOS
            )
        (FOLDER / f"{name}.small.webp").write_bytes(webp(small))
    before, after = before_and_after(Pipeline(Settings()))
    (FOLDER / "before.webp").write_bytes(webp(before))
    (FOLDER / "after.webp").write_bytes(webp(after))
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

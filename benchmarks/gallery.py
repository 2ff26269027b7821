"""The README's gallery: photographs of free terms in every look, with the defaults.

    make gallery        (python -m benchmarks.gallery)

Writes docs/gallery/NAME-LOOK.jpg, and small/ with the same at SMALL_PX; the photographs and whose
they are stand in docs/gallery/README.md.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from benchmarks.machine import ROOT, THREADS
from pipeline import Options, Pipeline, Settings

FOLDER = ROOT / "docs" / "gallery"
PHOTOS = {
    "portrait": ROOT / "samples" / "astronaut.jpg",
    "elder": FOLDER / "photos" / "elder.jpg",
    "landscape": FOLDER / "photos" / "landscape.jpg",
    "pavilion": ROOT / "samples" / "pavilion.jpg",
}
LARGE_PX, SMALL_PX = 1440, 400
QUALITY = 85
PHOTO = "photo"


def write(picture: Image.Image, path: Path, side_px: int) -> None:
    """A JPEG of the picture with its longer side reduced to ``side_px``."""
    reduced = picture.convert("RGB")
    reduced.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    reduced.save(path, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


def main() -> None:
    """Draws the gallery's pictures and their small copies."""
    pipeline = Pipeline(Settings(threads=THREADS))
    for name, photo in PHOTOS.items():
        with Image.open(photo) as original:
            write(original, FOLDER / "small" / f"{name}-{PHOTO}.jpg", SMALL_PX)
        for look in pipeline.styles():
            result = pipeline.run(photo.read_bytes(), Options(style=look.name, format="png"))
            with Image.open(io.BytesIO(result.image)) as drawn:
                write(drawn, FOLDER / f"{name}-{look.name}.jpg", LARGE_PX)
                write(drawn, FOLDER / "small" / f"{name}-{look.name}.jpg", SMALL_PX)


if __name__ == "__main__":
    main()

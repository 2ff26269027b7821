"""The gallery: photographs of free terms in every look, with the defaults, and bad selfies.

    make gallery        (python -m benchmarks.gallery)

Writes docs/gallery/NAME-LOOK.jpg, small/ with the same at SMALL_PX, and a strip for each bad
selfie; docs/gallery/README.md says whose the photographs are.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageFilter

from benchmarks.machine import ROOT, THREADS
from pipeline import Options, Pipeline, Settings, WeightSpec

FOLDER = ROOT / "docs" / "gallery"
PEOPLE = {
    "portrait": ROOT / "samples" / "astronaut.jpg",
    "elder": FOLDER / "photos" / "elder.jpg",
}
SCENES = {
    "landscape": FOLDER / "photos" / "landscape.jpg",
    "pavilion": ROOT / "samples" / "pavilion.jpg",
}
LARGE_PX, SMALL_PX = 1440, 400
QUALITY = 85
PHOTO = "photo"

# A strip is the photo as it was spoilt, then these drawings of it.
SELFIES = {
    "selfie-astronaut": PEOPLE["portrait"],
    "selfie-elder": PEOPLE["elder"],
}
DRAWINGS = (
    Options(style="hayao", restore_faces="off", format="png"),
    Options(style="hayao", format="png"),
    Options(style="portrait", format="png"),
    Options(style="cute", format="png"),
)
PANEL_PX, GAP_PX = 320, 8
SQUARE_WIDTHS = 2.5  # side of the square around a face, in widths of the face
BLUR_WIDTHS = 0.03  # standard deviation of the blur, in widths of the face
SELFIE_JPEG_QUALITY = 75  # as messengers send photographs


def write(picture: Image.Image, path: Path, max_side_px: int) -> None:
    """Writes a JPEG of the picture with its longer side reduced to ``max_side_px``."""
    reduced = picture.convert("RGB")
    reduced.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    reduced.save(path, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


def draw(pipeline: Pipeline, photo: bytes, options: Options) -> Image.Image:
    """Draws a photo. Returns the picture in RGB."""
    with Image.open(io.BytesIO(pipeline.run(photo, options).image)) as picture:
        return picture.convert("RGB")


def blurred_selfie(pipeline: Pipeline, photo: Path) -> Image.Image:
    """Cuts out the largest face and spoils it as a bad camera and a messenger do.

    Args:
        pipeline: Finds the face.
        photo: A photograph with one face at least.

    Returns:
        RGB, PANEL_PX square, before JPEG.
    """
    faces = pipeline.run(photo.read_bytes(), Options(format="png")).sidecar.faces
    left, top, right, bottom = max((face.box for face in faces), key=lambda box: box[2] - box[0])
    x, y = (left + right) / 2, (top + bottom) / 2
    with Image.open(photo) as original:
        half = min(SQUARE_WIDTHS / 2 * (right - left), x, y, original.width - x)
        square = original.convert("RGB").crop(
            (round(x - half), round(y - half), round(x + half), round(y + half))
        )
    face_px = (right - left) * PANEL_PX / (2 * half)
    return square.resize((PANEL_PX, PANEL_PX), Image.Resampling.LANCZOS).filter(
        ImageFilter.GaussianBlur(BLUR_WIDTHS * face_px)
    )


def selfie_strip(pipeline: Pipeline, photo: Path) -> Image.Image:
    """Puts a spoilt selfie and its DRAWINGS side by side, in RGB."""
    spoilt = io.BytesIO()
    blurred_selfie(pipeline, photo).save(spoilt, "JPEG", quality=SELFIE_JPEG_QUALITY)
    panels = [Image.open(spoilt).convert("RGB")]
    panels += [draw(pipeline, spoilt.getvalue(), options) for options in DRAWINGS]
    step_px = PANEL_PX + GAP_PX
    strip = Image.new("RGB", (len(panels) * step_px - GAP_PX, PANEL_PX), "white")
    for number, panel in enumerate(panels):
        strip.paste(
            panel.resize((PANEL_PX, PANEL_PX), Image.Resampling.LANCZOS), (number * step_px, 0)
        )
    return strip


def looks_of(pipeline: Pipeline, name: str) -> list[WeightSpec]:
    """The looks in which a photo is shown: looks for heads would draw a scene as another does."""
    return [look for look in pipeline.styles() if name in PEOPLE or not look.around]


def main() -> None:
    """Draws the gallery's pictures, their small copies and the strips of bad selfies."""
    pipeline = Pipeline(Settings(threads=THREADS))
    for name, photo in (PEOPLE | SCENES).items():
        with Image.open(photo) as original:
            write(original, FOLDER / "small" / f"{name}-{PHOTO}.jpg", SMALL_PX)
        for look in looks_of(pipeline, name):
            picture = draw(pipeline, photo.read_bytes(), Options(style=look.name, format="png"))
            write(picture, FOLDER / f"{name}-{look.name}.jpg", LARGE_PX)
            write(picture, FOLDER / "small" / f"{name}-{look.name}.jpg", SMALL_PX)
    for name, photo in SELFIES.items():
        strip = selfie_strip(pipeline, photo)
        write(strip, FOLDER / f"{name}.jpg", strip.width)


if __name__ == "__main__":
    main()

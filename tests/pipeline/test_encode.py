"""encode: what other readers find in the files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.domain import Photo
from pipeline.encode import encode
from pipeline.errors import InvalidOption

HEIGHT, WIDTH = 40, 72


def drawing() -> np.ndarray:
    """Flat red with a thin dark line: what chroma subsampling smears."""
    pixels = np.full((HEIGHT, WIDTH, 3), (230, 20, 30), np.uint8)
    pixels[:, 35] = (20, 30, 40)
    pixels[10:20, 50:60] = (10, 60, 200)
    return pixels


def half_transparent() -> Photo:
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:20] = 0
    alpha[20:30] = 128
    return Photo(pixels=drawing(), alpha=alpha)


def read(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("format", "kind", "content_type", "extension"),
    [
        ("auto", "JPEG", "image/jpeg", "jpg"),
        ("jpeg", "JPEG", "image/jpeg", "jpg"),
        ("png", "PNG", "image/png", "png"),
        ("webp", "WEBP", "image/webp", "webp"),
    ],
)
def test_formats(format: str, kind: str, content_type: str, extension: str) -> None:
    data, said_type, said_extension = encode(Photo(pixels=drawing()), format, 92)
    image = read(data)
    assert (image.format, said_type, said_extension) == (kind, content_type, extension)
    assert (image.mode, image.size) == ("RGB", (WIDTH, HEIGHT))
    error = np.abs(np.asarray(image, float) - drawing())
    assert error.mean() < (4 if format == "webp" else 1 if format != "png" else 0.001)


def test_auto_is_png_for_alpha_and_png_is_exact() -> None:
    photo = half_transparent()
    assert photo.alpha is not None
    data, content_type, extension = encode(photo, "auto", 92)
    assert (content_type, extension) == ("image/png", "png")
    image = np.asarray(read(data))
    assert np.array_equal(image[..., :3], photo.pixels)
    assert np.array_equal(image[..., 3], photo.alpha)


def test_webp_keeps_alpha_and_is_lossless_at_100_only() -> None:
    photo = half_transparent()
    assert photo.alpha is not None
    image = np.asarray(read(encode(photo, "webp", 100)[0]))
    assert np.array_equal(image[..., :3], photo.pixels)
    assert np.array_equal(image[..., 3], photo.alpha)
    lossy = np.asarray(read(encode(photo, "webp", 99)[0]))
    assert np.array_equal(lossy[..., 3], photo.alpha)
    assert not np.array_equal(lossy[..., :3], photo.pixels)


def test_jpeg_lays_alpha_on_white() -> None:
    photo = half_transparent()
    assert photo.alpha is not None
    image = np.asarray(read(encode(photo, "jpeg", 100)[0]), float)
    weight = photo.alpha[..., None] / 255.0
    assert np.abs(image - (photo.pixels * weight + 255 * (1 - weight))).max() < 6
    assert image[:20].min() > 250


def test_jpeg_of_high_quality_does_not_smear_colour() -> None:
    def smear(quality: int) -> float:
        image = np.asarray(read(encode(Photo(pixels=drawing()), "jpeg", quality)[0]), float)
        return float(np.abs(image[:, 35] - drawing()[:, 35]).mean())

    assert smear(90) < 5
    assert smear(89) > 3 * smear(90)


def test_quality_is_heard() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for format in ("jpeg", "webp"):
        sizes = [len(encode(Photo(pixels=noise), format, quality)[0]) for quality in (1, 50, 95)]
        assert sizes == sorted(sizes)
        assert sizes[0] * 2 < sizes[-1]


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("quality", [92, 100])
def test_no_metadata_and_the_same_bytes_again(format: str, quality: int) -> None:
    photo = half_transparent()
    assert photo.alpha is not None
    data = encode(photo, format, quality)[0]
    assert data == encode(photo, format, quality)[0]
    image = read(data)
    assert not dict(image.getexif())
    assert not {"exif", "icc_profile", "xmp", "XML:com.adobe.xmp", "comment"} & set(image.info)
    for trace in (b"Exif", b"EXIF", b"eXIf", b"iCCP", b"ICCP", b"tEXt", b"tIME", b"XMP", b"GPS"):
        assert trace not in data


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_smallest_pictures(format: str, shape: tuple[int, int]) -> None:
    data, _, _ = encode(Photo(pixels=np.full((*shape, 3), 90, np.uint8)), format, 92)
    image = np.asarray(read(data), int)
    assert image.shape == (*shape, 3)
    assert np.abs(image - 90).max() <= 2


def test_large_noise_fits_every_buffer() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    for format in ("jpeg", "png", "webp"):
        assert read(encode(Photo(pixels=noise), format, 100)[0]).size == (900, 700)


def test_unknown_format_is_named() -> None:
    with pytest.raises(InvalidOption) as caught:
        encode(Photo(pixels=drawing()), "tiff", 92)
    assert (caught.value.stage, caught.value.measured) == ("encode", "tiff")

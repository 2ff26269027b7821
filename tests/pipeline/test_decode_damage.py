"""decode refuses by name: no picture, too large, cut off, damaged; and nothing else is raised."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from pipeline.decode import decode_image
from pipeline.errors import (
    EmptyInput,
    ExtremeAspect,
    NotAnImage,
    PermanentError,
    TooManyBytes,
    TooManyPixels,
    TruncatedImage,
)
from pipeline.settings import Settings

pillow_heif.register_heif_opener()

HEIGHT, WIDTH = 24, 40
FORMATS = ("jpeg", "png", "webp", "bmp", "tiff", "gif", "avif", "heif")
# What Pillow says of damaged metadata must not decide whether a photo is taken.
pytestmark = pytest.mark.filterwarnings("ignore")


def picture(format: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    noise = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options = {"exif": exif.tobytes()} if format not in ("bmp", "gif") else {}
    Image.fromarray(noise).save(file, format, **options)
    return file.getvalue()


FILES = {format: picture(format) for format in FORMATS}


def claiming(format: str, width: int, height: int) -> bytes:
    """A small file whose header claims other sides."""
    data = bytearray(picture(format))
    little, big = struct.pack("<HH", width, height), struct.pack(">HH", height, width)
    if format == "jpeg":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = big
    elif format == "png":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif format == "webp":
        assert data[12:16] == b"VP8X"
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif format == "bmp":
        data[18:26] = struct.pack("<ii", width, height)
    elif format == "gif":
        data[6:10] = little
    elif format == "tiff":
        for tag, value in ((256, width), (257, height)):
            entry = struct.pack("<HHI", tag, 4, 1)
            short = struct.pack("<HHI", tag, 3, 1)
            at = data.find(entry) if entry in data else data.index(short)
            data[at : at + 12] = entry + struct.pack("<I", value)
    else:
        at = -1
        while (at := data.find(b"ispe", at + 1)) > 0:
            data[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(data)


def assert_photo_or_named_error(data: bytes) -> None:
    try:
        photo, source = decode_image(data, Settings(max_input_pixels=1_000_000))
    except PermanentError as error:
        assert error.stage == "decode"
    else:
        assert photo.pixels.dtype == np.uint8
        assert photo.pixels.ndim == 3
        assert source.format


def test_nothing_and_too_much() -> None:
    with pytest.raises(EmptyInput):
        decode_image(b"", Settings())
    data = FILES["png"]
    decode_image(data, Settings(max_input_bytes=len(data)))
    with pytest.raises(TooManyBytes) as caught:
        decode_image(data, Settings(max_input_bytes=len(data) - 1))
    assert (caught.value.measured, caught.value.limit) == (len(data), len(data) - 1)


def other(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, format)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"BMW is a car, and this is text about it.",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"8BPS\0\1" + b"\0" * 40,
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 40,
        b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40,
        other("PDF"),
        other("ICO"),
        other("PPM"),
        other("TGA"),
        other("EPS"),
        other("JPEG2000"),
        bytes(range(256)),
    ],
)
def test_no_image_or_none_of_the_formats(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        decode_image(data, Settings())


@pytest.mark.parametrize("format", FORMATS)
def test_huge_sides_are_refused_by_the_header(format: str) -> None:
    data = claiming(format, 60_000, 60_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooManyPixels) as caught:
            decode_image(data, Settings())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (caught.value.measured, caught.value.limit) == (60_000 * 60_000, 50_000_000)
    assert peak < 4_000_000


@pytest.mark.parametrize("format", FORMATS)
def test_the_limit_of_pixels_is_exact(format: str) -> None:
    data = picture(format, 64, 64)  # HEIF stores whole blocks of 64
    decode_image(data, Settings(max_input_pixels=4096))
    with pytest.raises(TooManyPixels) as caught:
        decode_image(data, Settings(max_input_pixels=4095))
    assert (caught.value.measured, caught.value.limit) == (4096, 4095)


def test_between_our_limit_and_that_of_pillow() -> None:
    with pytest.raises(TooManyPixels) as caught:
        decode_image(claiming("png", 10_000, 10_000), Settings())
    assert caught.value.measured == 100_000_000
    with pytest.raises(TruncatedImage):  # allowed by its size; ends early
        decode_image(claiming("png", 10_000, 10_000), Settings(max_input_pixels=100_000_000))


@pytest.mark.parametrize("size", [(410, 10), (10, 410)])
def test_aspect(size: tuple[int, int]) -> None:
    data = picture("png", *size)
    decode_image(data, Settings(max_aspect=41))
    with pytest.raises(ExtremeAspect) as caught:
        decode_image(data, Settings())
    assert (caught.value.measured, caught.value.limit) == (41.0, 40.0)


@pytest.mark.parametrize("format", FORMATS)
def test_cut_off_anywhere(format: str) -> None:
    data = FILES[format]
    refused = 0
    for length in sorted({*range(1, 60), *range(60, len(data), max(1, len(data) // 60))}):
        try:
            decode_image(data[:length], Settings())
        except PermanentError as error:
            assert error.stage == "decode"
            refused += 1
    assert refused > 60
    with pytest.raises(TruncatedImage):
        decode_image(data[: len(data) * 2 // 3], Settings())


def test_damaged_check_sum() -> None:
    data = bytearray(FILES["png"])
    data[data.index(b"IHDR") + 20] ^= 1
    with pytest.raises(TruncatedImage):
        decode_image(bytes(data), Settings())


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt"])
def test_text_that_unpacks_to_very_much(name: bytes) -> None:
    packed = zlib.compress(b"\0" * 200_000_000, 9)
    body = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0"}[name] + packed
    chunk = struct.pack(">I", len(body)) + name + body
    chunk += struct.pack(">I", zlib.crc32(name + body))
    data = FILES["png"]
    tracemalloc.start()
    try:
        with pytest.raises(TruncatedImage):
            decode_image(data[:33] + chunk + data[33:], Settings())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    format=st.sampled_from(FORMATS),
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6
    ),
    in_header=st.booleans(),
)
def test_flipped_bytes_give_a_photo_or_a_named_error(
    format: str, flips: list[tuple[float, int]], in_header: bool
) -> None:
    data = bytearray(FILES[format])
    reach = min(len(data), 200) if in_header else len(data)
    for place, mask in flips:
        data[int(place * reach)] ^= mask
    assert_photo_or_named_error(bytes(data))

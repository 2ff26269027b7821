"""decode: real files of every format, mode and orientation."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from pipeline.decode import decode_image
from pipeline.domain import Source
from pipeline.errors import NotAnImage
from pipeline.settings import Settings

pillow_heif.register_heif_opener()

HEIGHT, WIDTH = 48, 80
LIMITS = Settings()
FORMATS = ("jpeg", "png", "webp", "bmp", "tiff", "gif", "avif", "heif")
LOSSY = ("jpeg", "webp", "gif", "avif", "heif")


def gradient() -> np.ndarray:
    """(48, 80, 3): smooth, all its corners different."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.dstack((x * 3, y * 5, 40 + x + y)).astype(np.uint8)


def ramp(shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    return np.linspace(0, 1, shape[0] * shape[1]).reshape(shape)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def picture(format: str, **options: object) -> bytes:
    return saved(Image.fromarray(gradient()), format, **options)


def opened(data: bytes) -> tuple[np.ndarray, np.ndarray | None, Source]:
    photo, source = decode_image(data, LIMITS)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.shape[2] == 3
    if photo.alpha is not None:
        assert photo.alpha.dtype == np.uint8 and photo.alpha.shape == photo.pixels.shape[:2]
    return photo.pixels, photo.alpha, source


def grey(values: np.ndarray) -> np.ndarray:
    return np.dstack([values] * 3).astype(np.uint8)


def far(left: np.ndarray, right: np.ndarray) -> int:
    assert left.shape == right.shape
    return int(np.abs(left.astype(int) - right.astype(int)).max())


def chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png(pixels: np.ndarray, depth: int, colour: int, transparent: tuple[int, ...] = ()) -> bytes:
    """A PNG by hand, for the kinds that Pillow does not write. 8 or 16 bits a channel."""
    rows = pixels.astype(">u2" if depth == 16 else "u1")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour, 0, 0, 0)
    keys = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            keys if transparent else b"",
            chunk(b"IDAT", zlib.compress(raw)),
            chunk(b"IEND", b""),
        )
    )


# Formats


@pytest.mark.parametrize("format", FORMATS)
def test_formats(format: str) -> None:
    data = picture(format)
    pixels, alpha, source = opened(data)
    assert alpha is None
    assert (source.format, source.width_px, source.height_px) == (format, WIDTH, HEIGHT)
    assert (source.bytes, source.orientation_applied) == (len(data), 1)
    assert source.profile_converted is None
    error = np.abs(pixels.astype(int) - gradient())
    assert error.mean() < 6 if format in LOSSY else error.max() == 0


@pytest.mark.parametrize("format", ["png", "webp", "tiff", "avif", "heif"])
def test_alpha_comes_along_and_is_none_when_opaque(format: str) -> None:
    alpha = np.rint(ramp() * 255).astype(np.uint8)
    lossless = {"webp": {"lossless": True, "exact": True}}.get(format, {"quality": 100})
    image = Image.fromarray(np.dstack((gradient(), alpha)))
    pixels, found, _ = opened(saved(image, format, **lossless))
    assert found is not None
    assert far(found, alpha) <= 3
    assert np.abs(pixels.astype(int) - gradient())[alpha > 30].mean() < 3
    image.putalpha(255)
    assert opened(saved(image, format))[1] is None


@pytest.mark.parametrize("format", ["gif", "tiff", "webp", "avif", "png"])
def test_first_of_several_frames(format: str) -> None:
    first = Image.new("RGB", (WIDTH, HEIGHT), (200, 40, 40))
    later = [Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))] * 2
    pixels, _, _ = opened(saved(first, format, save_all=True, append_images=later))
    assert far(pixels, np.broadcast_to((200, 40, 40), (HEIGHT, WIDTH, 3))) <= 8


def test_phone_jpeg_with_a_second_picture() -> None:
    first, second = Image.fromarray(gradient()), Image.new("RGB", (8, 8))
    data = saved(first, "MPO", save_all=True, append_images=[second], quality=95)
    pixels, _, source = opened(data)
    assert source.format == "jpeg"
    assert np.abs(pixels.astype(int) - gradient()).mean() < 3


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_tiff_compressions(compression: str) -> None:
    assert np.array_equal(opened(picture("tiff", compression=compression))[0], gradient())


# Modes


@pytest.mark.parametrize("format", ["png", "tiff", "bmp"])
def test_one_bit(format: str) -> None:
    bits = gradient()[..., 0] > 100
    assert np.array_equal(
        opened(saved(Image.fromarray(bits), format))[0], grey(np.where(bits, 255, 0))
    )


@pytest.mark.parametrize("format", ["png", "tiff", "bmp", "jpeg", "avif", "heif"])
def test_grey(format: str) -> None:
    values = gradient()[..., 2]
    pixels, _, source = opened(saved(Image.fromarray(values), format))
    assert source.mode == "L"
    assert far(pixels, grey(values)) <= (6 if format in LOSSY else 0)


@pytest.mark.parametrize(("format", "mode"), [("png", "LA"), ("tiff", "LA"), ("tiff", "PA")])
def test_grey_and_palette_with_alpha(format: str, mode: str) -> None:
    values = (gradient()[..., 0] // 51 * 51).astype(np.uint8)
    image = Image.fromarray(np.dstack([values] * 3 + [values])).convert(mode)
    pixels, alpha, source = opened(saved(image, format))
    assert source.mode == mode
    assert far(pixels, grey(values)) <= (0 if mode == "LA" else 2)
    assert alpha is not None
    assert np.array_equal(alpha, values)


def test_premultiplied_alpha_is_divided_out() -> None:
    alpha = np.full((HEIGHT, WIDTH), 128, np.uint8)
    image = Image.fromarray(np.dstack((gradient(), alpha))).convert("RGBa")
    tagged = saved(Image.frombytes("RGBA", image.size, image.tobytes()), "tiff")
    # ExtraSamples (338): from 2, unassociated, to 1, associated
    at = tagged.index(struct.pack("<HHIH", 338, 3, 1, 2)) + 8
    pixels, found, _ = opened(tagged[:at] + b"\1" + tagged[at + 1 :])
    assert found is not None
    assert far(found, alpha) == 0
    assert far(pixels, gradient()) <= 2


def test_palette_with_a_transparent_index_and_with_alpha_bytes() -> None:
    indices = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 4
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [9, 8, 7]], np.uint8)
    image = Image.frombytes("P", (WIDTH, HEIGHT), indices.tobytes())
    image.putpalette(colours.tobytes())
    plain, alpha, source = opened(saved(image, "png"))
    assert (source.mode, alpha) == ("P", None)
    assert np.array_equal(plain, colours[indices])
    for format, transparency, alphas in (
        ("png", 2, (255, 255, 0, 255)),
        ("gif", 2, (255, 255, 0, 255)),
        ("png", bytes((10, 90, 0, 255)), (10, 90, 0, 255)),
    ):
        pixels, alpha, _ = opened(saved(image, format, transparency=transparency))
        assert alpha is not None
        assert np.array_equal(alpha, np.array(alphas, np.uint8)[indices])
        assert np.array_equal(pixels[alpha > 0], colours[indices][alpha > 0])


@pytest.mark.parametrize("depth", [8, 16])
def test_transparent_colour_and_transparent_grey(depth: int) -> None:
    def stored(values: np.ndarray) -> np.ndarray:  # 16 bits with two different bytes
        return values.astype(int) * 256 + 19 if depth == 16 else values.astype(int)

    key = tuple(stored(gradient()[7, 9]).tolist())
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[7, 9] = True
    pixels, alpha, _ = opened(png(stored(gradient()), depth, 2, key))
    assert np.array_equal(pixels, gradient())
    assert alpha is not None
    assert np.array_equal(alpha == 0, hole)
    values = gradient()[..., 0]
    pixels, alpha, _ = opened(png(stored(values), depth, 0, (int(stored(values)[7, 9]),)))
    assert far(pixels, grey(values)) <= (1 if depth == 16 else 0)
    assert alpha is not None
    assert np.array_equal(alpha == 0, values == values[7, 9])


def test_sixteen_bits_of_colour_are_at_most_one_level_off() -> None:
    values = np.rint(ramp() * 65535)
    colours = np.dstack((values, values[::-1], values[:, ::-1]))
    wanted = colours / 257
    for colour, stored in (
        (2, colours),
        (6, np.dstack((colours, np.full_like(values, 65535)))),
    ):
        pixels, alpha, _ = opened(png(stored, 16, colour))
        assert alpha is None
        assert np.abs(pixels - wanted).max() < 1
    pixels, alpha, _ = opened(png(np.dstack((values, values)), 16, 4))
    assert alpha is not None
    assert np.abs(alpha - values / 257).max() < 1
    assert np.abs(pixels[..., 0] - values / 257).max() < 1


@pytest.mark.parametrize(
    ("format", "mode"),
    [("png", "I;16"), ("tiff", "I;16"), ("tiff", "I;16B"), ("tiff", "I"), ("heif", "I;16")],
)
def test_sixteen_bits_of_grey(format: str, mode: str) -> None:
    values = np.rint(ramp() * 65535)
    kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    image = Image.frombytes(mode, (WIDTH, HEIGHT), values.astype(kind).tobytes())
    pixels, _, source = opened(saved(image, format))
    assert source.mode == mode
    assert far(pixels, grey(np.rint(values / 257))) <= (3 if format == "heif" else 0)


def test_whole_numbers_beyond_sixteen_bits_and_floats() -> None:
    wanted = grey(np.rint(ramp() * 255))
    for values in (
        (ramp() * 2_000_000 - 1_000_000).astype(np.int32),
        ramp().astype(np.float32),
        (ramp() * 90 - 30).astype(np.float32),
    ):
        assert far(opened(saved(Image.fromarray(values), "tiff"))[0], wanted) <= 1
    half = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    half[0, 0], half[0, 1] = np.nan, np.inf
    pixels, _, _ = opened(saved(Image.fromarray(half), "tiff"))
    assert pixels[0, 0, 0] == 0
    assert pixels[0, 1, 0] == 255
    assert far(pixels[1:], np.full_like(pixels[1:], 128)) <= 1


@pytest.mark.parametrize("format", ["jpeg", "tiff"])
def test_cmyk_without_a_profile(format: str) -> None:
    image = Image.fromarray(gradient()).convert("CMYK")
    pixels, _, source = opened(saved(image, format, quality=95))
    assert source.mode == "CMYK"
    assert np.abs(pixels.astype(int) - gradient()).mean() < 3


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_tiff_of_other_colour_spaces(mode: str) -> None:
    flat = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    flat[:, :40], flat[:, 40:] = (200, 80, 60), (30, 120, 180)
    pixels, _, source = opened(saved(Image.fromarray(flat).convert(mode), "tiff"))
    assert source.mode == mode
    assert far(pixels, flat) <= 4


# Orientation and metadata


def seen(stored: np.ndarray, orientation: int) -> np.ndarray:
    """What EXIF 2.32, tag 274, says of row 0 and column 0 as they are seen."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: stored[::-1].swapaxes(0, 1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: stored[:, ::-1].swapaxes(0, 1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("jpeg", {}),
        ("png", {}),
        ("webp", {"lossless": True}),
        ("tiff", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("avif", {}),
        ("heif", {}),
    ],
)
def test_orientation(format: str, options: dict[str, object], orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pixels, _, source = opened(picture(format, exif=exif.tobytes(), **options))
    wanted = seen(gradient(), orientation)
    assert source.orientation_applied == orientation
    assert (source.width_px, source.height_px) == (WIDTH, HEIGHT)
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).mean() < 4


def heif_by_exif(size: tuple[int, int] | None = None) -> bytes:
    """A HEIC of orientation 6 by EXIF, without boxes, and the size that EXIF states."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    if size:
        detail = exif.get_ifd(ExifTags.IFD.Exif)
        detail[ExifTags.Base.ExifImageWidth], detail[ExifTags.Base.ExifImageHeight] = size
    data = picture("heif", exif=exif)  # in this form the writer leaves the boxes out
    assert b"irot" not in data
    return data


@pytest.mark.parametrize("size", [None, (WIDTH, HEIGHT)])
def test_heif_without_boxes_is_turned_by_exif_as_phones_show_it(
    size: tuple[int, int] | None,
) -> None:
    pixels, _, source = opened(heif_by_exif(size))
    assert source.orientation_applied == 6
    assert np.abs(pixels.astype(int) - seen(gradient(), 6)).mean() < 4


def test_heif_that_was_turned_already_is_left_as_it_is() -> None:
    warnings: list[str] = []
    photo, source = decode_image(heif_by_exif((HEIGHT, WIDTH)), LIMITS, warn=warnings.append)
    assert source.orientation_applied == 1
    assert np.abs(photo.pixels.astype(int) - gradient()).mean() < 4
    assert "upright already" in warnings[0]


def test_boxes_of_heif_win_over_exif() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = picture("heif", exif=exif.tobytes())  # in this form the writer writes the boxes
    assert b"irot" in data
    entry = struct.pack(">HHIHH", 274, 3, 1, 6, 0)
    stale = struct.pack(">HHIHH", 274, 3, 1, 3, 0)
    assert entry in data
    pixels, _, source = opened(data.replace(entry, stale))
    assert source.orientation_applied == 6
    assert np.abs(pixels.astype(int) - seen(gradient(), 6)).mean() < 4


def test_orientation_turns_alpha_too() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    alpha = np.rint(ramp() * 255).astype(np.uint8)
    image = Image.fromarray(np.dstack((gradient(), alpha)))
    _, found, _ = opened(saved(image, "png", exif=exif))
    assert found is not None
    assert np.array_equal(found, seen(alpha, 6))


@pytest.mark.parametrize("value", [0, 9, 200])
def test_impossible_orientation_is_upright(value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    pixels, _, source = opened(picture("png", exif=exif))
    assert source.orientation_applied == 1
    assert np.array_equal(pixels, gradient())


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_cost_the_photo() -> None:
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM", b"Exif\0\0" + b"\xff" * 40):
        assert np.abs(opened(picture("jpeg", exif=exif))[0].astype(int) - gradient()).mean() < 3


def test_without_its_library_heic_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image built with HEIC=off; AVIF does not need it."""
    heic, avif = picture("heif"), picture("avif")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(NotAnImage, match=r"HEIC .* pillow-heif"):
        opened(heic)
    opened(avif)

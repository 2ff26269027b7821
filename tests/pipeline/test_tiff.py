"""decode: TIFFs of every depth, kind of number, order of samples and set of pages."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from tiffs import Page, described, packed, tiff

from pipeline.decode import decode_image
from pipeline.domain import Source
from pipeline.errors import (
    TooCostly,
    TooManyPixels,
    TruncatedImage,
    UnsupportedVariant,
)
from pipeline.formats import primaries, transfer
from pipeline.settings import Settings

HEIGHT, WIDTH = 37, 50
GREY, RGB, WHITE_IS_ZERO = 1, 2, 0
SIGNED, FLOAT = 2, 3


def scene(channels: int = 3) -> np.ndarray:
    """(37, 50, channels) from 0 to 1, black and white in it, its corners all different."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT - 2)]
    return np.dstack(planes[:channels])


def opened(data: bytes) -> tuple[np.ndarray, np.ndarray | None, Source, list[str]]:
    warnings: list[str] = []
    photo, source = decode_image(data, Settings(), warn=warnings.append)
    return photo.pixels, photo.alpha, source, warnings


def far(pixels: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(pixels - wanted * 255).max())


def page(photometric: int, stored: np.ndarray, bits: int, **more: int) -> Page:
    """A page of one uncompressed strip."""
    channels = stored.shape[2]
    tags = described(WIDTH, HEIGHT, photometric, [bits] * channels, **more)
    return tags | {"pieces": [stored.tobytes()]}


@pytest.mark.parametrize("photometric", [GREY, WHITE_IS_ZERO])
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8, 10, 12, 14, 16, 24])
def test_grey_of_every_depth_and_either_white(bits: int, photometric: int) -> None:
    shown = scene(1)
    counted = np.rint(shown * (2**bits - 1)).astype(np.int64)
    stored = counted if photometric == GREY else 2**bits - 1 - counted
    tags = described(WIDTH, HEIGHT, photometric, [bits])
    data = tiff(tags | {"pieces": [packed(stored[..., 0], bits)]}, order=">")
    pixels, _, _, warnings = opened(data)
    assert far(pixels, counted / (2**bits - 1)) <= 1
    assert not warnings


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(("photometric", "channels"), [(GREY, 1), (RGB, 3), (WHITE_IS_ZERO, 1)])
def test_fewer_bits_within_sixteen_are_counted_by_the_largest(
    photometric: int, channels: int, bits: int
) -> None:
    shown = scene(channels)
    wanted = 1 - shown if photometric == WHITE_IS_ZERO else shown
    stored = np.rint(shown * (2**bits - 1)).astype("<u2")
    pixels, _, _, warnings = opened(tiff(page(photometric, stored, 16)))
    assert far(pixels, wanted) <= 1
    assert f"taken as {bits} bits" in warnings[0]
    # the file may say it itself
    told = page(photometric, stored, 16) | {281: 2**bits - 1}
    pixels, _, _, warnings = opened(tiff(told))
    assert far(pixels, wanted) <= 1
    assert not warnings


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("tiled", [False, True])
def test_planes_strips_and_tiles(
    order: str, bits: int, planar: int, compression: int, tiled: bool
) -> None:
    shown = scene()
    stored = np.rint(shown * (2**bits - 1)).astype(f"{order}u{bits // 8}")
    parts = [stored] if planar == 1 else [stored[..., n : n + 1] for n in range(3)]
    tags = described(WIDTH, HEIGHT, RGB, [bits] * 3, planar=planar, compression=compression)
    pieces = []
    for part in parts:
        if tiled:
            tags |= {322: 32, 323: 16}
            whole = np.zeros((48, 64, part.shape[2]), part.dtype)
            whole[:HEIGHT, :WIDTH] = part
            pieces += [
                whole[top : top + 16, left : left + 32].tobytes()
                for top in range(0, 48, 16)
                for left in range(0, 64, 32)
            ]
        else:
            tags[278] = 7
            pieces += [part[top : top + 7].tobytes() for top in range(0, HEIGHT, 7)]
    if tiled:
        del tags[278]
    if compression == 8:
        pieces = [zlib.compress(piece) for piece in pieces]
    pixels, alpha, source, _ = opened(tiff(tags | {"pieces": pieces}, order=order))
    assert far(pixels, shown) <= 0.51
    assert alpha is None
    assert (source.format, source.mode, source.width_px) == ("tiff", "RGB", WIDTH)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_horizontal_differences(bits: int) -> None:
    stored = np.rint(scene() * (2**bits - 1)).astype(f"<u{bits // 8}")
    apart = np.diff(stored, axis=1, prepend=np.zeros((HEIGHT, 1, 3), stored.dtype))
    tags = described(WIDTH, HEIGHT, RGB, [bits] * 3, compression=8, predictor=2)
    data = tiff(tags | {"pieces": [zlib.compress(apart.tobytes())]})
    assert far(opened(data)[0], scene()) <= 0.51


@pytest.mark.parametrize("size", [2, 4, 8])
def test_floats_and_their_predictor(size: int) -> None:
    """Technical Note 3: bytes by their rank, highest first, and their differences."""
    stored = scene().astype(f">f{size}")
    plain = page(RGB, stored.astype(f"<f{size}"), 8 * size, kind=FLOAT)
    assert far(opened(tiff(plain))[0], scene()) <= 0.6
    octets = stored.view(np.uint8).reshape(HEIGHT, WIDTH * 3, size).swapaxes(1, 2)
    rows = octets.reshape(HEIGHT, size * WIDTH, 3)
    apart = np.diff(rows, axis=1, prepend=np.zeros((HEIGHT, 1, 3), np.uint8))
    tags = described(WIDTH, HEIGHT, RGB, [8 * size] * 3, compression=8, predictor=3, kind=FLOAT)
    data = tiff(tags | {"pieces": [zlib.compress(apart.tobytes())]})
    assert far(opened(data)[0], scene()) <= 0.6


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_of_24_bits(order: str) -> None:
    """A sign, 7 bits of exponent (excess 63), 16 of mantissa."""
    mantissa, exponent = np.frexp(np.maximum(scene(), 1e-9))
    word = ((exponent - 1 + 63).astype(np.uint32) << 16) | ((mantissa * 2 - 1) * 65536).astype(
        np.uint32
    )
    octets = word.astype(">u4").view(np.uint8).reshape(*word.shape, 4)[..., 1:]
    octets = octets[..., ::-1] if order == "<" else octets
    tags = described(WIDTH, HEIGHT, RGB, [24] * 3, kind=FLOAT)
    data = tiff(tags | {"pieces": [np.ascontiguousarray(octets).tobytes()]}, order=order)
    assert far(opened(data)[0], scene()) <= 0.6


@pytest.mark.parametrize(
    ("stored", "word"),
    [
        ((scene() * 255).astype("<f4"), "255"),
        ((scene() * 65535).astype("<f4"), "65535"),
        ((scene() * 1.5).clip(0, 1.2).astype("<f4"), "white at 1"),
        ((scene() * 300 - 120).astype("<f4"), "stretched"),
        (np.rint(scene() * 255).astype("<i2"), "8 bits"),
        (np.rint(scene() * 32767).astype("<i2"), ""),
        (np.rint(scene() * 65535 - 32768).astype("<i2"), ""),
        (np.rint(scene() * 255 - 128).astype("i1"), ""),
        (np.rint(scene() * 127).astype("i1"), ""),
        (np.rint(scene() * 4095).astype("<i4"), "12 bits"),
        (np.rint(scene() * (2**31 - 1)).astype("<i4"), ""),
        (np.rint(scene() * 255).astype("<u4"), "8 bits"),
        (np.rint(scene() * 9_000_000).astype("<u4"), "stretched"),
    ],
)
def test_numbers_of_every_kind_and_range(stored: np.ndarray, word: str) -> None:
    kind = {"f": FLOAT, "i": SIGNED, "u": 1}[stored.dtype.kind]
    pixels, _, _, warnings = opened(tiff(page(RGB, stored, 8 * stored.itemsize, kind=kind)))
    wanted = scene()
    if word == "white at 1":
        # light beyond white rolls off, what is darker stays
        dark = wanted.max(axis=2) < 0.5
        assert far(pixels[dark], wanted[dark] * 1.5) <= 1
        assert pixels.max() == 255
    else:
        assert far(pixels, wanted) <= (2 if stored.max() == 127 else 1.1)
    if kind == FLOAT:
        assert "like sRGB" in warnings.pop(0)
    assert [word in warning for warning in warnings] == ([True] if word else [])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [1, 2])
@pytest.mark.parametrize(("photometric", "channels"), [(GREY, 1), (RGB, 3)])
def test_opacity_of_either_kind(photometric: int, channels: int, extra: int, bits: int) -> None:
    shown, opacity = scene(channels), 0.3 + 0.7 * scene(1)
    colours = shown * opacity if extra == 1 else shown
    stored = np.rint(np.dstack((colours, opacity)) * (2**bits - 1)).astype(f"<u{bits // 8}")
    pixels, alpha, source, _ = opened(tiff(page(photometric, stored, bits, extra=extra)))
    assert alpha is not None
    assert far(alpha[..., None], opacity) <= 0.51
    assert far(pixels, shown) <= (3 if bits == 8 else 1)
    assert source.mode in ("RGBA", "LA", "La")


def test_more_samples_than_colours_are_left_aside() -> None:
    stored = np.rint(np.dstack((scene(), scene(2))) * 65535).astype("<u2")
    tags = page(RGB, stored, 16) | {338: [0, 0]}
    pixels, alpha, _, _ = opened(tiff(tags))
    assert alpha is None
    assert far(pixels, scene()) <= 0.51


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_what_is_read_here(orientation: int) -> None:
    stored = np.rint(scene() * 65535).astype("<u2")
    pixels, _, source, _ = opened(tiff(page(RGB, stored, 16, orientation=orientation)))
    turned = scene()[::-1, ::-1] if orientation == 3 else scene()[::-1].swapaxes(0, 1)
    assert far(pixels, turned) <= 0.51
    assert source.orientation_applied == orientation
    assert (source.width_px, source.height_px) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [8, 9])
def test_lab_of_either_sign(photometric: int, bits: int) -> None:
    """a and b are signed in CIELAB (8), and lie around the middle in ICC's (9)."""
    flat = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    flat[:, :25], flat[:, 25:] = (200, 80, 60), (30, 120, 180)
    stored = np.asarray(Image.fromarray(flat).convert("LAB")).copy()
    if photometric == 9:
        stored[..., 1:] ^= 128
    if bits == 16:
        stored = stored.astype("<u2") << 8
    pixels, _, source, _ = opened(tiff(page(photometric, stored, bits)))
    assert source.mode == "LAB"
    assert far(pixels, flat / 255) <= 4


def small(reduced: int) -> Page:
    """A page of another picture, as a thumbnail or a mask."""
    tags = described(10, 8, RGB, [8] * 3, reduced=reduced)
    return tags | {"pieces": [bytes(range(240))]}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("reduced", "word"), [(1, "reduced"), (4, "mask"), (5, "mask")])
def test_the_full_picture_is_found_behind_a_small_one(reduced: int, word: str, bits: int) -> None:
    full = page(RGB, np.rint(scene() * (2**bits - 1)).astype(f"<u{bits // 8}"), bits)
    for data in (tiff(small(reduced), full), tiff(small(reduced) | {"below": [full]})):
        pixels, _, _, warnings = opened(data)
        assert far(pixels, scene()) <= 0.51
        assert word in warnings[0]
    # behind a whole one, others are not looked for
    assert opened(tiff(full, small(1)))[3] == []
    assert opened(tiff(small(reduced)))[0].shape == (8, 10, 3)  # alone, it is all there is


@pytest.mark.parametrize(
    ("compression", "name"),
    [(34712, "JPEG 2000"), (50001, "WebP"), (34887, "LERC"), (50002, "JPEG XL"), (4711, "4711")],
)
def test_sound_files_that_are_not_read_are_named(compression: int, name: str) -> None:
    tags = page(RGB, np.zeros((HEIGHT, WIDTH, 3), np.uint8), 8, compression=compression)
    with pytest.raises(UnsupportedVariant, match=name):
        opened(tiff(tags))
    with pytest.raises(UnsupportedVariant, match="32844"):
        opened(tiff(page(32844, np.zeros((HEIGHT, WIDTH, 3), np.uint8), 8)))


def test_damage_is_still_damage_and_limits_hold() -> None:
    stored = np.rint(scene() * 65535).astype("<u2")
    whole = tiff(page(RGB, stored, 16))
    tags = page(RGB, stored, 16)
    for bad in (
        tags | {"pieces": [stored.tobytes()[:1000]], 279: 1000},
        tags | {"pieces": []},
        {**tags, "pieces": [], 273: [10**6], 279: [WIDTH * HEIGHT * 6]},
        {**tags, 257: 10 * HEIGHT, 278: 10 * HEIGHT},
        {**described(WIDTH, HEIGHT, RGB, [16] * 3, compression=8), "pieces": [b"no zlib data"]},
    ):
        with pytest.raises(TruncatedImage):
            opened(tiff(bad))
    with pytest.raises(TooManyPixels):
        opened(tiff({**tags, 256: 100_000, 257: 100_000}))
    huge = {322: 60_000, 323: 60_000, "pieces": [b"x" * 64]}
    with pytest.raises(TooCostly):
        opened(tiff(described(WIDTH, HEIGHT, RGB, [16] * 3) | huge))
    for length in range(8, len(whole), 997):
        with pytest.raises(TruncatedImage):
            opened(whole[:length])


def test_a_chain_of_pages_without_end() -> None:
    stored = np.rint(scene() * 65535).astype("<u2")
    data = bytearray(tiff(small(1), page(RGB, stored, 16)))
    first = int.from_bytes(data[4:8], "little")
    data[-4:] = first.to_bytes(4, "little")  # the last page's next is the first one
    assert far(opened(bytes(data))[0], scene()) <= 0.51


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("space", [primaries.ADOBE_RGB, primaries.DISPLAY_P3, primaries.SRGB])
def test_primaries_that_the_file_states(space: primaries.Primaries, bits: int) -> None:
    """TIFF 6.0, chapter 20."""
    light = transfer.srgb_to_linear(scene() * 0.6 + 0.2) @ np.linalg.inv(primaries.to_srgb(space)).T
    adobe = space is primaries.ADOBE_RGB
    coded = light.clip(0, 1) ** (256 / 563) if adobe else transfer.linear_to_srgb(light.clip(0, 1))
    stored = np.rint(coded * (2**bits - 1)).astype(f"<u{bits // 8}")
    points = [*space.red, *space.green, *space.blue]
    stated = {318: [float(number) for number in space.white], 319: points}
    pixels, _, source, _ = opened(tiff(page(RGB, stored, bits) | stated))
    assert far(pixels, scene() * 0.6 + 0.2) <= (3 if bits == 8 else 1)
    assert source.colour_source == ("none" if space is primaries.SRGB else "TIFF primaries")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_of_sixteen_bits_that_holds_twelve(channels: int) -> None:
    stored = np.rint(scene(channels) * 4095).astype(np.uint16)
    data = cv2.imencode(".png", stored[..., ::-1])[1].tobytes()
    pixels, _, _, warnings = opened(data)
    assert far(pixels, scene(channels)) <= 1
    assert "12 bits" in warnings[0]

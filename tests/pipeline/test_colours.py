"""decode: the colours that a file means, by whatever it says of them."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image
from test_decode import chunk, saved
from test_decode_colour import DISPLAY_P3, SRGB, display, displayed, grey_profile, linear

from pipeline.decode import decode_image
from pipeline.domain import Source
from pipeline.formats import primaries, transfer
from pipeline.settings import Settings

HEIGHT, WIDTH = 32, 60
EXIF_COLOUR_SPACE, INTEROPERABILITY, EXIF, INDEX = 40961, 40965, 34665, 1


def scene() -> np.ndarray:
    """(32, 60, 3) sRGB, 0..1: dark to bright, skin, sky and leaves."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramp = (x / (WIDTH - 1))[..., None]
    tints = np.array([[0.95, 0.75, 0.6], [0.5, 0.7, 0.95], [0.4, 0.6, 0.3], [0.9, 0.9, 0.9]])
    return ramp * tints[y // 8]


def light_in(space: primaries.Primaries) -> np.ndarray:
    """The scene's light in other primaries."""
    to_others = np.linalg.inv(primaries.to_srgb(space))
    return (transfer.srgb_to_linear(scene()) @ to_others.T).clip(0, 1)


def coded(curve: transfer.Transfer, light: np.ndarray) -> np.ndarray:
    grid = np.linspace(0, 1, 1 << 18)
    return np.interp(light, curve.linear(grid), grid)


def png(values: np.ndarray, depth: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of values from 0 to 1 with chunks behind its header."""
    kind = np.uint16 if depth == 16 else np.uint8
    stored = np.rint(values * (2**depth - 1)).astype(kind)
    stored = stored[..., ::-1] if stored.ndim == 3 else stored
    data = cv2.imencode(".png", np.ascontiguousarray(stored))[1].tobytes()
    return data[:33] + b"".join(chunk(*one) for one in chunks) + data[33:]


def cicp(*codes: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes(codes)


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def chromaticities(space: primaries.Primaries) -> tuple[bytes, bytes]:
    points = (*space.white, *space.red, *space.green, *space.blue)
    return b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in points))


def opened(data: bytes) -> tuple[np.ndarray, Source, list[str]]:
    warnings: list[str] = []
    photo, source = decode_image(data, Settings(), warn=warnings.append)
    return photo.pixels, source, warnings


def apart(pixels: np.ndarray, wanted: np.ndarray | None = None) -> float:
    wanted = scene() if wanted is None else wanted
    return float(np.abs(pixels - wanted * 255).mean())


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("value", [1.0, 1 / 1.8, 1 / 1.4])
def test_gamma_of_png(value: float, depth: int) -> None:
    values = transfer.srgb_to_linear(scene()) ** value
    pixels, source, warnings = opened(png(values, depth, gamma(value)))
    assert apart(pixels) < (2 if depth == 8 else 0.6)
    assert source.colour_source == "gAMA and cHRM chunks"
    assert not warnings
    grey = scene()[..., :1].repeat(3, axis=2)
    values = transfer.srgb_to_linear(grey[..., 0]) ** value
    assert apart(opened(png(values, depth, gamma(value)))[0], grey) < (2.5 if depth == 8 else 0.6)


def test_a_gamma_near_that_of_srgb_is_srgb() -> None:
    for value in (0.45455, 0.44, 0.47):
        pixels, source, _ = opened(png(scene(), 8, gamma(value), chromaticities(primaries.SRGB)))
        assert np.array_equal(pixels, np.rint(scene() * 255))
        assert source.profile_converted is None


def test_chromaticities_of_png() -> None:
    values = light_in(primaries.ADOBE_RGB) ** (1 / 2.2)
    chunks = gamma(1 / 2.2), chromaticities(primaries.ADOBE_RGB)
    pixels, source, _ = opened(png(values, 8, *chunks))
    assert apart(pixels) < 1
    assert source.profile_converted == "cHRM, gamma 2.2"


def test_the_rank_of_what_png_says() -> None:
    """cICP before iCCP before sRGB before gAMA and cHRM."""
    import zlib

    p3 = transfer.linear_to_srgb(light_in(primaries.DISPLAY_P3))
    profile = b"icc\0\0" + zlib.compress(display("Display P3", DISPLAY_P3))
    linear_light = gamma(1.0)
    pixels, source, warnings = opened(png(p3, 8, cicp(12, 13, 0, 1), (b"iCCP", profile)))
    assert (source.colour_source, apart(pixels) < 1.5, warnings) == ("cICP chunk", True, [])
    pixels, source, warnings = opened(
        png(p3, 8, (b"iCCP", profile), (b"sRGB", b"\0"), linear_light)
    )
    assert (source.colour_source, apart(pixels) < 1.5) == ("ICC profile", True)
    assert source.profile_converted == "Display P3"
    assert len(warnings) == 2  # of the two that say something else
    pixels, source, warnings = opened(png(scene(), 8, (b"sRGB", b"\0"), linear_light))
    assert source.colour_source == "sRGB chunk"
    assert np.array_equal(pixels, np.rint(scene() * 255))
    assert "gAMA" in warnings[0]


@pytest.mark.parametrize(
    ("body", "word"),
    [(b"\x0c\x0d\x01\x01", "RGB"), (b"\x0c\x0d", "RGB"), (b"\x00\x0d\x00\x01", "primaries 0")],
)
def test_a_cicp_that_says_nothing_is_ignored_and_told(body: bytes, word: str) -> None:
    pixels, source, warnings = opened(png(scene(), 8, (b"cICP", body)))
    assert source.colour_source == "none"
    assert np.array_equal(pixels, np.rint(scene() * 255))
    assert word in warnings[0]


def test_cicp_of_a_narrow_range() -> None:
    values = (16 + scene() * 219) / 255
    assert apart(opened(png(values, 8, cicp(1, 13, 0, 0)))[0]) < 1


@pytest.mark.parametrize(
    ("space", "curve", "codes"),
    [
        (primaries.BT2020, transfer.BT709, (9, 14)),
        (primaries.DISPLAY_P3, transfer.SRGB, (12, 13)),
        (primaries.BT2020, transfer.PQ, (9, 16)),
        (primaries.DISPLAY_P3, transfer.PQ, (12, 16)),
        (primaries.SRGB, transfer.BY_CODE[4], (1, 4)),
        (primaries.SRGB, transfer.BY_CODE[8], (1, 8)),
        (primaries.BY_CODE[5], transfer.SRGB, (5, 13)),
        (primaries.BY_CODE[11], transfer.BY_CODE[17], (11, 17)),
    ],
)
def test_code_points(
    space: primaries.Primaries, curve: transfer.Transfer, codes: tuple[int, int]
) -> None:
    values = coded(curve, light_in(space))
    pixels, source, _ = opened(png(values, 16, cicp(*codes, 0, 1)))
    assert apart(pixels) < 0.6
    assert source.colour_source == "cICP chunk"


def hlg(light: np.ndarray) -> np.ndarray:
    """Light of the display, in units of diffuse white, to the signal (BT.2100)."""
    shown = light * 203 / 1000
    luminance = np.maximum(shown @ primaries.BT2020.luminance(), 1e-9)[..., None]
    return coded(transfer.HLG, shown * luminance ** (1 / 1.2 - 1))


def test_hlg_has_its_diffuse_white_at_three_quarters() -> None:
    pixels, _, _ = opened(png(hlg(light_in(primaries.BT2020)), 16, cicp(9, 18, 0, 1)))
    assert apart(pixels) < 0.6
    white = np.full((HEIGHT, WIDTH, 3), 0.75)
    assert opened(png(white, 16, cicp(9, 18, 0, 1)))[0].min() >= 254


def test_highlights_roll_off_and_the_rest_stays() -> None:
    """A lamp of 1,000 nits above a scene whose diffuse white is at 203."""
    light = light_in(primaries.BT2020)
    light[:, -15:] = np.linspace(1, 1000 / 203, 15)[:, None]
    values = coded(transfer.PQ, light)
    pixels, _, _ = opened(png(values, 16, cicp(9, 16, 0, 1)))
    lamp = pixels[0, -15:, 0].astype(int)
    assert (np.diff(lamp) >= 0).all()
    assert len(np.unique(lamp)) >= 12  # cut off, they would all be one
    assert lamp[0] > 225
    assert lamp[-1] == 255
    dark = scene().max(axis=2) < 0.75
    dark[:, -15:] = False
    assert apart(pixels[dark], scene()[dark]) < 0.6


def test_what_lies_outside_srgb_keeps_its_steps() -> None:
    ramp = np.zeros((HEIGHT, WIDTH, 3))
    ramp[..., 0] = 0.8  # red of P3, towards grey
    ramp[..., 1] = ramp[..., 2] = np.linspace(0, 0.35, WIDTH)
    values = np.rint(ramp * 65535).astype(np.uint16) / 65535
    pixels, _, _ = opened(png(values, 16, cicp(12, 13, 0, 1)))
    assert len(np.unique(pixels[0, :, 1])) > 30  # cut off, they would be a dozen less
    outside = (transfer.srgb_to_linear(ramp) @ primaries.to_srgb(primaries.DISPLAY_P3).T).min(2) < 0
    steps = np.unique(pixels[0][outside[0]], axis=0)
    assert len(steps) >= 3
    # the same picture by an ICC profile
    profile = display("Display P3", DISPLAY_P3)
    image = Image.fromarray(np.rint(ramp * 255).astype(np.uint8))
    by_icc, _, _ = opened(saved(image, "png", icc_profile=profile))
    assert np.abs(by_icc.astype(int) - pixels).max() <= 3


def test_a_linear_profile_of_sixteen_bits_makes_no_steps() -> None:
    import zlib

    shade = np.tile(np.linspace(0, 0.02, WIDTH), (HEIGHT, 1))[..., None].repeat(3, axis=2)
    profile = b"icc\0\0" + zlib.compress(display("linear", SRGB, (1.0,)))
    pixels, source, _ = opened(png(shade, 16, (b"iCCP", profile)))
    assert source.profile_converted == "linear"
    assert np.abs(pixels - transfer.linear_to_srgb(shade) * 255).max() <= 1
    grey = b"icc\0\0" + zlib.compress(grey_profile(1.0))
    pixels, source, _ = opened(png(shade[..., 0], 16, (b"iCCP", grey)))
    assert source.profile_converted == "grey"
    assert np.abs(pixels - transfer.linear_to_srgb(shade) * 255).max() <= 1


def test_a_profile_that_is_unusable_is_told() -> None:
    data = saved(Image.fromarray(np.rint(scene() * 255).astype(np.uint8)), "png", icc_profile=b"?")
    _, source, warnings = opened(data)
    assert source.colour_source == "none"
    assert "ICC profile was ignored" in warnings[0]


def adobe_exif(space: int | None, index: str | None) -> bytes:
    exif = Image.Exif()
    detail = exif.get_ifd(EXIF)
    if space is not None:
        detail[EXIF_COLOUR_SPACE] = space
    if index:
        detail[INTEROPERABILITY] = {INDEX: index}
    return exif.tobytes()


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "heif"])
@pytest.mark.parametrize(("space", "index"), [(65535, "R03"), (2, None), (None, "R03")])
def test_adobe_rgb_by_exif(format: str, space: int | None, index: str | None) -> None:
    values = light_in(primaries.ADOBE_RGB) ** (256 / 563)
    image = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    data = saved(image, format, exif=adobe_exif(space, index), quality=97)
    pixels, source, warnings = opened(data)
    if format in ("avif", "heif"):  # their writers state sRGB in an nclx box, which comes first
        assert source.colour_source == "nclx box"
        assert "EXIF" in warnings[0]
        return
    assert source.colour_source == "EXIF colour space"
    assert source.profile_converted == "Adobe RGB (1998)"
    assert apart(pixels) < 3


def test_srgb_by_exif_is_left_alone_and_an_unknown_space_is_told() -> None:
    image = Image.fromarray(np.rint(scene() * 255).astype(np.uint8))
    plain = opened(saved(image, "png"))[0]
    for space, index, told in ((1, "R98", 0), (65535, None, 1), (1, "R03", 0)):
        pixels, source, warnings = opened(saved(image, "png", exif=adobe_exif(space, index)))
        assert np.array_equal(pixels, plain)
        assert source.profile_converted is None
        assert len(warnings) == told


@pytest.mark.parametrize(
    ("space", "curve", "codes"),
    [
        (primaries.DISPLAY_P3, transfer.SRGB, (12, 13)),
        (primaries.BT2020, transfer.PQ, (9, 16)),
        (primaries.SRGB, transfer.SRGB, (1, 1)),
        (primaries.SRGB, transfer.SRGB, (2, 2)),
    ],
)
def test_nclx_of_heic_and_avif(
    space: primaries.Primaries, curve: transfer.Transfer, codes: tuple[int, int]
) -> None:
    values = coded(curve, light_in(space))
    image = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    heic = saved(image, "heif", quality=-1, chroma=444, matrix_coefficients=0)
    box = struct.pack(">HHH", 1, 13, 0)
    assert b"nclx" + box in heic
    signalled = heic.replace(b"nclx" + box, b"nclx" + struct.pack(">HHH", *codes, 0))
    pixels, source, _ = opened(signalled)
    # 8 bits of PQ are steps of 3 levels of sRGB
    assert apart(pixels) < 3
    assert source.colour_source == ("none" if codes == (2, 2) else "nclx box")


def test_a_gain_map_leaves_the_picture_that_every_screen_shows() -> None:
    image = Image.fromarray(np.rint(scene() * 255).astype(np.uint8))
    file = io.BytesIO()
    gains = Image.new("L", (WIDTH // 2, HEIGHT // 2), 200)
    image.save(file, "MPO", save_all=True, append_images=[gains], quality=97, subsampling=0)
    pixels, source, _ = opened(file.getvalue())
    assert apart(pixels) < 2
    assert (source.format, source.colour_source) == ("jpeg", "none")


def bitmap(values: np.ndarray, space: int, gammas: int, ends: list[float], profile: bytes) -> bytes:
    """A BMP of version 5."""
    rows = np.rint(values * 255).astype(np.uint8)[::-1, :, ::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 24, 0, len(rows), 0, 0, 0, 0)
    head += b"\0" * 16 + struct.pack("<I", space)
    head += struct.pack("<9i", *(round(number * 2**30) for number in ends))
    head += struct.pack("<3I", gammas, gammas, gammas)
    head += struct.pack("<IIII", 4, 124 + len(rows), len(profile), 0)
    begin = 14 + len(head)
    whole = head + rows + profile
    return b"BM" + struct.pack("<IHHI", 14 + len(whole), 0, 0, begin) + whole


def test_colours_of_bmp() -> None:
    p3 = transfer.linear_to_srgb(light_in(primaries.DISPLAY_P3))
    profile = display("Display P3", DISPLAY_P3)
    embedded = int.from_bytes(b"MBED", "big")
    pixels, source, _ = opened(bitmap(p3, embedded, 0, [0] * 9, profile))
    assert (source.colour_source, apart(pixels) < 1.5) == ("ICC profile", True)
    adobe = light_in(primaries.ADOBE_RGB) ** (1 / 2.2)
    points = (primaries.ADOBE_RGB.red, primaries.ADOBE_RGB.green, primaries.ADOBE_RGB.blue)
    ends = [number for x, y in points for number in (x, y, 1 - x - y)]
    pixels, source, _ = opened(bitmap(adobe, 0, round(2.2 * 65536), ends, b""))
    assert (source.colour_source, apart(pixels) < 1) == ("BMP header", True)
    for said in ([0.0] * 9, ends):  # without a gamma they say nothing
        pixels, source, _ = opened(bitmap(scene(), 0, 0, said, b""))
        assert np.array_equal(pixels, np.rint(scene() * 255))
        assert source.colour_source == "none"


def test_published_values_of_the_curves() -> None:
    """BT.2100's tables, BT.2408's levels of diffuse white, IEC 61966-2-1."""
    pq = transfer.PQ.linear(np.array([0.0, 0.5806, 0.7518, 1.0])) * 203
    assert pq == pytest.approx([0, 203, 1000, 10_000], rel=2e-3)
    scene_light = transfer.HLG.linear(np.array([0.5, 0.75, 1.0]))
    assert scene_light == pytest.approx([1 / 12, 0.2650, 1.0], rel=2e-3)
    assert transfer.BT709.linear(np.array([0.081, 1.0])) == pytest.approx([0.018, 1], rel=2e-3)
    values = np.linspace(0, 255, 18)
    assert transfer.srgb_to_linear(values / 255) == pytest.approx(linear(values))
    assert np.array_equal(
        np.rint(transfer.linear_to_srgb(values / 255) * 255).astype(int), displayed(values / 255)
    )
    # SMPTE EG 432-1: P3 with D65 to XYZ
    assert primaries.DISPLAY_P3.to_xyz()[1] == pytest.approx([0.2290, 0.6917, 0.0793], abs=2e-4)

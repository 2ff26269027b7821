"""decode and fit: ICC profiles, metadata that stays behind, and the reduction."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from pipeline.decode import decode_image, fit
from pipeline.domain import Photo
from pipeline.encode import encode
from pipeline.settings import Settings

pillow_heif.register_heif_opener()

HEIGHT, WIDTH = 30, 54
# Columns are the XYZ of red, green and blue, adapted to D50: the values that the published
# profiles of these names hold.
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]]
)
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
D50 = (0.9642, 1.0, 0.8249)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def icc(
    space: bytes, device: bytes, connection: bytes, name: str, tags: dict[bytes, bytes]
) -> bytes:
    """An ICC profile of version 4 from its tags."""
    text = name.encode("utf-16-be")
    described = b"mluc\0\0\0\0" + struct.pack(">II", 1, 12) + b"enUS"
    tags = {b"desc": described + struct.pack(">II", len(text), 28) + text} | tags
    tags[b"wtpt"] = b"XYZ \0\0\0\0" + fixed(*D50)
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for key, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += key + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"", 0x04000000, device, space, connection)
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def display(name: str, primaries: np.ndarray, curve: tuple[float, ...] = SRGB_CURVE) -> bytes:
    tags = {}
    for letter, column in zip(b"rgb", primaries.T, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
        kind = 3 if len(curve) == 5 else 0
        tags[bytes([letter]) + b"TRC"] = (
            b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*curve)
        )
    return icc(b"RGB ", b"mntr", b"XYZ ", name, tags)


def grey_profile(gamma: float) -> bytes:
    curve = b"para\0\0\0\0\0\0\0\0" + fixed(gamma)
    return icc(b"GRAY", b"mntr", b"XYZ ", "grey", {b"kTRC": curve})


def press() -> bytes:
    """CMYK by a table of 2x2x2x2 corners in which every ink is the same neutral: no naive
    conversion gives that."""
    corners = bytearray()
    for corner in range(16):
        inks = bin(corner).count("1") / 4
        corners += bytes((round(255 * (1 - 0.8 * inks)), 128, 128))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += bytes(range(256)) * 4 + bytes(corners) + bytes(range(256)) * 3
    return icc(b"CMYK", b"scnr", b"Lab ", "one ink", {b"A2B0": table, b"A2B1": table})


def linear(values: np.ndarray) -> np.ndarray:
    values = values / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def displayed(values: np.ndarray) -> np.ndarray:
    values = values.clip(0, 1)
    curved = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(int)


def muted() -> np.ndarray:
    """Colours near grey: what sRGB and Display P3 both have."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.dstack((90 + x, 100 + y, 150 - x // 2)).astype(np.uint8)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff", "avif", "heif"])
def test_display_p3_becomes_srgb(format: str) -> None:
    profile = display("Display P3", DISPLAY_P3)
    photo, source = decode_image(
        saved(Image.fromarray(muted()), format, icc_profile=profile, quality=98), Settings()
    )
    wanted = displayed(linear(muted()) @ (np.linalg.inv(SRGB) @ DISPLAY_P3).T)
    assert source.profile_converted == "Display P3"
    assert np.abs(wanted - muted()).max() >= 8  # the conversion is no small thing
    error = np.abs(photo.pixels.astype(int) - wanted)
    assert error.max() <= 1 if format in ("png", "tiff") else error.mean() < 2.5


def test_p3_green_is_outside_and_stays_the_greenest() -> None:
    green = np.full((HEIGHT, WIDTH, 3), (0, 255, 0), np.uint8)
    profile = display("Display P3", DISPLAY_P3)
    photo, _ = decode_image(saved(Image.fromarray(green), "png", icc_profile=profile), Settings())
    assert photo.pixels[0, 0].tolist() == [0, 255, 0]


def test_alpha_is_kept_beside_a_profile() -> None:
    alpha = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    image = Image.fromarray(np.dstack((muted()[..., ::-1], alpha)))
    swapped = display("swapped", SRGB[:, ::-1])
    photo, source = decode_image(saved(image, "png", icc_profile=swapped), Settings())
    assert source.profile_converted == "swapped"
    assert np.abs(photo.pixels.astype(int) - muted()).max() <= 1
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha)


def test_srgb_by_any_name_is_left_alone() -> None:
    profile = display("a screen", SRGB)
    photo, source = decode_image(
        saved(Image.fromarray(muted()), "png", icc_profile=profile), Settings()
    )
    assert source.profile_converted is None
    assert np.array_equal(photo.pixels, muted())


def test_another_gamma_is_converted_in_colour_and_in_grey() -> None:
    profile = display("linear", SRGB, (1.0,))
    photo, source = decode_image(
        saved(Image.fromarray(muted()), "png", icc_profile=profile), Settings()
    )
    assert source.profile_converted == "linear"
    assert np.abs(photo.pixels - displayed(muted() / 255)).max() <= 1
    values = muted()[..., 0]
    for transparent in (False, True):
        image = Image.fromarray(values)
        if transparent:
            image.putalpha(100)
        data = saved(image, "png", icc_profile=grey_profile(1.0))
        photo, source = decode_image(data, Settings())
        assert source.profile_converted == "grey"
        assert np.abs(photo.pixels - displayed(values / 255)[..., None]).max() <= 1
        assert (photo.alpha is not None) == transparent


def test_grey_picture_with_a_colour_profile() -> None:
    values = muted()[..., 0]
    data = saved(Image.fromarray(values), "png", icc_profile=display("linear", SRGB, (1.0,)))
    photo, source = decode_image(data, Settings())
    assert source.profile_converted == "linear"
    assert np.abs(photo.pixels - displayed(values / 255)[..., None]).max() <= 1


@pytest.mark.parametrize("format", ["jpeg", "tiff"])
def test_cmyk_goes_through_its_profile(format: str) -> None:
    cyan = Image.new("CMYK", (WIDTH, HEIGHT), (255, 0, 0, 0))
    naive, source = decode_image(saved(cyan, format, quality=95), Settings())
    assert source.profile_converted is None
    assert naive.pixels[0, 0, 1] - naive.pixels[0, 0, 0].astype(int) > 200
    photo, source = decode_image(saved(cyan, format, quality=95, icc_profile=press()), Settings())
    assert source.profile_converted == "one ink"
    assert np.ptp(photo.pixels[0, 0].astype(int)) <= 3
    assert 150 < photo.pixels.mean() < 220  # L* 80
    black = Image.new("CMYK", (WIDTH, HEIGHT), (255, 255, 255, 255))
    photo, _ = decode_image(saved(black, format, quality=95, icc_profile=press()), Settings())
    assert photo.pixels.max() <= 3  # the press's black, L* 20, is the screen's black


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        display("cut", DISPLAY_P3)[:200],
        display("other", DISPLAY_P3).replace(b"para", b"junk"),
        grey_profile(1.0),  # of another kind of picture
        press(),
    ],
    ids=["text", "cut", "unknown curve", "grey", "cmyk"],
)
def test_unusable_profile_does_not_cost_the_photo(profile: bytes) -> None:
    data = saved(Image.fromarray(muted()), "png", icc_profile=profile)
    photo, source = decode_image(data, Settings())
    assert source.profile_converted is None
    assert np.array_equal(photo.pixels, muted())


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif", "heif"])
def test_position_goes_in_and_nothing_comes_out(format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRETCAMERA"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (35.0, 40.0, 51.0)
    options: dict[str, Any] = {"exif": exif.tobytes()}
    if format == "png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", "SECRETCAMERA")
    data = saved(Image.fromarray(muted()), format, **options)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert b"SECRETCAMERA" in data
    photo, source = decode_image(data, Settings())
    assert "SECRET" not in repr(source)
    for kind in ("jpeg", "png", "webp"):
        out = encode(photo, kind, 92)[0]
        assert b"SECRET" not in out
        assert not dict(Image.open(io.BytesIO(out)).getexif())


# fit


def test_fit_gives_small_photos_back() -> None:
    photo = Photo(pixels=muted())
    assert fit(photo, WIDTH) is photo
    assert fit(photo, 5000) is photo


@pytest.mark.parametrize(
    ("height", "width", "side", "wanted"),
    [
        (30, 54, 27, (15, 27)),
        (54, 30, 27, (27, 15)),
        (3, 3000, 64, (1, 64)),
        (1000, 999, 64, (64, 64)),
        (101, 77, 100, (100, 76)),
    ],
)
def test_fit_sizes(height: int, width: int, side: int, wanted: tuple[int, int]) -> None:
    pixels, alpha = np.zeros((height, width, 3), np.uint8), np.full((height, width), 9, np.uint8)
    fitted = fit(Photo(pixels=pixels, alpha=alpha), side)
    assert fitted.pixels.shape == (*wanted, 3)
    assert fitted.alpha is not None
    assert fitted.alpha.shape == wanted


def test_fit_takes_the_mean_of_the_area() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    wanted = noise.reshape(10, 4, 15, 4, 3).mean((1, 3))
    fitted = fit(Photo(pixels=noise), 15)
    assert fitted.alpha is None
    assert np.abs(fitted.pixels - wanted).max() <= 0.5
    opaque = fit(Photo(pixels=noise, alpha=np.full((40, 60), 255, np.uint8)), 15)
    assert np.abs(opaque.pixels - wanted).max() <= 1


def test_fit_keeps_hidden_colours_out_of_the_edge() -> None:
    pixels = np.full((40, 60, 3), (240, 120, 60), np.uint8)
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:, 30:] = 0
    pixels[:, 30:] = 0
    fitted = fit(Photo(pixels=pixels, alpha=alpha), 20 + 5)  # an edge within a pixel
    assert fitted.alpha is not None
    edge = (fitted.alpha > 0) & (fitted.alpha < 255)
    assert edge.any()
    assert np.abs(fitted.pixels[edge] - np.array([240, 120, 60.0])).max() <= 2
    assert fitted.pixels[:, -1].max() == 0

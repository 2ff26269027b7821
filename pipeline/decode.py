"""The bytes of a file to upright sRGB pixels; nothing else of the file travels on."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pipeline.domain import GrayImage, Photo, Source
from pipeline.errors import (
    EmptyInput,
    ExtremeAspect,
    PermanentError,
    TooManyBytes,
    TooManyPixels,
    TruncatedImage,
    UnsupportedVariant,
)
from pipeline.formats import deep, heif, jpeg, raw, tiff, tiff_samples
from pipeline.formats import exif as exif_format
from pipeline.formats.bands import colours_mode, first_shown
from pipeline.formats.colour import Colour, Unusable, Warn
from pipeline.formats.exif import exif_of, orientation_of
from pipeline.formats.kinds import kind_of
from pipeline.formats.samples import Samples
from pipeline.formats.show import in_srgb
from pipeline.formats.sources import colour_of
from pipeline.formats.turn import turned
from pipeline.formats.webp import webp_size
from pipeline.settings import Settings

# Pillow's file classes are called directly, not through Image.open: the list is closed whatever
# other plugins are registered, and our own pixel limit rules, not its global one.
PILLOW: dict[str, Callable[[io.BytesIO], ImageFile]] = {
    "avif": AvifImageFile,
    "bmp": BmpImageFile,
    "gif": GifImageFile,
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "tiff": TiffImageFile,
    "webp": WebPImageFile,
}
# An "image spatial extents" box: its length, name, version, and the two sides.
EXTENTS = re.compile(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", re.DOTALL)
# What Pillow, libtiff and libheif say of sound files that they do not read
UNSUPPORTED = re.compile(
    r"unknown pixel mode|unknown data organization|unsupported|not supported|not yet supported"
    r"|cannot handle|unknown raw mode",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Header:
    """What is known of a picture before its pixels are decoded.

    Attributes:
        format: As in Source.
        width: Stored columns.
        height: Stored rows.
        has_alpha: Whether it may be transparent.
        sample_bytes: Of a pixel's samples where they have more than 8 bits, else 0.
    """

    format: str
    width: int
    height: int
    has_alpha: bool
    sample_bytes: int = 0


@dataclass(frozen=True, eq=False)
class Raster:
    """Decoded pixels as they are stored, and all that it takes to show them.

    Attributes:
        format: As in Source.
        mode: As in Source.
        size: Stored width and height.
        orientation: EXIF's value, 1 to 8.
        turn: What of the orientation is still to be applied.
        colours: The pixels.
        alpha: uint8 (H, W), None where all is opaque.
        colour: Their colour space.
    """

    format: str
    mode: str
    size: tuple[int, int]
    orientation: int
    turn: int
    colours: Image.Image | Samples
    alpha: GrayImage | None
    colour: Colour


# Called once the header is read and allowed, before any pixel is decoded; returns by how much
# (1, 2, 4 or 8) the sides of a JPEG are reduced while it is decoded.
Reserve = Callable[[Header], int]


def _unwarned(message: str) -> None:
    """Whoever does not ask for warnings gets none."""


def decode_image(
    data: bytes, settings: Settings, reserve: Reserve | None = None, warn: Warn = _unwarned
) -> tuple[Photo, Source]:
    """Decodes a photo.

    Formats: JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIF, and the raw files of cameras. Of several
    pages the first full one is taken, of several frames the first that shows something, of a raw
    file its largest preview. Nothing here bounds what a hostile file costs: pipeline/decoder.py
    does.

    Args:
        data: The file.
        settings: Limits of bytes, pixels and aspect.
        reserve: Called once the header is read; see ``Reserve``.
        warn: Called with what was guessed, ignored or incomplete.

    Returns:
        The Photo, uint8 RGB in sRGB, upright, with its alpha (None where all is opaque); and what
        the file said.

    Raises:
        EmptyInput, TooManyBytes, NotAnImage: By its bytes.
        TooManyPixels, ExtremeAspect: By its header, before any pixel is decoded.
        UnsupportedVariant: A sound file of a kind that is not supported.
        TruncatedImage: A damaged file.
    """
    if not data:
        raise EmptyInput("the file is empty", measured=0)
    if len(data) > settings.max_input_bytes:
        raise TooManyBytes(
            f"the file has {len(data)} bytes; the limit is {settings.max_input_bytes}",
            measured=len(data),
            limit=settings.max_input_bytes,
        )
    kind = kind_of(data)
    with _named_errors(kind, data, settings):
        if kind == "tiff":
            raster = _read_tiff(data, settings, reserve, warn)
        elif kind == "raw":
            raster = _read_preview(data, raw.container_of(data) or kind, settings, reserve, warn)
        else:
            raster = _read(data, kind, settings, reserve, warn)
        pixels, converted = in_srgb(raster.colours, raster.colour, warn)
    alpha = raster.alpha
    if alpha is not None and alpha.min() == 255:
        alpha = None
    photo = Photo(
        pixels=turned(pixels, raster.turn),
        alpha=None if alpha is None else turned(alpha, raster.turn),
    )
    return photo, Source(
        format=raster.format,
        mode=raster.mode,
        width_px=raster.size[0],
        height_px=raster.size[1],
        bytes=len(data),
        orientation_applied=raster.orientation,
        profile_converted=converted,
        colour_source=raster.colour.source,
    )


def fit(photo: Photo, max_side_px: int) -> Photo:
    """Reduces a photo to a longer side of at most ``max_side_px``.

    Returns:
        The same object where it is no larger; else one reduced by area, no side under 1 px. Never
        enlarges.
    """
    longer = max(photo.height_px, photo.width_px)
    if longer <= max_side_px:
        return photo
    size = (
        max(1, round(photo.width_px * max_side_px / longer)),
        max(1, round(photo.height_px * max_side_px / longer)),
    )
    pixels = _reduced(photo.pixels, size)
    if photo.alpha is None:
        return Photo(pixels=pixels)
    # Colours count as much as they are seen: those under full transparency, often black, would
    # else darken the edge. Where nothing is seen the plain mean stays.
    alpha = _reduced(photo.alpha, size)
    weighted = cv2.multiply(photo.pixels, cv2.merge([photo.alpha] * 3), dtype=cv2.CV_16U)
    weighted = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    seen = np.rint(weighted / np.maximum(alpha, 1)[..., None]).clip(0, 255)
    pixels = np.where(alpha[..., None] > 0, seen, pixels).astype(np.uint8)
    return Photo(pixels=pixels, alpha=alpha)


def _reduced(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


@contextmanager
def _named_errors(kind: str, data: bytes, settings: Settings) -> Iterator[None]:
    """Turns what Pillow and its codecs raise into errors with names."""
    try:
        yield
    except (PermanentError, MemoryError):  # named, or not the file's fault
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Of WebP and GIF Pillow checks the size before we can; its message tells the pixels.
        match = re.search(r"\d+", str(error))
        raise TooManyPixels(
            str(error),
            measured=int(match.group()) if match else None,
            limit=settings.max_input_pixels,
        ) from error
    except Exception as error:  # codecs raise nearly everything on a damaged file
        variant = jpeg.unsupported(data) if kind == "jpeg" else None
        if variant or UNSUPPORTED.search(str(error)):
            raise UnsupportedVariant(
                f"{variant or f'a {kind} file of this kind'} is not supported: {error}"
            ) from error
        raise TruncatedImage(f"the {kind} file is damaged or cut off: {error}") from error


def _read_tiff(data: bytes, settings: Settings, reserve: Reserve | None, warn: Warn) -> Raster:
    """Reads the photo among a TIFF's pages, or the preview of a raw file that is a TIFF."""
    pages = tiff.pages(data)
    container = raw.container_of_pages(pages)
    if container:
        return _read_preview(data, container, settings, reserve, warn)
    page = tiff.photo_page(pages, warn)
    _refuse_size(page.width, page.height, settings)
    tiff.check_supported(page)
    if not tiff.is_read_here(page):
        # uncompressed, Pillow reads these as if there were a colour for each pixel
        TiffImagePlugin.READ_LIBTIFF = page.is_subsampled
        file = data if page is pages[0] else tiff.first_page_is(data, page)
        return _read(file, "tiff", settings, reserve, warn, tiff.own_colour(data, page))
    if reserve:
        size = page.samples * max(page.bits, 8) // 8
        reserve(Header("tiff", page.width, page.height, page.alpha_kind != 0, size))
    own = tiff.own_colour(data, page)
    colour = colour_of("tiff", data, page.mode, page.profile, own, warn)
    if page.sample_format == tiff.FLOAT and colour.source == "none":
        warn("floats without a profile were taken as coded like sRGB, not as linear light")
    # a picture in linear light may well stay in the lowest fourth of its range
    pixels = tiff_samples.read(data, page, warn, as_counted=not colour.is_srgb)
    return Raster(
        format="tiff",
        mode=page.mode,
        size=(page.width, page.height),
        orientation=orientation_of(page.tags),
        turn=orientation_of(page.tags),
        colours=pixels.samples,
        alpha=pixels.alpha,
        colour=colour,
    )


def _read_preview(
    data: bytes, container: str, settings: Settings, reserve: Reserve | None, warn: Warn
) -> Raster:
    """Reads the largest JPEG in a camera's raw file, turned as the camera says."""
    preview = raw.largest_preview(data, container)
    raster = _read(preview.data, "jpeg", settings, reserve, warn)
    warn(
        f"the file is {container}: its JPEG preview of {preview.width}x{preview.height} px was "
        "drawn, not what the sensor saw"
    )
    turn = raster.turn if raster.turn != 1 else preview.orientation
    return replace(raster, format="raw", orientation=turn, turn=turn)


def _read(
    data: bytes,
    kind: str,
    settings: Settings,
    reserve: Reserve | None,
    warn: Warn,
    own_colour: Colour | Unusable | None = None,
) -> Raster:
    """Reads what Pillow and pillow_heif read; ``own_colour``: a TIFF's own colour space."""
    image = _open(data, kind, settings)
    mode, size = image.mode, image.size
    orientation = turn = 1
    if kind == "heif":
        orientation, turn = heif.orientation(image, warn)
    elif isinstance(image, TiffImageFile):  # turned by Pillow, which then forgets the tag
        orientation = orientation_of(image.tag_v2)
    header = Header(kind, *size, image.has_transparency_data)
    reduced_by = reserve(header) if reserve else 1
    whole = _loaded(image, data, reduced_by, warn)
    exif = exif_of(image)
    if kind not in ("heif", "tiff"):
        orientation = turn = orientation_of(exif)
    own = own_colour or exif_format.colour(exif)
    profile = image.info.get("icc_profile")
    colour = colour_of(kind, data, colours_mode(mode), profile, own, warn)
    colours, alpha = first_shown(whole, warn, as_counted=not colour.is_srgb)
    if turn != orientation and orientation >= 5:
        size = size[::-1]
    return Raster(
        format=kind,
        mode=mode,
        size=size,
        orientation=orientation,
        turn=turn,
        colours=deep.colours(kind, data, colours, colour, warn),
        alpha=alpha,
        colour=colour,
    )


def _loaded(image: ImageFile, data: bytes, reduced_by: int, warn: Warn) -> Image.Image:
    """Decodes the pixels; a JPEG at a fraction of its sides, and even where it lacks its end."""
    if not isinstance(image, JpegImageFile):
        image.load()
        return image

    def reduced(opened: JpegImageFile) -> JpegImageFile:
        if reduced_by > 1:
            width, height = opened.size
            opened.draft(opened.mode, (width // reduced_by, height // reduced_by))
        return opened

    try:
        reduced(image).load()
    except OSError as error:
        if "truncated" not in str(error):
            raise
        rescued = jpeg.nearly_whole(
            data, lambda file: reduced(JpegImageFile(io.BytesIO(file))), warn
        )
        if rescued is None:
            raise
        return rescued
    return image


def _open(data: bytes, kind: str, settings: Settings) -> ImageFile:
    """Opens a file: its header is read and its size allowed, no pixel is decoded yet."""
    if kind in ("avif", "heif"):
        # The codecs refuse huge pictures as if they were damaged, and a crop hides the true size.
        for wide, high in EXTENTS.findall(data):
            _refuse_pixels(int.from_bytes(wide, "big"), int.from_bytes(high, "big"), settings)
    if kind == "webp":
        # its codec takes memory for all of the picture when it is opened
        _refuse_pixels(*webp_size(data), settings)
    image = heif.open_picture(data) if kind == "heif" else PILLOW[kind](io.BytesIO(data))
    _refuse_size(*image.size, settings)
    return image


def _refuse_size(width: int, height: int, settings: Settings) -> None:
    _refuse_pixels(width, height, settings)
    if min(width, height) < 1:
        raise TruncatedImage(f"the picture is {width}x{height}")
    aspect = max(width, height) / min(width, height)
    if aspect > settings.max_aspect:
        raise ExtremeAspect(
            f"the picture is {width}x{height}: one side is {aspect:.1f} times the other, "
            f"the limit is {settings.max_aspect:g}",
            measured=round(aspect, 2),
            limit=settings.max_aspect,
        )


def _refuse_pixels(width: int, height: int, settings: Settings) -> None:
    if width * height > settings.max_input_pixels:
        raise TooManyPixels(
            f"the picture has {width}x{height} pixels; the limit is {settings.max_input_pixels}",
            measured=width * height,
            limit=settings.max_input_pixels,
        )

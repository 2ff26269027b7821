"""The bytes of a file to upright sRGB pixels; nothing else of the file travels on."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pipeline.domain import Photo, Picture, Plane, Source
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
MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
}
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the header after the first 14
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# An "image spatial extents" box: its length, name, version, and the two sides.
EXTENTS = re.compile(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", re.DOTALL)
ORIENTATION = int(ExifTags.Base.Orientation)
PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
BAND_ROWS = 256  # of a picture on its way from Pillow
NAME_LENGTH = 120  # of a profile; it is a stranger's text on its way to the sidecar


# Called with the opened file once its header is read and allowed, before any pixel is decoded;
# returns by how much (1, 2, 4 or 8) the sides of a JPEG are reduced while it is decoded.
Reserve = Callable[[Image.Image], int]


def decode(data: bytes, settings: Settings, reserve: Reserve | None = None) -> tuple[Photo, Source]:
    """in: the bytes of a JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIF file; out: the Photo, uint8
    RGB in sRGB, upright, with its alpha (None where all is opaque), and what the file said.

    Of several frames or pages the first is taken. Raises EmptyInput, TooManyBytes, NotAnImage,
    TooManyPixels, ExtremeAspect (these by the header, before any pixel is decoded) and
    TruncatedImage. Nothing here bounds what a hostile file costs: pipeline/decoder.py does.
    """
    if not data:
        raise EmptyInput("the file is empty", measured=0)
    if len(data) > settings.max_input_bytes:
        raise TooManyBytes(
            f"the file has {len(data)} bytes; at most {settings.max_input_bytes} are taken",
            measured=len(data),
            limit=settings.max_input_bytes,
        )
    kind = _kind(data)
    with _named_errors(kind, settings):
        image = _open(data, kind, settings)
        mode = image.mode
        stored, orientation, turn = _load(image, reserve(image) if reserve else 1)
        pixels, alpha, profile = _srgb(image)
    photo = Photo(
        pixels=_turned(pixels, turn), alpha=None if alpha is None else _turned(alpha, turn)
    )
    return photo, Source(
        format=kind,
        mode=mode,
        width_px=stored[0],
        height_px=stored[1],
        bytes=len(data),
        orientation_applied=orientation,
        profile_converted=profile,
    )


def fit(photo: Photo, max_side_px: int) -> Photo:
    """in: a Photo; out: the same Photo where its longer side is at most ``max_side_px``, else one
    reduced to that by area, no side under 1 px. Never enlarges.
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


def _kind(data: bytes) -> str:
    """The format by the first bytes; raises NotAnImage."""
    for magic, kind in MAGIC.items():
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in BMP_HEADERS:
        return "bmp"
    if data[4:8] == b"ftyp":
        box = data[: min(int.from_bytes(data[:4], "big"), 256)]
        brands = {data[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
        if brands & AVIF_BRANDS:
            return "avif"
        if brands & HEIF_BRANDS:
            return "heif"
    raise NotAnImage("the file is no JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIF picture")


@contextmanager
def _named_errors(kind: str, settings: Settings) -> Iterator[None]:
    """Turns what Pillow and its codecs raise into errors with names."""
    try:
        yield
    except (PermanentError, MemoryError):  # named, or not the file's fault
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Of WebP and GIF Pillow checks the size before we can; its message tells the pixels.
        found = re.search(r"\d+", str(error))
        raise TooManyPixels(
            str(error),
            measured=int(found.group()) if found else None,
            limit=settings.max_input_pixels,
        ) from error
    except Exception as error:  # codecs raise nearly everything on a damaged file
        raise TruncatedImage(
            f"the {kind} file is damaged, cut off or of a kind that cannot be read: {error}"
        ) from error


def _open(data: bytes, kind: str, settings: Settings) -> ImageFile:
    """The file with its header read and its size allowed, not yet decoded."""
    if kind in ("avif", "heif"):
        # The codecs refuse huge pictures as if they were damaged, and a crop hides the true size.
        for wide, high in EXTENTS.findall(data):
            _refuse_pixels(int.from_bytes(wide, "big"), int.from_bytes(high, "big"), settings)
    if kind == "webp":
        # its codec takes memory for all of the picture when it is opened
        _refuse_pixels(*webp_size(data), settings)
    image = _open_heif(data) if kind == "heif" else PILLOW[kind](io.BytesIO(data))
    width, height = image.size
    _refuse_pixels(width, height, settings)
    aspect = max(width, height) / min(width, height)
    if aspect > settings.max_aspect:
        raise ExtremeAspect(
            f"the picture is {width}x{height}: one side is {aspect:.1f} times the other, "
            f"at most {settings.max_aspect:g} is taken",
            measured=round(aspect, 2),
            limit=settings.max_aspect,
        )
    return image


def _open_heif(data: bytes) -> ImageFile:
    """An image may be built without the library, for its licence: then such a file is refused."""
    try:
        from pillow_heif import HeifImageFile  # 40 ms and a large library, seldom needed
    except ImportError as error:
        raise NotAnImage("HEIC is not taken here: pillow-heif is not installed") from error
    return HeifImageFile(io.BytesIO(data))


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that the header of a WebP file claims; 0, 0 where it is none."""
    kind, header = data[12:16], data[20:30]
    if data[:4] != b"RIFF" or len(header) < 10:
        return 0, 0
    if kind == b"VP8X":
        sides = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (4, 7))
        return next(sides), next(sides)
    if kind == b"VP8L":
        packed = int.from_bytes(header[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        sides = (int.from_bytes(header[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return next(sides), next(sides)
    return 0, 0


def _refuse_pixels(width: int, height: int, settings: Settings) -> None:
    if width * height > settings.max_input_pixels:
        raise TooManyPixels(
            f"the picture has {width}x{height} pixels; "
            f"at most {settings.max_input_pixels} are taken",
            measured=width * height,
            limit=settings.max_input_pixels,
        )


def _load(image: ImageFile, reduced_by: int) -> tuple[tuple[int, int], int, int]:
    """Decodes, a JPEG at a fraction of its sides. Gives the stored width and height, the EXIF
    orientation, and what of it is still to be applied: libheif turns by itself, and so does
    Pillow with TIFF.
    """
    size = image.size
    if reduced_by > 1:
        image.draft(image.mode, (size[0] // reduced_by, size[1] // reduced_by))
    if image.format == "HEIF":
        orientation, left = _heif_orientation(image), 1
        image.load()
    elif isinstance(image, TiffImageFile):
        orientation, left = _valid(image.tag_v2.get(ORIENTATION)), 1  # gone after loading
        image.load()
    else:
        image.load()
        try:
            orientation = left = _valid(image.getexif().get(ORIENTATION))
        except Exception:  # damaged EXIF does not cost the photo
            orientation = left = 1
    turned_already = orientation >= 5 and left == 1
    return (size[::-1] if turned_already else size), orientation, left


def _valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _heif_orientation(image: Any) -> int:
    """The EXIF value of what libheif does. HEIF turns by boxes of its own; what EXIF says beside
    them counts for nothing, and pillow_heif tells of the boxes in this one place.
    """
    probe = seen = np.arange(4, dtype=np.uint8).reshape(2, 2)
    for name, *values in image._heif_file[image.tell()]._c_image.transformations:
        if name == "irot":  # degrees against the clock
            seen = np.rot90(seen, values[0] // 90)
        elif name == "imir":
            seen = np.flip(seen, axis=values[0])
    return next(value for value in range(1, 9) if np.array_equal(_turned(probe, value), seen))


def _turned(plane: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A plane or picture as its EXIF orientation, 1 to 8, wants to be seen."""
    if orientation >= 5:
        plane = np.asarray(cv2.transpose(plane), np.uint8)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    if orientation in flips:
        plane = np.asarray(cv2.flip(plane, flips[orientation]), np.uint8)
    return plane


def _srgb(image: Image.Image) -> tuple[Picture, Plane | None, str | None]:
    """Pixels in sRGB, alpha unless all is opaque, and the name of the profile converted."""
    colours, alpha = _bands(image)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    colours, profile = _convert(colours, image.info.get("icc_profile"))
    if colours.mode != "RGB":  # else this would be one more copy
        colours = colours.convert("RGB")
    return _array(colours), alpha, profile


def _array(colours: Image.Image) -> Picture:
    """(H, W, 3), band by band: Pillow gives pixels away as a string of bytes, which for all of a
    large picture at once takes twice the time, and its memory again.
    """
    pixels = np.empty((colours.height, colours.width, 3), np.uint8)
    for top in range(0, colours.height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, colours.height)
        pixels[top:bottom] = np.asarray(colours.crop((0, top, colours.width, bottom)))
    return pixels


def _bands(image: Image.Image) -> tuple[Image.Image, Plane | None]:
    """Colours as L, RGB, CMYK or LAB of 8 bits, and alpha."""
    mode, key = image.mode, image.info.get("transparency")
    if mode in ("I", "F") or mode.startswith("I;16"):
        values = np.asarray(image)
        alpha = None if key is None else np.where(values == key, 0, 255).astype(np.uint8)
        return Image.fromarray(_eight_bits(values)), alpha
    grey = mode in ("1", "L", "LA", "La")
    if not image.has_transparency_data:
        kept = mode in ("CMYK", "LAB")
        return (image if kept else image.convert("L" if grey else "RGB")), None
    if mode == "RGB" and key is not None and max(key) > 255:
        # Pillow reads 16 bits a channel by their high byte (at most one level off) but not the key.
        image.info["transparency"] = tuple(value >> 8 for value in key)
    # This also undoes premultiplied alpha.
    image = image.convert("RGBA")
    return image.convert("L" if grey else "RGB"), np.asarray(image.getchannel("A"))


def _eight_bits(values: NDArray[np.generic]) -> Plane:
    """Grey of 16 or 32 bits or floats to 0..255.

    Whole numbers within 0..65535 are taken as 16 bits (65535 is white), floats within 0..1 as
    they are (1 is white); anything else is stretched from its least to its greatest value.
    """
    grey = values.astype(np.float32)
    finite = grey[np.isfinite(grey)]
    if not finite.size:
        return np.zeros(grey.shape, np.uint8)
    black, white = float(finite.min()), float(finite.max())
    nominal = 1.0 if values.dtype.kind == "f" else 65535.0
    if black >= 0 and white <= nominal:
        black, white = 0.0, nominal
    grey = np.nan_to_num(grey, nan=black, posinf=white, neginf=black)
    grey = (grey - black) * (255 / max(white - black, 1e-30))
    return np.asarray(np.rint(grey), np.uint8)


def _convert(colours: Image.Image, icc: bytes | None) -> tuple[Image.Image, str | None]:
    """From the file's ICC profile to sRGB, and the profile's name when that changed anything.

    Relative colorimetric with black-point compensation: colours that sRGB has are kept exactly,
    and black stays black. Perceptual would be the same here for cameras' and displays' profiles,
    and sRGB as built in has no tables for it. A profile that cannot be used is left out.
    """
    if not icc:
        return colours, None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if space == "RGB" and colours.mode == "L":  # a grey photo with its camera's profile
            colours = colours.convert("RGB")
        if PROFILE_MODES.get(space) != colours.mode:
            return colours, None
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            colours.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if _changes_nothing(transform, colours.mode):
            return colours, None
        converted = ImageCms.applyTransform(colours, transform)
        name = (profile.profile.profile_description or "unnamed").strip()[:NAME_LENGTH]
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return colours, None
    return converted or colours, name


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a probe of colours comes back within one level: the profile is sRGB by any name."""
    if mode == "RGB":
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    elif mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
    else:
        return False
    shown = Image.fromarray(probe)
    after = np.asarray(ImageCms.applyTransform(shown, transform), np.int16)
    return bool(np.abs(after - np.asarray(shown.convert("RGB"), np.int16)).max() <= 1)

"""Decoded video frames to upright sRGB pixels."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, cast

import numpy as np
from av import VideoFrame
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter

from pipeline.domain import Photo, RgbImage
from pipeline.formats.colour import ASSUMED, Colour, Warn, by_codes
from pipeline.formats.convert import peak_of, to_srgb
from pipeline.formats.samples import Numbers, Samples
from pipeline.formats.turn import turned

# swscale: bilinear, chroma at full resolution, rounded rightly. Without the latter two it is faster
# by 20 ms at 1080p and off by 2 levels on average, 13 at most.
BILINEAR, FULL_CHROMA, ACCURATE = 2, 0x2000, 0x40000
MATRIX = SideDataType.DISPLAYMATRIX
FLAGS = BILINEAR | FULL_CHROMA | ACCURATE
# Code points of H.273 for matrices
RGB, BT709, UNSPECIFIED, BT601, BT2020, BT2020_CONSTANT = 0, 1, 2, 6, 9, 10
LIMITED, FULL = 1, 2  # FFmpeg's names of ranges
HD_HEIGHT, HD_WIDTH = 720, 1280  # from here on a video that says nothing is BT.709
# EXIF's value by the signs of a matrix's four numbers: a, b, c, d of x' = a x + c y, y' = b x + d y
ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
ROTATIONS_DEG = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
MAX_PIXEL_ASPECT = 4  # of pixels that are not square; beyond it the number is no aspect
SKEW = 0.02  # of a matrix's larger numbers: smaller ones are rounding


class Upright:
    """How the frames of one video become pictures.

    Args:
        first: Its first frame, by which size, turn and colours are fixed.
        max_side_px: Longer side of the pictures at most.
        warn: Called with what was guessed or ignored.

    Attributes:
        width_px: Of the video as shown, before it is reduced to ``max_side_px``.
        height_px: Of the video as shown.
        orientation: As of EXIF.
        colour: Its colour space.
        peak: The brightest light for the tone map; 1 for what is no HDR.
    """

    def __init__(self, first: VideoFrame, pixel_aspect: Fraction | None, warn: Warn) -> None:
        orientation = _orientation(first, warn)
        self.orientation = orientation or 1
        # FFmpeg takes the aspect of pixels from the display matrix, too
        aspect = float(pixel_aspect or 1) if orientation else 1.0
        if not 1 / MAX_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT:
            aspect = 1.0
        self._stored = max(1, round(first.width * aspect)), first.height
        swapped = self.orientation >= 5
        self.width_px, self.height_px = self._stored[::-1] if swapped else self._stored
        self.colour = _colour(first, warn)
        self.peak = 1.0
        self._reformatter = VideoReformatter()

    @property
    def rotation_deg(self) -> int:
        """By how much stored frames are turned clockwise."""
        return ROTATIONS_DEG[self.orientation]

    def measure_peak(self, frame: VideoFrame) -> None:
        """Raises the peak of the tone map to that of another frame of an HDR video."""
        samples = self._samples(frame, *self._size(512))
        self.peak = max(self.peak, peak_of(samples, self.colour))

    def converter(self, frame: VideoFrame, max_side_px: int) -> Callable[[], Photo]:
        """What converts a frame, when it is called."""
        return lambda: Photo(turned(self._pixels(frame, max_side_px), self.orientation))

    def _size(self, max_side_px: int) -> tuple[int, int]:
        width, height = self._stored
        share = min(1.0, max_side_px / max(width, height))
        return max(1, round(width * share)), max(1, round(height * share))

    def _pixels(self, frame: VideoFrame, max_side_px: int) -> RgbImage:
        """uint8 (h, w, 3), as stored; a frame of another size is brought to that of the first."""
        width, height = self._size(max_side_px)
        if self.colour.is_srgb:
            return np.asarray(self._reformatted(frame, width, height, "rgb24"), np.uint8)
        return to_srgb(self._samples(frame, width, height), self.colour, self.peak)

    def _samples(self, frame: VideoFrame, width: int, height: int) -> Samples:
        values = self._reformatted(frame, width, height, "rgb48le")
        return Samples(values, 0.0, 65535.0)

    def _reformatted(self, frame: VideoFrame, width: int, height: int, format: str) -> Numbers:
        matrix = frame.colorspace
        if matrix == UNSPECIFIED:
            is_hd = frame.height >= HD_HEIGHT or frame.width >= HD_WIDTH
            matrix = BT709 if is_hd else BT601
        if matrix == BT2020_CONSTANT:
            matrix = BT2020
        full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
        converted = self._reformatter.reformat(
            frame,
            width,
            height,
            format=format,
            interpolation=FLAGS,
            src_colorspace=matrix,
            src_color_range=FULL if full or matrix == RGB else LIMITED,
            dst_color_range=FULL,
        )
        return converted.to_ndarray()


def _colour(frame: VideoFrame, warn: Warn) -> Colour:
    """What its RGB means, by the code points of its stream."""
    colour = by_codes("video stream", frame.color_primaries, frame.color_trc)
    if isinstance(colour, Colour):
        return colour
    if colour is not None:
        warn(f"the {colour.source}'s colours were taken as sRGB: {colour.why}")
    return ASSUMED


def _orientation(frame: VideoFrame, warn: Warn) -> int | None:
    """EXIF's value for the display matrix (ISO/IEC 14496-12, 8.3.2) of a frame; 1 without one.

    None for a matrix that is no turn.
    """
    entries: Iterable[Any] = cast(Any, frame.side_data)  # which iterates over its entries
    data = next((bytes(entry) for entry in entries if entry.type is MATRIX), None)
    if data is None:
        return 1
    a, b, _, c, d = struct.unpack_from("<5i", data)
    scale = max(map(abs, (a, b, c, d)))

    def sign(number: int) -> int:
        return int(math.copysign(abs(number) > SKEW * scale, number))

    orientation = ORIENTATIONS.get((sign(a), sign(b), sign(c), sign(d))) if scale else None
    if orientation is None:
        warn("the clip's display matrix was ignored: it is no quarter turn, but slanted or empty")
    return orientation

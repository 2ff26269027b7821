"""What a clip may ask for: its size, its length, its number of frames. Refused by name."""

from __future__ import annotations

from pipeline.errors import (
    ClipTooLong,
    ExtremeAspect,
    TooManyFrames,
    TooManyPixels,
    TruncatedImage,
)
from pipeline.settings import Settings

GRACE_S = 0.5  # a telephone that stops after 30 s writes a clip of 30.03 s
# What opening a file may take, and decoding beside what its pixels explain: codecs' tables, stacks
# of their threads, buffers of the container.
ALLOWANCE_BYTES = 220_000_000
# For each pixel of a frame at most: pictures that a codec refers to (16, of 1.5 or 3 bytes), those
# that its threads work on, and the frame on its way to RGB. The copies of HDR are of floats.
FRAME_BYTES, HDR_FRAME_BYTES = 80, 160
# decode_cpu_s is granted once for each of these pixels; a small frame counts as MIN_FRAME_PIXELS.
PIXELS_EACH_CPU_S, HDR_PIXELS_EACH_CPU_S = 16_000_000, 5_000_000
MIN_FRAME_PIXELS = 200_000


def refuse_size(width: int, height: int, settings: Settings) -> None:
    """Raises TooManyPixels, ExtremeAspect, or TruncatedImage for a frame without pixels."""
    if min(width, height) < 1:
        raise TruncatedImage(f"the clip's frames are {width}x{height}")
    if width * height > settings.max_clip_pixels:
        raise TooManyPixels(
            f"the clip's frames are {width}x{height}; the limit is {settings.max_clip_pixels} "
            "pixels",
            measured=width * height,
            limit=settings.max_clip_pixels,
        )
    aspect = max(width, height) / min(width, height)
    if aspect > settings.max_aspect:
        raise ExtremeAspect(
            f"the clip's frames are {width}x{height}: one side is {aspect:.1f} times the other, "
            f"the limit is {settings.max_aspect:g}",
            measured=round(aspect, 2),
            limit=settings.max_aspect,
        )


def refuse_length(seconds: float, settings: Settings) -> None:
    """Raises ClipTooLong."""
    if seconds > settings.max_clip_seconds + GRACE_S:
        raise ClipTooLong(
            f"the clip lasts {seconds:.1f} s; the limit is {settings.max_clip_seconds:g} s",
            measured=round(seconds, 1),
            limit=settings.max_clip_seconds,
        )


def refuse_count(frames: int, settings: Settings) -> None:
    """Raises TooManyFrames."""
    if frames > settings.max_clip_frames:
        raise TooManyFrames(
            f"the clip has over {settings.max_clip_frames} frames, which is the limit",
            measured=frames,
            limit=settings.max_clip_frames,
        )

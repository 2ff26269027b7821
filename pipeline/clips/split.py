"""Where a long clip is cut, so that several functions may draw it at once.

A cut of the film costs nothing: shots are drawn by decisions of their own. Elsewhere each side
draws some frames of the other, for the steadying: such a border stands where there is no better.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path

from pipeline.clips.reader import ClipReader
from pipeline.clips.result import Segment
from pipeline.clips.shots import THUMBNAIL_PX, is_cut, signature
from pipeline.settings import SOURCE, Options, Settings

EARLIEST = 0.5  # of a segment's length: how much shorter one may be, to end with its shot
MIN_FPS = 0.1
# Drawn frames before a segment: the steadying remembers about as many, and nothing across a cut.
WITHIN_SHOT, FROM_CUT = 36, 1
FEWEST = 2  # drawn frames of the last segment: fewer belong to the one before it


def segments_of(
    times_s: Sequence[float], end_s: float, cuts_s: Sequence[float], longest_s: float
) -> tuple[Segment, ...]:
    """Cuts a clip at borders between its drawn frames.

    A segment ends with the last shot that ends in its second half, or else when it is as long as
    it may be.

    Args:
        times_s: Times of the frames that are drawn, rising.
        end_s: When the last of them ends.
        cuts_s: Times of frames that begin a shot, rising.
        longest_s: Longest duration of a segment.

    Returns:
        Segments that follow each other, from the first frame to the end; one where the clip is not
        longer than that.
    """
    segments: list[Segment] = []
    times = list(times_s)
    shots = {bisect_left(times, cut_s) for cut_s in cuts_s}  # numbers of the frames that begin one
    start = 0
    while start < len(times):
        start_s = times[start]
        stop = _stop(times, start, start_s + longest_s, end_s)
        if stop < len(times):
            earliest = bisect_left(times, start_s + EARLIEST * longest_s)
            stop = next((number for number in range(stop, earliest, -1) if number in shots), stop)
            if len(times) - stop < FEWEST:
                stop = len(times)
        overlap = FROM_CUT if start in shots else WITHIN_SHOT
        segments.append(Segment(start_s, times[stop] if stop < len(times) else end_s, overlap))
        start = stop
    return tuple(segments)


def _stop(times: Sequence[float], start: int, limit_s: float, end_s: float) -> int:
    """The number of the frame before which a segment ends at the latest."""
    if end_s <= limit_s:
        return len(times)
    return max(start + 1, bisect_right(times, limit_s) - 1)


def clip_length_s(settings: Settings, source: Path) -> float | None:
    """How long a video lasts; None for an animated picture. Raises PermanentError."""
    with ClipReader(settings, source, THUMBNAIL_PX) as reader:
        return reader.info.duration_s if reader.info.is_video else None


def split_clip(
    settings: Settings, source: Path, options: Options, longest_s: float
) -> tuple[Segment, ...]:
    """Cuts a clip into segments that several functions may draw.

    Args:
        settings: Limits.
        source: The clip's file.
        options: How it will be drawn: only frames that are drawn begin a segment.
        longest_s: Longest duration of a segment.

    Raises:
        PermanentError: It cannot be read, by name.
    """
    times_s: list[float] = []
    cuts_s: list[float] = []
    end_s, before = 0.0, None
    with ClipReader(settings, source, THUMBNAIL_PX) as reader:
        fps = reader.info.rate if options.fps == SOURCE else min(reader.info.rate, options.fps)
        for frame in reader.frames(rate=max(fps, MIN_FPS)):
            seen = signature(frame.pixels)
            if before is not None and is_cut(before, seen):
                cuts_s.append(frame.time_s)
            before = seen
            times_s.append(frame.time_s)
            end_s = frame.time_s + frame.duration_s
    return segments_of(times_s, end_s, cuts_s, longest_s)

"""Where a long clip is cut, so that several functions may draw it at once.

A cut of the film costs nothing: shots are drawn by decisions of their own. Elsewhere each side
draws some frames of the other, for the steadying: such a border stands where there is no better.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from pipeline.clips.result import Segment

EARLIEST = 0.5  # of a segment's length: how much shorter one may be, to end with its shot
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
        segments.append(Segment(start_s, times[stop] if stop < len(times) else end_s))
        start = stop
    return tuple(segments)


def _stop(times: Sequence[float], start: int, limit_s: float, end_s: float) -> int:
    """The number of the frame before which a segment ends at the latest."""
    if end_s <= limit_s:
        return len(times)
    return max(start + 1, bisect_right(times, limit_s) - 1)

"""Where a long clip is cut, so that several functions may draw it at once.

A cut of the film costs nothing: shots are drawn by decisions of their own. Elsewhere each side draws
some frames of the other for the steadying, so that such a border stands where it must.
"""

from __future__ import annotations

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
    start = 0
    while start < len(times):
        start_s = times[start]
        stop = _stop(times, start, start_s + longest_s, end_s)
        if stop < len(times):
            earliest_s = start_s + EARLIEST * longest_s
            cuts = {cut for cut in cuts_s if earliest_s <= cut <= start_s + longest_s}
            stop = next((i for i in range(stop, start, -1) if times[i] in cuts), stop)
            if len(times) - stop < FEWEST:
                stop = len(times)
        segments.append(Segment(start_s, times[stop] if stop < len(times) else end_s))
        start = stop
    return tuple(segments)


def _stop(times: Sequence[float], start: int, limit_s: float, end_s: float) -> int:
    """The number of the frame before which a segment ends at the latest."""
    if end_s <= limit_s:
        return len(times)
    fitting = sum(1 for time_s in times if time_s <= limit_s)
    return max(start + 1, min(fitting - 1, len(times)))

"""How many frames of a clip are drawn in the time that is left, and how large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.errors import ClipTooLong
from pipeline.settings import MAX_SIDE_PX

SAFETY = 1.25
# Of the seconds that a frame takes to be drawn: what is done to it in other threads and processes
# (decoded twice, moved, steadied, written) and delays its drawing, where there are two processors.
BESIDE = 0.5
RATES = (1.0, 2 / 3, 0.5)  # of the drawings a second that are asked for
SIDES = (1.0, 0.75, 0.5)  # of the longer side
MIN_SIDE_PX = 480
FIXED_SHARE = 0.3  # of a frame's cost that does not go with its size: the drawing itself


@dataclass(frozen=True)
class Pace:
    """How a clip is drawn.

    Attributes:
        fps: Drawings a second.
        side_px: Longer side of its frames at most.
        why: In words.
        rate: At which the clip is read, the first frame of each slot of that length; None: every
            frame of it is drawn.
        needed_s: Seconds that it takes, about; None where time is not limited.
    """

    fps: float
    side_px: int
    why: str
    rate: float | None = None
    needed_s: float | None = None


def choose_pace(asked: Pace, duration_s: float, frame_s: float, left_s: float | None) -> Pace:
    """Chooses how a clip is drawn in the time that is left.

    Fewer drawings a second come before smaller ones: at 8 a second it is still film by hand.

    Args:
        asked: What the caller asks for.
        duration_s: Of what is drawn.
        frame_s: Seconds that a frame took to be drawn at that size.
        left_s: Seconds that there are; None for any time.

    Raises:
        ClipTooLong: There is not even time for the fewest and smallest.
    """
    if left_s is None:
        return asked
    needed_s = 0.0
    for fps, side_px in _paces(asked):
        share = (side_px / asked.side_px) ** 2
        cost_s = frame_s * (1 + BESIDE) * (FIXED_SHARE + (1 - FIXED_SHARE) * share)
        needed_s = SAFETY * cost_s * max(1.0, duration_s * fps)
        if needed_s <= left_s:
            if (fps, side_px) == (asked.fps, asked.side_px):
                return replace(asked, needed_s=needed_s)
            why = f"all that was asked for would not be drawn in the {left_s:.0f} s that are left"
            return Pace(fps, side_px, why, fps if fps < asked.fps else asked.rate, needed_s)
    raise ClipTooLong(
        f"a clip of {duration_s:.1f} s would take about {needed_s:.0f} s and {left_s:.0f} s are "
        "left: give a shorter one",
        stage="budget",
        measured=round(needed_s, 1),
        limit=round(left_s, 1),
    )


def _paces(asked: Pace) -> Iterator[tuple[float, int]]:
    """Drawings a second and longer sides, the costliest first."""
    for rate in RATES:
        yield asked.fps * rate, asked.side_px
    for side in SIDES[1:]:
        side_px = min(MAX_SIDE_PX, round(asked.side_px * side))
        if side_px >= MIN_SIDE_PX:
            yield asked.fps * RATES[-1], side_px

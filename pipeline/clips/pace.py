"""Which frames of a clip are delivered, and how long each is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pipeline.clips.domain import Frame
from pipeline.domain import Photo

EPSILON = 1e-3  # of a slot: times are rounded to the ticks of their file


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame that is not converted yet.

    Attributes:
        time_s: From the clip's beginning.
        end_s: When it ends, by itself.
        index: Among all frames of the file.
        photo: Converts it.
    """

    time_s: float
    end_s: float
    index: int
    photo: Callable[[], Photo]


def paced(
    frames: Iterable[DecodedFrame], start_s: float, end_s: float | None, rate: float | None
) -> Iterator[Frame]:
    """Chooses frames and fixes how long each is shown.

    Time is cut into slots of 1/rate from the clip's beginning, whatever ``start_s`` is, and of each
    slot the first frame is delivered: so the parts of a clip join without a seam. Only delivered
    frames are converted.

    Args:
        frames: In the order of their times.
        start_s: Frames that begin earlier are left out.
        end_s: Frames that begin then or later are left out; None: none are.
        rate: Frames a second at most; None: all.

    Yields:
        Frames with their own times. Each is shown until the next one begins, the last until the
        end of the last frame of the part.
    """
    held: tuple[DecodedFrame, Photo] | None = None
    last_slot, ends_s = -1, start_s
    for frame in frames:
        if frame.time_s < start_s - 1e-6:
            continue
        if end_s is not None and frame.time_s >= end_s - 1e-6:
            break
        ends_s = max(ends_s, frame.end_s)
        if rate is not None:
            slot = int(frame.time_s * rate + EPSILON)
            if slot <= last_slot:
                continue
            last_slot = slot
        if held is not None:
            yield _timed(*held, frame.time_s)
        held = (frame, frame.photo())
    if held is not None:
        yield _timed(*held, ends_s)


def _timed(frame: DecodedFrame, photo: Photo, until_s: float) -> Frame:
    duration_s = max(0.0, until_s - frame.time_s)
    return Frame(photo.pixels, photo.alpha, frame.time_s, duration_s, frame.index)

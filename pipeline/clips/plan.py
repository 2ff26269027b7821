"""What is known of a clip before it is drawn: its shots, and what is decided for each.

The clip is decoded for that once, which costs little beside its drawing. So a shot that begins in
black is decided on by the sharpest of its frames, and every segment of a clip decides as the
undivided clip does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.clips.domain import Frame
from pipeline.clips.drawing import FrameDrawer
from pipeline.clips.shots import Signature, is_cut, signature
from pipeline.domain import Photo, Source
from pipeline.job import ShotDecisions

MAX_SIMILAR = 0.25  # distance of the sharpest frames of two shots that are drawn alike


@dataclass(frozen=True, eq=False)
class PlannedShot:
    """A shot that is to be drawn.

    Attributes:
        first: Number of its first frame among those that are drawn.
        start_s: Time of that frame.
        end_s: When its last frame ends.
        frames: How many are drawn.
        decisions: By its sharpest frame; those of an earlier shot that looks like it.
    """

    first: int
    start_s: float
    end_s: float
    frames: int
    decisions: ShotDecisions


@dataclass(frozen=True, eq=False)
class ClipPlan:
    """A clip that is to be drawn.

    Attributes:
        shots: In their order, one at least where there is a frame.
        best_s: Time of the clip's sharpest frame.
    """

    shots: tuple[PlannedShot, ...]
    best_s: float

    @property
    def frames(self) -> int:
        """How many frames are drawn."""
        return sum(shot.frames for shot in self.shots)

    def shot_of(self, number: int) -> PlannedShot:
        """The shot of a drawn frame, by its number; the last one for frames behind all."""
        begun = [shot for shot in self.shots if shot.first <= number]
        return begun[-1]


@dataclass(eq=False)
class _Shot:
    """A shot of which not all frames have come.

    Attributes:
        first: See PlannedShot.
        start_s: See PlannedShot.
        sharpest: Its sharpest frame so far.
        sharpness: Signature of that.
    """

    first: int
    start_s: float
    sharpest: Frame
    sharpness: Signature
    end_s: float = 0.0
    frames: int = 0


def plan_clip(frames: Iterable[Frame], source: Source, drawer: FrameDrawer) -> ClipPlan:
    """Finds the shots of a clip and decides on each.

    Args:
        frames: Those that will be drawn; of a shot, one is kept at a time.
        source: What the clip's file said.
        drawer: Decides.

    Raises:
        OutOfTime, TooMuchMemory: Even the least does not fit the budget.
    """
    planner = _Planner(source, drawer)
    for frame in frames:
        planner.see(frame)
    planner.end_shot()
    return ClipPlan(tuple(planner.shots), planner.best_s)


class _Planner:
    def __init__(self, source: Source, drawer: FrameDrawer) -> None:
        self.shots: list[PlannedShot] = []
        self.best_s = 0.0
        self._source, self._drawer = source, drawer
        self._seen: list[tuple[Signature, ShotDecisions]] = []
        self._shot: _Shot | None = None
        self._last: Signature | None = None
        self._number = 0
        self._sharpness = -1.0

    def see(self, frame: Frame) -> None:
        """The next frame."""
        self._drawer.request.budget.check_time()
        seen = signature(frame.pixels)
        if self._last is not None and is_cut(self._last, seen):
            self.end_shot()
        shot = self._shot
        if shot is None:
            shot = self._shot = _Shot(self._number, frame.time_s, frame, seen)
        elif seen.sharpness > shot.sharpness.sharpness:
            shot.sharpest, shot.sharpness = frame, seen
        if seen.sharpness > self._sharpness:
            self._sharpness, self.best_s = seen.sharpness, frame.time_s
        shot.end_s, shot.frames = frame.time_s + frame.duration_s, shot.frames + 1
        self._last, self._number = seen, self._number + 1

    def end_shot(self) -> None:
        """No more frames of this shot come."""
        shot, self._shot = self._shot, None
        if shot is None:
            return
        decisions = next(
            (known for seen, known in self._seen if seen.distance(shot.sharpness) < MAX_SIMILAR),
            None,
        )
        if decisions is None:
            photo = Photo(shot.sharpest.pixels, shot.sharpest.alpha)
            decisions = self._drawer.decide(photo, self._source)
            self._drawer = self._drawer.of_size(decisions)
            self._seen.append((shot.sharpness, decisions))
        self.shots.append(PlannedShot(shot.first, shot.start_s, shot.end_s, shot.frames, decisions))

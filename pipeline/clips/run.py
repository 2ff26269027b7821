"""A clip from its file to its drawn file.

Its frames are decoded in a process of their own, seen in a thread, drawn by the caller, steadied
and handed on in another thread, and encoded in another process, all at once; the queues between
them hold QUEUED frames, so that memory does not grow with the length of the clip.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from pipeline.budget import Budget, Costs
from pipeline.clips.cost import Pace, choose_pace
from pipeline.clips.domain import ClipFormat, ClipInfo, Frame, WriterSettings
from pipeline.clips.drawing import FrameDrawer
from pipeline.clips.overlap import BackgroundConsumer, prefetch
from pipeline.clips.plan import ClipPlan, PlannedShot, plan_clip
from pipeline.clips.reader import ClipReader
from pipeline.clips.report import DrawnClip, clip_sidecar, file_digest, source_of
from pipeline.clips.result import ClipResult, Segment
from pipeline.clips.steady import WARM_UP, ObservedFrame, Observer, Steadier, WarpingErrors
from pipeline.clips.tracking import FaceTracker
from pipeline.clips.writer import ClipWriter
from pipeline.domain import Photo, Source
from pipeline.errors import NoPicture
from pipeline.faces import Rendering
from pipeline.job import Encoded, Job, Request, Services, ShotFrame
from pipeline.origin import Origin
from pipeline.report import assemble_sidecar
from pipeline.result import Sidecar
from pipeline.settings import AUTO, SOURCE, Options
from pipeline.sidecar import fingerprint

QUEUED = 1  # frames between two threads
NO_PIXELS = np.zeros((0, 0, 3), np.uint8)
CONTENT_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "gif": "image/gif",
    "webp": "image/webp",
}
STILLS = ("jpeg", "png")
SOUND_IN = ("mp4", "webm")


@dataclass(frozen=True, eq=False)
class ClipRequest:
    """What the drawing of a clip is given.

    Attributes:
        source: The clip's file.
        output: Where the drawn clip is written.
        options: What the caller asked for, with the style's own name.
        origin: Where the file came from.
        budget: Time and memory that there are.
        segment: The part that is drawn; None for all of it.
    """

    source: Path
    output: Path
    options: Options
    origin: Origin
    budget: Budget
    segment: Segment | None = None

    @property
    def start_s(self) -> float:
        """Time of the first frame that is written."""
        return self.segment.start_s if self.segment else 0.0


@dataclass(frozen=True, eq=False)
class PlannedFrame:
    """A frame that is to be drawn.

    Attributes:
        number: Among those that are drawn.
        frame: The frame.
        shot: Its shot.
        observed: What the steadying sees of it.
    """

    number: int
    frame: Frame
    shot: PlannedShot
    observed: ObservedFrame


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """A drawn frame that is to be steadied and written."""

    planned: PlannedFrame
    picture: Photo


@dataclass(eq=False)
class Progress:
    """What a clip's drawing adds to from frame to frame.

    Attributes:
        timings_ms: By stage.
        faces: Of each shot, by the number of its first frame: how many were followed.
        first: What a photo's sidecar says, of the first drawing.
        drawn: How many frames are drawn.
    """

    timings_ms: dict[str, float] = field(default_factory=dict)
    faces: dict[int, int] = field(default_factory=dict)
    first: Sidecar | None = None
    drawn: int = 0

    def add(self, stage: str, start_s: float) -> None:
        """Adds what a stage took since ``start_s`` on time.perf_counter's clock."""
        elapsed_ms = (time.perf_counter() - start_s) * 1000
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + elapsed_ms


def draw_clip(
    request: ClipRequest,
    services: Services,
    pipeline_version: str,
    on_frame: Callable[[int, int], object] | None = None,
) -> ClipResult:
    """Draws a clip; see ``Pipeline.run_clip``."""
    start_s = time.perf_counter()
    digest = file_digest(request.source)
    # all frames have one size and one part in the picture: a square around a face would move
    options = replace(request.options, crop="none")
    photo_request = Request(b"", digest, options, request.origin, request.budget)
    drawer = FrameDrawer(photo_request, services, Costs())
    left_s = request.budget.left_s
    with ClipReader(services.settings, request.source, options.max_side_px, left_s) as reader:
        source = source_of(reader.info, request.source)
        drawer, pace = _paced(reader, source, drawer)
    with ClipReader(services.settings, request.source, pace.side_px, left_s) as reader:
        progress = Progress()
        surveyed_s = time.perf_counter()
        plan = plan_clip(prefetch(reader.frames(rate=pace.rate), QUEUED), source, drawer)
        if not plan.shots:
            raise NoPicture("the clip has no frame to draw", stage="decode")
        progress.add("survey", surveyed_s)
        drawer = drawer.of_size(plan.shots[0].decisions)
        run = ClipRun(request, drawer, source, reader, plan, pace, progress, pipeline_version)
        drawn, content_type, extension = run.still() if run.format in STILLS else run.film(on_frame)
    drawn = replace(drawn, total_ms=(time.perf_counter() - start_s) * 1000)
    if request.options.crop != options.crop:
        note = "a clip is not cropped: a square around a face would move with it"
        drawn = replace(drawn, warnings=(*drawn.warnings, note))
    sidecar = clip_sidecar(drawn, request.output)
    # by what was asked for: time, and the size of the first shot, changed the options since
    asked = fingerprint(pipeline_version, request.options, request.origin.with_digest(digest))
    sidecar = replace(sidecar, fingerprint=asked)
    return ClipResult(request.output, content_type, extension, sidecar)


def _paced(reader: ClipReader, source: Source, drawer: FrameDrawer) -> tuple[FrameDrawer, Pace]:
    """Chooses drawings a second and their size by what the first frame costs, if time is limited.

    Raises:
        ClipTooLong: There is not even time for the fewest and smallest.
    """
    info, options = reader.info, drawer.request.options
    is_source = options.fps == SOURCE or info.rate <= float(options.fps)
    fps = info.rate if is_source else float(options.fps)
    why = "every frame of the clip" if is_source else "as asked for"
    side_px = min(options.max_side_px, max(info.width_px, info.height_px))
    asked = Pace(max(fps, 0.1), side_px, why, None if is_source else fps)
    left_s = drawer.request.budget.left_s
    first = next(iter(reader.frames()), None) if left_s is not None else None
    if first is None:
        return drawer, asked
    photo = Photo(first.pixels, first.alpha)
    decisions = drawer.decide(photo, source)  # opens the networks
    start_s = time.perf_counter()
    follow = partial(FaceTracker().follow, motion=None)
    drawer.draw(photo, source, ShotFrame(decisions, follow, {}), {})
    frame_s = time.perf_counter() - start_s
    pace = choose_pace(asked, info.duration_s, frame_s, drawer.request.budget.left_s)
    options = replace(options, max_side_px=min(options.max_side_px, pace.side_px))
    return replace(drawer, request=replace(drawer.request, options=options)), pace


@dataclass(frozen=True, eq=False)
class ClipRun:
    """The drawing of a planned clip.

    Attributes:
        request: What was asked for.
        drawer: Draws its frames.
        source: What its file said, as of a photo's.
        reader: Reads it.
        plan: Its shots.
        pace: Drawings a second.
        progress: Of the drawing.
        version: See ``Pipeline.version``.
    """

    request: ClipRequest
    drawer: FrameDrawer
    source: Source
    reader: ClipReader
    plan: ClipPlan
    pace: Pace
    progress: Progress
    version: str

    @property
    def format(self) -> str:
        """Of the output."""
        asked = self.request.options.format
        if asked != AUTO:
            return asked
        return "mp4" if self.reader.info.is_video else "webp"

    def still(self) -> tuple[DrawnClip, str, str]:
        """Draws the sharpest frame of the clip, as a photo."""
        best_s = self.plan.best_s
        frame = next(iter(self.reader.frames(start_s=best_s)), None)
        if frame is None:
            raise NoPicture("the clip has no frame to draw", stage="decode")
        shot = next(shot for shot in reversed(self.plan.shots) if shot.start_s <= best_s)
        follow = partial(FaceTracker().follow, motion=None)
        photo = Photo(frame.pixels, frame.alpha)
        job = self.drawer.draw(
            photo, self.source, ShotFrame(shot.decisions, follow, {}), self.progress.timings_ms
        )
        self.drawer.finish(job, ("measure", "encode"), self.progress.timings_ms)
        self.request.output.write_bytes(job.encoded.image)
        first = assemble_sidecar(job, self.version, {})
        drawn = self._drawn(first, WarpingErrors(), 1, self.reader.warnings)
        return drawn, job.encoded.content_type, job.encoded.extension

    def film(self, on_frame: Callable[[int, int], object] | None) -> tuple[DrawnClip, str, str]:
        """Draws all frames, or those of the segment."""
        steadier = Steadier(self.request.options.steady)
        total = self._count()
        writer: ClipWriter | None = None

        def steady_and_write(drawing: DrawnFrame) -> None:
            nonlocal writer
            begun_s = time.perf_counter()
            pixels = steadier(drawing.picture.pixels, drawing.planned.observed)
            self.progress.add("steady", begun_s)
            frame = drawing.planned.frame
            if frame.time_s < self.request.start_s:
                return
            begun_s = time.perf_counter()
            if writer is None:
                writer = self._writer((pixels.shape[1], pixels.shape[0]))
            writer.write(pixels, frame.time_s - self.request.start_s, frame.duration_s, frame.alpha)
            self.progress.add("encode", begun_s)

        try:
            with BackgroundConsumer(steady_and_write, QUEUED) as consumer:
                for drawing in self._drawings():
                    consumer.put(drawing)
                    self.progress.drawn += 1
                    if on_frame:
                        on_frame(min(self.progress.drawn, total), total)
            if writer is None:
                raise NoPicture("no frame begins in this segment", stage="decode")
            writer.close()
        except BaseException:
            if writer is not None:
                writer.abandon()
            raise
        first = self.progress.first
        if first is None:
            raise NoPicture("the clip has no frame to draw", stage="decode")
        drawn = self._drawn(
            first, steadier.errors, self.progress.drawn, (*self.reader.warnings, *writer.warnings)
        )
        return drawn, CONTENT_TYPES[self.format], self.format

    def _drawings(self) -> Iterator[DrawnFrame]:
        """Draws the frames that are needed, in their order."""
        tracker, renderings, shot = FaceTracker(), dict[int, Rendering](), self.plan.shots[0]
        begins_s = self._begins_s()
        for planned in prefetch(self._planned_frames(), QUEUED):
            self.drawer.request.budget.check_time()
            if planned.shot is not shot:
                shot, tracker, renderings = planned.shot, FaceTracker(), {}
            follow = partial(tracker.follow, motion=planned.observed.motion)
            takes_over = ShotFrame(shot.decisions, follow, renderings)
            photo = Photo(planned.frame.pixels, planned.frame.alpha)
            if planned.frame.time_s < begins_s:
                self.drawer.follow(photo, self.source, takes_over)
                continue
            job = self.drawer.draw(photo, self.source, takes_over, self.progress.timings_ms)
            self.progress.faces[shot.first] = tracker.count
            if self.progress.first is None and planned.frame.time_s >= self.request.start_s:
                self.progress.first = self._first(job)
            picture = Photo(job.postprocessed.pixels, job.analysed.framing.enhanced.alpha)
            drawn = replace(planned, frame=replace(planned.frame, pixels=NO_PIXELS))
            del job, photo, planned  # a frame is of no use once it is drawn
            yield DrawnFrame(drawn, picture)
            del drawn, picture

    def _first(self, job: Job) -> Sidecar:
        """What a photo's sidecar says of a drawing that becomes a part of the clip."""
        self.drawer.finish(job, ("measure",), {})
        height, width = job.postprocessed.pixels.shape[:2]
        job.encoded = Encoded(b"", CONTENT_TYPES[self.format], self.format, width, height)
        return assemble_sidecar(job, self.version, {})

    def _planned_frames(self) -> Iterator[PlannedFrame]:
        """The frames up to the segment's end, with their shots and their motion."""
        observe = Observer()
        segment = self.request.segment
        end_s = segment.end_s if segment else None
        for number, frame in enumerate(self.reader.frames(end_s=end_s, rate=self.pace.rate)):
            shot = self.plan.shot_of(number)
            begun_s = time.perf_counter()
            observed = observe(frame.pixels, number == shot.first)
            self.progress.add("flow", begun_s)
            yield PlannedFrame(number, frame, shot, observed)

    def _begins_s(self) -> float:
        """Time from which on frames are drawn: a segment needs some for its steadying."""
        segment = self.request.segment
        if segment is None:
            return 0.0
        overlap_s = (segment.overlap or WARM_UP) / self.pace.fps
        return max(0.0, segment.start_s - overlap_s - 1e-6)

    def _count(self) -> int:
        """How many frames will be drawn, about."""
        segment = self.request.segment
        if segment is None:
            return self.plan.frames
        return max(1, round((segment.end_s - self._begins_s()) * self.pace.fps))

    def _writer(self, size: tuple[int, int]) -> ClipWriter:
        request, info = self.request, self.reader.info
        sound = request.source if self.format in SOUND_IN and not request.segment else None
        settings = WriterSettings(
            quality=request.options.quality,
            rate=self.pace.fps,
            loops=info.loops,
            threads=self.drawer.services.settings.threads,
        )
        format = cast(ClipFormat, self.format)
        return ClipWriter(request.output, format, size, settings, sound if info.has_sound else None)

    def _drawn(
        self, first: Sidecar, errors: WarpingErrors, frames: int, warnings: tuple[str, ...]
    ) -> DrawnClip:
        info: ClipInfo = self.reader.info
        return DrawnClip(
            first=first,
            info=info,
            plan=self.plan,
            pace=self.pace,
            frames=frames,
            faces=self.progress.faces,
            errors=errors,
            timings_ms=self.progress.timings_ms,
            total_ms=0.0,
            warnings=warnings,
        )

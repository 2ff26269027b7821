"""One frame of a clip through the stages of a photo, by the decisions of its shot."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace

from pipeline.budget import Costs
from pipeline.domain import Content, Photo, Source
from pipeline.job import DecodedPhoto, Job, Request, Services, ShotDecisions, ShotFrame
from pipeline.planning import plan_drawing, plan_work
from pipeline.stages import STAGES
from pipeline.timings import Timings, timed
from pipeline.visible import detect_content, fill_transparent

FOLLOWING = ("quality", "enhance", "faces")
DECIDING = ("quality", "enhance", "faces", "open_weights", "stylise")
DRAWING = (*DECIDING, "enlarge", "redraw", "repair")


@dataclass(frozen=True, eq=False)
class FrameDrawer:
    """Draws frames of a clip.

    Attributes:
        request: As of a photo; its data are not read.
        services: Settings and models.
        costs: What stages have cost.
    """

    request: Request
    services: Services
    costs: Costs

    def of_size(self, decisions: ShotDecisions) -> FrameDrawer:
        """A drawer of frames that all get the size that these decisions lead to."""
        doubled = decisions.planned.plan.scale > 1
        options = replace(self.request.options, upscale="on" if doubled else "off")
        return replace(self, request=replace(self.request, options=options))

    def decide(self, photo: Photo, source: Source) -> ShotDecisions:
        """Decides on a shot by one of its frames.

        Args:
            photo: The frame.
            source: What the clip's file said.

        Raises:
            OutOfTime, TooMuchMemory: Even the least does not fit the budget.
        """
        job = self._job(photo, source, detect_content(photo.pixels))
        self._run(job, DECIDING, Timings(None))
        return ShotDecisions(
            content=job.decoded.content,
            assessment=job.assessment,
            planned=job.planned,
            scale=job.scale,
            embedding=job.stylised.embedding,
        )

    def draw(
        self,
        photo: Photo,
        source: Source,
        frame: ShotFrame,
        timings_ms: MutableMapping[str, float],
    ) -> Job:
        """Draws a frame.

        Args:
            photo: The frame.
            source: What the clip's file said.
            frame: What it takes over from its shot.
            timings_ms: What the stages took is added to it.

        Returns:
            A job whose stages up to "repair" have run.
        """
        job = self._job(photo, source, frame.decisions.content, frame)
        self.finish(job, DRAWING, timings_ms)
        return job

    def follow(self, photo: Photo, source: Source, frame: ShotFrame) -> None:
        """Follows the faces of a frame that is not drawn."""
        job = self._job(photo, source, frame.decisions.content, frame)
        self._run(job, FOLLOWING, Timings(None))

    def finish(
        self, job: Job, stages: Iterable[str], timings_ms: MutableMapping[str, float]
    ) -> None:
        """Runs stages of a job by their names, and adds what they took."""
        timings = Timings(None)
        self._run(job, stages, timings)
        for stage, elapsed_ms in timings.items():
            timings_ms[stage] = timings_ms.get(stage, 0.0) + elapsed_ms

    def _job(
        self, photo: Photo, source: Source, content: Content, frame: ShotFrame | None = None
    ) -> Job:
        job = Job(self.request, self.services, frame)
        job.decoded = DecodedPhoto(fill_transparent(photo), source, content, 1, ())
        return job

    def _run(self, job: Job, names: Iterable[str], timings: Timings) -> None:
        """Runs stages by name, in the order of STAGES."""
        decided = job.frame.decisions if job.frame else None
        for stage in STAGES:
            if stage.name not in names:
                continue
            if stage.name == "enhance":
                job.planned = decided.planned if decided else plan_work(job, self.costs)
            if stage.name == "open_weights":
                if decided:
                    job.scale = decided.scale
                else:
                    job.scale, job.planned = plan_drawing(job, self.costs)
            with timed(timings, stage.name):
                setattr(job, stage.adds, stage.run(job))

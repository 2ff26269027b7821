"""One frame of a clip through the stages of a photo, by the decisions of its shot."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace

from pipeline.budget import Costs
from pipeline.domain import Content, Photo, Source
from pipeline.job import DecodedPhoto, FaceAnalysis, Job, Request, Services, ShotDecisions
from pipeline.planning import plan_drawing, plan_work
from pipeline.stages import STAGES
from pipeline.timings import Timings, timed
from pipeline.visible import detect_content, fill_transparent

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

    def decide(self, photo: Photo, source: Source, analyse: FaceAnalysis) -> ShotDecisions:
        """Decides on a shot by one of its frames.

        Args:
            photo: The frame.
            source: What the clip's file said.
            analyse: Will tell which faces a frame of the shot has.

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
            analyse=analyse,
            renderings={},
        )

    def draw(
        self,
        photo: Photo,
        source: Source,
        shot: ShotDecisions,
        timings_ms: MutableMapping[str, float],
    ) -> Job:
        """Draws a frame.

        Args:
            photo: The frame.
            source: What the clip's file said.
            shot: The decisions of its shot.
            timings_ms: What the stages took is added to it.

        Returns:
            A job whose stages up to "repair" have run.
        """
        job = self._job(photo, source, shot.content, shot)
        timings = Timings(None)
        self._run(job, DRAWING, timings)
        for stage, elapsed_ms in timings.items():
            timings_ms[stage] = timings_ms.get(stage, 0.0) + elapsed_ms
        return job

    def _job(
        self, photo: Photo, source: Source, content: Content, shot: ShotDecisions | None = None
    ) -> Job:
        job = Job(self.request, self.services, shot)
        job.decoded = DecodedPhoto(fill_transparent(photo), source, content, 1, ())
        return job

    def _run(self, job: Job, names: Iterable[str], timings: Timings) -> None:
        """Runs stages by name, in the order of STAGES."""
        for stage in STAGES:
            if stage.name not in names:
                continue
            if stage.name == "enhance":
                job.planned = job.shot.planned if job.shot else plan_work(job, self.costs)
            if stage.name == "open_weights":
                if job.shot:
                    job.scale = job.shot.scale
                else:
                    job.scale, job.planned = plan_drawing(job, self.costs)
            with timed(timings, stage.name):
                setattr(job, stage.adds, stage.run(job))

"""What is done to a photo: all that was asked for, or what its budget allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.budget import Costs, WorkPlan, expected_s, fit_to_budget
from pipeline.domain import Content, WeightSpec
from pipeline.enhance import plan_steps
from pipeline.faces import largest_face_px
from pipeline.job import Job, PlannedWork
from pipeline.scale import WorkingScale, choose_scale, largest_scale
from pipeline.settings import Options


@dataclass(frozen=True)
class LargestScale:
    """The largest that a picture may be drawn, before its faces are known.

    Attributes:
        content: The part of the picture that is drawn.
        style: The style.
        options: What the caller asked for.
        tile_px: Limit of a style that is drawn whole.
        faces: Whether faces will be looked for.
    """

    content: Content
    style: WeightSpec
    options: Options
    tile_px: int
    faces: bool

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height at which a picture of that size is drawn at most."""
        size = self.content.size(width_px, height_px)
        return largest_scale(size, self.style, self.options, self.tile_px, self.faces).size(*size)


@dataclass(frozen=True)
class FixedScale:
    """The size at which a picture is drawn, once it has been chosen."""

    width_px: int
    height_px: int

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:  # noqa: ARG002  # the rule's
        """The chosen width and height."""
        return self.width_px, self.height_px


def plan_work(job: Job, costs: Costs) -> PlannedWork:
    """Plans the work on a decoded photo.

    The photo is drawn no larger than the plan expects: with a face in it mostly smaller.

    Raises:
        OutOfTime, TooMuchMemory: Even the least does not fit the budget.
    """
    options, photo = job.request.options, job.decoded.photo
    registry, tile_px = job.services.registry, job.services.settings.tile_px
    style = registry.style(options.style)
    faces = registry.faces(options) is not None
    steps = plan_steps(photo, job.assessment.report, options, job.assessment.models)
    plan = WorkPlan(
        width_px=photo.width_px,
        height_px=photo.height_px,
        mode=job.assessment.models.mode,
        steps=tuple(decision.step for decision in steps if decision.ran),
        faces=faces,
        style=style.spec.name,
        working=LargestScale(job.decoded.content, style.spec, options, tile_px, faces),
        tile_px=tile_px,
    )
    budget, is_open = job.request.budget, style.picture.is_open
    plan, decisions, warnings = fit_to_budget(plan, budget, costs, is_open)
    return PlannedWork(plan, plan.limited(options), decisions, warnings)


def plan_drawing(job: Job, costs: Costs) -> tuple[WorkingScale, PlannedWork]:
    """Chooses the scale at which the photo is drawn.

    Returns:
        The scale, and the planned work with what drawing at that scale costs.

    Raises:
        OutOfTime: There is not enough time left to draw at that scale.
    """
    size = job.analysed.framing.content.size(*job.size)
    scale = choose_scale(
        size,
        job.services.registry.style(job.request.options.style).spec,
        job.planned.options,
        job.services.settings.tile_px,
        face_px=largest_face_px(job.analysed.faces),
        looked_for_faces=job.analysed.models is not None,
    )
    plan = replace(job.planned.plan, working=FixedScale(*scale.size(*size)))
    job.request.budget.check(expected_s(plan, costs, "stylise"))
    return scale, replace(job.planned, plan=plan)

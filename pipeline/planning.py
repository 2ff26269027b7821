"""What is done to a photo: all that was asked for, or what its budget allows."""

from __future__ import annotations

from dataclasses import replace

from pipeline.budget import Costs, Plan, affordable, expected_s
from pipeline.enhance import plan_steps
from pipeline.faces import largest_face_px
from pipeline.job import Job, PlannedWork
from pipeline.scale import WorkingScale, choose_scale, largest_scale


def plan_work(job: Job, costs: Costs) -> PlannedWork:
    """Plans the work on a decoded photo.

    The photo is drawn no larger than this expects: with a face in it mostly smaller.

    Raises:
        OutOfTime, TooMuchMemory: Even the least does not fit the budget.
    """
    options, photo = job.request.options, job.decoded.photo
    registry, tile_px = job.services.registry, job.services.settings.tile_px
    style = registry.style(options.style)
    faces = registry.faces(options) is not None

    def working_mp(width_px: int, height_px: int) -> float:
        size = job.decoded.content.size(width_px, height_px)
        width, height = largest_scale(size, style.spec, options, tile_px, faces).size(*size)
        return width * height / 1e6

    steps = plan_steps(photo, job.assessment.report, options, job.assessment.models)
    plan = Plan(
        width_px=photo.width_px,
        height_px=photo.height_px,
        mode=job.assessment.models.mode,
        steps=tuple(decision.step for decision in steps if decision.ran),
        faces=faces,
        style=style.spec.name,
        working_mp=working_mp,
        tile_px=tile_px,
    )
    plan, decisions, warnings = affordable(plan, job.request.budget, costs, style.picture.is_open)
    return PlannedWork(plan, plan.limited(options), decisions, warnings)


def plan_drawing(job: Job, costs: Costs) -> tuple[WorkingScale, PlannedWork]:
    """Chooses the scale at which the photo is drawn.

    Returns:
        The scale, and the planned work with what drawing at that scale costs.

    Raises:
        OutOfTime: There is not enough time left to draw at that scale: better now than in the
            middle of it.
    """
    size = job.decoded.content.size(*job.size)
    scale = choose_scale(
        size,
        job.services.registry.store.style(job.request.options.style),
        job.planned.options,
        job.services.settings.tile_px,
        face_px=largest_face_px(job.found.faces),
        looked_for_faces=job.found.models is not None,
    )
    width, height = scale.size(*size)
    plan = replace(job.planned.plan, working_mp=lambda *_: width * height / 1e6)
    job.request.budget.check(expected_s(plan, costs, "stylise"))
    return scale, replace(job.planned, plan=plan)

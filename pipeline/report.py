"""The assembly of a sidecar from the finished state of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.job import Job
from pipeline.model import Model
from pipeline.provenance import files_used, restoration_models, terms_of
from pipeline.result import Drawing, Output, Sidecar
from pipeline.sidecar import SCHEMA_VERSION, fingerprint

FORMAT_NAMES = {"jpg": "jpeg"}  # where a format's name is not its extension


def assemble_sidecar(job: Job, pipeline_version: str, timings_ms: Mapping[str, float]) -> Sidecar:
    """Everything that the sidecar says of a job whose stages have all run.

    Args:
        job: The job.
        pipeline_version: See ``Pipeline.version``.
        timings_ms: By stage.
    """
    request, planned, encoded = job.request, job.planned, job.encoded
    origin, models = request.origin, models_used(job)
    if not (origin.version_id or origin.etag):
        origin = replace(origin, etag=request.digest)
    return Sidecar(
        schema_version=SCHEMA_VERSION,
        pipeline_version=pipeline_version,
        fingerprint=fingerprint(pipeline_version, request.options, origin),
        source=replace(
            job.decoded.source,
            bucket=origin.bucket,
            key=origin.key,
            version_id=origin.version_id,
            etag=origin.etag,
        ),
        quality=job.assessment.report,
        decisions=(
            *planned.decisions,
            *job.enhanced.decisions,
            job.analysed.decision,
            job.enlarged.decision,
            job.redrawn.decision,
            *job.postprocessed.decisions,
        ),
        faces=job.measured.faces,
        style=job.style.spec.name,
        strength=planned.options.strength,
        detail=planned.options.detail,
        engine=job.services.settings.engine,
        weights=files_used(models, job.services.settings.engine),
        terms=terms_of(model.spec for model in models),
        drawing=Drawing(
            *job.working_size,
            job.stylised.tiles,
            job.scale.chosen_by,
            job.scale.why,
            job.scale.face_px,
        ),
        output=Output(
            format=FORMAT_NAMES.get(encoded.extension, encoded.extension),
            content_type=encoded.content_type,
            width_px=encoded.width_px,
            height_px=encoded.height_px,
            bytes=len(encoded.image),
        ),
        metrics=job.measured.metrics,
        timings_ms={**timings_ms, "total": sum(timings_ms.values())},
        warnings=_warnings(job),
    )


def models_used(job: Job) -> list[Model]:
    """The models that had a part in the picture, in the order of the stages."""
    models = [
        *restoration_models(job.assessment.models, job.enhanced.decisions),
        *job.style.models,
    ]
    if job.enlarged.decision.ran:
        models.append(job.services.registry.upsampler())
    faces = job.analysed.models
    if faces:
        models.append(faces.detector.model)
        if any(face.was_parsed for face in job.analysed.faces):
            models.append(faces.parser.model)
    return models


def _warnings(job: Job) -> tuple[str, ...]:
    warnings = [*job.decoded.warnings, *job.planned.warnings]
    if job.scale.warning:
        warnings.append(job.scale.warning)
    if job.decoded.photo.alpha is not None and job.encoded.extension == "jpg":
        warnings.append("JPEG has no alpha: the picture was flattened on white")
    return tuple(warnings)

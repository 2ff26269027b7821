"""The assembly of a sidecar from the finished state of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.domain import Source
from pipeline.job import Encoded, Job
from pipeline.model import Model
from pipeline.origin import Origin
from pipeline.provenance import files_used, restoration_models, terms_of
from pipeline.result import Drawing, Output, Sidecar
from pipeline.sidecar import SCHEMA_VERSION, fingerprint

FORMAT_NAMES = {"jpg": "jpeg", "tif": "tiff"}  # where a format's name is not its extension


def assemble_sidecar(job: Job, pipeline_version: str, timings_ms: Mapping[str, float]) -> Sidecar:
    """Everything that the sidecar says of a job whose stages have all run.

    Args:
        job: The job.
        pipeline_version: See ``Pipeline.version``.
        timings_ms: By stage.
    """
    request, planned, encoded = job.request, job.planned, job.encoded
    origin, models = request.origin.with_digest(request.digest), models_used(job)
    return Sidecar(
        schema_version=SCHEMA_VERSION,
        pipeline_version=pipeline_version,
        fingerprint=fingerprint(pipeline_version, request.options, origin),
        source=with_origin(job.decoded.source, origin),
        quality=job.assessment.report,
        decisions=(
            *planned.decisions,
            *job.enhanced.decisions,
            job.analysed.decision,
            *([job.analysed.framing.decision] if job.analysed.framing.decision else []),
            job.enlarged.decision,
            job.redrawn.decision,
            *job.postprocessed.decisions,
        ),
        faces=job.measured.faces,
        style=job.style.name,
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
        output=output_of(encoded),
        metrics=job.measured.metrics,
        timings_ms={**timings_ms, "total": sum(timings_ms.values())},
        warnings=_warnings(job),
    )


def with_origin(source: Source, origin: Origin) -> Source:
    """What a file said, with where it came from."""
    return replace(
        source,
        bucket=origin.bucket,
        key=origin.key,
        version_id=origin.version_id,
        etag=origin.etag,
    )


def output_of(encoded: Encoded) -> Output:
    """What the sidecar says of an encoded picture."""
    return Output(
        format=FORMAT_NAMES.get(encoded.extension, encoded.extension),
        content_type=encoded.content_type,
        width_px=encoded.width_px,
        height_px=encoded.height_px,
        bytes=len(encoded.image),
    )


def models_used(job: Job) -> list[Model]:
    """The models that had a part in the picture, in the order of the stages."""
    models = [*restoration_models(job.assessment.models, job.enhanced.decisions)]
    models += replace(job.style, heads=None).models
    drawn_as = {face.face.drawn_as for face in job.redrawn.faces}
    if job.style.heads and job.style.name in drawn_as:
        models += job.style.heads.models
    if job.enlarged.decision.ran:
        models.append(job.services.registry.upsampler())
    faces = job.analysed.models
    if faces:
        models.append(faces.detector.model)
        if any(face.was_parsed for face in job.analysed.faces):
            models.append(faces.parser.model)
        if any(face.face.detail_px is not None for face in job.analysed.faces) and faces.quality:
            models.append(faces.quality.model)
        if any(face.restored is not None for face in job.analysed.faces) and faces.restorer:
            models += faces.restorer.networks.models
    return models


def _warnings(job: Job) -> tuple[str, ...]:
    warnings = [*job.decoded.warnings, *job.planned.warnings]
    if job.scale.warning:
        warnings.append(job.scale.warning)
    crop = job.analysed.framing.decision
    if crop and not crop.ran:
        warnings.append(f"the picture is not cropped: {crop.why}")
    if job.style.heads and not any(face.is_aligned for face in job.analysed.faces):
        reason = "no face was found" if job.analysed.models else "faces are not looked for"
        warnings.append(
            f"{job.style.name} draws faces alone and {reason}: the picture is drawn as "
            f"{job.style.spec.name}"
        )
    if job.decoded.photo.alpha is not None and job.encoded.extension == "jpg":
        warnings.append("JPEG has no alpha: the picture was flattened on white")
    return tuple(warnings)

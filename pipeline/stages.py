"""The stages of a run, in their order: what each takes of a Job, and what it adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.decode import fit
from pipeline.domain import Decision, Photo
from pipeline.encode import encode
from pipeline.enhance import enhance
from pipeline.enlarge import enlarge
from pipeline.faces import (
    DetectedFace,
    FaceDrawers,
    FaceRedrawer,
    FaceStyliser,
    HeadStyliser,
    analyse_faces,
    measure_landmark_shift,
    photo_key,
    redraw_faces,
    refine_faces,
)
from pipeline.framing import Framing, frame_largest_face
from pipeline.job import (
    AnalysedFaces,
    Assessment,
    DecodedPhoto,
    Encoded,
    Enhanced,
    Enlarged,
    Job,
    Measured,
    Postprocessed,
    Redrawn,
)
from pipeline.measure import measure
from pipeline.postprocess import postprocess
from pipeline.quality import assess
from pipeline.stylise import StyleModel, StylisedImage, stylise
from pipeline.visible import detect_content, extend, fill_transparent, restore_bars


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: In the sidecar's timings and while the job is watched.
        adds: The attribute of Job that it sets.
        run: Computes that attribute.
    """

    name: str
    adds: str
    run: Callable[[Job], object]


def _decode(job: Job) -> DecodedPhoto:
    request = job.request
    decoded = job.services.decoder.decode(
        request.data, request.options.max_side_px, request.budget.left_s
    )
    photo = fill_transparent(decoded.photo)
    content = detect_content(photo.pixels)
    return DecodedPhoto(photo, decoded.source, content, decoded.reduced_by, decoded.warnings)


def _assess(job: Job) -> Assessment:
    if job.frame:
        return job.frame.decisions.assessment
    photo, content = job.decoded.photo, job.decoded.content
    models = job.services.registry.restoration(job.request.options)
    models = replace(models, content=content)
    report = assess(Photo(content.of(photo.pixels)), job.services.settings, models.quality)
    return Assessment(report, models)


def _enhance(job: Job) -> Enhanced:
    photo = fit(job.decoded.photo, job.planned.plan.side_px)
    report, models = job.assessment.report, job.assessment.models
    models = models.checked(job.request.budget.check_time)
    return Enhanced(photo, *enhance(photo, report, job.planned.options, models))


def _analyse_faces(job: Job) -> AnalysedFaces:
    photo, options = job.enhanced.photo, job.planned.options
    registry = job.services.registry
    models = registry.faces(options)
    if models is None:
        why = registry.why_no_faces(options) or "faces are not looked for"
        faces: tuple[DetectedFace, ...] = ()
        decision = Decision("faces", False, why)
    elif job.frame:
        faces, decision = job.frame.analyse(photo, options, models)
    else:
        key = photo_key(f"{job.request.digest} {job.decoded.reduced_by}", options)
        faces, decision = analyse_faces(photo, options, models, key)
    framing = Framing(job.enhanced.original, photo, faces, job.decoded.content)
    if options.crop == "face":
        framing = frame_largest_face(framing, None if models else decision.why)
    refined, faces = refine_faces(framing.enhanced, framing.faces, options)
    return AnalysedFaces(refined, faces, models, decision, framing)


def _open_style(job: Job) -> StyleModel:
    registry = job.services.registry
    style = registry.style(job.request.options.style)
    registry.open_style(style)
    return style


def _stylise(job: Job) -> StylisedImage:
    content = job.analysed.framing.content.of(job.analysed.photo.pixels)
    style = replace(job.style, picture=job.style.picture.checked(job.request.budget.check_time))
    embedding = job.frame.decisions.embedding if job.frame else None
    return stylise(content, job.working_size, style, embedding)


def _enlarge(job: Job) -> Enlarged:
    content = job.analysed.framing.content
    upsampler = job.services.registry.upsampler().checked(job.request.budget.check_time)
    drawn, decision = enlarge(job.stylised.pixels, content.of(job.analysed.photo.pixels), upsampler)
    return Enlarged(extend(drawn, content, job.size), decision)


def _redraw(job: Job) -> Redrawn:
    faces, models = job.analysed.faces, job.analysed.models
    if models is None or not any(face.is_aligned for face in faces):
        return Redrawn((), faces, Decision("redraw", False, "no face is cared for", 0, 1))
    check_time = job.request.budget.check_time
    styliser = FaceStyliser(
        model=job.style.picture.checked(check_time),
        embedding=job.stylised.embedding,
        upsampler=job.services.registry.upsampler(),
        scale=job.scale.scale,
        options=job.planned.options,
    )
    heads = None
    if job.style.heads:
        heads = HeadStyliser(
            style=replace(job.style.heads, picture=job.style.heads.picture.checked(check_time)),
            upsampler=job.services.registry.upsampler(),
            eye_enhance_ratio=job.planned.options.eye_enhance_ratio,
            may_invent=job.planned.options.restore_faces == "auto",
        )
    redrawer = FaceRedrawer(
        job.analysed.framing.enhanced.pixels,
        job.enlarged.pixels,
        models,
        FaceDrawers(job.style.spec.name, styliser, heads),
        job.frame.renderings if job.frame else None,
    )
    return Redrawn(*redraw_faces(redrawer, faces))


def _postprocess(job: Job) -> Postprocessed:
    photo = job.analysed.framing.enhanced.pixels
    pixels, decisions = postprocess(
        job.enlarged.pixels, photo, job.redrawn.patches, job.planned.options
    )
    return Postprocessed(restore_bars(pixels, photo, job.analysed.framing.content), decisions)


def _measure(job: Job) -> Measured:
    picture, models = job.postprocessed.pixels, job.analysed.models
    faces, face_shift = measure_landmark_shift(
        picture, job.redrawn.faces, models.detector if models else None
    )
    metrics = measure(job.analysed.framing.original.pixels, picture, job.services.settings.threads)
    return Measured(replace(metrics, face_shift=face_shift), faces)


def _encode(job: Job) -> Encoded:
    picture = Photo(job.postprocessed.pixels, job.analysed.framing.enhanced.alpha)
    options = job.request.options
    image, content_type, extension = encode(picture, options.format, options.quality)
    return Encoded(image, content_type, extension, picture.width_px, picture.height_px)


STAGES = (
    Stage("decode", "decoded", _decode),
    Stage("quality", "assessment", _assess),
    Stage("enhance", "enhanced", _enhance),
    Stage("faces", "analysed", _analyse_faces),
    Stage("open_weights", "style", _open_style),
    Stage("stylise", "stylised", _stylise),
    Stage("enlarge", "enlarged", _enlarge),
    Stage("redraw", "redrawn", _redraw),
    Stage("repair", "postprocessed", _postprocess),
    Stage("measure", "measured", _measure),
    Stage("encode", "encoded", _encode),
)

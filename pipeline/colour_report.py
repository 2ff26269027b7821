"""The assembly of a coloured drawing's sidecar from the finished state of its job."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from pipeline.colouring import ColourJob
from pipeline.domain import RgbImage
from pipeline.lineart.result import ColourSidecar, DrawingReport, HintReport
from pipeline.lineart.wishes import Fill
from pipeline.measure import ciede2000
from pipeline.provenance import files_used, terms_of
from pipeline.report import output_of, with_origin
from pipeline.sidecar import SCHEMA_VERSION, fingerprint

SAMPLE_PX = 4  # half the side of the square where a hint's colour is measured


def assemble_colour_sidecar(
    job: ColourJob, pipeline_version: str, timings_ms: Mapping[str, float]
) -> ColourSidecar:
    """Everything that the sidecar says of a job whose stages have all run.

    Args:
        job: The job.
        pipeline_version: See ``Pipeline.version``.
        timings_ms: By stage.
    """
    request, options, encoded = job.request, job.request.options, job.encoded
    origin = request.origin.with_digest(request.digest)
    beside = {"hint_layer": request.hint_layer, "reference": request.reference}
    working = job.coloured.lines.ink.shape
    return ColourSidecar(
        schema_version=SCHEMA_VERSION,
        pipeline_version=pipeline_version,
        fingerprint=fingerprint(pipeline_version, options, origin, beside),
        task="colour",
        source=with_origin(job.decoded.source, origin),
        drawing=_drawing(job),
        hints=tuple(_hint(job, fill) for fill in job.coloured.paints[0][1]),
        palette=job.companions.palette,
        seed=options.seed,
        proposals=options.proposals,
        choice=options.choice,
        layers=options.layers,
        decisions=job.intake.drawing.decisions,
        engine=job.services.settings.engine,
        weights=files_used([job.model], job.services.settings.engine),
        terms=terms_of([job.model.spec]),
        working_width_px=working[1],
        working_height_px=working[0],
        output=output_of(encoded),
        timings_ms={**timings_ms, "total": sum(timings_ms.values())},
        warnings=(*job.decoded.warnings, *job.intake.warnings),
    )


def _drawing(job: ColourJob) -> DrawingReport:
    drawing, examination = job.intake.drawing, job.intake.examination
    corners: tuple[tuple[float, float], ...] = ()
    if drawing.sheet:
        ratio = job.decoded.source.width_px * job.decoded.source.height_px
        ratio = (ratio / (job.decoded.photo.width_px * job.decoded.photo.height_px)) ** 0.5
        corners = tuple((float(x) * ratio, float(y) * ratio) for x, y in drawing.sheet.corners)
    return DrawingReport(
        came_as=drawing.came_as,
        width_px=drawing.size[0],
        height_px=drawing.size[1],
        corners=corners,
        paper="#" + bytes(drawing.paper).hex() if drawing.paper else None,
        ink="#" + bytes(examination.ink_colour).hex(),
        line_coverage=examination.coverage,
        line_width_px=examination.line_width_px,
        tones=examination.tones,
        closed_regions=job.intake.regions.closed_count,
    )


def _hint(job: ColourJob, fill: Fill) -> HintReport:
    """What became of a wish, measured on the first picture."""
    wish = fill.wish
    labels = job.intake.regions.labels
    areas = np.bincount(labels.ravel(), minlength=job.intake.regions.count)
    drawing = job.intake.drawing
    share = drawing.size[0] * drawing.size[1] / labels.size
    error = _error(job, fill) if fill.regions else None
    return HintReport(
        x_px=wish.x,
        y_px=wish.y,
        colour=wish.hex,
        kept=bool(fill.regions),
        area_px=round(float(areas[list(fill.regions)].sum()) * share),
        error_ciede2000=error,
        why=fill.why,
    )


def _error(job: ColourJob, fill: Fill) -> float | None:
    """The colour around a wish's centre, in its region and away from lines, beside that asked."""
    picture, wish, regions = job.composition.pictures[0], fill.wish, job.intake.regions
    height, width = picture.shape[:2]
    centre = (
        int(wish.x * width / job.intake.drawing.size[0]),
        int(wish.y * height / job.intake.drawing.size[1]),
    )
    rows = np.arange(max(0, centre[1] - SAMPLE_PX), min(height, centre[1] + SAMPLE_PX + 1))
    columns = np.arange(max(0, centre[0] - SAMPLE_PX), min(width, centre[0] + SAMPLE_PX + 1))
    y = (rows * regions.labels.shape[0] // height)[:, None]
    x = (columns * regions.labels.shape[1] // width)[None]
    ink_y = (rows * job.intake.drawing.ink.shape[0] // height)[:, None]
    ink_x = (columns * job.intake.drawing.ink.shape[1] // width)[None]
    is_free = job.intake.drawing.ink[ink_y, ink_x] == 0
    seen = picture[rows[:, None], columns[None]][
        is_free & np.isin(regions.labels[y, x], fill.regions)
    ]
    if not len(seen):
        return None
    mean = seen.astype(np.float32).mean(0).round().astype(np.uint8)
    return float(ciede2000(_lab(mean), _lab(np.array(wish.colour, np.uint8)))[0, 0])


def _lab(colour: RgbImage) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    lab = cv2.cvtColor(colour.reshape(1, 1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, np.float64)

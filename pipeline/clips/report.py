"""The sidecar of a clip: that of a photo for its first drawing, and what is of the clip alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pipeline.clips.cost import Pace
from pipeline.clips.domain import ClipInfo
from pipeline.clips.plan import ClipPlan, PlannedShot
from pipeline.clips.result import ClipReport, ClipSidecar, ClipSource, Shot, Steadiness
from pipeline.clips.steady import WarpingErrors
from pipeline.domain import Source
from pipeline.result import Sidecar


@dataclass(frozen=True, eq=False)
class DrawnClip:
    """What was drawn of a clip.

    Attributes:
        first: What a photo's sidecar says, of its first drawing.
        info: What the clip's file says.
        plan: Its shots.
        pace: Drawings a second, and their size.
        frames: How many drawings were written.
        faces: How many faces were followed in each shot, by the number of its first frame.
        errors: Warping errors.
        timings_ms: By stage, of all frames.
        total_ms: From the start to the end.
        warnings: What reading, drawing and writing had to leave out.
    """

    first: Sidecar
    info: ClipInfo
    plan: ClipPlan
    pace: Pace
    frames: int
    faces: Mapping[int, int]
    errors: WarpingErrors
    timings_ms: Mapping[str, float]
    total_ms: float
    warnings: tuple[str, ...]


def source_of(info: ClipInfo, path: Path) -> Source:
    """What the sidecar says of a clip's file, as of a photo's."""
    width, height = info.width_px, info.height_px
    if info.rotation_deg in (90, 270):
        width, height = height, width  # as stored
    return Source(info.container, "RGB", width, height, path.stat().st_size)


def clip_sidecar(drawn: DrawnClip, output: Path) -> ClipSidecar:
    """Everything that the sidecar says of a clip.

    Args:
        drawn: What was drawn.
        output: The written file.
    """
    photo = drawn.first
    own = {item.name: getattr(photo, item.name) for item in fields(Sidecar)}
    own["output"] = replace(photo.output, bytes=output.stat().st_size)
    own["timings_ms"] = {**drawn.timings_ms, "total": drawn.total_ms}
    own["warnings"] = tuple(dict.fromkeys((*photo.warnings, *drawn.warnings)))
    info, errors = drawn.info, drawn.errors
    steadiness = Steadiness(*errors.means) if errors.count else None
    report = ClipReport(
        source=ClipSource(
            container=info.container,
            video_codec=info.video_codec,
            audio_codec=info.audio_codec,
            frames=info.frame_count,
            rate=info.rate,
            duration_s=info.duration_s,
            width_px=info.width_px,
            height_px=info.height_px,
        ),
        fps=drawn.pace.fps,
        fps_why=drawn.pace.why,
        drawn_frames=drawn.frames,
        shots=tuple(_shot(shot, drawn.faces.get(shot.first, 0)) for shot in drawn.plan.shots),
        steadiness=steadiness,
        frame_ms={
            stage: elapsed_ms / max(1, drawn.frames)
            for stage, elapsed_ms in drawn.timings_ms.items()
        },
    )
    return ClipSidecar(**own, clip=report)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shot(shot: PlannedShot, faces: int) -> Shot:
    plan = shot.decisions.planned.plan
    width, height = plan.working.size(plan.width_px, plan.height_px)
    return Shot(shot.start_s, shot.end_s, shot.frames, faces, width, height)

"""What the drawing of a clip gives back, and what its sidecar says beside that of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.result import Sidecar


@dataclass(frozen=True)
class Segment:
    """The part of a clip that one of several functions draws.

    Segments that follow each other, joined, are the undivided clip.

    Attributes:
        start_s: Of the clip's first frame that is drawn; frames from this time on belong to it.
        end_s: Frames from this time on belong to the next segment.
        overlap: How many drawn frames before and after are drawn for the steadying, and not
            written; 0 for as many as it looks at.
    """

    start_s: float
    end_s: float
    overlap: int = 0


@dataclass(frozen=True)
class ClipSource:
    """What the clip's file said.

    Attributes:
        container: "mp4", "webm", "gif" ...
        video_codec: "h264", "vp9" ...; of an animated picture its format.
        audio_codec: None for a silent clip.
        frames: How many were decoded.
        rate: Frames a second, on average.
        duration_s: In seconds.
        width_px: Of an upright frame.
        height_px: Of an upright frame.
    """

    container: str
    video_codec: str
    audio_codec: str | None
    frames: int
    rate: float
    duration_s: float
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Shot:
    """A run of frames between two cuts, drawn by the same decisions.

    Attributes:
        start_s: Time of its first frame.
        end_s: When its last frame ends.
        drawn_frames: How many of its frames were drawn.
        faces: How many faces were tracked through it.
        working_width_px: Width at which the style's network drew it.
        working_height_px: Height.
    """

    start_s: float
    end_s: float
    drawn_frames: int
    faces: int
    working_width_px: int
    working_height_px: int


@dataclass(frozen=True)
class Steadiness:
    """The warping errors of a clip: how much successive frames differ beside their motion.

    The mean absolute difference in L* of each frame and the one before it, moved by the optical
    flow of the source; what is hidden in either of them is left out. W.-S. Lai et al., "Learning
    blind video temporal consistency", ECCV 2018, section 4.2.

    Attributes:
        source: Of the clip itself, at the times of the drawn frames.
        before: Of the drawings one by one.
        after: Of the drawings as they were written.
    """

    source: float
    before: float
    after: float


@dataclass(frozen=True)
class ClipReport:
    """What the sidecar of a clip says beside that of a photo.

    Attributes:
        source: What the clip's file said.
        fps: Drawings a second.
        fps_why: What chose that and the size, in words.
        drawn_frames: How many drawings were made.
        shots: The clip's shots, in their order.
        steadiness: Before and after the flicker was taken out; None where fewer than two frames
            follow each other.
        frame_ms: What a drawn frame cost on average, by stage.
    """

    source: ClipSource
    fps: float
    fps_why: str
    drawn_frames: int
    shots: tuple[Shot, ...]
    steadiness: Steadiness | None
    frame_ms: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ClipSidecar(Sidecar):
    """The JSON beside a clip.

    What it says of faces, quality, decisions, drawing and metrics is of the clip's first drawn
    frame.

    Attributes:
        clip: What a photo's does not have.
    """

    clip: ClipReport


@dataclass(frozen=True, eq=False)
class ClipResult:
    """A drawn clip.

    Attributes:
        path: Its file.
        content_type: MIME type.
        extension: Without the dot.
        sidecar: For ``sidecar_document``, as a photo's.
    """

    path: Path
    content_type: str
    extension: str
    sidecar: ClipSidecar

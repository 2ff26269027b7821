"""What a run gives back: the picture, and the sidecar that describes it. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.domain import Decision, Face, QualityReport, Source


@dataclass(frozen=True)
class Metrics:
    """The result against the photo at the result's size (see pipeline/measure.py).

    Attributes:
        psnr_db: Peak signal-to-noise ratio.
        ssim: Mean structural similarity, -1..1.
        colour_shift_ciede2000: Mean colour difference.
        edge_preservation: Correlation of gradients, -1..1.
        face_shift: Mean movement of the landmarks in inter-ocular distances, where faces were found
            and measured.
    """

    psnr_db: float
    ssim: float
    colour_shift_ciede2000: float
    edge_preservation: float
    face_shift: float | None = None


@dataclass(frozen=True)
class Output:
    """The encoded picture or clip.

    Attributes:
        format: "jpeg", "png" or "webp"; of a clip also "mp4", "webm" or "gif".
        content_type: MIME type.
        width_px: Its width.
        height_px: Its height.
        bytes: Size of the file.
        bucket: Where it was put, if anywhere.
        key: Its key there.
        url: A link to it, if there is one.
    """

    format: str
    content_type: str
    width_px: int
    height_px: int
    bytes: int
    bucket: str | None = None
    key: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class WeightUse:
    """A network that was used."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Terms:
    """The licence of a network that had a part in a picture, or may have one."""

    weights: str
    licence: str


@dataclass(frozen=True)
class Drawing:
    """How the picture was drawn.

    Attributes:
        working_width_px: Width at which the style's network drew it.
        working_height_px: Height.
        tiles: In how many tiles.
        chosen_by: What chose that size: "face", "scene" or "detail".
        why: In words.
        face_px: How wide the largest face was drawn.
    """

    working_width_px: int
    working_height_px: int
    tiles: int
    chosen_by: str
    why: str
    face_px: float | None = None


@dataclass(frozen=True)
class Sidecar:
    """The JSON beside every picture; its schema is pipeline/sidecar.schema.json."""

    schema_version: str
    pipeline_version: str
    fingerprint: str
    source: Source
    quality: QualityReport
    decisions: tuple[Decision, ...]
    faces: tuple[Face, ...]
    style: str
    strength: float
    detail: float | Literal["auto"]
    engine: str
    weights: tuple[WeightUse, ...]
    terms: tuple[Terms, ...]
    drawing: Drawing
    output: Output
    metrics: Metrics
    timings_ms: dict[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """An encoded picture and its sidecar; ``extension`` is without the dot."""

    image: bytes
    extension: str
    sidecar: Sidecar

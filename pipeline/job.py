"""The state of one run: what was asked for, and what each stage adds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pipeline.budget import Budget, WorkPlan
from pipeline.decoder import Decoder
from pipeline.domain import (
    Content,
    Decision,
    Face,
    FacePatch,
    Photo,
    QualityReport,
    RgbImage,
    Source,
)
from pipeline.enhance import RestorationModels
from pipeline.faces import DetectedFace, FaceModels, Rendering
from pipeline.framing import Framing
from pipeline.origin import Origin
from pipeline.registry import ModelRegistry
from pipeline.result import Metrics
from pipeline.scale import WorkingScale
from pipeline.settings import Options, Settings
from pipeline.stylise import Embedding, StyleModel, StylisedImage


@dataclass(frozen=True, eq=False)
class Request:
    """What a run is given.

    Attributes:
        data: The photo's file.
        digest: SHA-256 of it, in hexadecimal.
        options: What the caller asked for, with the style's own name.
        origin: Where the file came from.
        budget: Time and memory that there are.
    """

    data: bytes
    digest: str
    options: Options
    origin: Origin
    budget: Budget


@dataclass(frozen=True, eq=False)
class Services:
    """What outlives a run: settings, opened models, decoding processes."""

    settings: Settings
    registry: ModelRegistry
    decoder: Decoder


@dataclass(frozen=True, eq=False)
class DecodedPhoto:
    """The stage "decode": an upright photo and what its file said.

    Attributes:
        photo: No larger than ``max_side_px``.
        source: Facts of the file.
        content: The photo without bars of one colour.
        reduced_by: By how much its sides were reduced for lack of memory; 1: not at all.
        warnings: What decoding had to guess or ignore.
    """

    photo: Photo
    source: Source
    content: Content
    reduced_by: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Assessment:
    """The stage "quality": what was measured, and what can restore the photo."""

    report: QualityReport
    models: RestorationModels


@dataclass(frozen=True, eq=False)
class PlannedWork:
    """What the budget leaves of what was asked for.

    Attributes:
        plan: What is done.
        options: The caller's, limited to that.
        decisions: One, where time or memory is limited.
        warnings: What is left out and why, in words.
    """

    plan: WorkPlan
    options: Options
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Enhanced:
    """The stage "enhance".

    Attributes:
        original: The photo as it was given, at the size that was planned.
        photo: The restored photo.
        decisions: One for each step.
    """

    original: Photo
    photo: Photo
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, eq=False)
class AnalysedFaces:
    """The stage "faces": the photo with its faces refined.

    Attributes:
        photo: As it is drawn.
        faces: Largest first.
        models: What found them; None where faces are not looked for.
        decision: For the sidecar.
        framing: The part of the photo that is drawn, with its faces before they were refined.
    """

    photo: Photo
    faces: tuple[DetectedFace, ...]
    models: FaceModels | None
    decision: Decision
    framing: Framing


@dataclass(frozen=True, eq=False)
class Enlarged:
    """The stage "enlarge": the drawing at the photo's size, uint8 (H, W, 3)."""

    pixels: RgbImage
    decision: Decision


@dataclass(frozen=True, eq=False)
class Redrawn:
    """The stage "redraw": faces drawn by themselves."""

    patches: tuple[FacePatch, ...]
    faces: tuple[DetectedFace, ...]
    decision: Decision


@dataclass(frozen=True, eq=False)
class Postprocessed:
    """The stage "repair": the finished picture, uint8 (H, W, 3)."""

    pixels: RgbImage
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """The stage "measure": the picture against the photo, and its faces."""

    metrics: Metrics
    faces: tuple[Face, ...]


@dataclass(frozen=True, eq=False)
class Encoded:
    """The stage "encode": the picture's file."""

    image: bytes
    content_type: str
    extension: str
    width_px: int
    height_px: int


class FaceAnalysis(Protocol):
    """Which faces a frame of a clip has."""

    def __call__(
        self, photo: Photo, options: Options, models: FaceModels
    ) -> tuple[tuple[DetectedFace, ...], Decision]:
        """The faces of the frame as it is drawn, and the decision; as ``analyse_faces``."""
        ...


@dataclass(frozen=True, eq=False)
class ShotDecisions:
    """What one frame of a shot decides for all of its frames.

    Attributes:
        content: What lies within bars.
        assessment: What was measured, by which the gate decides.
        planned: What is done.
        scale: The working scale.
        embedding: What the style is told of the picture.
    """

    content: Content
    assessment: Assessment
    planned: PlannedWork
    scale: WorkingScale
    embedding: Embedding


@dataclass(frozen=True, eq=False)
class ShotFrame:
    """What the drawing of a frame of a clip takes over.

    Attributes:
        decisions: Of its shot.
        analyse: Tells which faces it has.
        renderings: How the face of each track is drawn; a track's first frame decides, and adds it.
    """

    decisions: ShotDecisions
    analyse: FaceAnalysis
    renderings: dict[int, Rendering]


@dataclass(eq=False)
class Job:
    """One run. An attribute exists once the stage that adds it has run.

    ``frame`` is set for a frame of a clip: what its shot decided is not decided again.
    """

    request: Request
    services: Services
    frame: ShotFrame | None = None
    decoded: DecodedPhoto = field(init=False)
    assessment: Assessment = field(init=False)
    planned: PlannedWork = field(init=False)
    enhanced: Enhanced = field(init=False)
    analysed: AnalysedFaces = field(init=False)
    scale: WorkingScale = field(init=False)
    style: StyleModel = field(init=False)
    stylised: StylisedImage = field(init=False)
    enlarged: Enlarged = field(init=False)
    redrawn: Redrawn = field(init=False)
    postprocessed: Postprocessed = field(init=False)
    measured: Measured = field(init=False)
    encoded: Encoded = field(init=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        photo = self.analysed.photo
        return photo.width_px, photo.height_px

    @property
    def working_size(self) -> tuple[int, int]:
        """Width and height at which the photo's content is drawn."""
        return self.scale.size(*self.analysed.framing.content.size(*self.size))

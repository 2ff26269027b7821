"""The values that travel between the stages. All frozen; arrays in them are never written to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]  # (H, W, 3) RGB, sRGB
GrayImage = NDArray[np.uint8]  # (H, W)


@dataclass(frozen=True)
class Content:
    """The part of a picture that is looked at, in shares of its width and height: all of it, or
    what lies within bars.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def of(self, picture: RgbImage) -> RgbImage:
        """A view of uint8 (H, W, 3): the whole pixels that lie in it, one at least."""
        return picture[self.area(*picture.shape[1::-1])]

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height that it has of a picture of that size."""
        rows, columns = self.area(width_px, height_px)
        return columns.stop - columns.start, rows.stop - rows.start

    def area(self, width_px: int, height_px: int) -> tuple[slice, slice]:
        """Rows and columns of a picture of that size."""
        rows = _whole_pixels(self.top, self.bottom, height_px)
        return rows, _whole_pixels(self.left, self.right, width_px)


WHOLE = Content()


def _whole_pixels(start: float, end: float, side_px: int) -> slice:
    """Of a side, between two shares of it; a billionth makes up for what floats lose."""
    first = min(math.ceil(start * side_px - 1e-9), side_px - 1)
    return slice(first, max(first + 1, math.floor(end * side_px + 1e-9)))


@dataclass(frozen=True)
class Source:
    """Where a photo came from and what its file said. Sizes are those stored, before rotation."""

    format: str
    mode: str
    width_px: int
    height_px: int
    bytes: int
    orientation_applied: int = 1  # the EXIF value, 1 to 8; 1 is upright
    profile_converted: str | None = None  # name of the colours that were converted to sRGB
    colour_source: str = "none"  # what in the file told its colours; none: sRGB was assumed
    bucket: str | None = None
    key: str | None = None  # object key, or path of a file
    version_id: str | None = None
    etag: str | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """Upright sRGB pixels; ``alpha`` (0 transparent, 255 opaque) has the same height and width."""

    pixels: RgbImage
    alpha: GrayImage | None = None

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class QualityEstimate:
    """What the quality model makes of a photo.

    ``blur_px``: the sigma of a Gaussian that blurs as much; ``noise``: standard deviation in grey
    levels; ``jpeg_quality``: 100 where it never was a JPEG, or looks like it; ``exposure_stops``:
    how much too bright it is, negative for a dark one; ``score``: 1 for a photo that lacks
    nothing, one half where a fault is just clearly there, down to 0.
    """

    blur_px: float
    noise: float
    jpeg_quality: float
    exposure_stops: float
    score: float


@dataclass(frozen=True)
class QualityReport:
    """What the gate measured on the photo as the generator would see it.

    ``blur_variance``: variance of the Laplacian of the grey picture (grey levels squared);
    ``noise_sigma``: estimated standard deviation of Gaussian noise (grey levels);
    ``brightness``: mean lightness L* (0..100); ``contrast``: standard deviation of L*;
    ``estimate``: what the quality model says, where it was asked.
    """

    blur_variance: float
    blur_variance_min: float
    noise_sigma: float
    brightness: float
    contrast: float
    width_px: int
    height_px: int
    estimate: QualityEstimate | None = None


@dataclass(frozen=True)
class Decision:
    """One optional step: whether it ran, and what was measured against which threshold."""

    step: str
    ran: bool
    why: str
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class FaceParsing:
    """What the parser saw in an aligned face: soft masks, each uint8 (S, S) from 0 outside to
    255 inside, by group of regions (see pipeline/faces/find.py).

    ``to_photo`` is the 2x3 affine matrix from the aligned square to photo pixels.
    """

    masks: Mapping[str, GrayImage]
    to_photo: NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the photo given to the detector.

    ``box`` is left, top, right, bottom; ``landmarks`` are left eye, right eye, nose tip, left
    and right mouth corner as seen; ``regions`` the names found by the parser; ``refined`` the
    treatments applied, and ``not_refined`` why there are none; ``shift`` how far the landmarks
    moved in the result, on average, in inter-ocular distances, where they were found in both.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...]
    regions: tuple[str, ...] = ()
    refined: tuple[str, ...] = ()
    not_refined: str | None = None
    shift: float | None = None


@dataclass(frozen=True, eq=False)
class FacePatch:
    """A face drawn by itself: uint8 (h, w, 3) to be laid over the drawing from ``left_px`` and
    ``top_px`` on, as far as ``weight``, uint8 (h, w), says: 0 not at all, 255 fully.
    """

    pixels: RgbImage
    weight: GrayImage
    left_px: int
    top_px: int


@dataclass(frozen=True)
class WeightFile:
    """One file of the layer: its name, size and SHA-256 in hexadecimal."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class WeightSpec:
    """A network as the manifest describes it.

    ``architecture`` is the name of its torch modules in pipeline/architectures, ``shape`` their
    settings.
    ``files`` by role: ``picture`` (the ONNX graph), ``double`` (of a restorer: the graph for
    twice the size), ``report`` (of a quality model), ``regions`` (of a face parser), ``code``
    (the ONNX graph that turns a thumbnail of ``thumbnail_px`` into the picture graph's second
    input; absent, and ``thumbnail_px`` 0, where it has no such input) and ``float`` (for the
    torch engine). ``input_range`` is what the pixels 0..255 are mapped to; ``scale`` is output
    size over input size; sides must be multiples of ``multiple_of_px``; an output pixel depends
    on inputs at most ``overlap_px`` away, so tiles that overlap by that are exact; ``tileable``
    is false where a layer looks at the whole picture, which must then be drawn in one go.
    ``thresholds``: for a quality model, from what on the gate acts, by measure.
    ``recipe`` says how it was made, ``figures`` what was measured when it was.

    Of a style: ``working_px`` is the longer side at which it is drawn when detail is 0; for
    detail=auto, ``scene_px`` that of a picture without a face, ``face_px`` how wide the largest
    face is drawn, ``largest_px`` the longer side that this may lead to. ``faces_default``, "on"
    or "off", says whether faces are cared for where the caller leaves it open. ``description``
    is one line for people.
    """

    name: str
    title: str
    kind: str
    architecture: str
    files: Mapping[str, WeightFile]
    quantisation: str
    input_range: tuple[float, float]
    scale: int
    multiple_of_px: int
    overlap_px: int
    tileable: bool
    working_px: int
    thumbnail_px: int
    licence: str
    shape: Mapping[str, object] = field(default_factory=dict)
    recipe: Mapping[str, object] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    description: str = ""
    scene_px: int = 896
    face_px: int = 230
    largest_px: int = 1024
    faces_default: str = "on"


class Engine(Protocol):
    """An opened network: named arrays in, the first output out. Safe to call again.

    They are float32; but of an engine with an attribute ``takes_pixels`` that is true, the
    picture and what is made of it are uint8 (1, H, W, C), its first three channels the colours.
    """

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Metrics:
    """The result against the photo at the result's size (see pipeline/measure.py).

    ``face_shift``: mean movement of the landmarks in inter-ocular distances, when faces were
    found and measured.
    """

    psnr_db: float
    ssim: float
    colour_shift_ciede2000: float
    edge_preservation: float
    face_shift: float | None = None


@dataclass(frozen=True)
class Output:
    """The encoded picture; ``bucket``, ``key`` and ``url`` say where it was put, if anywhere."""

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
    """How the picture was drawn: the size it was worked at and the number of tiles; what chose
    that size ("face", "scene" or "detail") and why; and how wide the largest face was drawn.
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

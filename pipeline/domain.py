"""The values that travel between the stages. All frozen; arrays in them are never written to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]  # (H, W, 3) RGB, sRGB
GrayImage = NDArray[np.uint8]  # (H, W)


@dataclass(frozen=True)
class Content:
    """The part of a picture that is drawn, in shares of its width and height.

    That is all of it, or what lies within bars of one colour.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def of(self, picture: RgbImage) -> RgbImage:
        """A view of uint8 (H, W, 3): the whole pixels that lie in it, one at least."""
        return picture[self.area(*picture.shape[1::-1])]

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height that it has in a picture of that size."""
        rows, columns = self.area(width_px, height_px)
        return columns.stop - columns.start, rows.stop - rows.start

    def area(self, width_px: int, height_px: int) -> tuple[slice, slice]:
        """Rows and columns of a picture of that size."""
        rows = _whole_pixels(self.top, self.bottom, height_px)
        return rows, _whole_pixels(self.left, self.right, width_px)


WHOLE = Content()


def _whole_pixels(start: float, end: float, side_px: int) -> slice:
    """Pixels between two shares of a side; a billionth makes up for rounding."""
    first = min(math.ceil(start * side_px - 1e-9), side_px - 1)
    return slice(first, max(first + 1, math.floor(end * side_px + 1e-9)))


@dataclass(frozen=True)
class Source:
    """Where a photo came from and what its file said.

    Attributes:
        format: Of the file: "jpeg", "png" ...
        mode: Of its pixels, as Pillow names it.
        width_px: As stored, before rotation.
        height_px: As stored, before rotation.
        bytes: Size of the file.
        orientation_applied: The EXIF value, 1 to 8; 1 is upright.
        profile_converted: Name of the colour space that was converted to sRGB.
        colour_source: What in the file defined its colours; "none": sRGB was assumed.
        bucket: See Origin.
        key: See Origin.
        version_id: See Origin.
        etag: See Origin.
    """

    format: str
    mode: str
    width_px: int
    height_px: int
    bytes: int
    orientation_applied: int = 1  # the EXIF value, 1 to 8; 1 is upright
    profile_converted: str | None = None  # name of the colours that were converted to sRGB
    colour_source: str = "none"  # what in the file defined its colours; none: sRGB was assumed
    bucket: str | None = None
    key: str | None = None  # object key, or path of a file
    version_id: str | None = None
    etag: str | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """Upright sRGB pixels.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        alpha: uint8 (H, W), 0 transparent to 255 opaque; None where all is opaque.
    """

    pixels: RgbImage
    alpha: GrayImage | None = None

    @property
    def height_px(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def width_px(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class QualityEstimate:
    """What the quality model estimates of a photo.

    Attributes:
        blur_px: The sigma of a Gaussian that blurs as much.
        noise: Standard deviation in grey levels.
        jpeg_quality: 100 where it never was a JPEG, or looks like it.
        exposure_stops: How much too bright it is; negative for a dark one.
        score: 1 for a photo without faults, one half where a fault is just clearly visible, down to
            0.
    """

    blur_px: float
    noise: float
    jpeg_quality: float
    exposure_stops: float
    score: float


@dataclass(frozen=True)
class QualityReport:
    """What the gate measured on the photo at the size that will be drawn.

    Attributes:
        blur_variance: Variance of the Laplacian of the grey picture (grey levels squared).
        blur_variance_min: Threshold of it.
        noise_sigma: Estimated standard deviation of Gaussian noise (grey levels).
        brightness: Mean lightness L*, 0..100.
        contrast: Standard deviation of L*.
        width_px: Of the photo.
        height_px: Of the photo.
        estimate: What the quality model says, where it was asked.
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
    """What the parser saw in an aligned face.

    Attributes:
        masks: Soft masks by group of regions, each uint8 (S, S) from 0 outside to 255 inside; see
            GROUPS in pipeline/faces/analysis.py.
        to_photo: The 2x3 affine matrix from the aligned square to photo pixels.
    """

    masks: Mapping[str, GrayImage]
    to_photo: NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the photo given to the detector.

    Attributes:
        box: Left, top, right, bottom.
        score: Of the detector, 0..1.
        landmarks: Left eye, right eye, nose tip, left and right mouth corner as seen; x, y.
        regions: Names found by the parser.
        refined: Names of the treatments applied.
        not_refined: Why there are none.
        shift: How far the landmarks moved in the result, on average, in inter-ocular distances,
            where they were found in both.
        detail_px: How wide a sharp face of no more detail would be, 64 at most; None where it was
            not measured.
        invented: Whether its features are more than the photo shows.
        drawn_as: The style that drew an aligned face.
        drawn_why: Why that is not the style that was asked for.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...]
    regions: tuple[str, ...] = ()
    refined: tuple[str, ...] = ()
    not_refined: str | None = None
    shift: float | None = None
    detail_px: float | None = None
    invented: bool = False
    drawn_as: str | None = None
    drawn_why: str | None = None


@dataclass(frozen=True, eq=False)
class FacePatch:
    """A face drawn by itself, to be laid over the drawing.

    Attributes:
        pixels: uint8 (h, w, 3) RGB.
        weight: uint8 (h, w), 0 transparent to 255 opaque.
        left_px: Its first column in the drawing.
        top_px: Its first row.
    """

    pixels: RgbImage
    weight: GrayImage
    left_px: int
    top_px: int


@dataclass(frozen=True)
class WeightFile:
    """One file of the folder of weights: its name, SHA-256 in hexadecimal, and size."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class WeightSpec:
    """A network as the manifest describes it.

    Attributes:
        name: Unique; a style's is part of keys.
        title: For people.
        kind: "style", "upsampler", "restorer", "quality", "detector", "parser",
            "face_restorer" or "esrgan".
        architecture: Name of its torch modules in pipeline/architectures.
        files: By role: ``picture`` (the ONNX graph), ``double`` (of a restorer: the graph for twice
            the size), ``report`` (of a quality model), ``faces`` (of a detector), ``regions`` (of a
            parser), ``code`` (of a style: turns a thumbnail into the picture graph's second input)
            and ``float`` (for the torch engine).
        quantisation: In words.
        input_range: What the pixels 0..255 are mapped to.
        scale: Output size over input size.
        multiple_of_px: Sides must be multiples of it.
        overlap_px: An output pixel depends on inputs at most that far away: tiles that overlap by
            it are exact.
        tileable: False where a layer looks at the whole picture, which must then be drawn in one
            go.
        working_px: Of a style: the longer side at which it is drawn when detail is 0.
        thumbnail_px: Side of the thumbnail of ``code``; 0 for a style without one.
        licence: Of the weights.
        shape: Settings of the architecture.
        recipe: How it was made.
        figures: What was measured when it was made.
        thresholds: Of a quality model: limits of the gate by measure.
        description: Of a style: one line for people.
        scene_px: Of a style, for detail=auto: the longer side of a picture without a face.
        face_px: How wide the largest face is drawn.
        largest_px: Limit of the longer side that this leads to.
        faces_default: "on" or "off": whether faces are refined where the caller leaves it open.
        around: Of a style that draws heads alone: the style that draws the rest of the picture.
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
    around: str = ""


class Engine(Protocol):
    """An opened network: named arrays in, the first output out. Safe to call again.

    Arrays are float32. Where the engine has an attribute ``takes_pixels`` that is true, images are
    uint8 (1, H, W, C) on both sides, their first three channels the colours.
    """

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Runs the network."""
        ...

"""What colouring a line drawing gives back: the picture and its sidecar. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.domain import Decision, Source
from pipeline.result import Output, Terms, WeightUse


@dataclass(frozen=True)
class DrawingReport:
    """How a line drawing came in, and what was measured on its lines.

    Attributes:
        came_as: "photograph" of a sheet, "scan" (paper that fills the picture), "digital" (lines on
            one even colour), "inverted" (light lines on dark) or "transparent" (lines on nothing).
        width_px: Of the drawing, after straightening and reduction.
        height_px: Of it.
        corners: Corners of the sheet in the upright input, x and y in pixels, clockwise from the
            top left, where it was straightened.
        paper: Colour of the paper, "#rrggbb"; None where there was none.
        ink: Colour of the lines, "#rrggbb".
        line_coverage: Share of the drawing that lines cover, each pixel by its ink.
        line_width_px: Median width of the lines.
        tones: Share of the pixels that are neither paper nor line: shading, grain, screens.
        closed_regions: Regions that lines enclose, with gaps closed that are small beside them.
    """

    came_as: Literal["photograph", "scan", "digital", "inverted", "transparent"]
    width_px: int
    height_px: int
    corners: tuple[tuple[float, float], ...]
    paper: str | None
    ink: str
    line_coverage: float
    line_width_px: float
    tones: float
    closed_regions: int


@dataclass(frozen=True)
class HintReport:
    """What became of one dot or stroke of colour.

    Attributes:
        x_px: Its centre in the drawing.
        y_px: Its centre.
        colour: What was asked for, "#rrggbb".
        kept: Whether it coloured anything.
        area_px: Pixels that it coloured.
        error_ciede2000: Colour difference between what was asked for and what is there, at its
            centre and away from lines; None where it was not kept.
        why: In words, where it was not kept or shares its region with others.
    """

    x_px: float
    y_px: float
    colour: str
    kept: bool
    area_px: int
    error_ciede2000: float | None
    why: str | None = None


@dataclass(frozen=True)
class ColourSidecar:
    """The JSON beside a coloured drawing; its schema is pipeline/colour.schema.json."""

    schema_version: str
    pipeline_version: str
    fingerprint: str
    task: Literal["colour"]
    source: Source
    drawing: DrawingReport
    hints: tuple[HintReport, ...]
    palette: str
    seed: int
    proposals: int
    choice: int
    layers: str
    decisions: tuple[Decision, ...]
    engine: str
    weights: tuple[WeightUse, ...]
    terms: tuple[Terms, ...]
    working_width_px: int
    working_height_px: int
    output: Output
    timings_ms: dict[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ColourResult:
    """An encoded picture, sheet or file of layers, and its sidecar.

    Attributes:
        image: The file's bytes.
        extension: Without the dot: "png", "jpg", "webp", "tif" or "ora".
        sidecar: What describes it.
    """

    image: bytes
    extension: str
    sidecar: ColourSidecar

"""A line drawing coloured: the stages in their order, and what each adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.budget import Budget
from pipeline.decoder import Decoded
from pipeline.domain import Photo, RgbImage, Source
from pipeline.encode import encode
from pipeline.errors import InvalidOption
from pipeline.hints import parse_hints
from pipeline.job import Encoded, Services
from pipeline.lineart.check import Examination, examine, refuse
from pipeline.lineart.colouriser import WorkingLines, colour, hint_planes, working_lines
from pipeline.lineart.intake import LineDrawing, ink_of, take_lines
from pipeline.lineart.layers import Layers, encode_layers, line_layer, shade_layer
from pipeline.lineart.likely import likely_dots
from pipeline.lineart.paint import Paint, enlarge, enlarge_flats, lay_lines, paint_regions
from pipeline.lineart.palette import mixed, named_palette, natural_palette, sampled_palettes
from pipeline.lineart.regions import Regions, find_regions
from pipeline.lineart.wishes import (
    Fill,
    Wish,
    apply_fills,
    find_fills,
    wishes_of_hints,
    wishes_of_layer,
)
from pipeline.model import Model
from pipeline.origin import Origin
from pipeline.settings import ColourOptions
from pipeline.sheet import grid
from pipeline.timings import Timings, timed

REFERENCE_PX = 512
MANY_WISHES = 4
MAX_SHEET_TILE_PX = 1024
TRANSPOSED = 5  # EXIF's orientations from here on swap width and height


@dataclass(frozen=True, eq=False)
class ColourRequest:
    """What colouring is given.

    Attributes:
        data: The drawing's file.
        digest: SHA-256 of it, in hexadecimal.
        options: What the caller asks for.
        origin: Where the file came from.
        budget: The time that there is.
        hint_layer: A file of strokes; None for none.
        reference: A file whose colours are drawn from; None for none.
    """

    data: bytes
    digest: str
    options: ColourOptions
    origin: Origin
    budget: Budget
    hint_layer: bytes | None = None
    reference: bytes | None = None


@dataclass(frozen=True, eq=False)
class Intake:
    """The stage "intake": lines, what they enclose, and the caller's wishes on them."""

    drawing: LineDrawing
    examination: Examination
    warnings: tuple[str, ...]
    regions: Regions
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, eq=False)
class Coloured:
    """The stage "colour": for each proposal its paint, and what became of the wishes."""

    lines: WorkingLines
    paints: tuple[tuple[Paint, tuple[Fill, ...]], ...]


@dataclass(frozen=True, eq=False)
class Composition:
    """The stage "lay": for each proposal its paint and the picture, both at full size."""

    paints: tuple[RgbImage, ...]
    pictures: tuple[RgbImage, ...]


@dataclass(eq=False)
class ColourJob:
    """One drawing on its way. An attribute exists once the stage that adds it has run."""

    request: ColourRequest
    services: Services
    model: Model
    decoded: Decoded = field(init=False)
    companions: Companions = field(init=False)
    intake: Intake = field(init=False)
    coloured: Coloured = field(init=False)
    composition: Composition = field(init=False)
    encoded: Encoded = field(init=False)


@dataclass(frozen=True, eq=False)
class Companions:
    """What came beside the drawing.

    Attributes:
        layer: Strokes; None for none.
        palettes: Of each proposal the pixels of its colours.
        palette: What they come from: "reference", a palette's name, or "none".
    """

    layer: Photo | None
    palettes: tuple[RgbImage, ...]
    palette: str


def run_colour_stages(job: ColourJob, timings: Timings) -> None:
    """Runs all stages.

    Raises:
        PermanentError, TransientError: As ``Pipeline.colour``.
    """
    for name, adds, run in _STAGES:
        job.request.budget.check_time()
        with timed(timings, name):
            setattr(job, adds, run(job))


def upright_size(source: Source) -> tuple[int, int]:
    """Width and height of an input as it is seen."""
    size = (source.width_px, source.height_px)
    return size[::-1] if source.orientation_applied >= TRANSPOSED else size


def _decode(job: ColourJob) -> Decoded:
    request = job.request
    return job.services.decoder.decode(
        request.data, request.options.max_side_px, request.budget.left_s
    )


def _decode_companions(job: ColourJob) -> Companions:
    request, options, decoder = job.request, job.request.options, job.services.decoder
    layer = None
    if request.hint_layer is not None:
        left_s = request.budget.left_s
        layer = decoder.decode(request.hint_layer, options.max_side_px, left_s).photo
    wish: RgbImage | None = None
    palette = options.palette
    if request.reference is not None:
        if palette != "none":
            message = "palette and a reference picture exclude each other"
            raise InvalidOption(message, measured=palette, limit="none")
        reference = decoder.decode(request.reference, REFERENCE_PX, request.budget.left_s)
        wish, palette = reference.photo.pixels, "reference"
    elif palette != "none":
        wish = named_palette(palette)
    return Companions(layer, _palettes(wish, options), palette)


def _palettes(wish: RgbImage | None, options: ColourOptions) -> tuple[RgbImage, ...]:
    """The palette of each proposal that is drawn.

    The first of a palette that was asked for is that one and nothing else, the first of seed 0 the
    natural one. The others are of the seed; beside a palette they share with it.
    """
    count = max(options.proposals, options.choice)
    palettes = sampled_palettes(options.seed, count)
    if wish is not None:
        palettes = [wish, *(mixed(wish, palette) for palette in palettes[1:])]
    elif options.seed == 0:
        palettes[0] = natural_palette()
    return (palettes[options.choice - 1],) if options.choice else tuple(palettes)


def _take(job: ColourJob) -> Intake:
    request, options, decoded = job.request, job.request.options, job.decoded
    drawing = take_lines(decoded.photo, keep=options.lines == "keep")
    regions = find_regions(drawing.ink)
    examination = examine(drawing, regions)
    warnings = refuse(examination, drawing.came_as, is_strict=options.check != "off")
    hints = parse_hints(options.hints)
    wishes = wishes_of_hints(hints, upright_size(decoded.source), decoded.photo, drawing)
    if job.companions.layer:
        wishes += wishes_of_layer(job.companions.layer, decoded.photo, drawing)
    request.budget.check_time()
    return Intake(drawing, examination, warnings, regions, wishes)


def _open_weights(job: ColourJob) -> Model:
    job.model.open()
    return job.model


def _colour(job: ColourJob) -> Coloured:
    intake = job.intake
    lines = working_lines(intake.drawing.ink)
    fills = find_fills(intake.wishes, intake.drawing, intake.regions)
    dots = hint_planes(lines, intake.wishes)
    wished = np.zeros(intake.regions.count, np.bool_)
    wished[[region for fill in fills for region in fill.regions]] = True
    paints = []
    for palette in job.companions.palettes:
        job.request.budget.check_time()
        picture, scores = colour(job.model, lines, dots, palette)
        all_dots = dots
        # many dots say what the rest is like; where there are few, the palette does
        if len(intake.wishes) < MANY_WISHES:
            labels = intake.regions.sampled((scores.shape[2], scores.shape[1]))
            size = (lines.ink.shape[1], lines.ink.shape[0])
            likely = likely_dots(scores, labels, wished, size, palette)
            all_dots = np.where(dots[..., 3:] > 0, dots, likely)
            picture, _ = colour(job.model, lines, all_dots, palette)
        paint = paint_regions(picture, lines.ink, all_dots[..., 3] > 0, intake.regions)
        paints.append(apply_fills(paint, fills, intake.drawing, intake.regions))
    return Coloured(lines, tuple(paints))


def _lay(job: ColourJob) -> Composition:
    drawing = job.intake.drawing
    size = _proposal_size(job)
    lines, ink = drawing.lines, drawing.ink
    if size != drawing.size:
        lines = np.asarray(cv2.resize(lines, size, interpolation=cv2.INTER_AREA), np.uint8)
        ink = ink_of(lines)
    paints = tuple(enlarge(paint, job.intake.regions, size) for paint, _ in job.coloured.paints)
    return Composition(paints, tuple(lay_lines(paint, lines, ink) for paint in paints))


def _proposal_size(job: ColourJob) -> tuple[int, int]:
    """Of the picture; of several, reduced so that their sheet is no larger than was asked."""
    size = job.intake.drawing.size
    count = len(job.companions.palettes)
    if count == 1:
        return size
    side = min(MAX_SHEET_TILE_PX, job.request.options.max_side_px // int(np.ceil(np.sqrt(count))))
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _encode(job: ColourJob) -> Encoded:
    options, pictures = job.request.options, job.composition.pictures
    if options.layers != "off":
        return Encoded(*encode_layers(_layers(job), options.layers), *job.intake.drawing.size)
    picture = pictures[0]
    if len(pictures) > 1:
        picture = grid([(str(number), picture) for number, picture in enumerate(pictures, 1)])
    encoded = encode(Photo(picture), options.format, options.quality)
    return Encoded(*encoded, picture.shape[1], picture.shape[0])


def _layers(job: ColourJob) -> Layers:
    drawing = job.intake.drawing
    flats = enlarge_flats(job.coloured.paints[0][0], job.intake.regions, drawing.size)
    return Layers(
        lines=line_layer(drawing.lines, drawing.ink),
        shades=shade_layer(job.composition.paints[0], flats),
        flats=flats,
        picture=job.composition.pictures[0],
    )


_STAGES: Sequence[tuple[str, str, Callable[[ColourJob], object]]] = (
    ("decode", "decoded", _decode),
    ("companions", "companions", _decode_companions),
    ("intake", "intake", _take),
    ("open_weights", "model", _open_weights),
    ("colour", "coloured", _colour),
    ("lay", "composition", _lay),
    ("encode", "encoded", _encode),
)
COLOUR_STAGES = tuple(name for name, *_ in _STAGES)

"""The user's colours: dots and strokes on a drawing, and the regions that they fill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Photo, RgbImage
from pipeline.errors import InvalidOption
from pipeline.hints import MAX_HINTS, Hint
from pipeline.lineart.intake import LineDrawing
from pipeline.lineart.paint import Paint, fill_slits
from pipeline.lineart.regions import Labels, Regions

DEFAULT_RADIUS_SHARE = 0.01  # of a dot, of the drawing's longer side
LAYER_PX = 1024  # longer side at which a layer of strokes is read
PAINTED_ALPHA = 200  # of a layer's pixel that counts
MIN_STROKE_PX = 3  # pixels of a layer that are a stroke
MIN_STROKE_SHARE = 0.15  # of a stroke's pixels: what it fills lies under that many
MAX_ANCHORS = 12  # places of a stroke in one region
SAME_COLOUR = 8.0  # CIE76: hints of colours that near do not contradict each other
SHADE_SHARE, MAX_SHADE = 0.8, 18.0  # of L*: how much of the network's shading stays
TINT_SHARE = 0.5  # likewise of a* and b*
ALIKE, UNLIKE = 22.0, 45.0  # CIE76 to the colour at the hint: there such a region is filled, left


@dataclass(frozen=True, eq=False)
class Wish:
    """A dot or a stroke of colour on a drawing.

    Attributes:
        colour: RGB 0..255.
        x: Its centre, in pixels of the drawing.
        y: Its centre.
        radius_px: Of a dot, or half the width of a stroke.
        points: float32 (N, 2): x and y of a stroke's pixels; of a dot its centre.
    """

    colour: tuple[int, int, int]
    x: float
    y: float
    radius_px: float
    points: NDArray[np.float32]

    @property
    def hex(self) -> str:
        """The colour as "#rrggbb"."""
        return "#" + bytes(self.colour).hex()


@dataclass(frozen=True, eq=False)
class Fill:
    """What became of a wish.

    Attributes:
        wish: The wish.
        regions: The regions that it fills.
        why: Where there are none, or where it shares one.
    """

    wish: Wish
    regions: tuple[int, ...]
    why: str | None = None


def wishes_of_hints(
    hints: Sequence[Hint], input_size: tuple[int, int], photo: Photo, drawing: LineDrawing
) -> tuple[Wish, ...]:
    """Dots, from the upright input to the drawing.

    Args:
        hints: As the caller gave them.
        input_size: Width and height of the upright input.
        photo: The input as it was decoded, perhaps smaller.
        drawing: What was taken out of it.

    Raises:
        InvalidOption: One lies outside of the input, or of the sheet that was seen in it.
    """
    wishes = []
    width, height = input_size
    reduction = photo.width_px / width
    for hint in hints:
        x, y = hint.x.px(width), hint.y.px(height)
        if x > width or y > height:
            raise InvalidOption(
                f"hints: {x:g},{y:g} lies outside of the drawing, which is {width}x{height} px",
                measured=f"{x:g},{y:g}",
                limit=f"{width}x{height}",
            )
        longer = max(width, height)
        radius = DEFAULT_RADIUS_SHARE * longer if hint.radius is None else hint.radius.px(longer)
        centre = np.array([[x, y]]) * (photo.width_px / width, photo.height_px / height)
        placed = _to_drawing(centre, drawing)[0]
        if not (0 <= placed[0] <= drawing.size[0] and 0 <= placed[1] <= drawing.size[1]):
            raise InvalidOption(
                f"hints: {x:g},{y:g} lies outside of the sheet that was found in the photograph",
                measured=f"{x:g},{y:g}",
            )
        point = np.minimum(placed, np.array(drawing.size) - 0.5)
        wishes.append(
            Wish(
                hint.colour,
                float(point[0]),
                float(point[1]),
                max(0.5, radius * reduction),
                point[None].astype(np.float32),
            )
        )
    return tuple(wishes)


def wishes_of_layer(layer: Photo, photo: Photo, drawing: LineDrawing) -> tuple[Wish, ...]:
    """Strokes of a layer: what touches and has one colour is one stroke.

    Args:
        layer: Transparent but for strokes; of the upright input's aspect, at any size.
        photo: The input as it was decoded.
        drawing: What was taken out of it.

    Raises:
        InvalidOption: It has no transparency, another aspect, or more than MAX_HINTS strokes.
    """
    if layer.alpha is None:
        raise InvalidOption("hint_layer is opaque: strokes lie on transparency")
    aspect = layer.width_px / layer.height_px
    expected = photo.width_px / photo.height_px
    if abs(aspect / expected - 1) > 0.02 + 1 / min(layer.width_px, layer.height_px):
        raise InvalidOption(
            f"hint_layer is {layer.width_px}x{layer.height_px} px: another aspect than the drawing",
            measured=round(aspect, 3),
            limit=round(expected, 3),
        )
    scale = min(1.0, LAYER_PX / max(layer.width_px, layer.height_px))
    size = (max(1, round(layer.width_px * scale)), max(1, round(layer.height_px * scale)))
    colours = cv2.resize(layer.pixels, size, interpolation=cv2.INTER_NEAREST)
    alpha = cv2.resize(layer.alpha, size, interpolation=cv2.INTER_NEAREST)
    to_photo = np.array([photo.width_px / size[0], photo.height_px / size[1]])
    wishes: list[Wish] = []
    for pixels in _strokes(colours, alpha >= PAINTED_ALPHA):
        rows, columns = pixels
        points = _to_drawing((np.stack([columns, rows], -1) + 0.5) * to_photo, drawing)
        inside = ((points >= 0) & (points < drawing.size)).all(-1)
        if not inside.any():
            continue
        red, green, blue = np.median(colours[rows, columns], axis=0).round().astype(int)
        middle = points[inside].mean(0)
        centre = points[inside][np.argmin(((points[inside] - middle) ** 2).sum(-1))]
        wishes.append(
            Wish(
                (int(red), int(green), int(blue)),
                float(centre[0]),
                float(centre[1]),
                float(max(0.5, to_photo.max())),
                points[inside].astype(np.float32),
            )
        )
    if len(wishes) > MAX_HINTS:
        raise InvalidOption(
            f"hint_layer has {len(wishes)} strokes; the limit is {MAX_HINTS}",
            measured=len(wishes),
            limit=MAX_HINTS,
        )
    return tuple(wishes)


def _strokes(
    colours: RgbImage, painted: NDArray[np.bool_]
) -> Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns of each stroke."""
    codes = (colours.astype(np.int32) >> 4) @ np.array([256, 16, 1], np.int32)
    counts = np.bincount(codes[painted], minlength=4096) if painted.any() else np.zeros(4096, int)
    for code in np.flatnonzero(counts >= MIN_STROKE_PX):
        number, names = cv2.connectedComponents(((codes == code) & painted).astype(np.uint8))
        for name in range(1, number):
            rows, columns = np.nonzero(names == name)
            if rows.size >= MIN_STROKE_PX:
                yield rows, columns


def _to_drawing(points: NDArray[np.float64], drawing: LineDrawing) -> NDArray[np.float64]:
    """From pixels of the decoded photo to those of the drawing."""
    if drawing.sheet is None:
        return points
    # the matrix counts from pixels' centres
    moved = cv2.perspectiveTransform((points - 0.5)[None], drawing.sheet.matrix)[0]
    return np.asarray(moved + 0.5, np.float64)


def find_fills(wishes: Sequence[Wish], drawing: LineDrawing, regions: Regions) -> tuple[Fill, ...]:
    """Finds which regions each wish fills.

    A dot fills the region that its centre lies in; on a line, that of most of its pixels beside the
    line. A stroke fills all regions that a good part of it lies in.
    """
    return tuple(_fill(wish, drawing, regions) for wish in wishes)


def _fill(wish: Wish, drawing: LineDrawing, regions: Regions) -> Fill:
    rows, columns = _at(wish.points, drawing.size, regions.labels.shape)
    ink_rows, ink_columns = _at(wish.points, drawing.size, drawing.ink.shape)
    is_free = drawing.ink[ink_rows, ink_columns] < regions.line_level
    names = regions.labels[rows, columns]
    if len(wish.points) > 1:
        kept = names[is_free]
        counts = np.bincount(kept, minlength=regions.count) if kept.size else np.zeros(1, int)
        least = max(1.0, MIN_STROKE_SHARE * kept.size)
        filled = tuple(int(name) for name in np.flatnonzero(counts >= least))
        return Fill(wish, filled, None if filled else "the stroke lies on lines alone")
    if is_free[0]:
        return Fill(wish, (int(names[0]),))
    beside = _beside(wish, drawing, regions)
    if beside is None:
        return Fill(wish, (), "the dot lies on lines alone")
    return Fill(wish, (beside,), "its centre lies on a line: it fills the region beside it")


def _beside(wish: Wish, drawing: LineDrawing, regions: Regions) -> int | None:
    """The region of most of the pixels around a dot on a line."""
    reach = max(3.0, 2 * wish.radius_px)
    left, right = (int(np.clip(wish.x + d, 0, drawing.size[0] - 1)) for d in (-reach, reach))
    top, bottom = (int(np.clip(wish.y + d, 0, drawing.size[1] - 1)) for d in (-reach, reach))
    y, x = np.mgrid[top : bottom + 1, left : right + 1]
    free = drawing.ink[top : bottom + 1, left : right + 1] < regions.line_level
    points = np.stack([x[free], y[free]], -1).astype(np.float32)
    if not len(points):
        return None
    rows, columns = _at(points, drawing.size, regions.labels.shape)
    return int(np.bincount(regions.labels[rows, columns]).argmax())


def _at(
    points: NDArray[np.float32], size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns, in an array of that shape, of points of a picture of that size."""
    columns = (points[:, 0] * shape[1] / size[0]).astype(np.intp)
    rows = (points[:, 1] * shape[0] / size[1]).astype(np.intp)
    return np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1)


def apply_fills(
    paint: Paint, fills: Sequence[Fill], drawing: LineDrawing, regions: Regions
) -> tuple[Paint, tuple[Fill, ...]]:
    """Gives the filled regions the colours that were asked for.

    The network has seen the hints and has coloured by them; what is left is shifted in CIELAB so
    that the colour at the hint is the one asked for. Some of its shading stays. Several hints in a
    region share it by distance. A region at the edge of the drawing may be several things that no
    line divides: there what the network coloured very differently from the hint's place is left.

    Args:
        paint: At working size.
        fills: Which wish fills which regions.
        drawing: The drawing.
        regions: Of the drawing.

    Returns:
        The paint, and the fills, with a remark where they contradict each other.
    """
    fills = list(fills)
    by_region: dict[int, list[int]] = {}
    for number, fill in enumerate(fills):
        for region in fill.regions:
            by_region.setdefault(region, []).append(number)
    if not by_region:
        return paint, tuple(fills)
    lab = _lab(paint.colours)
    flats = _lab(paint.flats[None])[0]
    for region, numbers in by_region.items():
        asked = [_lab_of(fills[number].wish.colour) for number in numbers]
        if _contradict(asked):
            for number in numbers:
                why = "another hint asks for another colour in its region: they share it"
                fills[number] = replace(fills[number], why=why)
        wishes = [fills[number].wish for number in numbers]
        _fill_region(lab, flats, region, wishes, (paint.labels, drawing.size, regions))
    is_filled = np.zeros(regions.count, np.bool_)
    is_filled[list(by_region)] = True
    # the others keep their colours to the last digit
    colours = np.where(is_filled[paint.labels][..., None], _rgb(lab), paint.colours)
    all_flats = np.where(is_filled[:, None], _rgb(flats[None])[0], paint.flats)
    slits = paint.slits & ~is_filled
    filled = replace(paint, colours=colours, flats=all_flats, slits=slits)
    return fill_slits(filled, regions), tuple(fills)


def _contradict(colours: Sequence[NDArray[np.float32]]) -> bool:
    return any(float(np.linalg.norm(colour - colours[0])) > SAME_COLOUR for colour in colours)


def _fill_region(
    lab: NDArray[np.float32],
    flats: NDArray[np.float32],
    region: int,
    wishes: Sequence[Wish],
    where: tuple[Labels, tuple[int, int], Regions],
) -> None:
    """Fills one region in place, in CIELAB (h, w, 3) and in its flat."""
    labels, size, regions = where
    rows, columns = np.nonzero(labels == region)
    if not rows.size:
        flats[region] = _lab_of(wishes[-1].colour)
        return
    own = lab[rows, columns]
    anchors = [_anchors(wish, region, where) for wish in wishes]
    nearness = []
    filled = np.zeros_like(own)
    likeness = np.zeros(len(own), np.float32)
    for wish, points in zip(wishes, anchors, strict=True):
        y = points[:, 1] * labels.shape[0] / size[1] - 0.5
        x = points[:, 0] * labels.shape[1] / size[0] - 0.5
        apart2 = ((rows[:, None] - y) ** 2 + (columns[:, None] - x) ** 2).min(1)
        base = own[np.argsort(apart2)[: max(5, min(40, len(own) // 50))]].mean(0)
        change = own - base
        shade = np.clip(SHADE_SHARE * change[:, :1], -MAX_SHADE, MAX_SHADE)
        colour = _lab_of(wish.colour) + np.concatenate([shade, TINT_SHARE * change[:, 1:]], 1)
        weight = 1 / (apart2 + 1) ** 4
        nearness.append(weight)
        filled += colour * weight[:, None]
        likeness += _likeness(change) * weight
    total = np.sum(nearness, axis=0)
    filled /= total[:, None]
    share = (likeness / total)[:, None]
    if not regions.at_border[region]:
        share = np.ones_like(share)
    lab[rows, columns] = own + (filled - own) * share
    flats[region] = lab[rows, columns].mean(0)


def _likeness(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 near the colour at the hint, falling to 0 far from it."""
    far = np.clip((np.linalg.norm(change, axis=1) - ALIKE) / (UNLIKE - ALIKE), 0, 1)
    return np.asarray(1 - far * far * (3 - 2 * far), np.float32)


def _anchors(
    wish: Wish, region: int, where: tuple[Labels, tuple[int, int], Regions]
) -> NDArray[np.float32]:
    """Points of a wish in a region, some of many; its centre where no pixel of it lies there."""
    _, size, regions = where
    rows, columns = _at(wish.points, size, regions.labels.shape)
    inside = wish.points[regions.labels[rows, columns] == region]
    if not len(inside):
        inside = np.array([[wish.x, wish.y]], np.float32)
    return inside[:: max(1, len(inside) // MAX_ANCHORS)]


def _lab(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(colours / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _lab_of(colour: tuple[int, int, int]) -> NDArray[np.float32]:
    return _lab(np.array([[colour]], np.float32))[0, 0]


def _rgb(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(rgb, 0, 1) * np.float32(255), np.float32)

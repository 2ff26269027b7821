"""A line drawing out of what came in: its ink on white paper, at full size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Decision, GrayImage, Photo, RgbImage
from pipeline.lineart.paper import Sheet, estimate_light, find_sheet, straighten

CameAs = Literal["photograph", "scan", "digital", "inverted", "transparent"]
SAMPLE_PX = 512  # longer side at which a picture is looked at as a whole
SEEN_ALPHA = 128
MIN_TRANSPARENT = 0.05  # share of pixels that are seen through in a drawing on transparency
MIN_EVEN_SHARE = 0.3  # of pixels within EVEN_LEVELS of one colour, for a digital drawing
EVEN_LEVELS = 2
DARK_PAPER = 125  # L* * 2.55: darker paper may bear lighter lines
DIGITAL_WHITE, NOISY_WHITE = 3, 8  # levels under the paper's that are paper still, at least
MAX_WHITE = 56  # levels that noise may take away from faint lines
NOISE_WIDTHS = 3.5
NEARLY_WHITE = 0.6
PENCIL_BLUE = 14  # levels by which light blue pencil is bluer than red
PENCIL_LIGHT = 150  # level of blue from which on it is pencil, and not blue ink
MIN_PENCIL, MIN_INK = 0.06, 0.15  # shares of the drawn pixels: pencil, and dark ink over it
INK_LEVEL = 110
NEUTRAL_INK_LEVELS = 40  # between the channels of ink that is no colour
NEUTRAL_LEVELS = 6  # between the channels of paper that is white or grey


@dataclass(frozen=True, eq=False)
class LineDrawing:
    """Lines on white paper.

    Attributes:
        lines: uint8 (H, W, 3) RGB: the picture over its paper; 255 where there is no ink.
        ink: uint8 (H, W): 0 paper to 255 black.
        came_as: See DrawingReport.
        paper: Colour of the paper, RGB 0..255; None where there was none.
        sheet: The sheet that was straightened.
        decisions: What was done to it.
    """

    lines: RgbImage
    ink: GrayImage
    came_as: CameAs
    paper: tuple[int, int, int] | None
    sheet: Sheet | None
    decisions: tuple[Decision, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.ink.shape[1], self.ink.shape[0]


def take_lines(photo: Photo, keep: bool = False) -> LineDrawing:
    """Takes the lines out of a picture.

    Lines on transparency are what covers it. In a picture with one even colour that colour is the
    paper; a dark one with lighter lines is inverted. Anything else is paper under some light: a
    sheet seen in a photograph is straightened, then the picture is divided by the paper's colour
    under the light, which evens the one and balances the other.

    Args:
        photo: The upright picture.
        keep: Whether its tones and its frame stay as they are: nothing is straightened, evened or
            taken away.

    Returns:
        The drawing; its size is that of the photo, or of the sheet in it.
    """
    if photo.alpha is not None and _transparent_share(photo.alpha) > MIN_TRANSPARENT:
        return _from_transparency(photo.pixels, photo.alpha)
    pixels = photo.pixels
    if keep:
        why = "lines=keep: the picture is multiplied as it is"
        return _drawing(pixels, "digital", (255, 255, 255), (Decision("clean", False, why),))
    paper, share = even_colour(pixels)
    if share >= MIN_EVEN_SHARE:
        return _from_even(pixels, paper, share)
    return _from_paper(pixels)


def even_colour(pixels: RgbImage) -> tuple[tuple[int, int, int], float]:
    """The commonest colour of a picture, and the share of pixels that have it.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        The colour, and the share within EVEN_LEVELS of it in each channel.
    """
    sample = _sampled(pixels)
    codes = (sample.astype(np.int32) >> 2) @ np.array([4096, 64, 1], np.int32)
    commonest = np.bincount(codes.ravel(), minlength=1).argmax()
    colour = np.median(sample[codes == commonest], axis=0).round().astype(int)
    low, high = np.clip(colour - EVEN_LEVELS, 0, 255), np.clip(colour + EVEN_LEVELS, 0, 255)
    near = cv2.inRange(np.ascontiguousarray(sample), low.astype(np.uint8), high.astype(np.uint8))
    red, green, blue = (int(level) for level in colour)
    return (red, green, blue), cv2.countNonZero(near) / near.size


def _sampled(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every n-th pixel: unlike a reduction that keeps colours as they are."""
    step = max(1, max(plane.shape[:2]) // SAMPLE_PX)
    return plane[step // 2 :: step, step // 2 :: step]


def _transparent_share(alpha: GrayImage) -> float:
    return float((_sampled(alpha) < SEEN_ALPHA).mean())


def _from_transparency(pixels: RgbImage, alpha: GrayImage) -> LineDrawing:
    """Lines on nothing. Light ones turn dark: on white paper nobody would see them."""
    seen = _sampled(alpha) >= SEEN_ALPHA
    colours = _sampled(pixels)[seen]
    lightness = float(colours.mean()) if colours.size else 0.0
    is_light = lightness > 160 and float((colours.min(-1) < INK_LEVEL).mean()) < 0.05
    if is_light:
        lines = cv2.merge([255 - alpha] * 3)
        why = "light lines on transparency were drawn dark"
    else:
        # over white: colour * alpha + 255 * (1 - alpha)
        colour = cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255)
        lines = cv2.add(colour, cv2.merge([255 - alpha] * 3))
        why = "lines on transparency were laid on white"
    decision = Decision("transparency", True, why, _transparent_share(alpha), MIN_TRANSPARENT)
    return _drawing(lines, "transparent", None, (decision,))


def _from_even(pixels: RgbImage, paper: tuple[int, int, int], share: float) -> LineDrawing:
    """Lines on one even colour."""
    even = Decision("paper", True, "one even colour is the paper", share, MIN_EVEN_SHARE)
    lab = cv2.cvtColor(np.array([[paper]], np.uint8), cv2.COLOR_RGB2LAB)
    lightness = float(np.asarray(lab)[0, 0, 0])
    if lightness < DARK_PAPER:
        sample = _sampled(pixels).astype(np.int16)
        apart = sample.mean(-1) - np.mean(paper)
        if np.count_nonzero(apart > 24) >= np.count_nonzero(apart < -24):
            why = "light lines on a dark ground were inverted"
            inverted = Decision("invert", True, why, lightness / 2.55, DARK_PAPER / 2.55)
            return _drawing(_inverted(pixels, paper), "inverted", paper, (even, inverted))
    lines = _on_white(pixels, np.array(paper, np.uint8))
    lines, pencil = without_blue_pencil(lines)
    return _drawing(lines, "digital", paper, (even, *pencil))


def _on_white(pixels: RgbImage, paper: NDArray[np.uint8]) -> RgbImage:
    """Lines on an even colour as lines on white; the ink keeps its own colour."""
    over = _over_paper(pixels, paper, DIGITAL_WHITE)
    if int(np.ptp(paper)) <= NEUTRAL_LEVELS:
        return over
    # ink and paper are mixed at a line's soft edge: white takes the place of the paper's share
    through = cv2.merge([255 - ink_of(over)] * 3)
    missing = np.empty_like(pixels)
    missing[:] = 255 - paper
    return np.asarray(cv2.add(pixels, cv2.multiply(missing, through, scale=1 / 255)), np.uint8)


def _inverted(pixels: RgbImage, paper: tuple[int, int, int]) -> RgbImage:
    """Light lines on a dark colour as dark lines on white."""
    apart = cv2.subtract(pixels, np.full_like(pixels, np.array(paper, np.uint8))).max(-1)
    drawn = _sampled(apart)
    drawn = drawn[drawn > 24]
    full = float(np.percentile(drawn, 98)) if drawn.size else 255.0
    white = 255.0 - min(paper)
    if full > NEARLY_WHITE * white:  # lines that are white already keep their softness
        full = white
    ink = cv2.convertScaleAbs(cv2.subtract(apart, DIGITAL_WHITE), alpha=255 / max(full, 1))
    return np.asarray(cv2.merge([255 - ink] * 3), np.uint8)


def _from_paper(pixels: RgbImage) -> LineDrawing:
    """Lines on paper under some light."""
    sheet = find_sheet(pixels)
    if sheet is not None:
        pixels = straighten(pixels, sheet)
        straightened = Decision("straighten", True, "a sheet was seen on a darker ground")
    else:
        straightened = Decision("straighten", False, "no sheet was seen on a darker ground")
    light = estimate_light(pixels)
    paper = tuple(int(level) for level in np.median(_sampled(light).reshape(-1, 3), axis=0))
    spread = float(np.ptp(np.percentile(_sampled(light).mean(-1), [2, 98])))
    evened = Decision("light", True, "the picture was divided by its paper", spread)
    lines = cv2.divide(pixels, light, scale=255)
    lines = _without_grain(lines)
    lines, pencil = without_blue_pencil(lines)
    lines, neutral = _without_fringes(lines)
    came_as: CameAs = "photograph" if sheet else "scan"
    red, green, blue = paper
    drawing = _drawing(lines, came_as, (red, green, blue), (straightened, evened, *pencil, neutral))
    return replace(drawing, sheet=sheet)


def _without_fringes(lines: RgbImage) -> tuple[RgbImage, Decision]:
    """Makes grey what was drawn in grey: cameras and JPEG leave coloured fringes beside ink."""
    sample = _sampled(lines)
    ink = ink_of(sample)
    dark = sample[ink > max(INK_LEVEL, int(np.percentile(ink, 98)) // 2)]
    chroma = float(np.median(np.ptp(dark.astype(np.int16), axis=-1))) if len(dark) else 0.0
    if chroma > NEUTRAL_INK_LEVELS:
        why = "the ink has a colour of its own"
        return lines, Decision("grey_ink", False, why, chroma, NEUTRAL_INK_LEVELS)
    grey = cv2.cvtColor(lines, cv2.COLOR_RGB2GRAY)
    decision = Decision("grey_ink", True, "the ink is grey", chroma, NEUTRAL_INK_LEVELS)
    return np.asarray(cv2.merge([grey] * 3), np.uint8), decision


def _without_grain(lines: RgbImage) -> RgbImage:
    """Lines on paper of level 255 without the paper's own noise.

    The noise is read off the light side of the grey levels' peak, where no ink is.
    """
    grey = cv2.cvtColor(_sampled(lines), cv2.COLOR_RGB2GRAY)
    counts = np.bincount(grey.ravel(), minlength=256)[128:].astype(np.float64)
    smooth = np.convolve(counts[:-1], np.ones(5) / 5, "same")
    peak = 128 + int(smooth.argmax())
    above = grey[grey >= peak].astype(np.float64)
    noise = float(np.sqrt(np.mean((above - peak) ** 2))) if above.size else 0.0
    white = 255 - peak + NOISE_WIDTHS * noise
    return _over_paper(
        lines, np.full(3, 255, np.uint8), int(np.clip(round(white), NOISY_WHITE, MAX_WHITE))
    )


def _over_paper(pixels: RgbImage, paper: NDArray[np.uint8], white: int) -> RgbImage:
    """Pixels over the paper's colour, what is up to ``white`` levels darker being paper."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    least = np.maximum(paper.astype(np.float32) - white, 1)
    table = np.clip(levels * 255 / least, 0, 255).round().astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table[:, None, :]), np.uint8)


def without_blue_pencil(lines: RgbImage) -> tuple[RgbImage, tuple[Decision, ...]]:
    """Takes light blue pencil away from under dark ink.

    Such pencil reflects nearly all blue light, ink none: the blue channel alone holds the ink.

    Args:
        lines: uint8 (H, W, 3) RGB on white.

    Returns:
        The lines, and a decision where there was blue pencil.
    """
    # what is lighter beside dark ink is its own soft edge, not pencil
    beside_ink = _sampled(cv2.erode(lines[..., 2], np.ones((7, 7), np.uint8))) < PENCIL_LIGHT
    red, green, blue = (channel.astype(np.int16) for channel in cv2.split(_sampled(lines)))
    lightest = np.maximum(np.maximum(red, green), blue)
    darkest = np.minimum(np.minimum(red, green), blue)
    drawn = darkest < 255 - PENCIL_BLUE
    count = max(1, int(np.count_nonzero(drawn)))
    pencil = int(np.count_nonzero((blue - red > PENCIL_BLUE) & ~beside_ink)) / count
    dark = (lightest < INK_LEVEL) & (lightest - darkest < NEUTRAL_INK_LEVELS)
    ink = int(np.count_nonzero(dark)) / count
    if pencil < MIN_PENCIL:
        return lines, ()
    if ink < MIN_INK:
        why = "blue lines without dark ink over them are the drawing"
        return lines, (Decision("blue_pencil", False, why, ink, MIN_INK),)
    ink_plane = _over_paper(
        cv2.merge([np.ascontiguousarray(lines[..., 2])] * 3),
        np.full(3, 255, np.uint8),
        min(255 - PENCIL_LIGHT, 60),
    )
    why = "blue pencil under dark ink was taken away"
    return ink_plane, (Decision("blue_pencil", True, why, pencil, MIN_PENCIL),)


def ink_of(lines: RgbImage) -> GrayImage:
    """How dark each pixel of lines on white is, by its darkest channel: uint8 (H, W)."""
    red, green, blue = cv2.split(lines)
    return np.asarray(255 - cv2.min(cv2.min(red, green), blue), np.uint8)


def _drawing(
    lines: RgbImage,
    came_as: CameAs,
    paper: tuple[int, int, int] | None,
    decisions: tuple[Decision, ...],
) -> LineDrawing:
    return LineDrawing(lines, ink_of(lines), came_as, paper, None, decisions)

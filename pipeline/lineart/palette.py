"""Palettes: what the colouriser is told of the colours that a picture is to have.

A code is a soft histogram: of eight hues in three lightnesses, and of grey in three lightnesses.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage

HUES = 8
LIGHTNESSES = (25.0, 55.0, 85.0)  # of CIELAB
CHROMAS = (32.0, 42.0, 26.0)  # of a bin's colour, by lightness
BINS = len(LIGHTNESSES) * (HUES + 1)
CODE_LENGTH = 1 + BINS  # whether there is a wish; the shares
MAX_COLOURS = 12  # that are told apart in a picture
GREY_CHROMA, FULL_CHROMA = 5.0, 17.0  # of CIELAB: below a pixel is grey, above of its hue
SIDE_PX = 64
SWATCHES = 60  # of a palette: fewer than SIDE_PX, so that they are not reduced and mixed

# where nobody asks for others: sky, skin, paper, hair, cloth, leaves
NATURAL = {
    "#cfe6f2": 22,
    "#f8dcc4": 18,
    "#fbf7ef": 18,
    "#8a5a3c": 12,
    "#5f8fc9": 12,
    "#7fb069": 10,
    "#d9574a": 8,
}
# colours, and how much of the picture each has in hundredths
NAMED: dict[str, dict[str, int]] = {
    "blossom": {
        "#f7e3e4": 30,
        "#f2a9b8": 22,
        "#8fc7d6": 20,
        "#fbeee0": 14,
        "#6b4a55": 8,
        "#d94f70": 6,
    },
    "meadow": {
        "#cfe6f2": 28,
        "#8cc46a": 26,
        "#4f8f4a": 14,
        "#f6e3c4": 14,
        "#e8c24a": 10,
        "#7a4f33": 8,
    },
    "harbour": {
        "#bfe3ee": 26,
        "#3f8fc4": 26,
        "#f4e6d4": 18,
        "#1f3f66": 14,
        "#e0633f": 10,
        "#ffffff": 6,
    },
    "harvest": {
        "#f3dcae": 28,
        "#d9843b": 22,
        "#a8482d": 16,
        "#7c8a45": 14,
        "#f1c6a0": 12,
        "#4a2f2a": 8,
    },
    "midnight": {
        "#1d2747": 34,
        "#3c4f8c": 22,
        "#7a6bb0": 14,
        "#e3c9c0": 14,
        "#f1d77a": 8,
        "#0f1226": 8,
    },
}


def bin_shares(pixels: RgbImage) -> NDArray[np.float32]:
    """Tells of which bin of the palette each pixel is.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        float32 (H, W, BINS), a pixel's sum is 1: shares of each hue dark, middling and light, one
        hue after the other, and of grey at the end.
    """
    lab = cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    coloured = np.clip((chroma - GREY_CHROMA) / (FULL_CHROMA - GREY_CHROMA), 0, 1)
    hue = np.arctan2(lab[..., 2], lab[..., 1]) / (2 * np.pi) * HUES % HUES
    level = np.interp(lab[..., 0], LIGHTNESSES, range(len(LIGHTNESSES)))
    apart = np.abs((hue[..., None] - np.arange(HUES) + HUES / 2) % HUES - HUES / 2)
    of_hue = np.clip(1 - apart, 0, 1) * coloured[..., None]
    of_kind = np.concatenate([of_hue, 1 - coloured[..., None]], -1)
    of_level = np.clip(1 - np.abs(level[..., None] - np.arange(len(LIGHTNESSES))), 0, 1)
    shares = of_kind[..., :, None] * of_level[..., None, :]
    return shares.reshape(*pixels.shape[:2], BINS).astype(np.float32)


def palette_code(pixels: RgbImage) -> NDArray[np.float32]:
    """Tells which colours a picture has.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        float32 (CODE_LENGTH,): 1, then the roots of the bins' shares in the picture.
    """
    if max(pixels.shape[:2]) > SIDE_PX:
        pixels = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    roots = np.sqrt(bin_shares(pixels).mean((0, 1)))
    return np.concatenate([[1.0], roots]).astype(np.float32)


def main_colours(pixels: RgbImage) -> tuple[RgbImage, NDArray[np.float64]]:
    """The colours of a palette, or the main ones of a picture, and their shares.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        uint8 (K, 3), and (K,) whose sum is 1; K is at most MAX_COLOURS.
    """
    if max(pixels.shape[:2]) > SIDE_PX:
        pixels = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    if len(colours) > MAX_COLOURS:
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
        cv2.setRNGSeed(1)
        stop = (cv2.TERM_CRITERIA_MAX_ITER, 20, 0)
        _, names, centres = cv2.kmeans(lab, MAX_COLOURS, None, stop, 1, cv2.KMEANS_PP_CENTERS)
        whole = np.clip(centres + 0.5, 0, 255).astype(np.uint8)[None]
        colours = cv2.cvtColor(whole, cv2.COLOR_LAB2RGB)[0]
        counts = np.bincount(names.ravel(), minlength=MAX_COLOURS)
    return np.asarray(colours, np.uint8), counts / counts.sum()


def bin_colours() -> RgbImage:
    """A colour for each bin: uint8 (BINS, 3) RGB."""
    angles = np.arange(HUES) / HUES * 2 * np.pi
    lab = np.zeros((HUES + 1, len(LIGHTNESSES), 3), np.float32)
    lab[..., 0] = LIGHTNESSES
    lab[:HUES, :, 1] = np.cos(angles)[:, None] * CHROMAS
    lab[:HUES, :, 2] = np.sin(angles)[:, None] * CHROMAS
    colours = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).reshape(BINS, 3) * np.float32(255)
    return np.clip(colours + 0.5, 0, 255).astype(np.uint8)


def no_wish() -> NDArray[np.float32]:
    """The code that leaves the colours to the network."""
    return np.zeros(CODE_LENGTH, np.float32)


def natural_palette() -> RgbImage:
    """The swatches of NATURAL, uint8 (SWATCHES, 1, 3)."""
    return _swatches({_rgb(colour): share for colour, share in NATURAL.items()})


def named_palette(name: str) -> RgbImage:
    """The swatches of one of NAMED, uint8 (SWATCHES, 1, 3). Raises KeyError for another name."""
    return _swatches({_rgb(colour): share for colour, share in NAMED[name].items()})


def sampled_palettes(seed: int, count: int) -> list[RgbImage]:
    """Swatches of palettes in harmony: a hue, its neighbours, its opposite, skin, paper, shade.

    Args:
        seed: equal seeds give equal palettes; those of a smaller count are the first of a larger
            one's.
        count: how many.
    """
    return [_sampled(np.random.default_rng((seed, number))) for number in range(count)]


def mixed(first: RgbImage, second: RgbImage) -> RgbImage:
    """Swatches of both, as many of each: uint8 (N, 1, 3)."""
    halves = [pixels.reshape(-1, 1, 3) for pixels in (first, second)]
    count = SWATCHES // 2
    picks = [half[np.linspace(0, len(half) - 1, count).astype(int)] for half in halves]
    return np.ascontiguousarray(np.concatenate(picks))


def _sampled(random: np.random.Generator) -> RgbImage:
    base = random.random()
    apart = random.choice([0.5, 0.42, 0.33])  # of the circle: opposite, split, triad
    light, dark = random.uniform(0.82, 0.95), random.uniform(0.3, 0.5)
    colours = {
        colorsys.hsv_to_rgb(base, random.uniform(0.12, 0.35), light): 26,
        colorsys.hsv_to_rgb(base + 0.06, random.uniform(0.45, 0.8), random.uniform(0.6, 0.85)): 20,
        colorsys.hsv_to_rgb(base + apart, random.uniform(0.4, 0.75), random.uniform(0.6, 0.9)): 18,
        colorsys.hsv_to_rgb(base + apart + 0.05, random.uniform(0.3, 0.6), dark): 10,
        (0.96, 0.85, 0.76): 20,  # skin
        (0.98, 0.97, 0.95): 8,
    }
    return _swatches({tuple(round(255 * c) for c in rgb): share for rgb, share in colours.items()})


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _swatches(shares: dict[tuple[int, ...], int]) -> RgbImage:
    """Colours as often as their shares say, in a column."""
    counts = [round(SWATCHES * share / sum(shares.values())) for share in shares.values()]
    colours = np.repeat(np.array(list(shares), np.uint8), counts, axis=0)
    return np.ascontiguousarray(colours[:, None])

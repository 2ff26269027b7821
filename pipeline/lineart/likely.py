"""The likeliest colours where nobody wished for one, as dots.

Asked for colours without a wish, a network answers with the mean of all that a thing may have,
which is grey. So it is asked twice: first of which bin of the palette each part is, then with dots
of the palette's likeliest colours as if somebody had put them there.

The likeliest of each part alone would often be one colour for all. So colours get a price each, by
which their shares in the picture become those of the palette: the assignment of optimal transport
(Cuturi, "Sinkhorn distances", NeurIPS 2013), where the network says what goes where. A background
gets the palette's main colour, and no part in that, or it would leave none to the figure.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.lineart.palette import bin_shares, main_colours
from pipeline.lineart.regions import Labels

CALM_PX = 5  # over which scores are averaged
SHARPNESS = 12.0  # of the assignment: the higher, the smaller a preference that decides
BACKGROUND_SHARE = 0.2  # of the picture, from which on a region is one
CERTAIN = 1000.0  # odds that nothing outweighs
RARE_SHARE = 1e-4  # the least that counts
ROUNDS, SAMPLE_PIXELS = 30, 4096  # of prices
TEMPERATURE = 0.38  # of the annealed mean: Zhang et al., ECCV 2016, section 2.3
MIN_AREA_SHARE = 0.0008
MAX_DOTS = 64
DOT_PX = 3  # radius

Scores = NDArray[np.float32]  # (BINS, h, w)


def likely_dots(
    scores: Scores,
    labels: Labels,
    wished: NDArray[np.bool_],
    size: tuple[int, int],
    palette: RgbImage,
) -> NDArray[np.float32]:
    """Puts a dot into each area of one likely colour.

    Args:
        scores: float32 (BINS, h, w) of the network.
        labels: int32 (h, w): the region of each of these pixels.
        wished: bool (count,): regions that have a wish already; they get no dot.
        size: Width and height at which dots are drawn.
        palette: uint8 (H, W, 3): pixels of the colours that are wanted.

    Returns:
        float32 (size[1], size[0], 4): RGB in [-1, 1] inside of dots, 0 outside; 1 inside, 0
        outside.
    """
    colours, shares = main_colours(palette)
    odds = SHARPNESS * _odds(_by_region(_log_shares(scores), labels), colours)
    sizes = np.bincount(labels.ravel())
    background = labels == sizes.argmax()
    if sizes.max() < BACKGROUND_SHARE * labels.size:
        background[:] = False
    odds[shares.argmax(), background] += CERTAIN
    if not background.all():
        odds[:, ~background] += _prices(odds[:, ~background], shares)[:, None]
    dots = np.zeros((size[1], size[0], 4), np.float32)
    scale = np.array([size[0] / labels.shape[1], size[1] / labels.shape[0]])
    likely = odds.argmax(0)
    areas = sorted(_areas(likely, labels, wished), key=lambda area: -area[2])
    for row, column, _ in areas[:MAX_DOTS]:
        colour = _annealed_mean(odds[:, row, column], colours) / 127.5 - 1
        x, y = (np.array([column, row]) + 0.5) * scale
        red, green, blue = (float(level) for level in colour)
        cv2.circle(dots, (int(x), int(y)), DOT_PX, (red, green, blue, 1.0), cv2.FILLED)
    return dots


def _log_shares(scores: Scores) -> Scores:
    """Logarithms of the bins' shares that the network expects, calm over a few pixels."""
    shifted = scores - scores.max(0)
    odds = shifted - np.log(np.exp(shifted).sum(0))
    planes = [cv2.blur(plane, (CALM_PX, CALM_PX)) for plane in odds]
    return np.asarray(planes, np.float32)


def _odds(log_shares: Scores, colours: RgbImage) -> Scores:
    """How well each of K colours fits: float32 (K, h, w).

    The divergence of the expected shares of bins from those that the colour itself has.
    """
    own = bin_shares(colours[None])[0]  # (K, BINS)
    entropy = (own * np.log(np.maximum(own, RARE_SHARE))).sum(1)
    fit = np.tensordot(own, np.maximum(log_shares, np.log(RARE_SHARE)), 1)
    return np.asarray(fit - entropy[:, None, None], np.float32)


def _by_region(odds: Scores, labels: Labels) -> Scores:
    """The mean of a region for each of its pixels: what lines enclose is of one colour."""
    names, count = labels.ravel(), int(labels.max()) + 1
    areas = np.maximum(np.bincount(names, minlength=count), 1)
    sums = np.stack([np.bincount(names, plane.ravel(), count) for plane in odds])
    return np.asarray((sums / areas)[:, labels], np.float32)


def _prices(odds: Scores, shares: NDArray[np.floating]) -> NDArray[np.float32]:
    """What moves the odds (K, N) of each colour so that it gets its share of the pixels."""
    sample = odds[:, :: max(1, odds.shape[1] // SAMPLE_PIXELS)]
    prices = np.zeros(len(odds))
    goal = np.log(shares / shares.sum())
    for _ in range(ROUNDS):
        moved = sample + prices[:, None]
        moved = np.exp(moved - moved.max(0))
        prices += goal - np.log((moved / moved.sum(0)).mean(1) + RARE_SHARE**2)
    return prices.astype(np.float32)


def _areas(
    likely: NDArray[np.intp], labels: Labels, wished: NDArray[np.bool_]
) -> Iterator[tuple[int, int, int]]:
    """Row and column of the middle, and the pixels, of areas of one colour in one region."""
    inner = np.ones(labels.shape, np.bool_)
    inner[:-1] &= labels[:-1] == labels[1:]
    inner[:, :-1] &= labels[:, :-1] == labels[:, 1:]
    inner &= ~wished[labels]
    for number in np.unique(likely):
        mask = ((likely == number) & inner).astype(np.uint8)
        if not mask.any():
            continue
        depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        count, names, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for name in range(1, count):
            left, top, width, height, area = stats[name]
            if area < MIN_AREA_SHARE * labels.size:
                continue
            part = np.s_[top : top + height, left : left + width]
            inside = np.where(names[part] == name, depth[part], 0)
            row, column = np.unravel_index(int(inside.argmax()), inside.shape)
            yield int(top + row), int(left + column), int(area)


def _annealed_mean(odds: NDArray[np.float32], colours: RgbImage) -> NDArray[np.float64]:
    """Between the mean of all colours and the likeliest."""
    weights = np.exp((odds - odds.max()) / TEMPERATURE)
    return np.asarray(weights @ colours.astype(np.float64) / weights.sum())

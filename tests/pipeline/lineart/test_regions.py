"""Regions and paint: small gaps are shut, nothing crosses a line, nothing is left beside it."""

from __future__ import annotations

import cv2
import numpy as np
from drawings import circles, photo

from pipeline.lineart.intake import take_lines
from pipeline.lineart.layers import line_layer, shade_layer
from pipeline.lineart.paint import enlarge, lay_lines, paint_regions
from pipeline.lineart.regions import MAX_LABEL_PX, find_regions


def test_each_circle_is_a_region_of_its_own() -> None:
    regions = find_regions(take_lines(photo(circles())).ink)
    names = {int(regions.labels[120, x]) for x in (80, 240, 160)}
    assert len(names) == 3
    assert regions.closed_count == 2


def test_a_small_gap_does_not_leak_and_a_wide_one_does() -> None:
    for gap_px, is_closed in ((4, True), (60, False)):
        regions = find_regions(take_lines(photo(circles(960, 720, gap_px))).ink)
        inside, outside = regions.labels[360, 240], regions.labels[360, 480]
        assert (inside != outside) == is_closed, gap_px


def test_a_page_without_lines_is_one_region() -> None:
    regions = find_regions(np.zeros((50, 70), np.uint8))
    assert regions.count == 1 and regions.closed_count == 0
    assert find_regions(np.full((50, 70), 255, np.uint8)).count == 1


def test_large_drawings_are_searched_at_a_smaller_size_without_opening_thin_lines() -> None:
    ink = np.zeros((1200, 2400), np.uint8)
    # one pixel wide: half of each pixel of the smaller size
    ink[300:900, 600] = ink[300:900, 1801] = 255
    ink[300, 600:1802] = ink[899, 600:1802] = 255
    regions = find_regions(ink)
    assert max(regions.labels.shape) <= MAX_LABEL_PX
    inside = regions.labels[regions.labels.shape[0] // 2, regions.labels.shape[1] // 2]
    assert inside != regions.labels[5, 5]


def test_colours_end_at_the_line_although_the_network_smears_them() -> None:
    page = circles(960, 720)
    drawing = take_lines(photo(page))
    regions = find_regions(drawing.ink)
    left = regions.labels[360, 240]
    true = np.where((regions.labels == left)[..., None], (220, 40, 40), (60, 90, 200))
    # the network works at half the size: its colours run over the line
    small = cv2.GaussianBlur(true[::2, ::2].astype(np.float32), (0, 0), 1.2)
    ink = drawing.ink[::2, ::2].astype(np.float32) / np.float32(255)
    hinted = np.zeros(ink.shape, np.bool_)
    paint = paint_regions(small.astype(np.uint8), ink, hinted, regions)
    full = enlarge(paint, regions, drawing.size)
    wrong = np.abs(full.astype(int) - true).max(-1) > 40
    assert wrong.mean() < 0.002
    is_paper = drawing.ink == 0
    assert wrong[is_paper].mean() < 0.001


def test_lines_laid_on_white_are_the_lines() -> None:
    drawing = take_lines(photo(circles()))
    white = np.full_like(drawing.lines, 255)
    laid = lay_lines(white, drawing.lines, drawing.ink)
    assert np.abs(laid.astype(int) - drawing.lines).max() <= 1


def test_coloured_ink_keeps_its_colour_on_paint() -> None:
    lines = np.full((4, 4, 3), 255, np.uint8)
    lines[1] = (200, 0, 0)
    ink = (255 - lines.min(-1)).astype(np.uint8)
    laid = lay_lines(np.full_like(lines, 128), lines, ink)
    assert tuple(laid[1, 1]) == (200, 0, 0) and tuple(laid[0, 0]) == (128, 128, 128)


def test_layers_laid_over_each_other_are_the_picture() -> None:
    random = np.random.default_rng(1)
    flats = random.integers(0, 256, (24, 32, 3)).astype(np.uint8)
    change = random.integers(-40, 41, (24, 32, 3))
    paint = np.clip(flats + change, 0, 255).astype(np.uint8)
    lines = random.integers(0, 256, (24, 32, 3)).astype(np.uint8)
    ink = (255 - lines.min(-1)).astype(np.uint8)
    shades = shade_layer(paint, flats).astype(np.float64)
    share = shades[..., 3:] / 255
    seen = flats * (1 - share) + shades[..., :3] * share
    assert np.abs(seen - paint).max() <= 1.5
    layer = line_layer(lines, ink).astype(np.float64)
    over = 255 * (1 - layer[..., 3:] / 255) + layer[..., :3] * layer[..., 3:] / 255
    assert np.abs(over - lines).max() <= 1.5

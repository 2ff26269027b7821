"""Lines out of what people bring: paper, tables, transparency, dark grounds, blue pencil."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import circles, on_table, photo

from pipeline import NotALineDrawing
from pipeline.domain import Photo, RgbImage
from pipeline.lineart.check import examine, refuse
from pipeline.lineart.intake import LineDrawing, take_lines
from pipeline.lineart.paper import find_sheet
from pipeline.lineart.regions import find_regions

PAGE = circles()
IS_LINE = PAGE[..., 0] < 128


def f1(drawing: LineDrawing) -> float:
    seen = drawing.ink >= 128
    return 2 * np.count_nonzero(seen & IS_LINE) / (seen.sum() + IS_LINE.sum())


def test_black_on_white_stays_as_it_is() -> None:
    drawing = take_lines(photo(PAGE))
    assert drawing.came_as == "digital"
    assert np.abs(drawing.lines.astype(int) - PAGE).max() <= 4


def test_white_on_black_is_inverted() -> None:
    drawing = take_lines(photo(255 - PAGE))
    assert drawing.came_as == "inverted"
    assert f1(drawing) > 0.98


def test_lines_on_transparency_are_laid_on_white() -> None:
    alpha = 255 - PAGE[..., 0]
    drawing = take_lines(Photo(np.zeros_like(PAGE), alpha))
    assert drawing.came_as == "transparent" and drawing.paper is None
    assert f1(drawing) > 0.99


def test_white_lines_on_transparency_turn_dark() -> None:
    alpha = 255 - PAGE[..., 0]
    drawing = take_lines(Photo(np.full_like(PAGE, 255), alpha))
    assert f1(drawing) > 0.99


def test_coloured_paper_is_taken_away_and_the_ink_keeps_its_colour() -> None:
    paper, ink = np.array([239, 203, 179]), np.array([40, 60, 110])
    share = PAGE[..., :1] / 255
    page = (paper * share + ink * (1 - share)).round().astype(np.uint8)
    drawing = take_lines(photo(page))
    assert drawing.paper == (239, 203, 179)
    assert (drawing.lines[0, 0] == 255).all()
    core = cv2.erode(IS_LINE.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0
    assert np.abs(np.median(drawing.lines[core], axis=0) - ink).max() < 25
    assert f1(drawing) > 0.95


def test_grain_and_uneven_light_of_a_scan_are_taken_away() -> None:
    random = np.random.default_rng(1)
    light = np.linspace(0.95, 0.7, PAGE.shape[1])[None, :, None] * (1.0, 0.97, 0.88)
    page = PAGE * light + random.normal(0, 3, PAGE.shape)
    drawing = take_lines(photo(page.clip(0, 255).astype(np.uint8)))
    assert drawing.came_as == "scan"
    assert f1(drawing) > 0.97
    far = cv2.erode((~IS_LINE).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert (drawing.ink[far] == 0).mean() > 0.99


def test_a_sheet_on_a_table_is_found_and_straightened() -> None:
    photograph, corners = on_table(circles(480, 360))
    drawing = take_lines(photo(photograph))
    assert drawing.came_as == "photograph" and drawing.sheet is not None
    apart = np.linalg.norm(drawing.sheet.corners - corners, axis=1)
    assert apart.max() < 0.015 * max(photograph.shape)
    width, height = drawing.size
    assert 1.15 < width / height < 1.55  # of a sheet of 4 by 3
    # straightened circles are circles
    outlines, _ = cv2.findContours(
        (drawing.ink > 100).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    boxes = [cv2.boundingRect(outline) for outline in outlines if len(outline) > 100]
    assert len(boxes) == 2
    assert all(0.85 < wide / high < 1.18 for _, _, wide, high in boxes)


def test_a_drawn_frame_is_no_sheet() -> None:
    page = PAGE.copy()
    cv2.rectangle(page, (20, 20), (300, 220), (0, 0, 0), 3)
    assert find_sheet(page) is None


def with_blue_pencil() -> RgbImage:
    page = np.full((240, 320, 3), 255, np.uint8)
    for x in range(20, 320, 30):
        cv2.line(page, (x, 10), (320 - x, 230), (150, 200, 245), 3, cv2.LINE_AA)
    return np.minimum(page, PAGE)


def test_blue_pencil_under_ink_is_taken_away_and_told() -> None:
    drawing = take_lines(photo(with_blue_pencil()))
    decision = next(d for d in drawing.decisions if d.step == "blue_pencil")
    assert decision.ran
    assert f1(drawing) > 0.97
    far = cv2.erode((~IS_LINE).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert drawing.ink[far].max() == 0


def test_a_drawing_in_blue_ink_keeps_its_lines() -> None:
    share = PAGE[..., :1] / 255
    page = (255 * share + np.array([30, 70, 160]) * (1 - share)).round().astype(np.uint8)
    drawing = take_lines(photo(page))
    assert f1(drawing) > 0.85
    assert drawing.lines[IS_LINE].mean(0)[2] > drawing.lines[IS_LINE].mean(0)[0] + 40


def test_pixels_stay_as_they_are_where_that_is_asked() -> None:
    grey = (PAGE * 0.8).astype(np.uint8)
    assert (take_lines(photo(grey), keep=True).lines == grey).all()


def checked(pixels: RgbImage) -> tuple[str, ...]:
    drawing = take_lines(photo(pixels))
    return refuse(examine(drawing, find_regions(drawing.ink)), drawing.came_as, is_strict=True)


@pytest.mark.parametrize("level", [255, 200, 0])
def test_a_page_without_lines_is_refused_by_name(level: int) -> None:
    with pytest.raises(NotALineDrawing, match="blank"):
        checked(np.full((200, 300, 3), level, np.uint8))


def test_a_painted_picture_is_refused_and_a_drawing_is_not() -> None:
    assert checked(PAGE) == ()
    y, x = np.mgrid[0:240, 0:320]
    painted = np.dstack([128 + 80 * np.sin(x / 40), 128 + 80 * np.cos(y / 30), 100 + x / 4])
    with pytest.raises(NotALineDrawing) as caught:
        checked(painted.astype(np.uint8))
    assert caught.value.code == "not_a_line_drawing" and caught.value.measured


def test_a_page_of_text_is_refused_by_name() -> None:
    page = np.full((700, 560, 3), 255, np.uint8)
    for row in range(30, 690, 24):
        for column in range(30, 520, 15):
            letter = chr(ord("a") + (row * 7 + column) % 26)
            cv2.putText(page, letter, (column, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1)
    with pytest.raises(NotALineDrawing, match="text"):
        checked(page)

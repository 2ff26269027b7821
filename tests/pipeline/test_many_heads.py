"""Several heads in one photo, and odd ones: each gets a decision of its own; none is blank."""

from __future__ import annotations

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import Options, Pipeline, Settings, Sidecar
from pipeline.domain import RgbImage

ROOT = Path(__file__).parents[2]
PIPELINE = Pipeline(Settings.from_environment(os.environ))
FACE_STYLES = [spec.name for spec in PIPELINE.styles() if spec.around]
HEAD = np.asarray(Image.open(ROOT / "samples/astronaut.jpg").convert("RGB"))[:330, 110:340]
HEAD_CENTRE, HEAD_AXES = (115, 130), (95, 125)  # of its outline, an ellipse
FACE_CENTRE = 114  # px from the left


def drawn(photo: RgbImage, style: str) -> tuple[RgbImage, Sidecar]:
    content = cv2.imencode(".png", photo[..., ::-1])[1].tobytes()
    result = PIPELINE.run(content, Options(style=style, format="png"))
    return np.asarray(Image.open(io.BytesIO(result.image))), result.sidecar


def cheek_to_cheek(shift_px: int) -> RgbImage:
    """A head, and in front of it the same one mirrored, so far to the right."""
    height, width = HEAD.shape[:2]
    photo = np.full((height, width + shift_px, 3), 180, np.uint8)
    photo[:, :width] = HEAD
    outline = np.zeros((height, width), np.uint8)
    cv2.ellipse(outline, HEAD_CENTRE, HEAD_AXES, 0, 0, 360, 1, -1)
    outline[200:] = 1  # the shoulders
    part = photo[:, shift_px:]
    part[outline == 1] = HEAD[:, ::-1][outline == 1]
    return photo


@pytest.mark.parametrize("shift_px", [75, 90, 110])
def test_of_two_heads_that_overlap_the_one_in_front_is_drawn(shift_px: int) -> None:
    _, sidecar = drawn(cheek_to_cheek(shift_px), "portrait")
    centre = HEAD.shape[1] - FACE_CENTRE + shift_px
    (front,) = (
        face for face in sidecar.faces if abs((face.box[0] + face.box[2]) / 2 - centre) < 15
    )
    assert front.drawn_as == "portrait"


def test_between_two_heads_there_is_no_third() -> None:
    _, sidecar = drawn(cheek_to_cheek(140), "portrait")
    centres = [(face.box[0] + face.box[2]) / 2 for face in sidecar.faces]
    expected = [FACE_CENTRE, HEAD.shape[1] - FACE_CENTRE + 140]
    np.testing.assert_allclose(sorted(centres), expected, atol=15)


@pytest.mark.parametrize("style", FACE_STYLES)
def test_every_head_of_a_group_is_a_decision(style: str) -> None:
    photo = np.asarray(Image.open(ROOT / "tests/photographs/solvay-1927.jpg").convert("RGB"))
    small = cv2.resize(photo, (1280, 881), interpolation=cv2.INTER_AREA)
    picture, sidecar = drawn(small, style)
    assert len(sidecar.faces) >= 27
    assert sum(face.drawn_as == style for face in sidecar.faces) >= 15
    for face in sidecar.faces:
        assert face.not_refined or face.drawn_as == style or face.drawn_why, face
        left, top, right, bottom = map(round, face.box)
        assert picture[top:bottom, left:right].std() > 10, f"blank: {face}"


@pytest.mark.parametrize("style", FACE_STYLES)
def test_a_face_on_a_poster_is_drawn_like_one(style: str) -> None:
    wall = np.full((512, 512, 3), 120, np.uint8)
    wall[100:420, 60:283] = cv2.resize(HEAD, (223, 320), interpolation=cv2.INTER_AREA)
    _, sidecar = drawn(wall, style)
    assert [face.drawn_as for face in sidecar.faces] == [style]


@pytest.mark.parametrize("style", FACE_STYLES)
def test_a_mask_before_the_mouth_is_kept_or_the_face_left_with_a_reason(style: str) -> None:
    photo = HEAD.copy()
    cloth = np.array([[75, 128], [115, 118], [158, 128], [152, 165], [118, 185], [82, 165]])
    cv2.fillPoly(photo, [cloth], (170, 200, 220))
    picture, sidecar = drawn(photo, style)
    (face,) = sidecar.faces
    assert face.not_refined or face.drawn_why or face.drawn_as == style
    middle = picture[135:165, 100:135].reshape(-1, 3)
    assert middle.std(0).max() < 12, "something was drawn on the mask"


@pytest.mark.parametrize("style", FACE_STYLES)
def test_a_face_of_3000_px_is_drawn(style: str) -> None:
    face_only = HEAD[40:200, 40:200]
    huge = cv2.resize(face_only, (4800, 4800), interpolation=cv2.INTER_CUBIC)
    picture, sidecar = drawn(huge, style)
    (face,) = sidecar.faces
    assert face.box[2] - face.box[0] > 0.5 * picture.shape[1]
    assert face.drawn_as == style or face.drawn_why

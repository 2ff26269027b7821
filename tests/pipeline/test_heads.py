"""Heads in a style of their own, faces that are restored, a square around a face: what a user gets
for photographs that are good, bad, and odd.
"""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import Options, Pipeline, Settings, Sidecar
from pipeline.domain import Face, RgbImage
from pipeline.faces.detail import MIN_DETAIL_PX
from pipeline.faces.human import why_not_human
from pipeline.faces.parse import REGIONS

ROOT = Path(__file__).parents[2]
PIPELINE = Pipeline(Settings.from_environment(os.environ))
FACE_STYLES = [spec.name for spec in PIPELINE.styles() if spec.around]


def sample(name: str = "astronaut") -> RgbImage:
    return np.asarray(Image.open(ROOT / "samples" / f"{name}.jpg").convert("RGB"))


def drawn(photo: RgbImage, **options: object) -> tuple[RgbImage, Sidecar]:
    """The result of a photo, as PNG so that its pixels can be compared."""
    content = cv2.imencode(".png", photo[..., ::-1])[1].tobytes()
    result = PIPELINE.run(content, Options.from_mapping({"format": "png", **options}))
    return np.asarray(Image.open(io.BytesIO(result.image))), result.sidecar


def blurred(photo: RgbImage, sigma: float = 5.0) -> RgbImage:
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), sigma), np.uint8)


@cache
def of_astronaut(style: str) -> tuple[RgbImage, Sidecar]:
    return drawn(sample(), style=style)


def only_face(sidecar: Sidecar) -> Face:
    (face,) = (face for face in sidecar.faces if face.not_refined is None)
    return face


@pytest.mark.parametrize("style", FACE_STYLES)
def test_a_face_style_draws_the_head_and_hayao_the_rest(style: str) -> None:
    picture, sidecar = of_astronaut(style)
    around, _ = of_astronaut("hayao")
    left, top, right, bottom = map(round, only_face(sidecar).box)
    difference = np.abs(picture.astype(int) - around).max(2)
    assert only_face(sidecar).drawn_as == style == sidecar.style
    assert difference[top:bottom, left:right].mean() > 10
    assert not difference[bottom + 100 :].any()


@pytest.mark.parametrize("style", FACE_STYLES)
def test_terms_of_both_networks_are_told(style: str) -> None:
    _, sidecar = of_astronaut(style)
    assert {style, "hayao"} <= {terms.weights for terms in sidecar.terms}


@pytest.mark.parametrize("style", FACE_STYLES)
def test_without_a_face_the_picture_is_hayao_s_and_says_so(style: str) -> None:
    picture, sidecar = drawn(sample("coffee"), style=style)
    assert np.array_equal(picture, drawn(sample("coffee"), style="hayao")[0])
    assert any("no face was found" in warning for warning in sidecar.warnings)
    assert style not in {terms.weights for terms in sidecar.terms}


@pytest.mark.parametrize("style", FACE_STYLES)
def test_with_faces_off_the_picture_is_hayao_s_and_says_so(style: str) -> None:
    picture, sidecar = drawn(sample(), style=style, faces="off")
    assert np.array_equal(picture, drawn(sample(), style="hayao", faces="off")[0])
    assert any("faces are not looked for" in warning for warning in sidecar.warnings)


def test_a_face_too_small_for_a_head_is_hayao_s_with_the_reason() -> None:
    small = cv2.resize(sample(), None, fx=0.17, fy=0.17, interpolation=cv2.INTER_AREA)
    canvas = cv2.resize(sample("coffee"), (600, 400))
    canvas[: small.shape[0], : small.shape[1]] = small
    _, sidecar = drawn(canvas, style="portrait", upscale="off")
    assert [face.drawn_as for face in sidecar.faces if face.drawn_as] in ([], ["hayao"])
    for face in sidecar.faces:
        assert face.drawn_as is None or "px wide" in (face.drawn_why or "")


def test_a_face_that_the_border_cuts_is_hayao_s_with_the_reason() -> None:
    photo = sample()[:, 222:].copy()  # through the nose
    _, sidecar = drawn(photo, style="portrait")
    for face in sidecar.faces:
        assert face.drawn_as != "portrait"
        assert face.not_refined or "border" in (face.drawn_why or "")


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_upside_down_is_a_decision_and_no_crash(turns: int) -> None:
    picture, sidecar = drawn(np.ascontiguousarray(np.rot90(sample(), turns)), style="portrait")
    assert picture.shape == sample().shape
    for face in sidecar.faces:
        assert face.not_refined or face.drawn_as


def test_a_tilted_head_is_drawn_tilted() -> None:
    centre, size = (225, 115), (512, 512)
    turn = cv2.getRotationMatrix2D(centre, 25, 1.0)
    tilted = cv2.warpAffine(sample(), turn, size, borderMode=cv2.BORDER_REFLECT)
    _, sidecar = drawn(tilted, style="portrait")
    face = only_face(sidecar)
    assert face.drawn_as == "portrait"
    assert face.shift is not None
    assert face.shift < 0.15


def test_a_bad_face_is_restored_and_said_to_be_invented() -> None:
    _, sidecar = drawn(blurred(sample()), enhance="off")
    face = only_face(sidecar)
    assert face.invented
    assert "restored" in face.refined
    assert face.detail_px is not None
    assert face.detail_px < MIN_DETAIL_PX


def test_nothing_is_invented_with_restore_faces_off() -> None:
    for style in ("hayao", "portrait"):
        _, sidecar = drawn(blurred(sample()), enhance="off", restore_faces="off", style=style)
        face = only_face(sidecar)
        assert not face.invented
        assert "restored" not in face.refined
        assert face.drawn_as == "hayao"


@pytest.mark.parametrize("sigma", [2.0, 4.0])  # 5.5 px at a face of 128 px: nearly the worst
def test_a_head_that_would_be_invented_is_hayao_s_with_the_reason(sigma: float) -> None:
    photo = blurred(sample(), sigma)
    _, sidecar = drawn(photo, enhance="off", restore_faces="off", style="portrait")
    assert "invented" in (only_face(sidecar).drawn_why or "")
    _, sidecar = drawn(photo, enhance="off", style="portrait")
    assert only_face(sidecar).drawn_as == "portrait"


def test_a_good_face_is_the_same_to_the_last_bit_with_restoration_and_without() -> None:
    with_it, sidecar = of_astronaut("hayao")
    without, _ = drawn(sample(), style="hayao", restore_faces="off")
    assert np.array_equal(with_it, without)
    assert not only_face(sidecar).invented


def test_a_restored_face_is_nearer_to_the_drawing_of_the_good_one() -> None:
    left, top, right, bottom = map(round, only_face(of_astronaut("hayao")[1]).box)
    good = of_astronaut("hayao")[0][top:bottom, left:right].astype(int)
    distances = []
    for restore in ("auto", "off"):
        picture, _ = drawn(blurred(sample(), 4), enhance="off", restore_faces=restore)
        distances.append(np.square(picture[top:bottom, left:right] - good).mean())
    assert distances[0] < distances[1]


def test_crop_face_is_a_square_of_head_and_shoulders() -> None:
    picture, sidecar = drawn(sample(), crop="face")
    face = only_face(sidecar)
    left, top, right, bottom = face.box
    side = picture.shape[0]
    assert picture.shape[0] == picture.shape[1] == sidecar.output.width_px
    assert 2.5 < side / (right - left) < 3.5
    assert 0 < left < right < side
    assert 0 < top < bottom < 0.75 * side
    decision = next(decision for decision in sidecar.decisions if decision.step == "crop")
    assert decision.ran
    assert decision.measured == side


def test_crop_face_without_a_face_keeps_the_whole_photo() -> None:
    picture, sidecar = drawn(sample("coffee"), crop="face")
    assert picture.shape == sample("coffee").shape
    assert not next(decision for decision in sidecar.decisions if decision.step == "crop").ran


def test_crop_face_keeps_the_alpha_of_the_square() -> None:
    alpha = np.full(sample().shape[:2], 255, np.uint8)
    alpha[:8] = 0
    content = io.BytesIO()
    Image.fromarray(np.dstack([sample(), alpha])).save(content, "PNG")
    result = PIPELINE.run(content.getvalue(), Options(crop="face", format="png"))
    picture = Image.open(io.BytesIO(result.image))
    assert picture.mode == "RGBA"
    assert picture.size[0] == picture.size[1]


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_strength_mixes_a_head_with_the_photo(strength: float) -> None:
    full, sidecar = of_astronaut("portrait")
    mixed, _ = drawn(sample(), style="portrait", strength=strength, post_sharpen_weight=0)
    left, top, right, bottom = map(round, only_face(sidecar).box)
    area = slice(top, bottom), slice(left, right)
    from_photo = np.abs(mixed[area].astype(int) - sample()[area]).mean()
    assert from_photo <= strength * np.abs(full[area].astype(int) - sample()[area]).mean() + 2


LIPS, SKIN = REGIONS.index("upper_lip"), REGIONS.index("skin")


def labels(lips: bool) -> np.ndarray:
    """Regions of a face, all skin, with lips or without."""
    plane = np.full((256, 256), SKIN, np.uint8)
    if lips:
        plane[160:190, 100:156] = LIPS
    return plane


@pytest.mark.parametrize(
    ("lips", "width_px", "score", "human"),
    [
        (True, 100, 0.95, True),
        (True, 100, 0.6, True),
        (False, 100, 0.95, False),  # a dog
        (False, 40, 0.95, True),  # too small to show its lips
        (False, 40, 0.8, False),
        (False, 20, 0.6, False),
    ],
)
def test_lips_decide_where_size_and_score_do_not(
    lips: bool, width_px: float, score: float, human: bool
) -> None:
    assert (why_not_human(labels(lips), width_px, score) is None) is human


def test_a_style_that_leaves_faces_says_why_it_is_not_cropped() -> None:
    picture, sidecar = drawn(sample(), crop="face", style="cel")
    assert picture.shape == sample().shape
    assert any("not cropped: the style leaves faces" in warning for warning in sidecar.warnings)
    assert drawn(sample(), crop="face", style="cel", faces="on")[0].shape != sample().shape


def test_the_sidecar_says_of_a_head_what_was_done_to_it_and_no_more() -> None:
    assert only_face(of_astronaut("portrait")[1]).refined == ("head",)

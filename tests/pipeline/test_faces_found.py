"""Which faces are found, looked at closer, and cared for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from face_world import COLOURS, face_at, models_for, scene, weights

from pipeline.domain import Face, Photo, RgbImage
from pipeline.faces import DetectedFace, FaceCache, analyse_faces, photo_key, refine_faces
from pipeline.faces.align import estimate_similarity, transform_points
from pipeline.faces.analysis import MAX_FACES
from pipeline.faces.models import MAX_REMEMBERED
from pipeline.settings import Options

ONE = face_at(210, 160, 260, 0.2)


def test_a_face_is_aligned_and_its_regions_are_named() -> None:
    picture = scene(320, 420, [ONE])
    (one,), decision = analyse_faces(Photo(picture), Options(), models_for([ONE]), "key")
    assert one.is_aligned and one.face.not_refined is None
    assert {"skin", "left_eye", "nose", "upper_lip", "hair"} <= set(one.face.regions)
    assert "background" not in one.face.regions and "glasses" not in one.face.regions
    assert (decision.step, decision.ran, decision.measured) == ("faces", True, 1)
    nose = weights(picture, ONE, "features")
    x, y = ONE.landmarks[2]
    assert nose[int(y), int(x)]


@pytest.mark.parametrize(
    ("face", "why"),
    [
        (replace(ONE, score=0.89), "its score of 0.89 is under 0.9"),
        (face_at(50, 50, 10), "5 px wide"),
        (face_at(-90, 160, 260), "outside the picture"),
        (replace(ONE, landmarks=((5.0, 5.0),) * 5), "one place"),
        (replace(ONE, landmarks=((float("nan"), 5.0),) * 5), "outside"),
    ],
)
def test_a_face_that_cannot_be_aligned_is_left_alone_and_the_reason_told(
    face: Face, why: str
) -> None:
    picture = scene(320, 420, [ONE])
    options = Options(alignment_threshold=0.9)
    (one,), decision = analyse_faces(Photo(picture), options, models_for([face]), "key")
    assert not one.is_aligned and why in str(one.face.not_refined)
    assert not decision.ran and decision.why == "0 of 1 aligned"
    assert refine_faces(Photo(picture), [one], Options())[0].pixels is picture


def looked_at_closer(first: Sequence[Face], score: float) -> tuple[DetectedFace, ...]:
    """What is found where the first look is of ``first``, and the second, in the square made of
    ONE's landmarks 8 px off, sees ONE as it is.
    """
    seen = transform_points(ONE.landmarks, estimate_similarity(SHIFTED, 192))
    second = replace(ONE, score=score, landmarks=tuple((float(x), float(y)) for x, y in seen))
    models = models_for([ONE], search=lambda _: tuple(first), closer=lambda _: (second,))
    return analyse_faces(Photo(scene(320, 420, [ONE])), Options(), models, "key")[0]


SHIFTED = tuple((x + 8, y - 3) for x, y in ONE.landmarks)


@pytest.mark.parametrize("score", [0.6, 0.3])
def test_a_closer_look_makes_a_face_surer_and_its_landmarks_better(score: float) -> None:
    (one,) = looked_at_closer([replace(ONE, score=score, landmarks=SHIFTED)], 0.97)
    assert one.face.score == 0.97 and one.is_aligned
    np.testing.assert_allclose(one.face.landmarks, ONE.landmarks, atol=1e-6)


def test_a_hint_that_is_no_face_or_another_one_is_dropped() -> None:
    hint = replace(ONE, score=0.3, landmarks=SHIFTED)
    assert looked_at_closer([hint], 0.4) == ()
    (one,) = looked_at_closer([replace(ONE, landmarks=SHIFTED), hint], 0.97)
    assert one.face.score == ONE.score


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"without": ("upper_lip", "lower_lip", "left_brow", "right_brow")}, "looks like lips"),
        ({"without": ("skin", "nose")}, "of where it should be"),
        ({"without": tuple(COLOURS)[3:]}, "looks like lips"),  # an all-skin close-up
    ],
)
def test_what_is_no_persons_face_is_not_aligned(given: dict[str, Any], why: str) -> None:
    picture = scene(320, 420, [ONE])
    (one,), _ = analyse_faces(Photo(picture), Options(), models_for([ONE], **given), "key")
    told = str(one.face.not_refined)
    assert not one.is_aligned and one.was_parsed
    assert told.startswith("no person's face") and why in told


def test_a_man_whose_beard_hides_his_lips_is_told_by_his_brows() -> None:
    models = models_for([ONE], without=("upper_lip", "lower_lip"))
    (one,), _ = analyse_faces(Photo(scene(320, 420, [ONE])), Options(), models, "key")
    assert one.is_aligned


def test_a_face_too_small_to_show_lips_is_a_persons() -> None:
    small = face_at(210, 160, 50)
    given: dict[str, Any] = {"without": ("upper_lip", "lower_lip", "left_eye", "right_eye")}
    (one,), _ = analyse_faces(
        Photo(scene(320, 420, [small])), Options(), models_for([small], **given), "key"
    )
    assert one.is_aligned


def test_the_largest_faces_of_a_crowd_are_cared_for_and_the_rest_is_told() -> None:
    crowd = [face_at(20 + 2 * n, 30 + n, 60 - 0.1 * n) for n in range(80)]
    found, decision = analyse_faces(Photo(scene(160, 240, [])), Options(), models_for(crowd), "key")
    assert [one.face.box for one in found] == [face.box for face in crowd[:MAX_FACES]]
    assert decision.why == f"{MAX_FACES} of {MAX_FACES} aligned, the largest of 80"
    assert (decision.measured, decision.threshold) == (80, MAX_FACES)


def test_faces_are_detected_once_in_the_same_photo() -> None:
    searched = []

    def search(pixels: RgbImage) -> tuple[Face, ...]:
        searched.append(pixels)
        return (ONE,)

    models, photo = models_for([ONE], search=search), Photo(scene(320, 420, [ONE]))
    options = [Options(), Options(style="cel", strength=0.3, skin_smoothing_factor=0), Options()]
    options.append(Options(max_side_px=512))
    for each in options:
        analyse_faces(photo, each, models, photo_key("a", each))
    assert len(searched) == 2
    analyse_faces(photo, Options(), models, photo_key("b", Options()))
    assert len(searched) == 3


def test_many_photos_are_not_remembered_for_ever() -> None:
    cache = FaceCache()
    for number in range(200):
        cache.get_or_detect(str(number), lambda: ())
    assert len(cache) == MAX_REMEMBERED == 64

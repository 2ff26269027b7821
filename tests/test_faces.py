"""Finding, refining, redrawing and pasting faces whose places and regions are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations

import cv2
import numpy as np
import pytest
from face_world import COLOURS, face_at, found_in, scene, tools_for

from pipeline.domain import Face, Photo, Picture
from pipeline.faces import Brush, find_faces, photo_key, redraw_faces, refine_faces
from pipeline.faces.align import alignment, moved
from pipeline.faces.check import looked_at_again, shift_of
from pipeline.faces.find import MOST_FACES
from pipeline.faces.place import Found, mask_in, place_of
from pipeline.repair import repair
from pipeline.settings import Options

PLAIN = Options(post_sharpen_weight=0)
ONE = face_at(210, 160, 260, 0.2)
CROWD = [face_at(130, 120, 200), face_at(230, 130, 190, -0.3), face_at(330, 260, 240, 0.5)]


def luma(pixels: Picture) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(float)


def weights(picture: Picture, face: Face, *groups: str, **given: object) -> np.ndarray:
    """Where the groups lie in the picture, bool."""
    (one,) = found_in(picture, [face], **given)
    place = place_of(one, picture.shape, 1e9, 1.0)
    there = np.zeros(picture.shape[:2], bool)
    for group in groups:
        there[place.area] |= mask_in(one, place, group) > 0.9
    return there


# finding


def test_a_face_is_aligned_and_its_regions_are_named() -> None:
    picture = scene(320, 420, [ONE])
    (one,), decision = find_faces(Photo(picture), Options(), tools_for([ONE]))
    assert one.regions is not None and one.face.not_refined is None
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
    (one,), decision = find_faces(Photo(picture), Options(), tools_for([face]))
    assert one.regions is None and why in str(one.face.not_refined)
    assert not decision.ran and decision.why == "0 of 1 aligned"
    assert refine_faces(Photo(picture), [one], Options())[0].pixels is picture


def looked_at_closer(first: Sequence[Face], score: float) -> tuple[Found, ...]:
    """What is found where the first look is of ``first``, and the second, in the square made of
    ONE's landmarks 8 px off, sees ONE as it is.
    """
    seen = moved(ONE.landmarks, alignment(SHIFTED, 192))
    second = replace(ONE, score=score, landmarks=tuple((float(x), float(y)) for x, y in seen))
    looks = {"search": lambda _: tuple(first), "detect": lambda _: (second,)}
    photo = Photo(scene(320, 420, [ONE]))
    return find_faces(photo, Options(), replace(tools_for([ONE]), **looks))[0]


SHIFTED = tuple((x + 8, y - 3) for x, y in ONE.landmarks)


@pytest.mark.parametrize("score", [0.6, 0.3])
def test_a_closer_look_makes_a_face_surer_and_its_landmarks_better(score: float) -> None:
    (one,) = looked_at_closer([replace(ONE, score=score, landmarks=SHIFTED)], 0.97)
    assert one.face.score == 0.97 and one.regions is not None
    np.testing.assert_allclose(one.face.landmarks, ONE.landmarks, atol=1e-6)


def test_a_hint_that_is_no_face_or_another_one_is_dropped() -> None:
    hint = replace(ONE, score=0.3, landmarks=SHIFTED)
    assert looked_at_closer([hint], 0.4) == ()
    (one,) = looked_at_closer([replace(ONE, landmarks=SHIFTED), hint], 0.97)
    assert one.face.score == ONE.score


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"without": ("upper_lip", "lower_lip")}, "looks like lips"),
        ({"without": ("skin", "nose")}, "of where it should be"),
        ({"without": tuple(COLOURS)[3:]}, "looks like lips"),  # an all-skin close-up
    ],
)
def test_what_is_no_persons_face_is_not_aligned(given: dict[str, object], why: str) -> None:
    picture = scene(320, 420, [ONE])
    (one,), _ = find_faces(Photo(picture), Options(), tools_for([ONE], **given))
    told = str(one.face.not_refined)
    assert one.regions is None and one.parsed
    assert told.startswith("no person's face") and why in told


def test_a_face_too_small_to_show_lips_is_a_persons() -> None:
    small = face_at(210, 160, 50)
    given = {"without": ("upper_lip", "lower_lip", "left_eye", "right_eye")}
    (one,), _ = find_faces(Photo(scene(320, 420, [small])), Options(), tools_for([small], **given))
    assert one.regions is not None


def test_the_largest_faces_of_a_crowd_are_cared_for_and_the_rest_is_told() -> None:
    crowd = [face_at(20 + 2 * n, 30 + n, 60 - 0.1 * n) for n in range(80)]
    found, decision = find_faces(Photo(scene(160, 240, [])), Options(), tools_for(crowd))
    assert [one.face.box for one in found] == [face.box for face in crowd[:MOST_FACES]]
    assert decision.why == f"{MOST_FACES} of {MOST_FACES} aligned, the largest of 80"
    assert (decision.measured, decision.threshold) == (80, MOST_FACES)


def test_landmarks_are_looked_for_once_in_the_same_photo() -> None:
    asked = []
    tools = tools_for([ONE])

    def detect(pixels: Picture) -> tuple[Face, ...]:
        asked.append(pixels)
        return (ONE,)

    photo = Photo(scene(320, 420, [ONE]))
    options = [Options(), Options(style="cel", strength=0.3, skin_smoothing_factor=0), Options()]
    options.append(Options(max_side_px=512))
    for each in options:
        find_faces(photo, each, replace(tools, search=detect, key=photo_key("a", each)))
    assert len(asked) == 2
    find_faces(photo, Options(), replace(tools, search=detect, key=photo_key("b", Options())))
    assert len(asked) == 3


def test_many_photos_are_not_remembered_for_ever() -> None:
    tools = tools_for([ONE])
    picture = scene(8, 8, [])
    for number in range(200):
        tools.landmarks.of(str(number), picture, lambda pixels: ())
    assert len(tools.landmarks._known) == 64


# refinement


def refined(picture: Picture, face: Face = ONE, **given: object) -> Picture:
    options = Options(**{name: given.pop(name) for name in list(given) if hasattr(PLAIN, name)})
    before = picture.copy()
    photo, told = refine_faces(Photo(picture), found_in(picture, [face], options, **given), options)
    assert np.array_equal(picture, before)
    assert told[0].face.refined
    return photo.pixels


def test_eyes_and_brows_gain_the_contrast_that_the_ratio_says() -> None:
    picture = scene(320, 420, [ONE])
    for group in ("eyes", "brows"):
        mask = weights(picture, ONE, group).astype(np.uint8)
        around = cv2.dilate(mask, np.ones((13, 13))) > 0  # with the lids

        def contrast(ratio: float, around: np.ndarray = around) -> tuple[float, float]:
            grey = luma(refined(picture, eye_enhance_ratio=ratio, skin_smoothing_factor=0.0))
            return float(grey[around].std()), float(grey[around].mean())

        (plain, light), (usual, usual_light), (strong, _) = map(contrast, (1.0, 1.4, 2.0))
        assert 1.3 * plain < usual < 1.6 * plain and strong > 1.05 * usual
        assert usual_light == pytest.approx(light, abs=4)  # it gets no darker


def test_what_is_behind_glasses_is_not_sharpened() -> None:
    picture = scene(320, 420, [ONE])
    lens = weights(picture, ONE, "glasses", glasses=True)
    assert lens.sum() > 500
    bare, worn = refined(picture), refined(picture, glasses=True)
    assert np.abs(bare[lens].astype(int) - picture[lens]).max() > 20
    assert np.abs(worn[lens].astype(int) - picture[lens]).max() <= 1


def test_skin_is_smoothed_by_the_factor_and_keeps_some_grain() -> None:
    picture = scene(320, 420, [ONE])
    skin = cv2.erode(weights(picture, ONE, "skin").astype(np.uint8), np.ones((9, 9))) > 0

    def grain(pixels: Picture) -> float:
        grey = luma(pixels)
        return float((grey - cv2.GaussianBlur(grey, (0, 0), 2))[skin].std())

    grains = [grain(refined(picture, skin_smoothing_factor=f)) for f in (0.0, 0.6, 1.0)]
    assert grains[0] > grains[1] > grains[2]
    assert 0.35 * grains[0] < grains[1] < 0.75 * grains[0]


def test_lips_are_evened_and_keep_their_tone() -> None:
    picture = scene(320, 420, [ONE])
    lips = weights(picture, ONE, "lips")
    blotched = picture.copy()
    stripes = (np.indices(lips.shape).sum(0) // 4 % 2)[..., None] * np.array([40, -20, 10]) - (
        np.array([20, -10, 5])
    )
    blotched[lips] = np.clip(blotched[lips] + stripes[lips], 0, 255)
    after = refined(blotched, eye_enhance_ratio=1.0)
    for channel in (0, 1):
        assert after[lips][:, channel].std() < 0.8 * blotched[lips][:, channel].std()
    assert after[lips].mean(0) == pytest.approx(blotched[lips].mean(0), abs=4)


@pytest.mark.parametrize("darkness", [1.0, 0.45])
def test_the_mean_tone_of_skin_stays(darkness: float) -> None:
    picture = (scene(320, 420, [ONE]) * darkness).astype(np.uint8)
    skin = weights(picture, ONE, "skin")
    assert refined(picture)[skin].mean(0) == pytest.approx(picture[skin].mean(0), abs=2)


def test_strong_light_is_evened_first() -> None:
    picture = scene(320, 420, [ONE])
    ramp = np.clip((np.arange(420) - 150) / 80, 0.05, 1.2)[None, :, None]
    lit = np.clip(picture * ramp, 0, 255).astype(np.uint8)
    skin = weights(picture, ONE, "skin")
    photo, (told,) = refine_faces(Photo(lit), found_in(lit, [ONE]), Options())
    assert told.face.refined[0] == "light"
    assert luma(photo.pixels)[skin].std() < 0.9 * luma(lit)[skin].std()
    assert luma(photo.pixels)[skin].mean() == pytest.approx(luma(lit)[skin].mean(), abs=4)
    (even,) = refine_faces(Photo(picture), found_in(picture, [ONE]), Options())[1]
    assert "light" not in even.face.refined


def test_beside_a_face_nothing_is_refined() -> None:
    picture = scene(320, 420, [ONE])
    away = cv2.dilate(weights(picture, ONE, "head").astype(np.uint8), np.ones((51, 51))) == 0
    assert away.mean() > 0.3
    assert np.array_equal(refined(picture)[away], picture[away])


def test_the_order_of_the_faces_makes_no_difference_to_the_refinement() -> None:
    picture = scene(400, 480, CROWD)
    found = found_in(picture, CROWD)
    made = {
        refine_faces(Photo(picture), o, Options())[0].pixels.tobytes() for o in permutations(found)
    }
    assert len(made) == 1


# redrawing and pasting


def redrawn(
    picture: Picture, drawing: Picture, faces: list[Face], draw: Callable[[Picture], Picture]
) -> tuple[Picture, list[Face]]:
    def enlarge(part: Picture, size: tuple[int, int]) -> Picture:
        return cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)

    found, kept = found_in(picture, faces), (picture.copy(), drawing.copy())
    patches, told, decision = redraw_faces(
        Photo(picture), drawing, found, PLAIN, tools_for(faces), lambda: Brush(draw, enlarge, 0.2)
    )
    results = {
        repair(drawing, picture, order, PLAIN)[0].tobytes() for order in permutations(patches)
    }
    assert len(results) == 1, "the order of the patches made a difference"
    assert np.array_equal(picture, kept[0]) and np.array_equal(drawing, kept[1])
    assert decision.ran == bool(patches)
    return repair(drawing, picture, patches, PLAIN)[0], [one.face for one in told]


@pytest.mark.parametrize(
    "faces",
    [
        [ONE],
        CROWD,
        [face_at(20, 160, 200)],
        [face_at(400, 10, 150)],
        [face_at(210, 160, 40)],
        [ONE, replace(ONE, score=0.95)],
    ],
    ids=["one", "overlapping", "left border", "corner", "small", "twice the same"],
)
def test_a_drawing_that_is_the_photo_gets_no_seam(faces: list[Face]) -> None:
    """The whole is drawn as the photo is, and each face too: the result is the photo, but for
    what the refinement does to a face.
    """
    picture = scene(320, 440, faces)
    options = Options(
        post_sharpen_weight=0, eye_enhance_ratio=1, skin_smoothing_factor=0, alignment_threshold=0
    )
    result, told = redrawn(picture, picture, faces, lambda part: part)
    apart = np.abs(result.astype(int) - picture).max(2)
    head = np.zeros(apart.shape, bool)
    for face in faces:
        if found_in(picture, [face], options)[0].regions is not None:
            head |= weights(picture, face, "head")
    around = cv2.dilate(head.astype(np.uint8), np.ones((9, 9))) == 0
    assert apart[around].mean() < 1.5
    assert any("redrawn" in face.refined for face in told)


def test_a_lost_face_comes_back_in_the_tones_of_the_drawing() -> None:
    """The whole's drawing has lost the features, and is darker and redder than the photo."""
    picture = scene(320, 440, [ONE])
    gone = weights(picture, ONE, "features").astype(np.uint8)
    lost = cv2.inpaint(picture, cv2.dilate(gone, np.ones((7, 7))), 5, cv2.INPAINT_TELEA)
    drawing = np.clip(lost * (0.9, 0.7, 0.7), 0, 255).astype(np.uint8)
    result, (face,) = redrawn(picture, drawing, [ONE], lambda part: part)
    assert face.refined[-1] == "redrawn"
    eyes, skin = weights(picture, ONE, "eyes"), weights(picture, ONE, "skin")
    assert luma(result)[skin].mean() - luma(result)[eyes].mean() > 40
    assert luma(drawing)[skin].mean() - luma(drawing)[eyes].mean() < 15
    assert result[skin].mean(0) == pytest.approx(drawing[skin].mean(0), abs=8)
    far = cv2.dilate(weights(picture, ONE, "head").astype(np.uint8), np.ones((101, 101))) == 0
    assert np.array_equal(result[far], drawing[far])


def test_no_patch_has_an_edge() -> None:
    """Drawings that differ by a constant in light: the result never jumps."""
    flat = np.full((320, 440, 3), 90, np.uint8)
    for faces in ([ONE], CROWD, [face_at(20, 160, 200)]):
        picture = scene(320, 440, faces)
        result, _ = redrawn(picture, flat, faces, lambda part: np.full_like(part, 200))
        steps = [np.abs(np.diff(luma(result), axis=axis)).max() for axis in (0, 1)]
        assert max(steps) < 6


def test_strength_nought_gives_the_photo_back() -> None:
    picture = scene(320, 440, [ONE])
    patches, _, _ = redraw_faces(
        Photo(picture),
        255 - picture,
        found_in(picture, [ONE]),
        PLAIN,
        tools_for([ONE]),
        lambda: Brush(lambda part: 255 - part, lambda part, size: cv2.resize(part, size), 0.2),
    )
    assert patches
    back, _ = repair(255 - picture, picture, patches, Options(strength=0))
    assert np.array_equal(back, picture)


# checking


def test_the_way_that_keeps_the_landmarks_is_taken() -> None:
    """A large face whose drawing moved it is drawn by itself; one that stayed is not."""
    picture = scene(320, 440, [ONE])
    tools = tools_for([ONE])
    drawn: list[tuple[int, ...]] = []

    def moving(moved: tuple[float, ...]) -> Callable[[Picture], tuple[Face, ...]]:
        answers = iter(moved)
        return lambda pixels: (face_at(96 + 192 * next(answers), 96, 192),)

    def draw(part: Picture) -> Picture:
        drawn.append(part.shape)
        return part

    def go(moved: tuple[float, ...], scale: float) -> tuple[str, ...]:
        drawn.clear()
        brush = Brush(draw, lambda part, size: cv2.resize(part, size), scale)
        found = found_in(picture, [ONE])
        _, (told,), _ = redraw_faces(
            Photo(picture),
            picture,
            found,
            PLAIN,
            replace(tools, detect=moving(moved)),
            lambda: brush,
        )
        return told.face.refined

    assert go((0.01,), 1.0) == () and not drawn
    assert go((0.09, 0.01), 1.0) == ("redrawn",)
    assert go((0.09, 0.08, 0.01), 1.0) == ("redrawn", "finer")
    assert go((0.09, 0.08, 0.09, 0.01), 1.0) == ("redrawn", "finer", "gentler")
    assert go((0.09, 0.04, 0.09, 0.06), 1.0) == ("redrawn",)
    assert go((0.01,), 0.2) == ("redrawn",)
    # larger than any face is drawn by itself: its features alone can be mixed with the photo's
    assert go((0.09, 0.01), 2.0) == ("gentler",) and not drawn


def test_the_shift_is_in_eye_distances() -> None:
    before = np.array(face_at(0.5, 0.5, 1.0).landmarks)
    assert shift_of(before, before) == 0
    assert shift_of(before, before + np.array([0.2402 / 4, 0])) == pytest.approx(0.25, abs=0.001)
    assert shift_of(before, None) == float("inf")


def test_a_face_that_is_gone_has_no_shift() -> None:
    picture = scene(320, 440, [ONE])
    found = found_in(picture, [ONE])
    gone = replace(tools_for([ONE]), detect=lambda pixels: ())
    faces, mean = looked_at_again(picture, found, gone)
    assert faces[0].shift is None and mean is None
    faces, mean = looked_at_again(picture, found, tools_for([ONE]))
    assert faces[0].shift == mean == 0

"""Refining, redrawing and pasting faces whose places and regions are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import cv2
import numpy as np
import pytest
from face_world import face_at, found_in, models_for, scene, weights

from pipeline.domain import Face, Photo, RgbImage
from pipeline.faces import DetectedFace, FaceDrawers, FaceRedrawer, redraw_faces, refine_faces
from pipeline.faces.landmarks import landmark_shift, measure_landmark_shift
from pipeline.faces.refine import refine_roi
from pipeline.faces.roi import Roi
from pipeline.postprocess import postprocess
from pipeline.settings import Options

PLAIN = Options(post_sharpen_weight=0)
ONE = face_at(210, 160, 260, 0.2)
CROWD = [face_at(130, 120, 200), face_at(230, 130, 190, -0.3), face_at(330, 260, 240, 0.5)]


def luma(pixels: RgbImage) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(float)


# refinement


def refined(picture: RgbImage, face: Face = ONE, **given: Any) -> RgbImage:
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

    def grain(pixels: RgbImage) -> float:
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


@dataclass(frozen=True)
class KnownDrawer:
    """Draws a face as it is told to, from what the ROI shows of the photo."""

    paint: Callable[[RgbImage], RgbImage]
    scale: float = 0.2

    def draw(self, photo: RgbImage, face: DetectedFace, roi: Roi) -> RgbImage:
        drawn = self.paint(refine_roi(roi.crop(photo), face, roi, PLAIN)[0])
        way = cv2.INTER_AREA if roi.scale > 1 else cv2.INTER_CUBIC
        return cv2.resize(drawn, roi.size, interpolation=way)


def redrawn(
    picture: RgbImage,
    drawing: RgbImage,
    faces: list[Face],
    paint: Callable[[RgbImage], RgbImage],
) -> tuple[RgbImage, list[Face]]:
    found, kept = found_in(picture, faces), (picture.copy(), drawing.copy())
    redrawer = FaceRedrawer(
        picture, drawing, models_for(faces), FaceDrawers("cel", KnownDrawer(paint))
    )
    patches, told, decision = redraw_faces(redrawer, found)
    results = {
        postprocess(drawing, picture, order, PLAIN)[0].tobytes() for order in permutations(patches)
    }
    assert len(results) == 1, "the order of the patches made a difference"
    assert np.array_equal(picture, kept[0]) and np.array_equal(drawing, kept[1])
    assert decision.ran == bool(patches)
    return postprocess(drawing, picture, patches, PLAIN)[0], [one.face for one in told]


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
        if found_in(picture, [face], options)[0].is_aligned:
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


def waves(part: RgbImage) -> RgbImage:
    """A texture that the tones around it cannot even out, 60 levels high, instead of a part."""
    y, x = np.mgrid[: part.shape[0], : part.shape[1]] * (2 * np.pi / 24)
    plane = 128 + 60 * np.sin(x + 0.7 * y)
    return np.repeat(plane[..., None], 3, 2).round().astype(np.uint8)


def steepest(picture: RgbImage, where: np.ndarray) -> float:
    """The largest step between two neighbours, in levels."""
    steps = [np.abs(np.diff(luma(picture), axis=axis)) for axis in (0, 1)]
    return max(float(steps[0][where[1:]].max()), float(steps[1][where[:, 1:]].max()))


@pytest.mark.parametrize(
    "faces", [[ONE], CROWD, [face_at(20, 160, 200)]], ids=["one", "overlapping", "left border"]
)
def test_no_patch_has_an_edge(faces: list[Face]) -> None:
    """Faces come back as waves on a flat drawing: nowhere does the result jump as a cut would."""
    picture = scene(320, 440, faces)
    flat = np.full_like(picture, 128)
    result, _ = redrawn(picture, flat, faces, waves)
    skin = np.logical_or.reduce([weights(picture, face, "skin") for face in faces])
    inside = cv2.erode(skin.astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(luma(result) - 128)[inside].max() > 50  # the waves are there
    # a fading border adds little to the waves' own steps; a cut adds their whole height
    assert steepest(result, np.ones_like(skin)) < 1.25 * steepest(result, inside)


def test_strength_nought_gives_the_photo_back() -> None:
    picture = scene(320, 440, [ONE])
    drawer = KnownDrawer(lambda part: 255 - part)
    redrawer = FaceRedrawer(picture, 255 - picture, models_for([ONE]), FaceDrawers("cel", drawer))
    patches, _, _ = redraw_faces(redrawer, found_in(picture, [ONE]))
    assert patches
    back, _ = postprocess(255 - picture, picture, patches, Options(strength=0))
    assert np.array_equal(back, picture)


# checking


def test_the_rendering_that_keeps_the_landmarks_is_taken() -> None:
    """A large face whose drawing moved it is drawn by itself; one that stayed is not."""
    picture = scene(320, 440, [ONE])
    drawn: list[tuple[int, ...]] = []

    def paint(part: RgbImage) -> RgbImage:
        drawn.append(part.shape)
        return part

    def go(shifts: tuple[float, ...], scale: float) -> tuple[str, ...]:
        """``shifts``: how far the face lies to the right, each time that it is looked at again."""
        drawn.clear()
        answers = iter(shifts)
        models = models_for([ONE], closer=lambda _: (face_at(96 + 192 * next(answers), 96, 192),))
        redrawer = FaceRedrawer(
            picture, picture, models, FaceDrawers("cel", KnownDrawer(paint, scale))
        )
        _, (told,), _ = redraw_faces(redrawer, found_in(picture, [ONE]))
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
    assert landmark_shift(before, before) == 0
    assert landmark_shift(before, before + np.array([0.2402 / 4, 0])) == pytest.approx(
        0.25, abs=0.001
    )
    assert landmark_shift(before, None) == float("inf")


def test_a_face_that_is_gone_has_no_shift() -> None:
    picture = scene(320, 440, [ONE])
    found = found_in(picture, [ONE])
    gone = models_for([ONE], closer=lambda _: ()).detector
    faces, mean = measure_landmark_shift(picture, found, gone)
    assert faces[0].shift is None and mean is None
    faces, mean = measure_landmark_shift(picture, found, models_for([ONE]).detector)
    assert faces[0].shift == mean == 0

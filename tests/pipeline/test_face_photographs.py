"""Faces of real photographs: glasses, make-up, hard light, profiles, hands, children, animals.

Each property is tested on photographs of the repository and on more of them under KIREI_DATA, where
that is set. KIREI_WEIGHTS_DIR tests other weights.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from people import faces_within, people, photograph
from PIL import Image
from shipped import scene_styles, shipped_styles

from pipeline import Options, Pipeline, Settings, Sidecar
from pipeline.domain import Face, Photo, RgbImage
from pipeline.faces import DetectedFace, FaceDetector, analyse_faces, refine_faces
from pipeline.faces.roi import face_roi, region_mask

PIPELINE = Pipeline(Settings.from_environment(os.environ))
PLAIN = Options(enhance="off", format="png")
# of the group, those whose mouths are seen
UNBEARDED = ("bohr", "born", "brillouin", "compton", "curie", "dirac", "einstein", "heisenberg")

pytestmark = pytest.mark.skipif(
    PIPELINE.registry.faces(Options()) is None, reason="the layer has no detector and parser"
)

DARK_GLASSES = "the shipped parser does not see dark glasses in a small blurred photo"
BEARDS = (
    "the shipped parser sees no lips under a beard, and the face is left as drawn: MODEL_CARD.md"
)


def short(name: str, reason: str) -> Any:
    """A photograph with which the shipped nets fall short."""
    mark = pytest.mark.xfail(reason=reason, strict=True, raises=(AssertionError, IndexError))
    return pytest.param(name, marks=mark)


def overlap(box: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return shared / (sum(areas) - shared)


@pytest.mark.parametrize(
    ("max_side_px", "least"),
    [(1280, 27), (800, 25), (540, 22)],  # faces 40, 25 and 17 px high
)
def test_nearly_everybody_in_a_group_is_found_and_nobody_else(max_side_px: int, least: int) -> None:
    file, boxes = faces_within("solvay-1927", max_side_px)
    faces = PIPELINE.run(file, PLAIN).sidecar.faces
    matches = [max(range(len(boxes)), key=lambda n: overlap(f.box, boxes[n])) for f in faces]
    assert all(overlap(f.box, boxes[n]) > 0.4 for f, n in zip(faces, matches, strict=True))
    assert len(set(matches)) == len(matches) >= least


@pytest.mark.parametrize("name", people("solvay-1927"))
def test_a_portrait_has_its_face_found_where_it_is(name: str) -> None:
    with Image.open(io.BytesIO(photograph(name))) as portrait:
        x, y = portrait.width / 2, portrait.height / 2
    boxes = [face.box for face in drawn(name)[1].faces]
    assert any(left < x < right and top < y < bottom for left, top, right, bottom in boxes)


@pytest.mark.parametrize(
    "name",
    [f"solvay-1927/{name}" for name in ("guye", "langevin", "verschaffelt")]
    + ["andersson", "dahlgren"],
)
def test_a_man_with_a_beard_is_cared_for(name: str) -> None:
    assert largest(name).refined


def pixels(data: bytes) -> RgbImage:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@cache
def drawn(name: str, options: Options = PLAIN) -> tuple[RgbImage, Sidecar]:
    result = PIPELINE.run(photograph(name), options)
    return pixels(result.image), result.sidecar


@cache
def refined(name: str) -> tuple[RgbImage, RgbImage, DetectedFace]:
    """A photo, the same refined, and its largest face."""
    photo = Photo(pixels(photograph(name)))
    models = PIPELINE.registry.faces(PLAIN)
    assert models is not None
    found, _ = analyse_faces(photo, PLAIN, models, name)
    after, told = refine_faces(photo, found, PLAIN)
    return photo.pixels, after.pixels, told[0]


def region(one: DetectedFace, shape: tuple[int, ...], group: str, least: float = 0.9) -> np.ndarray:
    """Where a group of regions surely lies, bool (H, W)."""
    roi = face_roi(one, shape, 1e9, 1.0)
    assert roi is not None
    covered = np.zeros(shape[:2], bool)
    covered[roi.area] = region_mask(one, roi, group) > least
    return covered


def lightness(picture: RgbImage) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]


def largest(name: str) -> Face:
    return drawn(name)[1].faces[0]


@pytest.mark.parametrize("name", ["elder", "portrait-0006", "portrait-0143", "face-1823"])
def test_glasses_what_is_behind_them_is_not_sharpened(name: str) -> None:
    before, after, one = refined(name)
    assert "glasses" in one.face.regions and "eyes" not in one.face.refined
    lens = region(one, before.shape, "glasses")
    assert lens.sum() > 50
    assert np.abs(after[lens].astype(int) - before[lens]).max() <= 2
    assert not np.array_equal(after, before)


@pytest.mark.parametrize(
    "name", ["imagenet-0430", "face-1402", short("imagenet-0454", DARK_GLASSES)]
)
def test_sunglasses_have_no_eyes_to_enhance(name: str) -> None:
    face = largest(name)
    assert "glasses" in face.regions and "eyes" not in face.refined and "skin" in face.refined


@pytest.mark.parametrize("name", ["astronaut", "portrait-0002", "portrait-0096"])
def test_lips_keep_their_tone(name: str) -> None:
    before, after, one = refined(name)
    assert {"lips", "eyes"} <= set(one.face.refined)
    lips = region(one, before.shape, "lips", 0.5)  # all of them: sure is only their middle
    assert after[lips].mean(0) == pytest.approx(before[lips].mean(0), abs=4)
    # lips stay as much redder than the skin as they were
    skin = region(one, before.shape, "skin")
    apart = [p[lips].mean(0) - p[skin].mean(0) for p in (before, after)]
    assert apart[1] == pytest.approx(apart[0], abs=5)


@pytest.mark.parametrize("name", ["solvay-1927/compton", "portrait-0097", "face-0678", "face-1845"])
def test_a_strong_light_is_evened_before_anything_else(name: str) -> None:
    before, after, one = refined(name)
    assert one.face.refined[0] == "light"
    skin = region(one, before.shape, "skin")
    spread = [np.subtract(*np.percentile(lightness(p)[skin], (95, 5))) for p in (before, after)]
    assert spread[1] < 0.94 * spread[0]  # 0.926 on one processor, under 0.92 on another
    assert lightness(after)[skin].mean() == pytest.approx(lightness(before)[skin].mean(), abs=2)


@pytest.mark.parametrize(
    "name",
    [
        "astronaut",
        *(f"solvay-1927/{name}" for name in UNBEARDED),
        "face-1777",  # a profile
        "face-1815",
        "face-1795",  # tilted
        "face-1853",
        "face-1840",  # a hand at the cheek
        "face-1905",  # hands
        "imagenet-0871",
        "face-1813",  # a child
        "imagenet-0793",
        "portrait-0036",
    ],
)
def test_a_face_stays_where_it_was(name: str) -> None:
    face = largest(name)
    assert {"skin", "contours"} <= set(face.refined), face.not_refined
    assert face.shift is not None and face.shift < 0.1


def test_a_tilted_face_is_aligned_as_it_lies() -> None:
    (x, y), (to_x, to_y) = largest("face-1795").landmarks[:2]
    assert abs(math.degrees(math.atan2(to_y - y, to_x - x))) > 10


@pytest.mark.parametrize("name", ["astronaut", "solvay-1927/born", "face-1813", "imagenet-0793"])
def test_skin_is_smoothed_and_not_plastic(name: str) -> None:
    before, after, one = refined(name)
    skin = cv2.erode(region(one, before.shape, "skin").astype(np.uint8), np.ones((5, 5))) > 0
    grain = [
        (lightness(p) - cv2.GaussianBlur(lightness(p), (0, 0), 1.5))[skin].std()
        for p in (before, after)
    ]
    assert 0.3 * grain[0] < grain[1] < grain[0]


@pytest.mark.parametrize("style", shipped_styles())
@pytest.mark.parametrize(
    "name", ["astronaut", "elder", "face-1762", "face-1799", "portrait-0140", "imagenet-0203"]
)
def test_skin_is_not_lightened(name: str, style: str) -> None:
    """What the face path adds: the skin's mean lightness moves by it no more than by the drawing
    of the whole that of the background does, and a just noticeable step; by a face style, whose
    teachers paint skin white, two.
    """
    photo = pixels(photograph(name))
    (without, _), (made, _) = (
        drawn(name, replace(PLAIN, style=style, faces=path)) for path in ("off", "on")
    )
    _, _, one = refined(name)
    skin, head = (region(one, photo.shape, group) for group in ("skin", "head"))
    background = cv2.dilate(head.astype(np.uint8), np.ones((31, 31))) == 0
    moved = lightness(made)[skin].mean() - lightness(photo)[skin].mean()
    moved_by_whole = lightness(without)[skin].mean() - lightness(photo)[skin].mean()
    around = abs(lightness(made)[background].mean() - lightness(photo)[background].mean())
    assert moved <= max(around, moved_by_whole, 0) + (1 if style in scene_styles() else 2)
    assert abs(moved - moved_by_whole) <= 2.5


def cat_taken_for_a_face() -> Face:
    """The eyes, nose and mouth of the cat in samples/chelsea.jpg, as if a detector were sure."""
    landmarks = ((182.0, 97.0), (258.0, 118.0), (208.0, 150.0), (180.0, 172.0), (232.0, 186.0))
    return Face((140.0, 40.0, 300.0, 215.0), 0.99, landmarks)


class SureOfTheCat(FaceDetector):
    def detect(self, pixels: RgbImage, min_score: float = 0.5) -> tuple[Face, ...]:
        return (cat_taken_for_a_face(),)


def test_a_cat_is_not_aligned_and_the_reason_is_told() -> None:
    photo = Photo(pixels(photograph("chelsea")))
    models = PIPELINE.registry.faces(PLAIN)
    assert models is not None
    sure = replace(models, detector=SureOfTheCat(models.detector.model))
    (one,), decision = analyse_faces(photo, PLAIN, sure, "cat")
    assert not one.is_aligned and str(one.face.not_refined).startswith("no person's face")
    assert not decision.ran
    made, sidecar = drawn("chelsea")
    assert all(face.not_refined for face in sidecar.faces)
    assert np.array_equal(made, drawn("chelsea", replace(PLAIN, faces="off"))[0])


@pytest.mark.parametrize(
    "name", ["imagenet-0203", "imagenet-0210", "imagenet-0250", "portrait-0115"]
)
def test_animals_are_left_alone(name: str) -> None:
    """Of photographs with dogs: whoever is cared for is a person."""
    _, sidecar = drawn(name)
    for face in sidecar.faces:
        assert face.not_refined or {"upper_lip", "lower_lip"} & set(face.regions)


@pytest.mark.parametrize(
    "name",
    [
        "imagenet-0711",  # a statue
        "imagenet-0449",  # a doll
        "imagenet-0640",  # a mask
        "imagenet-0687",  # a gas mask
        "imagenet-0783",  # a shield
        "imagenet-0917",  # a comic book
    ],
)
def test_statues_and_drawings_come_back_drawn(name: str) -> None:
    made, sidecar = drawn(name)
    assert made.shape == pixels(photograph(name)).shape
    for face in sidecar.faces:
        assert bool(face.refined) != bool(face.not_refined)
        assert face.shift is None or face.shift < 0.25


@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_without_a_face_nothing_changes(name: str) -> None:
    made, sidecar = drawn(name)
    assert sidecar.faces == () and sidecar.metrics.face_shift is None
    assert np.array_equal(made, drawn(name, replace(PLAIN, faces="off"))[0])


@pytest.mark.parametrize("name", ["astronaut", "solvay-1927/bohr", "portrait-0111"])
def test_twice_gives_the_same_bytes(name: str) -> None:
    data = photograph(name)
    fresh = Pipeline(PIPELINE.settings)
    images = {PIPELINE.run(data, PLAIN).image for _ in range(2)} | {fresh.run(data, PLAIN).image}
    assert len(images) == 1


def test_strength_nought_gives_the_photo_back() -> None:
    made, _ = drawn("astronaut", replace(PLAIN, strength=0))
    assert np.array_equal(made, pixels(photograph("astronaut")))


def test_the_sidecar_tells_of_the_faces() -> None:
    _, sidecar = drawn("astronaut")
    (face,) = sidecar.faces
    assert face.refined[-1] == "redrawn" and face.score > 0.9 and "nose" in face.regions
    assert sidecar.metrics.face_shift == face.shift is not None
    names = {use.name for use in sidecar.weights}
    assert any("detector" in name for name in names) and any("parser" in name for name in names)
    ran = {decision.step: decision.ran for decision in sidecar.decisions}
    assert ran["faces"] and ran["redraw"]

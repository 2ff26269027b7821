"""Finding faces: priors, decoding, suppression, two scales, crowds and hopeless pictures.

The network is played by one that sees bright green rectangles: it answers for every prior as a
true one does, and of rectangles under 12 px it is not sure.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from models import model_of, shipped_model
from numpy.typing import NDArray

from pipeline import Settings
from pipeline.decode import decode_image as decode_photo
from pipeline.domain import Engine, Face, WeightSpec
from pipeline.faces.detect import (
    COARSE_SIDE_PX,
    MAX_FACES,
    MIN_SCORE,
    MIN_WEAK_SCORE,
    Detections,
    FaceDetector,
    decode_boxes,
    even_light,
    nms,
    plausible,
    priors,
)

ROOT = Path(__file__).parents[2]
POINTS = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
SURE_PX, HINT_PX = 12, 4
SPEC = WeightSpec(
    name="green",
    title="Green rectangles",
    kind="detector",
    architecture="",
    files={},
    quantisation="",
    input_range=(-1.0, 1.0),
    scale=1,
    multiple_of_px=32,
    overlap_px=0,
    tileable=False,
    working_px=0,
    thumbnail_px=0,
    licence="",
)


class GreenEngine:
    """Keeps the sizes of what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        planes = inputs["picture"]
        assert planes.shape[:2] == (1, 3) and planes.dtype == np.float32
        height, width = planes.shape[2:]
        assert height % 32 == 0 and width % 32 == 0
        self.seen.append((height, width))
        green = ((planes[0, 1] > 0.2) & (planes[0, 0] < -0.2)).astype(np.uint8)
        prior = priors(height, width).astype(np.float64)
        answers = np.zeros((1, len(prior), 15), np.float32)
        _, _, statistics, _ = cv2.connectedComponentsWithStats(green)
        for left, top, wide, high, _ in statistics[1:]:
            side = (wide * high) ** 0.5
            if side < HINT_PX:
                continue
            centre, size = np.array([left + wide / 2, top + high / 2]), np.array([wide, high])
            far = np.abs(prior[:, :2] - centre).max(1) / prior[:, 2]
            nearest = np.argsort(far + 2 * np.abs(np.log(prior[:, 2] / side)))[:3]
            for rank, n in enumerate(nearest):
                at, step = prior[n, :2], prior[n, 2]
                answers[0, n, :2] = (centre - at) / (0.1 * step)
                answers[0, n, 2:4] = np.log(size / step) / 0.2
                answers[0, n, 4] = (0.98 if side >= SURE_PX else 0.3) - 0.02 * rank
                points = np.array([left, top]) + POINTS * size
                answers[0, n, 5:] = ((points - at) / (0.1 * step)).ravel()
        return answers


def green(height: int, width: int, *boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    pixels = np.full((height, width, 3), 40, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = (0, 255, 0)
    return pixels


def seen(pixels: NDArray[np.uint8], engine: Engine | None = None) -> tuple[Face, ...]:
    return FaceDetector(model_of(SPEC, engine or GreenEngine(), "faces")).detect(pixels)


def test_the_priors_are_the_published_ones() -> None:
    wanted = []
    for step, sizes in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        for row, column in itertools.product(range(64 // step), range(96 // step)):
            for size in sizes:
                wanted.append(((column + 0.5) * step, (row + 0.5) * step, size))
    np.testing.assert_array_equal(priors(64, 96), np.array(wanted, np.float32))


def test_an_answer_is_decoded_by_hand() -> None:
    values = np.zeros((len(priors(32, 64)), 15), np.float32)
    n = 2 * (1 * 8 + 3)  # second row, fourth column of the first level, 16 px
    values[n] = [1, -2, 0, 5 * np.log(2), 0.9, *([10, 0] * 4), 0, -10]
    values[n + 5, 4] = 0.89
    found = decode_boxes(values, 32, 64, 0.9)
    assert len(found) == 1
    # centre 28, 12 moved by a tenth of 16 times 1, -2; 16 wide and twice as high
    np.testing.assert_allclose(found.boxes, [[21.6, -7.2, 37.6, 24.8]], rtol=1e-5)
    np.testing.assert_allclose(found.landmarks[0, [0, 4]], [[44, 12], [28, -4]], rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_answers_that_are_not_finite_are_passed_over(bad: float) -> None:
    values = np.zeros((len(priors(32, 32)), 15), np.float32)
    values[:, 4] = 0.99
    values[::2, 3] = bad
    values[1::4, 9] = bad
    found = decode_boxes(values, 32, 32, 0.5)
    assert 0 < len(found) < len(values) / 2
    assert np.isfinite(found.boxes).all() and np.isfinite(found.landmarks).all()
    values[:, 2:4] = 1e30  # finite, and absurd
    assert np.isfinite(decode_boxes(values, 32, 32, 0.5).boxes).all()


def candidates(*boxes: tuple[float, float, float, float]) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    middle = (array[:, None, :2] + array[:, None, 2:]) / 2
    return Detections(
        array, np.linspace(0.9, 0.8, len(array), dtype=np.float32), np.repeat(middle, 5, 1)
    )


def test_of_boxes_that_overlap_the_first_stays() -> None:
    first, near, far = (0, 0, 10, 10), (0, 4, 10, 14), (0, 4.5, 10, 14.5)
    kept = nms(candidates(first, near, far))  # overlaps of 6/14 and 5.5/14.5
    np.testing.assert_array_equal(kept.boxes, [first, far])
    kept = nms(candidates(first, (0, 4, 10, 14)))
    np.testing.assert_array_equal(kept.boxes, [first])
    kept = nms(candidates(near, first))
    np.testing.assert_array_equal(kept.boxes, [near])
    assert len(nms(candidates())) == 0
    assert len(nms(candidates((3, 3, 3, 3), (3, 3, 3, 3)))) == 2  # empty: of no overlap


def test_boxes_of_one_face_have_a_say_by_their_scores() -> None:
    """Two that agree but for a pixel meet in between, nearer to the surer; a third, of another
    face in part, has none.
    """
    sure, unsure, other = (0, 0, 10, 10), (1, 0, 11, 10), (0, 4, 10, 14)
    found = candidates(sure, unsure, other)
    kept = nms(found)
    share = found.scores[1] / found.scores[:2].sum()
    np.testing.assert_allclose(kept.boxes, [(share, 0, 10 + share, 10)], rtol=1e-6)
    np.testing.assert_allclose(kept.landmarks[0], [(5 + share, 5)] * 5, rtol=1e-6)
    assert kept.scores == found.scores[:1]
    np.testing.assert_array_equal(found.boxes, [sure, unsure, other])  # as it was


@pytest.mark.parametrize(
    ("height", "width"), [(300, 700), (640, 448), (480, 640), (1500, 811), (801, 1603), (64, 37)]
)
def test_boxes_and_landmarks_are_in_pixels_of_the_photo(height: int, width: int) -> None:
    box = (width // 4, height // 3, width // 4 + width // 3, height // 3 + height // 4)
    (face,) = seen(green(height, width, box))
    tolerance = max(1.0, 1.5 * max(height, width) / COARSE_SIDE_PX)
    np.testing.assert_allclose(face.box, box, atol=tolerance)
    size = np.array([box[2] - box[0], box[3] - box[1]])
    np.testing.assert_allclose(face.landmarks, box[:2] + POINTS * size, atol=tolerance)
    assert face.score == pytest.approx(0.98)


def test_the_largest_comes_first() -> None:
    boxes = [(20, 20, 60, 60), (300, 50, 420, 190), (150, 200, 230, 280)]
    found = seen(green(320, 480, *boxes))
    assert [round(face.box[0] / 10) * 10 for face in found] == [300, 150, 20]


def test_a_small_face_is_found_at_the_finer_scale() -> None:
    engine = GreenEngine()
    large, small = (100, 100, 400, 480), (900, 300, 916, 318)  # 8 px where the first look is
    found = seen(green(960, 1280, large, small), engine)
    assert len(found) == 2
    np.testing.assert_allclose(found[0].box, large, atol=3)
    np.testing.assert_allclose(found[1].box, small, atol=1)
    assert engine.seen[0] == (480, 640) and len(engine.seen) == 2
    assert max(engine.seen[1]) <= 160  # only where it was


def test_a_face_found_at_both_scales_is_one() -> None:
    engine = GreenEngine()
    box = (500, 300, 540, 344)  # 20 px at the first look
    (face,) = seen(green(900, 1280, box), engine)
    np.testing.assert_allclose(face.box, box, atol=1)
    assert len(engine.seen) == 2


def test_what_has_no_small_face_is_looked_at_once() -> None:
    for pixels in (
        green(960, 1280),
        green(960, 1280, (100, 100, 400, 480)),
        green(480, 640, (100, 100, 110, 110)),  # there is nothing finer to see
    ):
        engine = GreenEngine()
        seen(pixels, engine)
        assert len(engine.seen) == 1


def test_the_finer_look_is_bounded_too() -> None:
    engine = GreenEngine()
    corners = [(10, 10, 60, 60), (5900, 3900, 5950, 3950)]
    assert len(seen(green(4000, 6000, *corners), engine)) == 0  # too small at either scale
    corners = [(10, 10, 90, 90), (5900, 3900, 5980, 3980)]
    found = seen(green(4000, 6000, *corners), engine)
    assert len(found) == 2 and max(engine.seen[-1]) == 1280


def test_a_crowd_is_cut_to_the_largest_and_nobody_counts_twice() -> None:
    boxes, sizes = [], np.random.default_rng(1).permutation(200) // 8 + 30
    for n, size in enumerate(sizes):
        x, y = n % 20 * 95 + 10, n // 20 * 105 + 20
        boxes.append((x, y, x + int(size), y + int(size)))
    found = seen(green(1080, 1920, *boxes))
    assert len(found) == MAX_FACES < 200
    sides = np.array([face.box[2] - face.box[0] for face in found])
    assert (np.diff(sides) < 1e-3).all()  # largest first
    assert min(sides) > np.sort(sizes)[-MAX_FACES] - 2
    centres = {(round(f.landmarks[2][0] / 40), round(f.landmarks[2][1] / 40)) for f in found}
    assert len(centres) == MAX_FACES


def test_boxes_are_cut_and_nonsense_is_dropped() -> None:
    found = candidates((-10, -10, 30, 30), (80, 40, 130, 70), (200, 200, 240, 240), (9, 9, 9, 30))
    found.landmarks[1, 2] = (200, 50)  # 70 px beyond a box of 50
    kept = plausible(found, 100, 60)
    np.testing.assert_array_equal(kept.boxes, [(0, 0, 30, 30)])


def test_a_face_at_the_border_keeps_the_landmarks_that_it_has_outside() -> None:
    found = candidates((-20, 10, 40, 60))
    found.landmarks[0, 0] = (-5, 25)
    (kept,) = plausible(found, 100, 60).landmarks
    assert kept[0].tolist() == [-5, 25]


class AbsurdEngine(GreenEngine):
    """Sure of a face in every place, and wrong in all else."""

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        random = np.random.default_rng(4)
        answers = random.normal(0, 200, super().run(inputs).shape).astype(np.float32)
        answers[..., 4] = 1
        answers[:, ::5, 2] = np.nan
        return answers


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (33, 31), (900, 1200)])
def test_any_picture_gives_faces_inside_it_or_none(size: tuple[int, int]) -> None:
    blocks = np.random.default_rng(2).integers(0, 255, (9, 7, 3), np.uint8)
    pixels = cv2.resize(blocks, size[::-1], interpolation=cv2.INTER_NEAREST)
    for engine in (GreenEngine(), AbsurdEngine()):
        for face in seen(pixels, engine):
            left, top, right, bottom = face.box
            assert 0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]


def test_nothing_is_written_into_the_picture_and_twice_is_the_same() -> None:
    pixels = green(700, 1000, (100, 100, 111, 111), (300, 300, 500, 540))
    before = pixels.copy()
    pixels.flags.writeable = False
    assert seen(pixels) == seen(pixels)
    np.testing.assert_array_equal(pixels, before)


def found_by_shipped(pixels: NDArray[np.uint8]) -> tuple[Face, ...]:
    return FaceDetector(shipped_model("detector", "faces")).detect(pixels)


def sample(name: str) -> NDArray[np.uint8]:
    return decode_photo((ROOT / "samples" / f"{name}.jpg").read_bytes(), Settings())[0].pixels


def test_the_astronaut_has_one_face() -> None:
    (face,) = found_by_shipped(sample("astronaut"))
    assert face.score > 0.9
    np.testing.assert_allclose(face.box, (178, 57, 270, 176), atol=8)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("scale", [0.3, 0.5, 2.5])
def test_the_astronauts_face_is_the_same_at_any_size(scale: float) -> None:
    photo = sample("astronaut")
    (whole,) = found_by_shipped(photo)
    resized = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (face,) = found_by_shipped(resized)
    eyes = whole.landmarks[1][0] - whole.landmarks[0][0]
    off = np.array(face.landmarks) / scale - np.array(whole.landmarks)
    # RetinaFace itself moves them by 0.12, 0.06 and 0.02 distances between the eyes
    assert np.hypot(*off.T).mean() < 0.12 * eyes


def test_a_small_face_in_a_large_photo_is_found() -> None:
    photo = sample("astronaut")[:400, 100:400]
    scene = cv2.resize(sample("rocket"), (1920, 1281), interpolation=cv2.INTER_CUBIC)
    # a face of 15 px at the first look, where RetinaFace finds it with a score of 0.998
    scene[800:1000, 400:550] = cv2.resize(photo, (150, 200), interpolation=cv2.INTER_AREA)
    (face,) = found_by_shipped(scene)
    np.testing.assert_allclose(face.box, (440, 832, 484, 886), atol=6)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_a_cat_a_cup_and_a_rocket_have_none(name: str) -> None:
    assert found_by_shipped(sample(name)) == ()


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (500, 700)])
def test_black_pictures_have_none(size: tuple[int, int]) -> None:
    assert found_by_shipped(np.zeros((*size, 3), np.uint8)) == ()


def searched_by_shipped(pixels: NDArray[np.uint8]) -> tuple[Face, ...]:
    return FaceDetector(shipped_model("detector", "faces")).search(pixels)


def test_a_face_in_dim_red_light_is_found() -> None:
    stage = sample("astronaut") * np.array([0.16, 0.03, 0.02])
    face = searched_by_shipped(stage.astype(np.uint8))[0]
    np.testing.assert_allclose(face.box, (178, 57, 270, 176), atol=15)
    assert face.score > 0.9


@pytest.mark.parametrize("background", ["rocket", "coffee"])
def test_a_face_of_20_px_in_a_small_photo_is_found_by_the_enlarged_pass(background: str) -> None:
    scene = cv2.resize(sample(background), (480, 320), interpolation=cv2.INTER_AREA)
    person = sample("astronaut")[:400, 100:400]
    scene[120:210, 100:168] = cv2.resize(person, (68, 90), interpolation=cv2.INTER_AREA)
    assert found_by_shipped(scene) == ()
    (face,) = searched_by_shipped(scene)
    assert 15 < face.box[2] - face.box[0] < 25
    assert 110 < face.box[0] < face.box[2] < 150


def test_a_face_is_found_once_by_all_passes() -> None:
    assert len(searched_by_shipped(sample("astronaut"))) == 1
    assert len(searched_by_shipped((sample("astronaut") * 0.2).astype(np.uint8))) == 1


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_further_passes_find_no_face_in_a_cat_a_cup_and_a_rocket(name: str) -> None:
    assert searched_by_shipped(sample(name)) == ()


def test_what_the_enlarged_pass_doubts_is_for_a_closer_look() -> None:
    """The first pass sees two of 29 people at the Solvay conference, reduced to faces of 15 px."""
    file = (ROOT / "tests/photographs/solvay-1927.jpg").read_bytes()
    photo = decode_photo(file, Settings())[0].pixels
    small = cv2.resize(photo, (532, 366), interpolation=cv2.INTER_AREA)
    detector = FaceDetector(shipped_model("detector", "faces"))
    seen = detector.search(small, MIN_WEAK_SCORE)
    doubted = [face for face in seen if face.score < MIN_SCORE]
    assert len(detector.detect(small, MIN_WEAK_SCORE)) < 5
    assert len(seen) >= 20
    assert len(doubted) >= 10
    assert len(detector.search(small)) == len(seen) - len(doubted)


def test_ordinary_light_is_left_and_coloured_light_becomes_white() -> None:
    photo = sample("astronaut")
    assert even_light(photo) is None
    red = (photo * np.array([0.5, 0.2, 0.1])).astype(np.uint8)
    evened = even_light(red)
    assert evened is not None
    means = evened.reshape(-1, 3).mean(0)
    assert means.max() < 1.5 * means.min()
    assert 80 < means.mean() < 140

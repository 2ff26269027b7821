"""Faces through the frames of a shot: each stays one face, moves with the picture, and is calm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.clips.flow import Motion
from pipeline.clips.tracking import DETECT_EVERY, FaceTracker
from pipeline.domain import Decision, Face, FaceParsing, Photo
from pipeline.faces import DetectedFace
from pipeline.faces.align import ALIGNED_PX, estimate_similarity, invert_affine
from pipeline.settings import Options

HEIGHT, WIDTH = 240, 320
PHOTO = Photo(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
SHAPE = np.array([[-20, -12], [20, -12], [0, 8], [-14, 26], [14, 26]], np.float64)
STILL = Motion(np.zeros((HEIGHT, WIDTH, 2), np.float32), np.ones((HEIGHT, WIDTH), np.float32))


def face_at(x: float, y: float) -> DetectedFace:
    """An aligned face some 80 px wide."""
    landmarks = tuple((float(px), float(py)) for px, py in SHAPE + np.array((x, y)))
    found = Face((x - 40, y - 45, x + 40, y + 55), 0.9, landmarks)
    to_photo = invert_affine(estimate_similarity(landmarks, ALIGNED_PX))
    masks = {"skin": np.full((ALIGNED_PX, ALIGNED_PX), 200, np.uint8)}
    return DetectedFace(found, FaceParsing(masks, to_photo))


class Followed:
    """A tracker whose detector sees what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tracker = FaceTracker()
        self._seen: Sequence[DetectedFace] = ()
        monkeypatch.setattr("pipeline.clips.tracking.analyse_faces", self._analyse)

    def _analyse(self, *_: Any) -> tuple[Sequence[DetectedFace], Decision]:
        return self._seen, Decision("faces", True, "", 1, 1)

    def looks(self, *faces: DetectedFace, motion: Motion | None = STILL) -> list[DetectedFace]:
        """The next frame in which faces are looked for, with all frames up to the one after it."""
        self._seen = faces
        models: Any = None
        found, _ = self._tracker.follow(PHOTO, Options(), models, motion=motion)
        for _ in range(DETECT_EVERY - 1):
            last, _ = self._tracker.follow(PHOTO, Options(), models, motion=STILL)
            assert [face.track for face in last] == [face.track for face in found]
        return list(found)

    def moves(self, motion: Motion) -> list[DetectedFace]:
        """One frame more, in which no face is seen: the motion carries those that are known."""
        self._seen = ()
        models: Any = None
        return list(self._tracker.follow(PHOTO, Options(), models, motion=motion)[0])


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Followed:
    return Followed(monkeypatch)


def middle(face: DetectedFace) -> np.ndarray:
    return np.asarray(np.mean(face.face.landmarks, 0))


def test_a_face_does_not_tremble_as_its_detector_does(followed: Followed) -> None:
    (first,) = followed.looks(face_at(160, 120), motion=None)
    (second,) = followed.looks(face_at(165, 120))
    assert second.track == first.track == 0
    step = (middle(second) - middle(first))[0]
    assert 0.5 < step < 3  # of the 5 by which it jumped
    # what is drawn lies where its landmarks do
    drawn = second.regions.to_photo @ np.array([ALIGNED_PX / 2, ALIGNED_PX / 2, 1])
    before = first.regions.to_photo @ np.array([ALIGNED_PX / 2, ALIGNED_PX / 2, 1])
    assert (drawn - before)[0] == pytest.approx(step, abs=0.2)


def test_a_face_that_is_missed_once_stays_and_ends_when_it_is_missed_again(
    followed: Followed,
) -> None:
    followed.looks(face_at(160, 120), motion=None)
    (kept,) = followed.looks()
    assert kept.track == 0
    (again,) = followed.looks(face_at(160, 120))
    assert again.track == 0
    assert len(followed.looks()) == 1
    assert followed.looks() == []
    (new,) = followed.looks(face_at(160, 120))
    assert new.track == 1


def test_between_two_looks_a_face_moves_with_the_picture(followed: Followed) -> None:
    (first,) = followed.looks(face_at(160, 120), motion=None)
    flow = np.full((HEIGHT, WIDTH, 2), (-6.0, 3.0), np.float32)  # what is here was 6 px left of it
    (second,) = followed.moves(Motion(flow, STILL.seen))
    assert middle(second) - middle(first) == pytest.approx((6.0, -3.0), abs=0.01)
    assert np.subtract(second.face.box, first.face.box) == pytest.approx((6, -3, 6, -3), abs=0.01)


def test_two_faces_stay_two(followed: Followed) -> None:
    left, right = face_at(80, 120), face_at(240, 120)
    numbers = {middle(face)[0]: face.track for face in followed.looks(left, right, motion=None)}
    again = followed.looks(right, left)  # in another order
    assert {middle(face)[0]: face.track for face in again} == pytest.approx(numbers)

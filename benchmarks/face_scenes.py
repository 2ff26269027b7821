"""Photographs with faces of many sizes: people cut out of portraits and put into scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import ROOT
from pipeline.domain import RgbImage
from training.data.photographs import read_rgb, split

SCENE_PX = (640, 480)
COLUMNS, ROWS = 6, 5  # of a crowd
CROWD_PX = (1920, 1080)


def held_out_portraits(data: Path) -> list[RgbImage]:
    """The portraits that no training saw."""
    files = split(list((data / "portraits").glob("portrait-*.jpg")), validation=True)
    return [read_rgb(file) for file in files]


def held_out_faces(data: Path) -> list[RgbImage]:
    """Every fourth of the smaller pictures of people that no training saw."""
    files = split(list((data / "faces").glob("face-*.jpg")), validation=True)
    return [read_rgb(file) for file in files[::4]]


def held_out_scenes(data: Path) -> list[RgbImage]:
    """Streets and landscapes that no training saw, SCENE_PX each."""
    files = split(list((data / "photos").glob("scene-*.jpg")), validation=True)
    return [filling(read_rgb(file), SCENE_PX) for file in files]


def filling(picture: RgbImage, size: tuple[int, int]) -> RgbImage:
    """The middle of a picture, scaled so that it fills a width and height."""
    height, width = picture.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    grown = (max(size[0], round(width * scale)), max(size[1], round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(picture, grown, interpolation=way)
    left, top = (grown[0] - size[0]) // 2, (grown[1] - size[1]) // 2
    return np.ascontiguousarray(picture[top : top + size[1], left : left + size[0]])


def peopled(scene: RgbImage, people: Sequence[RgbImage], heights: Sequence[int]) -> RgbImage:
    """A scene with pictures of people side by side along its lower border, each that high."""
    made = scene.copy()
    slot = scene.shape[1] // len(people)
    for number, (person, height) in enumerate(zip(people, heights, strict=True)):
        width = min(slot, round(person.shape[1] * height / person.shape[0]))
        small = filling(person, (width, height))
        left = number * slot + (slot - width) // 2
        made[scene.shape[0] - height :, left : left + width] = small
    return made


def small_faces(people: Sequence[RgbImage], scenes: Sequence[RgbImage]) -> list[RgbImage]:
    """Scenes with four people each, of heights drawn with a fixed seed; everyone is in two."""
    random = np.random.default_rng(7)
    made = []
    for number in range(len(people) // 2):
        chosen = [people[(4 * number + step) % len(people)] for step in range(4)]
        heights = [int(height) for height in random.uniform(80, 260, 4)]
        made.append(peopled(scenes[number % len(scenes)], chosen, heights))
    return made


def bust() -> RgbImage:
    """The head and shoulders of the sample portrait."""
    return np.ascontiguousarray(read_rgb(ROOT / "samples" / "astronaut.jpg")[0:300, 90:370])


def crowd() -> RgbImage:
    """COLUMNS x ROWS people, all the same one but for size and mirroring, in 1920x1080."""
    width, height = CROWD_PX[0] // COLUMNS, CROWD_PX[1] // ROWS
    made = filling(read_rgb(ROOT / "samples" / "coffee.jpg"), CROWD_PX)
    for number in range(COLUMNS * ROWS):
        person = filling(bust(), (round(0.9 * height), height - 8 * (number % 4)))
        if number % 2:
            person = person[:, ::-1]
        left, top = number % COLUMNS * width + 40, number // COLUMNS * height
        made[top : top + person.shape[0], left : left + person.shape[1]] = person
    return made


def of_samples() -> list[RgbImage]:
    """Makes scenes of the sample photographs alone.

    The one person in them is turned, mirrored, lit otherwise, and put with a soft border into the
    other samples.

    Returns:
        Scenes of twelve sizes and places, uint8 (H, W, 3) RGB each.
    """
    random = np.random.default_rng(3)
    backgrounds = [
        filling(read_rgb(ROOT / "samples" / f"{name}.jpg"), (960, 640))
        for name in ("coffee", "rocket")
    ]
    made = []
    for number in range(3):
        scene = backgrounds[number % 2]
        for place in range(4):
            side = int(random.uniform(170, 300))
            centre = (120 + 235 * place + random.uniform(-15, 15), 330 + random.uniform(-60, 60))
            light = float(random.uniform(0.75, 1.15))
            turn = float(random.uniform(-25, 25))
            scene = _with_person(scene, centre, side, turn, light, mirrored=place % 2 == 1)
        made.append(scene)
    return made


def _with_person(
    scene: RgbImage,
    centre: tuple[float, float],
    side_px: int,
    turn_degrees: float,
    light: float,
    mirrored: bool,
) -> RgbImage:
    person = np.clip(bust().astype(np.float32) * light, 0, 255).astype(np.uint8)
    person = np.ascontiguousarray(person[:, ::-1]) if mirrored else person
    height, width = person.shape[:2]
    scale = side_px / height
    small = cv2.resize(person, (round(width * scale), side_px), interpolation=cv2.INTER_AREA)
    oval = np.zeros(small.shape[:2], np.float32)
    middle = (small.shape[1] // 2, small.shape[0] // 2)
    axes = (round(0.44 * small.shape[1]), round(0.46 * small.shape[0]))
    cv2.ellipse(oval, middle, axes, 0, 0, 360, 1.0, -1)
    oval = cv2.GaussianBlur(oval, (0, 0), 0.02 * side_px)
    matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), turn_degrees, 1.0)
    matrix[:, 2] += np.array(centre) - middle
    size = (scene.shape[1], scene.shape[0])
    share = cv2.warpAffine(oval, matrix, size)
    placed = cv2.warpAffine(small, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return cv2.blendLinear(placed, scene, share, 1 - share)

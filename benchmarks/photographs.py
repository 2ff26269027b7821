"""Photographs of any size to measure with, out of the samples alone."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.machine import ROOT
from pipeline.domain import RgbImage
from training.data.photographs import read_rgb


def montage(width: int, height: int) -> RgbImage:
    """A sharp picture out of two of the sample photographs, side by side and mirrored."""
    astronaut = read_rgb(ROOT / "samples" / "astronaut.jpg")
    cat = read_rgb(ROOT / "samples" / "chelsea.jpg")
    cat = cv2.resize(cat, (770, 512), interpolation=cv2.INTER_CUBIC)
    row = np.concatenate([astronaut, cat, astronaut[:, ::-1], cat[:, ::-1]], axis=1)
    field = np.concatenate([row, row[:, ::-1], row], axis=0)
    return np.ascontiguousarray(field[:height, :width])


def with_one_face(width: int, height: int) -> RgbImage:
    """Makes a sharp picture of any size with one person in its middle.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture; the person is half as high.

    Returns:
        uint8 (H, W, 3) RGB. What is around the person is repeated and mirrored, never enlarged, so
        that it is as sharp as a photograph.
    """
    around = read_rgb(ROOT / "samples" / "coffee.jpg")
    row = np.concatenate([around, around[:, ::-1]], axis=1)
    block = np.concatenate([row, row[::-1]], axis=0)
    times = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    made = np.ascontiguousarray(np.tile(block, times)[:height, :width])
    side = height // 2
    person = read_rgb(ROOT / "samples" / "astronaut.jpg")
    way = cv2.INTER_AREA if side < person.shape[0] else cv2.INTER_CUBIC
    left, top = (width - side) // 2, (height - side) // 2
    made[top : top + side, left : left + side] = cv2.resize(person, (side, side), interpolation=way)
    return made


def blurred_selfie() -> RgbImage:
    """640x480, out of focus by 2 px, with one face."""
    person = read_rgb(ROOT / "samples" / "astronaut.jpg")[0:300, 56:456]
    sharp = cv2.resize(person, (640, 480), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(cv2.GaussianBlur(sharp, (0, 0), 2.0))

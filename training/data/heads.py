"""The heads that the face styles are taught on.

Upright, the face about half as wide as the window, as the pipeline cuts them out of a photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.faces.align import ALIGNED_PX, crop, estimate_similarity
from pipeline.faces.models import FaceModels
from pipeline.run import Pipeline
from pipeline.settings import Options, Settings
from training.data.photographs import Window, read_rgb, split

FRAMED = "faces256/face2-*.jpg"  # framed as FFHQ frames a face: nearly as the pipeline does
PORTRAITS = ("portraits/portrait-*.jpg", "hd/hd-*.jpg")
MIN_FACE_PX = 110  # in a portrait: the photo of a target has to be sharp
MIN_SCORE = 0.8


def heads(folder: Path, seed: int, validation: bool, sides_px: tuple[int, ...]) -> Iterator[Window]:
    """All framed faces and all faces of the portraits that are large enough, each once.

    Args:
        folder: The folder of photographs.
        seed: Chooses the size of each window; the same for the same seed.
        validation: The held-out files instead of those for training.
        sides_px: The sizes to choose from.

    Yields:
        Windows, uint8 (S, S, 3) RGB.

    Raises:
        FileNotFoundError: ``folder`` has no framed faces.
    """
    framed = split(list(folder.glob(FRAMED)), validation)
    if not framed:
        raise FileNotFoundError(f"{folder}: none of {FRAMED}")
    random = np.random.default_rng(seed)
    number = 0
    for path in framed:
        side = int(random.choice(sides_px))
        pixels = cv2.resize(read_rgb(path), (side, side), interpolation=cv2.INTER_CUBIC)
        yield Window(f"{number:05d}-{path.stem}", pixels)
        number += 1
    models = face_models()
    for kind in PORTRAITS:
        for path in split(list(folder.glob(kind)), validation):
            for pixels in _heads_of(read_rgb(path), int(random.choice(sides_px)), models):
                yield Window(f"{number:05d}-{path.stem}", pixels)
                number += 1


def face_models() -> FaceModels:
    """The shipped face networks. Raises InvalidOption where there are none."""
    models = Pipeline(Settings()).registry.faces(Options(faces="on"))
    assert models is not None  # faces=on gives them or raises
    return models


def _heads_of(photo: RgbImage, side_px: int, models: FaceModels) -> Iterator[RgbImage]:
    for face in models.detector.detect(photo):
        if face.score < MIN_SCORE or face.box[2] - face.box[0] < MIN_FACE_PX:
            continue
        to_head = estimate_similarity(face.landmarks, ALIGNED_PX) * (side_px / ALIGNED_PX)
        yield crop(photo, to_head, side_px)

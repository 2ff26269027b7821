"""The drawing: the photo at its working scale (pipeline/scale.py), drawn whole or in tiles.

pipeline/enlarge.py then brings the drawing to full size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage, WeightSpec
from pipeline.model import Model

Embedding = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class StyleModel:
    """The networks of a style.

    Attributes:
        picture: Draws.
        encoder: Describes the whole picture to ``picture``; None for a style that needs no
            description.
        heads: The networks that draw heads instead, of a style that draws heads alone.
    """

    picture: Model
    encoder: Model | None
    heads: StyleModel | None = None

    @property
    def spec(self) -> WeightSpec:
        """What draws the picture, as the manifest describes it."""
        return self.picture.spec

    @property
    def name(self) -> str:
        """The style's name."""
        return self.heads.name if self.heads else self.spec.name

    @property
    def models(self) -> tuple[Model, ...]:
        """All networks of the style."""
        own = (self.picture,) if self.encoder is None else (self.picture, self.encoder)
        return (*own, *self.heads.models) if self.heads else own

    def embed(self, image: RgbImage) -> Embedding:
        """The style embedding of a whole picture.

        It holds the inputs of ``picture`` that are the same for every part of the picture (feature-
        wise linear modulation, FiLM); empty without an encoder.
        """
        if self.encoder is None:
            return {}
        side = (self.spec.thumbnail_px, self.spec.thumbnail_px)
        thumbnail = cv2.resize(image, side, interpolation=cv2.INTER_AREA)
        return {"code": self.encoder.run({"thumbnail": self.encoder.planes(thumbnail)})}


@dataclass(frozen=True, eq=False)
class StylisedImage:
    """A drawing at working size.

    Attributes:
        pixels: uint8 (h, w, 3) RGB.
        tiles: In how many tiles it was drawn.
        embedding: Of the whole picture; parts of it drawn with this have the same tones.
    """

    pixels: RgbImage
    tiles: int
    embedding: Embedding


def stylise(
    pixels: RgbImage,
    size: tuple[int, int],
    style: StyleModel,
    embedding: Embedding | None = None,
) -> StylisedImage:
    """Draws a photo in a style.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        size: Width and height to draw it at, no larger than it is.
        style: What draws it.
        embedding: What ``style`` is told of the whole picture; None: of this one.

    Raises:
        WeightsInvalid, EngineUnavailable: A network cannot be opened.
    """
    if size != pixels.shape[1::-1]:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if embedding is None:
        embedding = style.embed(pixels)
    drawn = style.picture(pixels, inputs=embedding)
    return StylisedImage(drawn, style.picture.tile_count(*size), embedding)

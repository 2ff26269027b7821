"""The face stage. This version carries no detector: it finds no face, and says so."""

from __future__ import annotations

from pipeline.domain import Decision, Engine, Face, Photo


def find_faces(
    photo: Photo, detector: Engine | None, parser: Engine | None
) -> tuple[tuple[Face, ...], Decision]:
    """in: the enhanced Photo and the opened networks, None where the layer has none;
    out: the faces in pixels of ``photo``, largest first, and why there are none.
    """
    return (), Decision("faces", False, "this version has no face detector")

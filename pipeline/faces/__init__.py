"""Faces that stay themselves: found, aligned, parsed, refined, drawn, and found again."""

from __future__ import annotations

from pipeline.faces.check import looked_at_again
from pipeline.faces.find import find_faces
from pipeline.faces.place import Found, largest_face_px
from pipeline.faces.redraw import Brush, redraw_faces
from pipeline.faces.refine import refine_faces
from pipeline.faces.tools import FaceTools, Landmarks, photo_key

__all__ = [
    "Brush",
    "FaceTools",
    "Found",
    "Landmarks",
    "find_faces",
    "largest_face_px",
    "looked_at_again",
    "photo_key",
    "redraw_faces",
    "refine_faces",
]

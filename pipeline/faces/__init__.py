"""Faces that stay themselves: detected, aligned, parsed, refined, drawn, and found again."""

from __future__ import annotations

from pipeline.faces.analysis import analyse_faces
from pipeline.faces.detect import FaceDetector
from pipeline.faces.face import DetectedFace, largest_face_px
from pipeline.faces.heads import HeadStyliser
from pipeline.faces.landmarks import measure_landmark_shift
from pipeline.faces.models import FaceCache, FaceModels, photo_key
from pipeline.faces.parse import FaceParser
from pipeline.faces.redraw import FaceDrawers, FaceRedrawer, Rendering, redraw_faces
from pipeline.faces.refine import refine_faces
from pipeline.faces.restore import FaceRestorer
from pipeline.faces.styliser import FaceDrawer, FaceStyliser

__all__ = [
    "DetectedFace",
    "FaceCache",
    "FaceDetector",
    "FaceDrawer",
    "FaceDrawers",
    "FaceModels",
    "FaceParser",
    "FaceRedrawer",
    "FaceRestorer",
    "FaceStyliser",
    "HeadStyliser",
    "Rendering",
    "analyse_faces",
    "largest_face_px",
    "measure_landmark_shift",
    "photo_key",
    "redraw_faces",
    "refine_faces",
]

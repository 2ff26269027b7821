"""The networks as torch modules, shared by training, export and the torch engine.

Importing this package imports nothing; each module in it imports torch, and ``build`` does when
it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def build(architecture: str, role: str, shape: Mapping[str, Any]) -> tuple[Any, str]:
    """A torch module (random parameters) and the prefix of its tensors in the float file.

    ``architecture``, ``role`` (of the served file: "picture", "code", "double", "report",
    "faces", "regions") and ``shape`` are those of a WeightSpec. The prefix is what one file needs
    that holds the networks of several roles; it is empty for an architecture with only one.
    Raises KeyError for an architecture or role that is not known, ValueError or TypeError for a
    shape that does not fit.
    """
    match architecture, role:
        case "student", "picture":
            from pipeline.architectures.student import StudentGenerator, StudentShape

            return StudentGenerator(StudentShape.from_dict(shape)), "generator."
        case "student", "code":
            from pipeline.architectures.student import StudentShape, ThumbnailEncoder

            return ThumbnailEncoder(StudentShape.from_dict(shape)), "encoder."
        case "animeganv2", "picture":
            from pipeline.architectures.animeganv2 import AnimeGANv2Generator

            return AnimeGANv2Generator(**shape), ""
        case "animegan", "picture":
            from pipeline.architectures.animegan import AnimeGANGenerator

            return AnimeGANGenerator(**shape), ""
        case "upsampler", "picture":
            from pipeline.architectures.upsampler import Upsampler, UpsamplerShape

            return Upsampler(UpsamplerShape(**shape)), ""
        case "restorer", "picture" | "double":
            from pipeline.architectures.restorer import Restorer, RestorerShape

            return Restorer(RestorerShape.from_dict(shape), {"picture": 1, "double": 2}[role]), ""
        case "rrdbnet", "picture":
            from pipeline.architectures.rrdbnet import RRDBNet

            return RRDBNet(**shape), ""
        case "quality", "report":
            from pipeline.architectures.quality import QualityModel, QualityShape

            return QualityModel(QualityShape.from_dict(shape)), ""
        case "retinaface", "faces":
            from pipeline.architectures.retinaface import RetinaFace

            return RetinaFace(**shape), ""
        case "detector", "faces":
            from pipeline.architectures.detector import Detector, DetectorShape

            return Detector(DetectorShape.from_dict(shape)), ""
        case "parser", "regions":
            from pipeline.architectures.parser import Parser, ParserShape

            return Parser(ParserShape.from_dict(shape)), ""
        case "bisenet", "regions":
            from pipeline.architectures.bisenet import BiSeNet

            return BiSeNet(**shape), ""
    raise KeyError(f"no network {architecture!r} for {role!r}")

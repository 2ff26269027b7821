"""The networks as torch modules, shared by training, export and the torch engine.

Importing this package imports nothing; each module in it imports torch, and ``build`` does when
it is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Network:
    """Where a torch module lies: its own module and class, and the class of its settings.

    ``prefix`` is that of its tensors in a float file which holds the networks of several roles.
    """

    module: str
    name: str
    shape: str | None = None
    prefix: str = ""
    arguments: tuple[object, ...] = ()


NETWORKS = {
    ("student", "picture"): _Network("student", "StudentGenerator", "StudentShape", "generator."),
    ("student", "code"): _Network("student", "ThumbnailEncoder", "StudentShape", "encoder."),
    ("animegan", "picture"): _Network("animegan", "AnimeGANGenerator"),
    ("animeganv2", "picture"): _Network("animeganv2", "AnimeGANv2Generator"),
    ("upsampler", "picture"): _Network("upsampler", "Upsampler", "UpsamplerShape"),
    ("restorer", "picture"): _Network("restorer", "Restorer", "RestorerShape", arguments=(1,)),
    ("restorer", "double"): _Network("restorer", "Restorer", "RestorerShape", arguments=(2,)),
    ("rrdbnet", "picture"): _Network("rrdbnet", "RRDBNet"),
    ("quality", "report"): _Network("quality", "QualityModel", "QualityShape"),
    ("detector", "faces"): _Network("detector", "Detector", "DetectorShape"),
    ("retinaface", "faces"): _Network("retinaface", "RetinaFace"),
    ("parser", "regions"): _Network("parser", "Parser", "ParserShape"),
    ("colouriser", "picture"): _Network("colouriser", "Colouriser", "ColouriserShape"),
    ("bisenet", "regions"): _Network("bisenet", "BiSeNet"),
}


def build(architecture: str, role: str, shape: Mapping[str, Any]) -> tuple[Any, str]:
    """Makes a torch module with random parameters.

    Args:
        architecture: As in WeightSpec.
        role: Of the served file, as in WeightSpec.
        shape: Settings of the architecture, as in WeightSpec.

    Returns:
        The module, and the prefix of its tensors in the float file: what a file needs that holds
        the networks of several roles, empty for others.

    Raises:
        KeyError: The architecture or role is not known.
        ValueError, TypeError: The shape does not fit.
    """
    if (architecture, role) not in NETWORKS:
        raise KeyError(f"no network {architecture!r} for {role!r}")
    network = NETWORKS[architecture, role]
    module = importlib.import_module(f"pipeline.architectures.{network.module}")
    make = getattr(module, network.name)
    if network.shape is None:
        return make(**shape), network.prefix
    settings = getattr(module, network.shape).from_dict(shape)
    return make(settings, *network.arguments), network.prefix

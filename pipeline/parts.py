"""Which networks had a part in a picture: their files, and the terms it carries for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.domain import Decision, Terms, WeightSpec, WeightUse
from pipeline.enhance import Tools
from pipeline.weights import Layer

Part = tuple[WeightSpec, str]  # a network and the role of the file that ran


def parts_by_default(layer: Layer, style: WeightSpec) -> Iterator[WeightSpec]:
    """The networks that may have a part in a picture of that style where the caller leaves all
    other options as they are.
    """
    yield style
    kinds = ["upsampler", "quality", "restorer"]
    if style.faces_default == "on" and layer.has_face_nets:
        kinds += ["detector", "parser"]
    yield from (spec for spec in map(layer.find, kinds) if spec)


def repairing(layer: Layer, tools: Tools, decisions: Iterable[Decision]) -> Iterator[Part]:
    """The networks that looked at a photo and repaired it."""
    ran = {decision.step for decision in decisions if decision.ran}
    if tools.needs_estimate:
        yield layer.the("quality"), "report"
    if tools.mode == "auto" and ran & {"upscale", "denoise", "sharpen"}:
        yield layer.the("restorer"), "double" if "upscale" in ran else "picture"
    if tools.mode != "auto" and tools.esrgan and "upscale" in ran:
        yield tools.esrgan, "picture"


def drawing(style: WeightSpec) -> Iterator[Part]:
    """The files of a style that draw."""
    yield from ((style, role) for role in style.files if role != "float")


def files_used(parts: Iterable[Part], engine: str) -> tuple[WeightUse, ...]:
    """The files of networks, each with its role, in the engine that ran them."""
    files = [spec.files["float" if engine == "torch" else role] for spec, role in parts]
    return tuple(dict.fromkeys(WeightUse(file.file, file.sha256) for file in files))


def terms_of(specs: Iterable[WeightSpec]) -> tuple[Terms, ...]:
    """The licence of each network once, in the order given."""
    return tuple(dict.fromkeys(Terms(spec.name, spec.licence) for spec in specs))

"""Which networks had a part in a picture: their files, and the terms it carries for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.domain import Decision, WeightSpec
from pipeline.enhance import RestorationModels
from pipeline.model import Model
from pipeline.result import Terms, WeightUse
from pipeline.weights import WeightStore


def specs_by_default(store: WeightStore, style: WeightSpec) -> Iterator[WeightSpec]:
    """The networks that may have a part in a picture of a style.

    That is where the caller leaves all other options as they are.
    """
    yield style
    if style.around:
        yield store.style(style.around)
    kinds = ["upsampler", "quality", "restorer"]
    if style.faces_default == "on" and store.has_face_models:
        kinds += ["detector", "parser", "face_restorer"]
    yield from (spec for spec in map(store.find, kinds) if spec)


def restoration_models(models: RestorationModels, decisions: Iterable[Decision]) -> Iterator[Model]:
    """The models that measured and restored a photo, by what was decided on each step."""
    ran = {decision.step for decision in decisions if decision.ran}
    double = "upscale" in ran
    if models.quality:
        yield models.quality.model
    if models.mode == "auto" and ran & {"upscale", "denoise", "sharpen"}:
        model = models.doubler if double else models.restorer
    else:
        model = models.esrgan if models.mode != "auto" and double else None
    if model:
        yield model


def files_used(models: Iterable[Model], engine: str) -> tuple[WeightUse, ...]:
    """The files of models in the engine that ran them, each once."""
    files = [model.spec.files["float" if engine == "torch" else model.role] for model in models]
    return tuple(dict.fromkeys(WeightUse(file.file, file.sha256) for file in files))


def terms_of(specs: Iterable[WeightSpec]) -> tuple[Terms, ...]:
    """The licence of each network once, in the order given."""
    return tuple(dict.fromkeys(Terms(spec.name, spec.licence) for spec in specs))

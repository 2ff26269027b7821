"""Models of the shipped weights, and of engines that tests make up."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pipeline.domain import Engine, WeightSpec
from pipeline.engines import open_engine
from pipeline.model import DEFAULT_TILE_PX, Model
from pipeline.settings import Settings
from pipeline.stylise import StyleModel
from pipeline.weights import WeightStore

STORE = WeightStore(Settings().weights_dir, Settings().checkpoints_dir)


@cache
def shipped_engine(name: str, role: str, engine: Literal["onnx", "torch"] = "onnx") -> Engine:
    """An opened file of the shipped network of that name, opened once."""
    return open_engine(STORE, STORE.specs[name], role, Settings(engine=engine))


def shipped_model(
    name: str,
    role: str = "picture",
    engine: Literal["onnx", "torch"] = "onnx",
    tile_px: int = DEFAULT_TILE_PX,
) -> Model:
    """A shipped network; all that it makes share their opened engine."""
    return Model(STORE.specs[name], role, lambda: shipped_engine(name, role, engine), tile_px)


def shipped_style(name: str, tile_px: int = DEFAULT_TILE_PX) -> StyleModel:
    """A shipped style."""
    encoder = shipped_model(name, "code") if STORE.specs[name].thumbnail_px else None
    return StyleModel(shipped_model(name, tile_px=tile_px), encoder)


def model_of(spec: WeightSpec, engine: Engine, role: str = "picture") -> Model:
    """A model of an engine that is open already."""
    return Model(spec, role, lambda: engine)


def closed_model(spec: WeightSpec, role: str = "picture") -> Model:
    """A model that must not be used."""

    def open_engine() -> Engine:
        raise AssertionError(f"{spec.name} was opened")

    return Model(spec, role, open_engine)

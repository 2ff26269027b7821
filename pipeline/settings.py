"""What an operator sets (Settings) and what a caller asks for (Options).

Both are frozen, built once from a mapping of strings or numbers, and checked field by field:
an unknown name or a value out of range is an InvalidOption that says the range. One table
serves object metadata, HTTP fields, the command line and the environment.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from pipeline.errors import InvalidOption

MAX_SIDE_PX = 8192
REPOSITORY = Path(__file__).resolve().parent.parent
SWITCH = ("auto", "on", "off")
ALIASES = {("format", "jpg"): "jpeg"}


def _number(default: float, least: float, most: float, about: str) -> Any:
    return field(default=default, metadata={"range": (least, most), "about": about})


def _choice(default: str, values: tuple[str, ...], about: str) -> Any:
    return field(default=default, metadata={"values": values, "about": about})


def _text(default: Any, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """Fields with ranges, checked on construction."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            allowed = item.metadata.get("values")
            if allowed and value not in allowed:
                raise InvalidOption(
                    f"{item.name} is {value!r}; it is one of {', '.join(allowed)}",
                    measured=str(value),
                    limit=", ".join(allowed),
                )
            bounds = item.metadata.get("range")
            if bounds and not (math.isfinite(value) and bounds[0] <= value <= bounds[1]):
                raise InvalidOption(
                    f"{item.name} is {value}; it lies between {bounds[0]} and {bounds[1]}",
                    measured=value if math.isfinite(value) else str(value),
                    limit=f"{bounds[0]}..{bounds[1]}",
                )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Text or numbers by field name to a checked value.

        Raises InvalidOption for an unknown name, a value of the wrong kind or out of range.
        """
        kinds = _kinds(cls)
        choices = {item.name for item in fields(cls) if "values" in item.metadata}
        values: dict[str, Any] = {}
        for name, raw in mapping.items():
            if name not in kinds:
                known = ", ".join(sorted(kinds))
                raise InvalidOption(
                    f"unknown option {name!r}; known are {known}", measured=name, limit=known
                )
            values[name] = _convert(name, raw, kinds[name])
            if name in choices:  # a name in any case, or another usual one
                values[name] = ALIASES.get((name, values[name].lower()), values[name].lower())
        return cls(**values)


def _kinds(cls: type) -> dict[str, type]:
    hints = typing.get_type_hints(cls)
    return {item.name: hints[item.name] for item in fields(cls)}


def _convert(name: str, raw: Any, kind: Any) -> Any:
    if kind in (int, float) and (isinstance(raw, bool) or not isinstance(raw, str | int | float)):
        raise InvalidOption(f"{name} is {raw!r}; it is a number", measured=str(raw)[:80])
    if kind is str and not isinstance(raw, str):
        raise InvalidOption(f"{name} is {raw!r}; it is text", measured=str(raw)[:80])
    try:
        if kind is int and isinstance(raw, float) and not raw.is_integer():
            raise ValueError
        return kind(raw.strip() if isinstance(raw, str) else raw)
    except (ValueError, OverflowError, TypeError) as error:
        wanted = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise InvalidOption(f"{name} is {raw!r}; it is {wanted}", measured=str(raw)[:80]) from error


@dataclass(frozen=True, kw_only=True)
class Options(_Checked):
    """What a caller may ask for one photo."""

    style: str = _text("hayao", "the style's name, as listed by `kirei styles`")
    strength: float = _number(1.0, 0, 1, "0 gives the photo back, 1 the drawing")
    detail: float = _number(0.25, 0, 1, "0 drawn (few, bold shapes) to 1 photographic")
    enhance: str = _choice(
        "default",
        ("default", "auto", "classic", "off"),
        "repair of bad photos before the drawing; default: auto where the layer has its nets",
    )
    gate: str = _choice(
        "default",
        ("default", "learned", "laplacian"),
        "what decides on it; default: learned with auto, laplacian with classic",
    )
    upscale: str = _choice("auto", SWITCH, "double the size of the photo before the drawing")
    denoise: str = _choice("auto", SWITCH, "take noise and artefacts away before the drawing")
    clahe: str = _choice("auto", SWITCH, "bring light into a dark photo before the drawing")
    sharpen: str = _choice("auto", SWITCH, "sharpen before the drawing")
    faces: str = _choice("auto", SWITCH, "care for faces; auto: where the layer has its nets")
    alignment_threshold: float = _number(0.9, 0, 1, "score from which on a face is cared for")
    eye_enhance_ratio: float = _number(1.4, 1, 3, "contrast of eyes and brows; 1 leaves them")
    skin_smoothing_factor: float = _number(0.6, 0, 1, "smoothing of skin; 0 leaves it")
    parsing_smooth: float = _number(0.3, 0, 1, "softness of the borders of a face's regions")
    post_sharpen_weight: float = _number(0.3, 0, 1, "sharpening after the drawing")
    max_side_px: int = _number(1920, 64, MAX_SIDE_PX, "longest side of the result in pixels")
    format: str = _choice(
        "auto", ("auto", "jpeg", "png", "webp"), "auto: png for a photo with alpha, else jpeg"
    )
    quality: int = _number(92, 1, 100, "of JPEG and WebP; 100 makes WebP lossless")


@dataclass(frozen=True, kw_only=True)
class Settings(_Checked):
    """What holds for every photo: limits, thresholds, engine. Environment: KIREI_ and the name."""

    weights_dir: Path = _text(REPOSITORY / "layers" / "weights", "folder of manifest.json")
    checkpoints_dir: Path = _text(
        REPOSITORY / "training" / "checkpoints", "folder of the float students, for engine=torch"
    )
    engine: str = _choice("onnx", ("onnx", "torch"), "what runs the networks")
    threads: int = _number(2, 1, 64, "threads of the engine")
    max_input_bytes: int = _number(52_428_800, 1, 2**31, "larger files are refused")
    max_input_pixels: int = _number(50_000_000, 1, 400_000_000, "larger photos are refused")
    max_aspect: float = _number(40.0, 1, 10_000, "longer side over shorter side at most")
    decode_cpu_s: float = _number(2.0, 0.1, 60, "seconds of processor to decode, again each 16 MP")
    memory_mb: int = _number(0, 0, 1_048_576, "memory of the machine or function; 0: not checked")
    blur_variance_min: float = _number(100.0, 0, 1e6, "sharper than this is not repaired")
    tile_px: int = _number(1024, 256, 8192, "side of the tiles a large drawing is cut into")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Fields named KIREI_<FIELD> in upper case; other variables are not looked at."""
        names = {f"KIREI_{item.name.upper()}": item.name for item in fields(cls)}
        return cls.from_mapping({names[k]: v for k, v in environment.items() if k in names})

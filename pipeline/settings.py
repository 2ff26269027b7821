"""What an operator sets (Settings) and what a caller asks for (Options).

Both are frozen, built once from a mapping of strings or numbers, and checked field by field:
an unknown name or a value out of range is an InvalidOption that says the range. One table
serves object metadata, HTTP fields, the command line and the environment.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Self

from pipeline.errors import InvalidOption
from pipeline.hints import parse_hints

MAX_SIDE_PX = 8192
REPOSITORY = Path(__file__).resolve().parent.parent
DECIMAL = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})([eE][+-]?[0-9]{1,2})?")
WHOLE = re.compile(r"[+-]?[0-9]+")
MAX_NUMBER = 10**15
MAX_SHOWN = 80  # characters of a value, in a message
AUTO: Final = "auto"
SWITCH = (AUTO, "on", "off")
ALIASES = {("format", "jpg"): "jpeg"}
SOURCE: Final = "source"
STILL_FORMATS = ("jpeg", "png", "webp")
CLIP_FORMATS = ("mp4", "webm", "gif", "webp")  # webp: animated
CLIP_OPTIONS = ("steady", "fps", "motion")  # a still photo is the same whatever they are
PALETTES = ("blossom", "meadow", "harbour", "harvest", "midnight")  # of line drawings


def _number(default: float, least: float, most: float, about: str) -> Any:
    return field(default=default, metadata={"range": (least, most), "about": about})


def _number_or_word(default: str, least: float, most: float, about: str) -> Any:
    """A number, or the one word that stands for it by default."""
    return field(
        default=default, metadata={"range": (least, most), "words": (default,), "about": about}
    )


def _number_and_words(
    default: float, least: float, most: float, words: tuple[str, ...], about: str
) -> Any:
    """A number by default, or one of the words that may stand in its place."""
    return field(default=default, metadata={"range": (least, most), "words": words, "about": about})


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
            bounds, words = item.metadata.get("range"), item.metadata.get("words", ())
            if not bounds or value in words:
                continue
            if words and isinstance(value, str):
                raise InvalidOption(
                    f"{item.name} is {shown(value)}; it is {' or '.join(('a number', *words))}",
                    measured=shown(value),
                )
            if not bounds[0] <= _ordinary(item.name, value) <= bounds[1]:
                ends = f"{bounds[0]} and {bounds[1]}" + "".join(f", or is {word}" for word in words)
                raise InvalidOption(
                    f"{item.name} is {value}; it lies between {ends}",
                    measured=value,
                    limit="|".join((f"{bounds[0]}..{bounds[1]}", *words)),
                )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Text or numbers by field name to a checked value.

        Raises InvalidOption for an unknown name, a value of the wrong kind or out of range.
        """
        kinds = cls.kinds()
        words = {item.name: item.metadata.get("words", ()) for item in fields(cls)}
        choices = {item.name for item in fields(cls) if "values" in item.metadata}
        values: dict[str, Any] = {}
        for name, raw in mapping.items():
            if name not in kinds:
                known = ", ".join(sorted(kinds))
                raise InvalidOption(
                    f"unknown option {name!r}; known are {known}", measured=name, limit=known
                )
            values[name] = _word_or(name, raw, kinds[name], words[name])
            if name in choices:  # a name in any case, or another usual one
                values[name] = ALIASES.get((name, values[name].lower()), values[name].lower())
        return cls(**values)

    @classmethod
    @cache
    def kinds(cls) -> dict[str, type]:
        """What each field is: int, float, str or Path.

        One that may be a word beside a number is the number's.
        """
        hints = typing.get_type_hints(cls)
        return {
            item.name: (typing.get_args(hints[item.name]) or (hints[item.name],))[0]
            for item in fields(cls)
        }


def _word_or(name: str, raw: Any, kind: Any, words: tuple[str, ...]) -> Any:
    """One of the words, in any case, or a value of the kind."""
    if isinstance(raw, str) and raw.strip().lower() in words:
        return raw.strip().lower()
    try:
        return _convert(name, raw, kind)
    except InvalidOption as error:
        if not words:
            raise
        message = f"{error.message}, or {' or '.join(words)}"
        raise InvalidOption(message, measured=error.measured, limit=error.limit) from error


def _convert(name: str, raw: Any, kind: Any) -> Any:
    if kind in (int, float):
        return _number_of(name, raw, kind)
    if kind is str and not isinstance(raw, str):
        raise InvalidOption(f"{name} is {shown(raw)}; it is text", measured=shown(raw))
    try:
        return kind(raw.strip() if isinstance(raw, str) else raw)
    except (ValueError, TypeError) as error:
        message = f"{name} is {shown(raw)}; it is {kind.__name__}"
        raise InvalidOption(message, measured=shown(raw)) from error


def _number_of(name: str, raw: Any, kind: type) -> int | float:
    """The number in decimal text, as people write it, or the number itself. Raises InvalidOption.

    Python's own reading accepts ``1_0``, digits of every script, NaN, and thousands of digits.
    """
    value = raw
    if isinstance(raw, str) and DECIMAL.fullmatch(text := raw.strip()):
        value = int(text) if WHOLE.fullmatch(text) else float(text)
    value = _ordinary(name, value)
    if kind is int and value != int(value):
        raise InvalidOption(f"{name} is {raw!r}; it is a whole number", measured=value)
    return kind(value)


def _ordinary(name: str, value: Any) -> int | float:
    """The value, if it is a finite number below 10**15. Raises InvalidOption."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -MAX_NUMBER < value < MAX_NUMBER:
        message = f"{name} is {shown(value)}; it is a decimal number of at most 15 digits"
        raise InvalidOption(message, measured=shown(value))
    return value


def shown(value: Any) -> str:
    """The value in short, for a message, also where its text would have no end.

    A number of ten thousand digits cannot be printed in Python, and a list may hold itself.
    """
    if isinstance(value, int) and abs(value) >= MAX_NUMBER:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str | int | float | None):
        return repr(value[:MAX_SHOWN] if isinstance(value, str) else value)
    return f"a value of the type {type(value).__name__}"


@dataclass(frozen=True, kw_only=True)
class Options(_Checked):
    """What a caller may ask for one photo."""

    style: str = _text("hayao", "the style's name, as listed by `kirei styles`")
    strength: float = _number(1.0, 0, 1, "0 gives the photo back, 1 the drawing")
    detail: float | Literal["auto"] = _number_or_word(
        AUTO, 0, 1, "auto: by the largest face or the scene; or 0 drawn (bold) to 1 photographic"
    )
    enhance: str = _choice(
        "default",
        ("default", "auto", "classic", "off"),
        "restoration of bad photos before the drawing; default: auto where its networks are there",
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
    faces: str = _choice(
        AUTO,
        SWITCH,
        "refine faces and draw them apart; auto: as the style says, if the networks are there",
    )
    alignment_threshold: float = _number(0.5, 0, 1, "score from which on a face is refined")
    restore_faces: str = _choice(
        AUTO,
        (AUTO, "off"),
        "features of faces too blurred or small to be drawn; auto: invented, off: left as they are",
    )
    crop: str = _choice(
        "none", ("none", "face"), "face: a square around the largest face, head and shoulders"
    )
    eye_enhance_ratio: float = _number(1.4, 1, 3, "contrast of eyes and brows; 1 leaves them")
    skin_smoothing_factor: float = _number(0.6, 0, 1, "smoothing of skin; 0 leaves it")
    parsing_smooth: float = _number(0.3, 0, 1, "softness of the borders of a face's regions")
    post_sharpen_weight: float = _number(0.3, 0, 1, "sharpening after the drawing")
    max_side_px: int = _number(1920, 64, MAX_SIDE_PX, "longest side of the result in pixels")
    format: str = _choice(
        AUTO,
        (AUTO, *STILL_FORMATS, *(name for name in CLIP_FORMATS if name not in STILL_FORMATS)),
        "auto: png for a photo with alpha, else jpeg; of a clip mp4, of an animated picture webp",
    )
    quality: int = _number(92, 1, 100, "of JPEG and WebP; 100 makes WebP lossless")
    steady: float = _number(1.0, 0, 1, "of a clip: how much flicker is taken out; 0 leaves it")
    fps: float | Literal["source"] = _number_and_words(
        12.0, 1, 60, (SOURCE,), "of a clip: drawings a second, each held; source: every frame"
    )
    motion: str = _choice(
        "off", ("off", "on"), "of a motion photo: off draws its still, on its clip"
    )


@dataclass(frozen=True, kw_only=True)
class ColourOptions(_Checked):
    """What a caller may ask for one line drawing that is to be coloured.

    ``hints`` is read as ``pipeline.hints.parse_hints`` says: plain numbers are pixels of the
    upright input, numbers with a percent sign are shares.
    """

    hints: str = _text("", "dots of colour: x,y,#rrggbb[,radius];... in pixels, or in %")
    palette: str = _choice("none", ("none", *PALETTES), "colours to draw from")
    seed: int = _number(0, 0, 2**31 - 1, "another number, other colours")
    proposals: int = _number(1, 1, 9, "colourings; more than 1 give a sheet of them")
    choice: int = _number(0, 0, 9, "draw the proposal of that number alone; 0: all that are asked")
    layers: str = _choice(
        "off", ("off", "tiff", "ora"), "lines, flats and shades as a TIFF of pages or OpenRaster"
    )
    lines: str = _choice(
        AUTO,
        (AUTO, "keep"),
        "auto: paper straightened, evened and taken away; keep: the picture as it is, multiplied",
    )
    check: str = _choice(AUTO, (AUTO, "off"), "auto: what is no line drawing is refused")
    max_side_px: int = _number(4096, 64, MAX_SIDE_PX, "longest side of the result in pixels")
    format: str = _choice("png", ("png", "jpeg", "webp"), "of the picture; layers have their own")
    quality: int = _number(92, 1, 100, "of JPEG and WebP; 100 makes WebP lossless")

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_hints(self.hints)
        several = self.proposals > 1 and not self.choice
        if several and self.layers != "off":
            raise InvalidOption(
                f"layers={self.layers} is of one picture: choose one of the proposals with choice",
                measured=self.proposals,
                limit=1,
            )


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
    max_input_pixels: int = _number(50_000_000, 1, 400_000_000, "photos of more pixels are refused")
    max_aspect: float = _number(40.0, 1, 10_000, "longer side over shorter side at most")
    max_clip_bytes: int = _number(209_715_200, 1, 2**31, "larger clips are refused")
    max_clip_seconds: float = _number(30.0, 0.1, 3600, "longer clips are refused")
    max_clip_frames: int = _number(7200, 1, 1_000_000, "clips of more frames are refused")
    max_clip_pixels: int = _number(
        9_000_000, 64, 400_000_000, "clips whose frames have more pixels are refused"
    )
    decode_cpu_s: float = _number(2.0, 0.1, 60, "seconds of processor to decode, again each 16 MP")
    memory_mb: int = _number(0, 0, 1_048_576, "memory of the machine or function; 0: not checked")
    blur_variance_min: float = _number(100.0, 0, 1e6, "variance of the Laplacian of a sharp photo")
    tile_px: int = _number(1024, 256, 8192, "side of the tiles a large drawing is cut into")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Fields named KIREI_<FIELD> in upper case; other variables are not looked at."""
        names = {f"KIREI_{item.name.upper()}": item.name for item in fields(cls)}
        return cls.from_mapping({names[k]: v for k, v in environment.items() if k in names})

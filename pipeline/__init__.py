"""Photographs into anime pictures: bytes in, a Result out.

    from pipeline import Options, Pipeline, Settings
    result = Pipeline(Settings()).run(photo_bytes, Options(style="hayao"))

Names are loaded when first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.clips.join import join_sidecars
    from pipeline.clips.moving import moving_part
    from pipeline.clips.reader import clips_available
    from pipeline.clips.result import ClipResult, Segment
    from pipeline.commands import errors_on_one_line, task_flags
    from pipeline.companions import companion, live_photo_of
    from pipeline.domain import Source, WeightSpec
    from pipeline.errors import (
        ClipTooLong,
        DecoderLost,
        EmptyInput,
        EngineUnavailable,
        ExtremeAspect,
        InvalidOption,
        InvalidRequest,
        KireiError,
        Misconfigured,
        NoPicture,
        NotALineDrawing,
        NotAnImage,
        ObjectArchived,
        ObjectEncrypted,
        ObjectForbidden,
        ObjectNotFound,
        OutOfDescriptors,
        OutOfTime,
        PermanentError,
        StoreUnavailable,
        TooCostly,
        TooManyBytes,
        TooManyFrames,
        TooManyPixels,
        TooMuchMemory,
        TransientError,
        TruncatedImage,
        UnknownEvent,
        UnknownStyle,
        UnsupportedVariant,
        WeightsInvalid,
    )
    from pipeline.lineart.result import ColourResult, ColourSidecar
    from pipeline.origin import Origin
    from pipeline.result import Output, Result, Sidecar
    from pipeline.run import Pipeline
    from pipeline.settings import ColourOptions, Options, Settings
    from pipeline.sidecar import failure_document, fingerprint, sidecar_document, to_json

VERSION = "0.2.0"
MAX_SECONDS = 120.0  # default limit for one photo
MAX_CLIP_MINUTES = 30.0  # default limit for the drawing of one clip

__all__ = [
    "MAX_CLIP_MINUTES",
    "MAX_SECONDS",
    "VERSION",
    "ClipResult",
    "ClipTooLong",
    "ColourOptions",
    "ColourResult",
    "ColourSidecar",
    "DecoderLost",
    "EmptyInput",
    "EngineUnavailable",
    "ExtremeAspect",
    "InvalidOption",
    "InvalidRequest",
    "KireiError",
    "Misconfigured",
    "NoPicture",
    "NotALineDrawing",
    "NotAnImage",
    "ObjectArchived",
    "ObjectEncrypted",
    "ObjectForbidden",
    "ObjectNotFound",
    "Options",
    "Origin",
    "OutOfDescriptors",
    "OutOfTime",
    "Output",
    "PermanentError",
    "Pipeline",
    "Result",
    "Segment",
    "Settings",
    "Sidecar",
    "Source",
    "StoreUnavailable",
    "TooCostly",
    "TooManyBytes",
    "TooManyFrames",
    "TooManyPixels",
    "TooMuchMemory",
    "TransientError",
    "TruncatedImage",
    "UnknownEvent",
    "UnknownStyle",
    "UnsupportedVariant",
    "WeightSpec",
    "WeightsInvalid",
    "clips_available",
    "companion",
    "errors_on_one_line",
    "failure_document",
    "fingerprint",
    "join_sidecars",
    "live_photo_of",
    "moving_part",
    "sidecar_document",
    "task_flags",
    "to_json",
]

_MODULES = {
    "clips.join": ("join_sidecars",),
    "clips.moving": ("moving_part",),
    "clips.reader": ("clips_available",),
    "clips.result": ("ClipResult", "Segment"),
    "commands": ("errors_on_one_line", "task_flags"),
    "companions": ("companion", "live_photo_of"),
    "domain": ("Source", "WeightSpec"),
    "lineart.result": ("ColourResult", "ColourSidecar"),
    "origin": ("Origin",),
    "result": ("Output", "Result", "Sidecar"),
    "run": ("Pipeline",),
    "settings": ("ColourOptions", "Options", "Settings"),
    "sidecar": ("failure_document", "fingerprint", "sidecar_document", "to_json"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    home = next((module for module, names in _MODULES.items() if name in names), "errors")
    return getattr(importlib.import_module(f"pipeline.{home}"), name)

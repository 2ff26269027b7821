"""Every error that Kirei names.

    KireiError
    +-- PermanentError            the photo or the request: written down, never retried
    |   +-- InvalidRequest        invalid_request     a body or an event that cannot be read
    |   |   +-- UnknownEvent      unknown_event       an event of no known kind
    |   +-- InvalidOption         invalid_option      an option unknown or out of its range
    |   |   +-- UnknownStyle      unknown_style       a style that the weights do not have
    |   +-- ObjectNotFound        object_not_found    no such object or file
    |   +-- ObjectArchived        object_archived     an object that has to be restored first
    |   +-- ObjectEncrypted       object_encrypted    an object whose key is not ours to use
    |   +-- ObjectForbidden       object_forbidden    an object closed to us in an open bucket
    |   +-- EmptyInput            empty_input         no bytes at all
    |   +-- NotAnImage            not_an_image        bytes in none of the formats
    |   +-- UnsupportedVariant  unsupported_variant  a sound image of a kind that is not supported
    |   +-- TruncatedImage        truncated_image     an image that ends early or is damaged
    |   +-- TooManyBytes          too_many_bytes      over the byte limit
    |   +-- TooManyPixels         too_many_pixels     over the pixel limit, by its header
    |   +-- ExtremeAspect         extreme_aspect      longer side over shorter side too large
    |   +-- TooCostly             too_costly          decoding needs more than its size explains
    |   +-- TooMuchMemory         too_much_memory     more than the function has, by its header
    |   +-- ClipTooLong           clip_too_long       a clip over the limit of seconds
    |   +-- TooManyFrames         too_many_frames     a clip over the limit of frames
    |   +-- NoPicture             no_picture          a clip without a picture: sound alone, say
    |   +-- NotALineDrawing       not_a_line_drawing  to be coloured, but blank or no line drawing
    +-- TransientError            the environment: raised, so that the caller tries again
        +-- StoreUnavailable      store_unavailable   S3 answered 5xx, timed out or refused
        +-- WeightsInvalid        weights_invalid     a weight file absent or not as listed
        +-- EngineUnavailable     engine_unavailable  the engine asked for is not installed
        +-- Misconfigured         misconfigured       an environment variable absent or wrong
        +-- OutOfTime             out_of_time         the time left is too short, even for less
        +-- DecoderLost           decoder_lost        the decoding process was ended from outside
        +-- OutOfDescriptors      out_of_descriptors  too few open files are allowed (ulimit -n)

``code`` is stable: users may depend on it. ``stage`` says where, ``measured`` and ``limit``
what was found and what is allowed, where that applies. HTTP statuses are set in the adapters.
"""

from __future__ import annotations

import errno
from typing import ClassVar

__all__ = [
    "ClipTooLong",
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
    "OutOfDescriptors",
    "OutOfTime",
    "PermanentError",
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
    "WeightsInvalid",
]

Scalar = str | int | float | None
MAX_TEXT = 500  # it may quote untrusted input: a style's name of a megabyte, say


class KireiError(Exception):
    """The root; only its leaves are raised.

    Args:
        message: In words, for the caller.
        stage: Where it happened; by default that of the class.
        measured: What was found, where that applies.
        limit: What is allowed, where that applies.
    """

    code: ClassVar[str] = "error"
    default_stage: ClassVar[str] = "request"

    def __init__(
        self,
        message: str,
        *,
        stage: str | None = None,
        measured: Scalar = None,
        limit: Scalar = None,
    ) -> None:
        self.message = message[:MAX_TEXT]
        super().__init__(self.message)
        self.stage = stage or self.default_stage
        self.measured = measured[:MAX_TEXT] if isinstance(measured, str) else measured
        self.limit = limit

    def as_dict(self) -> dict[str, Scalar]:
        """code, message, stage, measured, limit: the one shape errors have everywhere."""
        return {
            "code": self.code,
            "message": self.message,
            "stage": self.stage,
            "measured": self.measured,
            "limit": self.limit,
        }


class PermanentError(KireiError):
    """The photo or the request is at fault: trying again gives the same."""


class InvalidRequest(PermanentError):
    """A body or an event that cannot be read."""

    code = "invalid_request"


class UnknownEvent(InvalidRequest):
    """An event of no known kind."""

    code = "unknown_event"


class InvalidOption(PermanentError):
    """An option that is unknown or out of its range."""

    code = "invalid_option"


class UnknownStyle(InvalidOption):
    """A style that the folder of weights does not have."""

    code = "unknown_style"


class ObjectNotFound(PermanentError):
    """No such object or file."""

    code = "object_not_found"
    default_stage = "fetch"


class ObjectArchived(PermanentError):
    """An object that has to be restored from an archive first."""

    code = "object_archived"
    default_stage = "fetch"


class ObjectEncrypted(PermanentError):
    """An object whose key we may not use."""

    code = "object_encrypted"
    default_stage = "fetch"


class ObjectForbidden(PermanentError):
    """An object that we may not read in a bucket that we may."""

    code = "object_forbidden"
    default_stage = "fetch"


class EmptyInput(PermanentError):
    """No bytes at all."""

    code = "empty_input"
    default_stage = "decode"


class NotAnImage(PermanentError):
    """Bytes in none of the formats."""

    code = "not_an_image"
    default_stage = "decode"


class UnsupportedVariant(PermanentError):
    """A sound image of a kind that is not supported."""

    code = "unsupported_variant"
    default_stage = "decode"


class TruncatedImage(PermanentError):
    """An image that ends early or is damaged."""

    code = "truncated_image"
    default_stage = "decode"


class TooManyBytes(PermanentError):
    """More bytes than the limit."""

    code = "too_many_bytes"
    default_stage = "decode"


class TooManyPixels(PermanentError):
    """More pixels than the limit, by its header."""

    code = "too_many_pixels"
    default_stage = "decode"


class ExtremeAspect(PermanentError):
    """The longer side over the shorter side is too large."""

    code = "extreme_aspect"
    default_stage = "decode"


class TooCostly(PermanentError):
    """Decoding needs more than the image's size explains."""

    code = "too_costly"
    default_stage = "decode"


class TooMuchMemory(PermanentError):
    """It needs more memory than the function has."""

    code = "too_much_memory"
    default_stage = "decode"


class ClipTooLong(PermanentError):
    """A clip that lasts longer than the limit, or than the time there is to draw it."""

    code = "clip_too_long"
    default_stage = "decode"


class TooManyFrames(PermanentError):
    """A clip of more frames than the limit."""

    code = "too_many_frames"
    default_stage = "decode"


class NoPicture(PermanentError):
    """A clip without a picture: sound or subtitles alone, or no frame at all."""

    code = "no_picture"
    default_stage = "decode"


class NotALineDrawing(PermanentError):
    """A picture to be coloured that is blank, a photograph, a coloured picture or text."""

    code = "not_a_line_drawing"
    default_stage = "intake"


class TransientError(KireiError):
    """The environment is at fault: the same request may succeed later."""


class StoreUnavailable(TransientError):
    """S3 answered 5xx, timed out or refused."""

    code = "store_unavailable"
    default_stage = "store"


class WeightsInvalid(TransientError):
    """A weight file is missing or is not the one listed."""

    code = "weights_invalid"
    default_stage = "weights"


class EngineUnavailable(TransientError):
    """The engine asked for is not installed."""

    code = "engine_unavailable"
    default_stage = "weights"


class Misconfigured(TransientError):
    """An environment variable is missing or wrong."""

    code = "misconfigured"
    default_stage = "settings"


class OutOfTime(TransientError):
    """The time left is too short, even for less work."""

    code = "out_of_time"
    default_stage = "budget"


class DecoderLost(TransientError):
    """The decoding process was ended from outside."""

    code = "decoder_lost"
    default_stage = "decode"


class OutOfDescriptors(TransientError):
    """Too few open files are allowed (ulimit -n)."""

    code = "out_of_descriptors"
    default_stage = "system"
    errnos = (errno.EMFILE, errno.ENFILE)  # as OSError gives them

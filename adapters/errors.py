"""The adapters' own errors, the HTTP status of every error, and the guard against unnamed ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline import KireiError, PermanentError, TransientError

RETRY_AFTER_S = 5
# Error messages quote what a caller sent. Lambda's response has no room for megabytes of it.
MAX_ECHO_CHARACTERS = 300

# The HTTP status of every error, by its code.
STATUSES = {
    "invalid_request": 400,
    "unknown_event": 400,
    "invalid_option": 400,
    "unknown_style": 400,
    "empty_input": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown_route": 404,
    "object_archived": 409,
    "object_encrypted": 403,
    "object_forbidden": 403,
    "object_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "too_many_bytes": 413,
    "too_many_pixels": 413,
    "too_much_memory": 413,
    "clip_too_long": 413,
    "too_many_frames": 413,
    "not_an_image": 415,
    "unsupported_variant": 415,
    "truncated_image": 422,
    "no_picture": 422,
    "extreme_aspect": 422,
    "too_costly": 422,
    "not_a_line_drawing": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "misconfigured": 500,
    "store_unavailable": 503,
    "weights_invalid": 503,
    "engine_unavailable": 503,
    "out_of_time": 503,
    "decoder_lost": 503,
    "out_of_descriptors": 503,
}

# Of errors about the photo or its options; the others are about the caller or the address.
STATUSES_OF_PHOTOS = frozenset({400, 413, 415, 422})


class Unauthorized(PermanentError):
    """The token is missing or invalid."""

    code = "unauthorized"


class Forbidden(PermanentError):
    """The link is invalid or has expired, or the call came from a page of another site."""

    code = "forbidden"


class UnknownRoute(PermanentError):
    """There is nothing at that path."""

    code = "unknown_route"


class MethodNotAllowed(PermanentError):
    """The path exists, but for other methods; ``limit`` lists them."""

    code = "method_not_allowed"


class RequestTimeout(TransientError):
    """The rest of the body did not arrive in time."""

    code = "request_timeout"


class TooManyRequests(TransientError):
    """This machine already holds as many requests as it can."""

    code = "too_many_requests"


class InternalError(TransientError):
    """A fault of Kirei's own; the log has its traceback."""

    code = "internal_error"


def permanent_codes() -> list[str]:
    """Returns the codes of errors that the same photo with the same options always meets.

    The page offers no second attempt for them.
    """
    codes = {error.code for error in _subclasses(PermanentError)}
    return sorted(code for code in codes if STATUSES.get(code) in STATUSES_OF_PHOTOS)


def _subclasses(error: type[KireiError]) -> Iterator[type[KireiError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


@contextmanager
def unnamed_errors_guarded() -> Iterator[None]:
    """The last guard: turns an exception that is not a KireiError into InternalError."""
    try:
        yield
    except KireiError:
        raise
    except Exception as error:
        message = f"internal error ({type(error).__name__}); see the log"
        raise InternalError(message) from error


def error_document(error: KireiError, request_id: str) -> dict[str, Any]:
    """Returns the one shape that errors have over HTTP."""
    shortened = {name: _shorten(value) for name, value in error.as_dict().items()}
    return {"error": {**shortened, "request_id": request_id}}


def error_headers(error: KireiError) -> dict[str, str]:
    """Returns the headers that an error's status requires."""
    status = STATUSES[error.code]
    if status in (429, 503):
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if status == 405:
        return {"Allow": str(error.limit)}
    return {}


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_ECHO_CHARACTERS:
        return value[:MAX_ECHO_CHARACTERS] + "…"
    return value

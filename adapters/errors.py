"""The errors of the HTTP API: those of its own, and the one table of statuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline import KireiError, PermanentError, TransientError

RETRY_AFTER_S = 5
# what a stranger wrote comes back in messages: Lambda's answer has no room for megabytes of it
MAX_ECHO = 300

# the one table of statuses, by the code of the error
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
    "not_an_image": 415,
    "unsupported_variant": 415,
    "truncated_image": 422,
    "extreme_aspect": 422,
    "too_costly": 422,
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


# of errors that speak of the photo or its options; the others, of who calls, and where
STATUSES_OF_PHOTOS = frozenset({400, 413, 415, 422})


class Unauthorized(PermanentError):
    """No token, or not the right one."""

    code = "unauthorized"


class Forbidden(PermanentError):
    """A link that was not signed here or has expired, or a call from a strange page."""

    code = "forbidden"


class UnknownRoute(PermanentError):
    """Nothing lies at that path."""

    code = "unknown_route"


class MethodNotAllowed(PermanentError):
    """The path is there, and takes other methods; ``limit`` names them."""

    code = "method_not_allowed"


class RequestTimeout(TransientError):
    """The rest of the body did not come."""

    code = "request_timeout"


class TooManyRequests(TransientError):
    """More at once than this machine takes."""

    code = "too_many_requests"


class InternalError(TransientError):
    """A fault of ours; the log has what happened."""

    code = "internal_error"


@contextmanager
def faults_named() -> Iterator[None]:
    """The last guard: an exception that is none of the errors with a name becomes InternalError."""
    try:
        yield
    except KireiError:
        raise
    except Exception as error:
        said = f"something is broken here ({type(error).__name__}); the log has it"
        raise InternalError(said) from error


def permanent_codes() -> list[str]:
    """The codes of the errors that the same photo with the same options meets again, sorted: nobody
    need try those a second time.
    """
    kinds, codes = [PermanentError], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if STATUSES.get(kind.code) in STATUSES_OF_PHOTOS:
            codes.add(kind.code)
    return sorted(codes)


def error_document(error: KireiError, request_id: str) -> dict[str, Any]:
    """The one shape that errors have over HTTP."""
    return {"error": {**_short(error.as_dict()), "request_id": request_id}}


def error_headers(error: KireiError) -> dict[str, str]:
    """What the status asks for beside the body."""
    status = STATUSES[error.code]
    if status in (429, 503):
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if status == 405:
        return {"Allow": str(error.limit)}
    return {}


def _short(told: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[:MAX_ECHO] + "…" if isinstance(value, str) and len(value) > MAX_ECHO else value
        for name, value in told.items()
    }

"""Direct calls of the function: by `aws lambda invoke`, a state machine, `sam local invoke`."""

from __future__ import annotations

import base64
from typing import Any

from adapters import job_log
from adapters.deadline import Deadline
from adapters.events import direct_call, photo_from_base64
from adapters.jobs import InlinePhoto
from adapters.process import process_worker
from adapters.tasks import (
    BASE64,
    COLOUR,
    COMPANIONS,
    STYLISE,
    TASK,
    Companions,
    Order,
    options_of,
    task_named,
)
from pipeline import PermanentError

# Lambda's limit is 6 MB each way; what surrounds the picture is far below 64 kB.
MAX_BASE64_BYTES = 6 * 1024 * 1024 - 64 * 1024


def handle(event: Any, deadline: Deadline) -> dict[str, Any]:
    """Handles a direct call.

    Args:
        event: What ``direct_call`` reads.
        deadline: Of this invocation.

    Returns:
        For an object, its Outcome. For bytes, the picture as ``image_base64`` with
        ``content_type`` and ``sidecar``; if that is more than Lambda can return, the sidecar of a
        stored picture with a link. For a request that is at fault, ``{"error": ...}``.

    Raises:
        TransientError: The call may succeed later.
    """
    with job_log.entry() as entry:
        try:
            call = direct_call(event)
            if isinstance(call, InlinePhoto):
                return _stylise(call, deadline)
            return process_worker().work(call, deadline).as_dict()
        except PermanentError as error:
            entry.fail(error)
            return {"error": error.as_dict()}


def _stylise(photo: InlinePhoto, deadline: Deadline) -> dict[str, Any]:
    picture = process_worker().stylise(photo.data, _order(photo), deadline=deadline)
    if fits_response(picture.image):
        return {
            "image_base64": base64.b64encode(picture.image).decode(),
            "content_type": picture.content_type,
            "sidecar": picture.sidecar,
        }
    sidecar = process_worker().store(picture)
    return {"content_type": picture.content_type, "sidecar": sidecar}


def _order(photo: InlinePhoto) -> Order:
    """What is asked of a photo that came within the event. Raises InvalidRequest, InvalidOption."""
    by_name = dict(photo.options)
    task = task_named(by_name.pop(TASK, STYLISE))
    files = {
        name: photo_from_base64(by_name.pop(name + BASE64))
        for name in COMPANIONS
        if task == COLOUR and by_name.get(name + BASE64) is not None
    }
    return Order(options_of(task, by_name), Companions(**files))


def fits_response(image: bytes) -> bool:
    """Tells whether Lambda can return these bytes, as base64, in its response."""
    return (len(image) + 2) // 3 * 4 <= MAX_BASE64_BYTES

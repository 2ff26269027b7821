"""A call of the function itself: by `aws lambda invoke`, a state machine, `sam local invoke`."""

from __future__ import annotations

import base64
from typing import Any

import pipeline
from adapters import job_log
from adapters.events import Upload, direct_call
from adapters.worker import worker
from pipeline import Options, PermanentError

# Lambda takes 6 MB each way; what stands around the picture in the answer is far below 64 kB
MAX_BASE64_BYTES = 6 * 1024 * 1024 - 64 * 1024


def called(event: Any) -> dict[str, Any]:
    """in: what direct_call reads; out: for an object its Outcome, for bytes the picture as
    ``image_base64`` with ``content_type`` and ``sidecar``, or, where that is more than Lambda
    returns, the sidecar of a stored picture with its URL. A request at fault is answered
    ``{"error": ...}``; TransientError is raised.
    """
    with job_log.entry() as entry:
        try:
            call = direct_call(event)
            if isinstance(call, Upload):
                return _stylised(call)
            return worker().work(call).as_dict()
        except PermanentError as error:
            entry.failed(error)
            return {"error": error.as_dict()}


def _stylised(upload: Upload) -> dict[str, Any]:
    result = worker().stylise(upload.data, Options.from_mapping(upload.options))
    content_type = result.sidecar.output.content_type
    if fits_answer(result.image):
        image = base64.b64encode(result.image).decode()
        sidecar = pipeline.sidecar_document(result.sidecar)
        return {"image_base64": image, "content_type": content_type, "sidecar": sidecar}
    return {"content_type": content_type, "sidecar": worker().keep(result)}


def fits_answer(image: bytes) -> bool:
    """Whether Lambda can return the bytes, as base64, in its answer."""
    return (len(image) + 2) // 3 * 4 <= MAX_BASE64_BYTES

"""What a caller of the HTTP API sent: its body, whichever way it came, and its options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.events import decode_base64, photo_from_base64
from adapters.http.multipart import MAX_FIELD_BYTES, form_parts
from pipeline import InvalidRequest, Options, TooManyBytes

JSON = "application/json"
FORM = "multipart/form-data"
PHOTO_FIELDS = ("image", "file", "photo", "upload")  # the first is ours, the others are usual
# what a form or a JSON object may hold beside the photo
MARGIN_BYTES = 65_536
MAX_DIGITS = 18  # of a whole number in JSON
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Asked:
    """A photo, or the upload that brought one, with the options that were named for it."""

    data: bytes | None
    upload_id: str | None
    named: Mapping[str, Any]

    @property
    def options(self) -> Options:
        """Raises InvalidOption."""
        return Options.from_mapping(self.named)


class Request:
    """One event of an HTTP API in format 2.0; ``path`` is without the stage. Its body may be
    bytes: servers of ours spare themselves the base64.
    """

    def __init__(self, event: Mapping[str, Any], path: str) -> None:
        context = event["requestContext"]
        self.id: str = str(context.get("requestId", ""))
        self.method: str = context["http"]["method"].upper()
        self.path = path
        self.client: str = str(context["http"].get("sourceIp", ""))  # the caller's address
        self.authorizer: Mapping[str, Any] = context.get("authorizer") or {}
        self.headers = {k.lower(): v for k, v in (event.get("headers") or {}).items()}
        self.query: dict[str, str] = dict(event.get("queryStringParameters") or {})
        self.variables: Mapping[str, str] = event.get("stageVariables") or {}
        self._body: str | bytes = event.get("body") or ""
        self._is_base64 = bool(event.get("isBase64Encoded"))

    @property
    def content_type(self) -> str:
        """Without its parameters, in lower case; empty where none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def wants_json(self) -> bool:
        """Whether the caller names JSON among what it accepts."""
        accepted = self.headers.get("accept", "").split(",")
        return any(part.partition(";")[0].strip().lower() == JSON for part in accepted)

    def body(self, most_bytes: int) -> bytes:
        """The bytes that were sent. Raises TooManyBytes before it decodes that many.

        Not Powertools' decoded_body: it takes every body for UTF-8 text. Local emulators of API
        Gateway may pass base64 without saying so: no photo is text that happens to be valid
        base64, and no JSON object is, so that such a body is taken for it.
        """
        if isinstance(self._body, bytes):
            body = self._body
        else:
            _bound(len(self._body) * 3 // 4 - 2, most_bytes)
            try:
                body = decode_base64(self._body)
            except InvalidRequest:
                if self._is_base64:
                    raise
                body = self._body.encode("utf-8", "replace")
        _bound(len(body), most_bytes)
        return body

    def document(self, most_bytes: int = MARGIN_BYTES) -> dict[str, Any]:
        """The body as a JSON object. Raises InvalidRequest, TooManyBytes."""
        try:
            document = json.loads(self.body(most_bytes), parse_int=whole_number)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("the body is not JSON") from error
        if not isinstance(document, dict):
            raise InvalidRequest("the body is JSON, but no object")
        return document

    def asked(self, most_bytes: int) -> Asked:
        """The photo, of at most so many bytes, with the options of the query, over which those
        of a form or of a JSON object win. Raises InvalidRequest, TooManyBytes.
        """
        if self.content_type == JSON:
            return self._asked_in_json(most_bytes)
        if self.content_type.startswith("multipart/"):
            return self._asked_in_form(most_bytes)
        return Asked(self.body(most_bytes), None, self.query)

    def over_query(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the query, over which these win; but one that could not be is refused
        even where another stands over it. Raises InvalidOption.
        """
        Options.from_mapping(self.query)
        return {**self.query, **named}

    def _asked_in_json(self, most_bytes: int) -> Asked:
        document = self.document(most_bytes * 4 // 3 + MARGIN_BYTES)
        names = {"image_base64", "upload_id"} & document.keys()
        if len(names) != 1:
            raise InvalidRequest("the JSON object has image_base64 or upload_id, one of the two")
        (name,) = names
        value = document.pop(name)
        named = self.over_query(document)
        if name == "upload_id":
            return Asked(None, checked_id(value), named)
        data = photo_from_base64(value)
        _bound(len(data), most_bytes)
        return Asked(data, None, named)

    def _asked_in_form(self, most_bytes: int) -> Asked:
        if self.content_type != FORM:
            raise InvalidRequest(f"{self.content_type} is no {FORM}")
        photo: bytes | None = None
        fields: dict[str, str] = {}
        header = self.headers["content-type"]
        for part in form_parts(header, self.body(most_bytes + MARGIN_BYTES)):
            if part.name in fields or (part.name in PHOTO_FIELDS and photo is not None):
                raise InvalidRequest(f"the form has the field {part.name!r} twice")
            if part.name in PHOTO_FIELDS:
                photo = part.data
            elif part.filename and len(part.data) > MAX_FIELD_BYTES:
                raise InvalidRequest(
                    f"the file in the field {part.name!r} of the form is none of the options; "
                    f"the photo goes into a field named {PHOTO_FIELDS[0]}"
                )
            else:
                fields[part.name] = part.text
        if photo is None:
            raise InvalidRequest(f"the form has no field {PHOTO_FIELDS[0]} with the photo")
        _bound(len(photo), most_bytes)
        return Asked(photo, None, self.over_query(fields))


def whole_number(text: str) -> int | str:
    """A whole number in JSON; one of no ordinary length stays text, which whoever reads the field
    refuses by its name. (Python itself takes no more than 4300 digits, in a time that grows with
    their square.)
    """
    return int(text) if len(text) <= MAX_DIGITS else text


def checked_id(value: Any) -> str:
    """An upload's id. Raises InvalidRequest for all else, before it becomes part of a name."""
    if not isinstance(value, str) or not UPLOAD_ID.fullmatch(value):
        raise InvalidRequest("an id has 32 hexadecimal digits", measured=str(value))
    return value


def _bound(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise TooManyBytes(
            f"the request brings {size} bytes; at most {most_bytes} are taken",
            stage="request",
            measured=size,
            limit=most_bytes,
        )

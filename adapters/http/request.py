"""What a caller of the HTTP API sent: the body, in each of its forms, and the options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.deadline import NO_DEADLINE, Deadline
from adapters.events import decode_base64, photo_from_base64
from adapters.http.multipart import MAX_FIELD_BYTES, form_parts
from adapters.tasks import (
    BASE64,
    COLOUR,
    COMPANIONS,
    NO_COMPANIONS,
    Companions,
    Order,
    options_of,
)
from pipeline import InvalidRequest, TooManyBytes

JSON = "application/json"
FORM = "multipart/form-data"
PHOTO_FIELDS = ("image", "file", "photo", "upload")  # the first is documented, the rest are usual
MAX_FIELDS_BYTES = 65_536  # what a form or a JSON object may hold beside the photo
MAX_DIGITS = 18  # of a whole number in JSON
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class OrderRequest:
    """A photo, or the id of the upload that brought it, and what is asked of it."""

    task: str
    data: bytes | None
    upload_id: str | None
    options_by_name: Mapping[str, Any]
    companions: Companions = NO_COMPANIONS

    @property
    def order(self) -> Order:
        """The order, its options with defaults. Raises InvalidOption."""
        return Order(options_of(self.task, self.options_by_name), self.companions)


class Request:
    """One event of an HTTP API in format 2.0.

    Its body may be bytes: `kirei serve` does without the base64.

    Args:
        event: The event.
        path: The path without the API's stage.
        deadline: When the response must be ready.
    """

    def __init__(
        self, event: Mapping[str, Any], path: str, deadline: Deadline = NO_DEADLINE
    ) -> None:
        context = event["requestContext"]
        self.id: str = str(context.get("requestId", ""))
        self.method: str = context["http"]["method"].upper()
        self.path = path
        self.deadline = deadline
        self.client: str = str(context["http"].get("sourceIp", ""))  # the caller's address
        self.authorizer: Mapping[str, Any] = context.get("authorizer") or {}
        self.headers = {k.lower(): v for k, v in (event.get("headers") or {}).items()}
        self.query: dict[str, str] = dict(event.get("queryStringParameters") or {})
        self.variables: Mapping[str, str] = event.get("stageVariables") or {}
        self._body: str | bytes = event.get("body") or ""
        self._is_base64 = bool(event.get("isBase64Encoded"))

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def wants_json(self) -> bool:
        """Whether the caller accepts JSON by name."""
        accepted = self.headers.get("accept", "").split(",")
        return any(part.partition(";")[0].strip().lower() == JSON for part in accepted)

    def body(self, max_bytes: int) -> bytes:
        """Returns the bytes that were sent.

        Powertools' decoded_body is not used, because it takes every body for UTF-8 text. Local
        emulators of API Gateway may pass base64 without saying so. No photo and no JSON object is
        text that happens to be valid base64: such a body is decoded.

        Args:
            max_bytes: Limit of the decoded size.

        Raises:
            TooManyBytes: Before so many bytes are decoded.
            InvalidRequest: The body is declared as base64 and is not.
        """
        if isinstance(self._body, bytes):
            body = self._body
        else:
            _check_size(len(self._body) * 3 // 4 - 2, max_bytes)
            try:
                body = decode_base64(self._body)
            except InvalidRequest:
                if self._is_base64:
                    raise
                body = self._body.encode("utf-8", "replace")
        _check_size(len(body), max_bytes)
        return body

    def document(self, max_bytes: int = MAX_FIELDS_BYTES) -> dict[str, Any]:
        """Returns the body as a JSON object. Raises InvalidRequest, TooManyBytes."""
        try:
            document = json.loads(self.body(max_bytes), parse_int=parse_whole_number)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("the body is not JSON") from error
        if not isinstance(document, dict):
            raise InvalidRequest("the body is JSON, but not an object")
        return document

    def order(self, max_bytes: int, task: str) -> OrderRequest:
        """Returns the photo and what is asked of it.

        Options in a form or in a JSON object win over those of the query.

        Args:
            max_bytes: Limit of the photo's size, and of all files together.
            task: What is asked at this address.

        Raises:
            InvalidRequest: The body has none of the documented forms.
            InvalidOption: An option in the query is invalid.
            TooManyBytes: The photo, or a file beside it, is too large.
        """
        if self.content_type == JSON:
            return self._from_json(max_bytes, task)
        if self.content_type.startswith("multipart/"):
            return self._from_form(max_bytes, task)
        return OrderRequest(task, self.body(max_bytes), None, self.query)

    def over_query(self, options_by_name: Mapping[str, Any], task: str) -> dict[str, Any]:
        """Returns the query's options with these in their place.

        Raises:
            InvalidOption: An option in the query is invalid, even if it is replaced.
        """
        options_of(task, self.query)
        return {**self.query, **options_by_name}

    def _from_json(self, max_bytes: int, task: str) -> OrderRequest:
        document = self.document(max_bytes * 4 // 3 + MAX_FIELDS_BYTES)
        names = {"image_base64", "upload_id"} & document.keys()
        if len(names) != 1:
            raise InvalidRequest("the JSON object needs either image_base64 or upload_id")
        (name,) = names
        value = document.pop(name)
        if name == "upload_id":
            options_by_name = self.over_query(document, task)
            return OrderRequest(task, None, check_upload_id(value), options_by_name)
        files = {
            each: photo_from_base64(document.pop(each + BASE64))
            for each in _companions_of(task)
            if document.get(each + BASE64) is not None
        }
        options_by_name = self.over_query(document, task)
        data = photo_from_base64(value)
        _check_size(len(data), max_bytes)
        return OrderRequest(task, data, None, options_by_name, Companions(**files))

    def _from_form(self, max_bytes: int, task: str) -> OrderRequest:
        if self.content_type != FORM:
            raise InvalidRequest(f"a form must be {FORM}, not {self.content_type}")
        files: dict[str, bytes] = {}
        fields: dict[str, str] = {}
        header = self.headers["content-type"]
        for part in form_parts(header, self.body(max_bytes + MAX_FIELDS_BYTES)):
            name = PHOTO_FIELDS[0] if part.name in PHOTO_FIELDS else part.name
            if name in fields or name in files:
                raise InvalidRequest(f"the form has the field {part.name!r} twice")
            if name in (PHOTO_FIELDS[0], *_companions_of(task)):
                files[name] = part.data
            elif part.filename and len(part.data) > MAX_FIELD_BYTES:
                raise InvalidRequest(
                    f"the form has a file in the field {part.name!r}, which is not an option;"
                    f" the photo belongs in the field {PHOTO_FIELDS[0]!r}"
                )
            else:
                fields[part.name] = part.text
        photo = files.pop(PHOTO_FIELDS[0], None)
        if photo is None:
            raise InvalidRequest(f"the form has no field {PHOTO_FIELDS[0]!r} with the photo")
        _check_size(len(photo), max_bytes)
        options_by_name = self.over_query(fields, task)
        return OrderRequest(task, photo, None, options_by_name, Companions(**files))


def _companions_of(task: str) -> tuple[str, ...]:
    """The names of the files that may come beside a photo."""
    return COMPANIONS if task == COLOUR else ()


def parse_whole_number(text: str) -> int | str:
    """Parses a whole number in JSON.

    A number of unusual length stays text, and whoever reads the field refuses it by the field's
    name. (Python parses at most 4300 digits, in a time that grows with the square of their number.)
    """
    return int(text) if len(text) <= MAX_DIGITS else text


def check_upload_id(value: Any) -> str:
    """Returns an upload's id, before it becomes part of a key. Raises InvalidRequest."""
    if not isinstance(value, str) or not UPLOAD_ID.fullmatch(value):
        raise InvalidRequest("an id has 32 hexadecimal digits", measured=str(value))
    return value


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise TooManyBytes(
            f"the request holds {size_bytes} bytes; the limit is {max_bytes}",
            stage="request",
            measured=size_bytes,
            limit=max_bytes,
        )

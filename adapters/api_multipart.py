"""Forms with files: multipart/form-data, RFC 7578.

Our own reader, for Powertools' wants pydantic, which is slow to import, and raises a bare
ValueError where there is no boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from pipeline import InvalidRequest

MAX_PARTS = 64
MAX_FIELD_BYTES = 8192
BOUNDARY_CHARACTERS = 70  # RFC 2046: no longer


@dataclass(frozen=True)
class Part:
    """One field of a form, as it was sent; ``filename`` is None where it is no file."""

    name: str
    filename: str | None
    data: bytes

    @property
    def text(self) -> str:
        """The field as text. Raises InvalidRequest."""
        if len(self.data) > MAX_FIELD_BYTES:
            raise InvalidRequest(
                f"the field {self.name!r} of the form is longer than {MAX_FIELD_BYTES} bytes",
                measured=len(self.data),
                limit=MAX_FIELD_BYTES,
            )
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"the field {self.name!r} of the form is not text") from error


def form_parts(content_type: str, body: bytes) -> list[Part]:
    """in: the header and the body of a form; out: its parts, in order. Raises InvalidRequest."""
    boundary = b"--" + _boundary(content_type)
    # every delimiter but the first stands after a line break, which belongs to it
    sections = (b"\r\n" + body).split(b"\r\n" + boundary, MAX_PARTS + 2)
    if len(sections) > MAX_PARTS + 2:
        raise InvalidRequest(f"the form has more than {MAX_PARTS} parts", limit=MAX_PARTS)
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        raise InvalidRequest("the form ends early, or its boundary is another than announced")
    return [_part(section) for section in sections[1:-1]]


def _boundary(content_type: str) -> bytes:
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= BOUNDARY_CHARACTERS or not boundary.isascii():
        raise InvalidRequest("the Content-Type of a form names its boundary, of 1 to 70 characters")
    return boundary.encode()


def _part(section: bytes) -> Part:
    padding, _, rest = section.partition(b"\r\n")
    head, blank, data = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if padding.strip(b" \t") or not blank:
        raise InvalidRequest("a part of the form has no end of its headers")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = _parameters(headers.get("content-disposition", ""))
    if "name" not in disposition:
        raise InvalidRequest("a part of the form has no name")
    return Part(disposition["name"], disposition.get("filename"), data)


def _parameters(header: str) -> dict[str, str]:
    """The parameters behind a header's value; a line break in it would end the header."""
    message = Message()
    message["Content-Type"] = " ".join(header.split())
    found = message.get_params(failobj=[], header="content-type", unquote=True)
    return {name.lower(): value for name, value in found[1:] if isinstance(value, str)}

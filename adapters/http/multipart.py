"""Forms with files: multipart/form-data, RFC 7578.

This is our own parser, whose time grows with the bytes and no faster. The standard library's takes
minutes for a header of 300 kB, python-multipart would be one more package in the image for less
than a hundred lines here, and Powertools' parser needs pydantic, which is slow to import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline import InvalidRequest

MAX_PARTS = 64
MAX_HEADER_BYTES = 8192  # of a part, and of the Content-Type of a form
MAX_PARAMETERS = 16  # of one header
MAX_FIELD_BYTES = 8192
MAX_BOUNDARY_CHARACTERS = 70  # RFC 2046, section 5.1.1

END_OF_LINE, END_OF_HEADERS = b"\r\n", b"\r\n\r\n"
# One parameter of a header. The possessive quantifiers (++, *+) never backtrack, which keeps it
# linear. The second form of a quoted value is what browsers send for a file name that ends in a
# backslash.
PARAMETER = re.compile(
    r"""[ \t]*+(?P<name>[^\s=;"]++)[ \t]*+=[ \t]*+
    (?:"(?P<quoted>(?:[^"\\]++|\\.)*+)"|"(?P<plain>[^"]*+)"|(?P<token>[^\s;"]*+))
    [ \t]*+(?:;|$)""",
    re.VERBOSE,
)
EMPTY_PARAMETER = re.compile(r"[ \t]*+(?:;|$)")
ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Part:
    """One field of a form, as it was sent; ``filename`` is None if it is not a file."""

    name: str
    filename: str | None
    data: bytes

    @property
    def text(self) -> str:
        """The field as text. Raises InvalidRequest."""
        if len(self.data) > MAX_FIELD_BYTES:
            raise InvalidRequest(
                f"the form's field {self.name!r} is longer than {MAX_FIELD_BYTES} bytes",
                measured=len(self.data),
                limit=MAX_FIELD_BYTES,
            )
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"the form's field {self.name!r} is not UTF-8 text") from error


def form_parts(content_type: str, body: bytes) -> list[Part]:
    """Parses a form. Only the parts are copied from the body.

    Args:
        content_type: The Content-Type header.
        body: The whole body.

    Returns:
        The parts, in order.

    Raises:
        InvalidRequest: The form is malformed or exceeds a limit.
    """
    delimiter = b"--" + _boundary(content_type)
    # Every delimiter, except one at the very start, includes the line break in front of it.
    inner = END_OF_LINE + delimiter
    start = len(delimiter) if body.startswith(delimiter) else _after(body, inner, 0)
    parts: list[Part] = []
    while not body.startswith(b"--", start):
        if len(parts) == MAX_PARTS:
            raise InvalidRequest(f"the form has more than {MAX_PARTS} parts", limit=MAX_PARTS)
        end = _after(body, inner, start)
        parts.append(_part(body, start, end - len(inner)))
        start = end
    return parts


def _after(body: bytes, delimiter: bytes, start: int) -> int:
    """Where the next delimiter ends. Raises InvalidRequest if there is none."""
    index = body.find(delimiter, start)
    if index < 0:
        raise InvalidRequest("the form ends early, or its boundary is not the announced one")
    return index + len(delimiter)


def _boundary(content_type: str) -> bytes:
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= MAX_BOUNDARY_CHARACTERS or not boundary.isascii():
        raise InvalidRequest(
            "the Content-Type of a form must name its boundary, of 1 to"
            f" {MAX_BOUNDARY_CHARACTERS} characters"
        )
    return boundary.encode()


def _part(body: bytes, start: int, end: int) -> Part:
    """The part in ``body[start:end]``, which begins with the rest of its boundary's line."""
    limit = min(end, start + MAX_HEADER_BYTES)
    end_of_line = body.find(END_OF_LINE, start, limit)
    # In a part without headers, their end is the end of the boundary's line.
    end_of_headers = body.find(END_OF_HEADERS, end_of_line, limit) if end_of_line >= 0 else -1
    if end_of_headers < 0 and limit < end:
        raise InvalidRequest(
            f"the headers of a part of the form are longer than {MAX_HEADER_BYTES} bytes",
            limit=MAX_HEADER_BYTES,
        )
    if end_of_headers < 0 or body[start:end_of_line].strip(b" \t"):
        raise InvalidRequest("the headers of a part of the form have no end")
    headers: dict[str, str] = {}
    for line in body[end_of_line:end_of_headers].decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = _parameters(headers.get("content-disposition", ""))
    if "name" not in disposition:
        raise InvalidRequest("a part of the form has no name")
    data = body[end_of_headers + len(END_OF_HEADERS) : end]
    return Part(disposition["name"], disposition.get("filename"), data)


def _parameters(header: str) -> dict[str, str]:
    """The parameters after a header's value, the first of each name. Raises InvalidRequest.

    ``name*=`` of RFC 2231 is a parameter of another name: RFC 7578 forbids it in forms.
    """
    if len(header) > MAX_HEADER_BYTES:
        raise InvalidRequest(
            f"a header of the form is longer than {MAX_HEADER_BYTES} characters",
            measured=len(header),
            limit=MAX_HEADER_BYTES,
        )
    _, _, rest = header.partition(";")
    values: dict[str, str] = {}
    position = count = 0
    while position < len(rest):
        empty = EMPTY_PARAMETER.match(rest, position)
        parameter = empty or PARAMETER.match(rest, position)
        count += 1
        if parameter is None or count > MAX_PARAMETERS:
            raise InvalidRequest(
                f"a header of the form is malformed, or has more than {MAX_PARAMETERS} parameters"
            )
        position = parameter.end()
        if empty is None:
            name, quoted, plain, token = parameter.groups()
            value = token if plain is None else plain
            values.setdefault(name.lower(), value if quoted is None else ESCAPED.sub(r"\1", quoted))
    return values

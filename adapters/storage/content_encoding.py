"""Content-Encoding of objects: unpacked as a browser does it, under the limit of the photo."""

from __future__ import annotations

import zlib

from pipeline import TooManyBytes, TruncatedImage, UnsupportedVariant

# identity says nothing; aws-chunked is how some clients upload, and is not how the object lies
NOT_PACKED = {"", "identity", "aws-chunked"}
GZIP, DEFLATE = {"gzip", "x-gzip"}, {"deflate"}
GZIP_MAGIC = b"\x1f\x8b"
GZIP_BITS, ZLIB_BITS, RAW_BITS = 31, 15, -15  # zlib's wbits


def unpacked(data: bytes, encoding: str, most_bytes: int) -> bytes:
    """in: a body and its Content-Encoding; out: what was packed. A body that is called gzip and is
    none, as some uploads are, is given back.

    Raises TooManyBytes before more than ``most_bytes`` are unpacked, TruncatedImage for one that is
    damaged, UnsupportedVariant for another encoding.
    """
    for coding in reversed([name.strip().lower() for name in encoding.split(",")]):
        if coding in NOT_PACKED or (coding in GZIP and not data.startswith(GZIP_MAGIC)):
            continue
        try:
            if coding in GZIP:
                data = _inflated(data, GZIP_BITS, most_bytes)
            elif coding in DEFLATE:  # with zlib's header, as it should be, or without
                bits = ZLIB_BITS if data[:1] == b"\x78" else RAW_BITS
                data = _inflated(data, bits, most_bytes)
            else:
                raise UnsupportedVariant(
                    f"the object is packed by {coding!r}; gzip and deflate are unpacked",
                    stage="fetch",
                    measured=coding,
                )
        except zlib.error as error:
            raise TruncatedImage(
                f"the object's {coding} encoding is damaged: {error}", stage="fetch"
            ) from error
    return data


def _inflated(data: bytes, bits: int, most_bytes: int) -> bytes:
    """All members, one after the other. Raises zlib.error, TooManyBytes, TruncatedImage."""
    body = b""
    while data:
        inflate = zlib.decompressobj(bits)
        body += inflate.decompress(data, most_bytes + 1 - len(body))
        if len(body) > most_bytes:
            raise TooManyBytes(
                f"the object has more than {most_bytes} bytes when it is unpacked",
                stage="fetch",
                measured=len(body),
                limit=most_bytes,
            )
        if not inflate.eof:
            raise TruncatedImage("the packed object ends early", stage="fetch")
        data = inflate.unused_data
        if not data.startswith(GZIP_MAGIC):  # padding
            break
    return body

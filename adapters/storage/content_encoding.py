"""Content-Encoding of objects: decoded as a browser does it, within the photo's size limit."""

from __future__ import annotations

import zlib

from pipeline import TooManyBytes, TruncatedImage, UnsupportedVariant

# "identity" means no encoding; "aws-chunked" describes an upload and not the stored object.
NO_ENCODING = {"", "identity", "aws-chunked"}
GZIP, DEFLATE = {"gzip", "x-gzip"}, {"deflate"}
GZIP_MAGIC = b"\x1f\x8b"
GZIP_BITS, ZLIB_BITS, RAW_BITS = 31, 15, -15  # zlib's wbits


def decode_content(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undoes a Content-Encoding.

    A body that is labelled gzip but is not gzip, as some uploads are, is returned unchanged.

    Args:
        data: The body.
        encoding: The Content-Encoding header: one or several codings, separated by commas.
        max_bytes: Limit of the decoded size.

    Returns:
        The decoded bytes.

    Raises:
        TooManyBytes: Before more than ``max_bytes`` are decoded.
        TruncatedImage: The encoded data is damaged.
        UnsupportedVariant: The coding is neither gzip nor deflate.
    """
    for coding in reversed([name.strip().lower() for name in encoding.split(",")]):
        if coding in NO_ENCODING or (coding in GZIP and not data.startswith(GZIP_MAGIC)):
            continue
        try:
            if coding in GZIP:
                data = _inflate(data, GZIP_BITS, max_bytes)
            elif coding in DEFLATE:  # with zlib's header, as the standard says, or without
                bits = ZLIB_BITS if data[:1] == b"\x78" else RAW_BITS
                data = _inflate(data, bits, max_bytes)
            else:
                raise UnsupportedVariant(
                    f"the object has the Content-Encoding {coding!r}; only gzip and deflate are"
                    " supported",
                    stage="fetch",
                    measured=coding,
                )
        except zlib.error as error:
            raise TruncatedImage(
                f"the object's {coding} encoding is damaged: {error}", stage="fetch"
            ) from error
    return data


def _inflate(data: bytes, bits: int, max_bytes: int) -> bytes:
    """Decodes all gzip members. Raises zlib.error, TooManyBytes, TruncatedImage."""
    body = b""
    while data:
        inflate = zlib.decompressobj(bits)
        body += inflate.decompress(data, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            raise TooManyBytes(
                f"the object has more than {max_bytes} bytes once it is decompressed",
                stage="fetch",
                measured=len(body),
                limit=max_bytes,
            )
        if not inflate.eof:
            raise TruncatedImage("the compressed object ends early", stage="fetch")
        data = inflate.unused_data
        if not data.startswith(GZIP_MAGIC):  # padding
            break
    return body

"""Answers of AWS that moto does not give, as they go over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse, HTTPHeaders


def raw(request: Any, text: Any) -> Any:
    """An answer of AWS's with this body."""

    class Body:
        def stream(self, **_: Any) -> Iterator[Any]:
            yield text.encode()

    return AWSResponse(
        request.url,
        200,
        HTTPHeaders.from_dict({"content-type": "application/x-amz-json-1.0"}),
        Body(),
    )

"""Signed links and upload forms of a folder, with the meaning that S3's have.

Whoever has a link needs nothing else, and a link expires. Signatures are HMAC-SHA-256 with a secret
that lies in the folder, so that every process that serves the folder accepts the same links.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Mapping
from urllib.parse import quote

from adapters.errors import Forbidden
from pipeline import InvalidRequest, TooManyBytes

FILES, UPLOADS = "/v1/files/", "/v1/uploads/"  # routes of adapters/server/local_api.py


class Links:
    """Makes and checks links with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def download_url(self, key: str, lifetime_s: int) -> str:
        """Returns a path, with its query, that lets anyone read an object for a while."""
        expires = int(time.time()) + lifetime_s
        return f"{FILES}{quote(key)}?expires={expires}&signature={self._sign(key, str(expires))}"

    def check_download(self, key: str, expires: str, signature: str) -> None:
        """Checks the query of a download link. Raises Forbidden."""
        self._check_expiring(expires, signature, key)

    def upload_form(
        self, key: str, fields: Mapping[str, str], max_bytes: int, lifetime_s: int
    ) -> tuple[str, dict[str, str]]:
        """Returns the path and the fields of a form that lets anyone upload one object."""
        expires = int(time.time()) + lifetime_s
        required = {"key": key, **fields}
        document = json.dumps({"fields": required, "max_bytes": max_bytes, "expires": expires})
        policy = base64.b64encode(document.encode()).decode()
        signed = required | {"policy": policy, "signature": self._sign(policy)}
        link = f"expires={expires}&signature={self._sign('upload', key, str(expires))}"
        return f"{UPLOADS}{key.rpartition('/')[2]}?{link}", signed

    def check_upload(self, key: str, expires: str, signature: str) -> None:
        """Checks the query of an upload form's address. Raises Forbidden."""
        self._check_expiring(expires, signature, "upload", key)

    def check_form(self, fields: Mapping[str, str], size_bytes: int) -> None:
        """Checks a form that was sent.

        Args:
            fields: All fields of the form except its file.
            size_bytes: The size of its file.

        Raises:
            Forbidden: The form was changed, was not made here, or has expired.
            TooManyBytes: The file is larger than announced.
            InvalidRequest: The file is empty.
        """
        policy, signature = fields.get("policy", ""), fields.get("signature", "")
        self._check_signature(signature, policy)
        conditions = json.loads(base64.b64decode(policy))
        if conditions["expires"] < time.time():
            raise Forbidden("the form has expired", measured=conditions["expires"])
        if conditions["fields"] | {"policy": policy, "signature": signature} != dict(fields):
            raise Forbidden("the form's fields were changed")
        max_bytes = conditions["max_bytes"]
        if size_bytes > max_bytes:
            raise TooManyBytes(
                f"the file has {size_bytes} bytes; {max_bytes} were announced",
                stage="request",
                measured=size_bytes,
                limit=max_bytes,
            )
        if size_bytes == 0:
            raise InvalidRequest("the file is empty", measured=0, limit=max_bytes)

    def _check_expiring(self, expires: str, signature: str, *signed: str) -> None:
        self._check_signature(signature, *signed, expires)
        if int(expires) < time.time():
            raise Forbidden("the link has expired", measured=int(expires))

    def _check_signature(self, signature: str, *signed: str) -> None:
        if not hmac.compare_digest(signature.encode(), self._sign(*signed).encode()):
            raise Forbidden("invalid signature")

    def _sign(self, *texts: str) -> str:
        return hmac.new(self._secret, "\n".join(texts).encode(), "sha256").hexdigest()

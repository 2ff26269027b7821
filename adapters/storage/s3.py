"""Objects in S3.

boto3 is imported, and its client made, when the first object is needed: a cold start that reads no
object does not pay for it. Region, credentials and AWS_ENDPOINT_URL come from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal

from adapters.storage.objects import OWNER, Bucket, ObjectState, StoredObject
from adapters.storage.s3_errors import named_s3_errors, permanent_read_error
from pipeline import InvalidRequest, ObjectForbidden, ObjectNotFound

CONFLICT = {"PreconditionFailed", "412"}


def open_client() -> Any:
    """Returns an S3 client that makes up to three attempts before it gives up."""
    import boto3
    from botocore.config import Config

    # Version 4 signatures are the only ones that every region accepts in presigned URLs. The
    # virtual-host style names the region's host; the global host redirects, which breaks the
    # signature. Servers at an endpoint of their own may not know buckets as hosts.
    endpoint_names = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}
    style: Literal["auto", "virtual"] = (
        "auto" if any(os.environ.get(name) for name in endpoint_names) else "virtual"
    )
    config = Config(
        retries={"mode": "standard"},
        connect_timeout=5,
        read_timeout=20,
        signature_version="s3v4",
        s3={"addressing_style": style},
    )
    return boto3.client("s3", config=config)


class S3:
    """The buckets that one client reaches. The client is made when it is first needed."""

    def __init__(self, client: Callable[[], Any] = open_client) -> None:
        self._open_client = client

    @cached_property
    def client(self) -> Any:
        """The boto3 client."""
        return self._open_client()

    def bucket(self, name: str) -> S3Bucket:
        """Returns a bucket by its name. Nothing is sent."""
        return S3Bucket(self, name)


class S3Object(StoredObject):
    """An object whose body still comes from S3."""

    def __init__(self, response: Mapping[str, Any]) -> None:
        super().__init__(
            _state_of(response),
            response["ContentLength"],
            response.get("ContentType", ""),
            response.get("ContentEncoding", ""),
        )
        self._body = response["Body"]

    def _fetch(self) -> bytes:
        with named_s3_errors("reading"):
            return bytes(self._body.read())


class S3Bucket(Bucket):
    """A bucket of S3."""

    def __init__(self, s3: S3, name: str) -> None:
        self._s3 = s3
        self.name = name

    @contextmanager
    def open(self, key: str, version_id: str | None = None) -> Iterator[StoredObject]:
        """Sends one GET; see Bucket.open."""
        request = {"Bucket": self.name, "Key": key}
        with self._named_errors(key, reading=True):
            if version_id:
                request["VersionId"] = version_id
            response = self._get_object(request)
        try:
            yield S3Object(response)
        finally:
            response["Body"].close()

    def head(self, key: str) -> ObjectState | None:
        """Sends one HEAD; see Bucket.head."""
        try:
            with self._named_errors(key, reading=True):
                return _state_of(self._s3.client.head_object(Bucket=self.name, Key=key))
        except (ObjectNotFound, InvalidRequest):
            return None

    def keys(self, prefix: str) -> list[str]:
        """Sends one listing; see Bucket.keys."""
        with self._named_errors(prefix):
            response = self._s3.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [item["Key"] for item in response.get("Contents", [])]

    def put_owned(
        self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> bool:
        """Sends a conditional PUT first; see Bucket.put_owned."""
        from botocore.exceptions import ClientError

        request = {
            "Bucket": self.name,
            "Key": key,
            "Body": body,
            "ContentType": content_type,
            "Metadata": dict(metadata),
        }
        with self._named_errors(key):
            try:
                self._s3.client.put_object(**request, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] not in CONFLICT:
                    raise
            else:
                return True
            existing = self._s3.client.head_object(Bucket=self.name, Key=key)
            if existing["Metadata"].get(OWNER) != metadata[OWNER]:
                return False
            self._s3.client.put_object(**request)
            return True

    def delete_owned(self, key: str, owner: str) -> None:
        """See Bucket.delete_owned."""
        state = self.head(key)
        if state is not None and state.metadata.get(OWNER) == owner:
            with self._named_errors(key):
                self._s3.client.delete_object(Bucket=self.name, Key=key)

    def copy(self, key: str, target: str, metadata: Mapping[str, str]) -> None:
        """See Bucket.copy."""
        source = {"Bucket": self.name, "Key": key}
        with self._named_errors(key, reading=True):
            original = self._s3.client.head_object(**source)
            self._s3.client.copy_object(
                Bucket=self.name,
                Key=target,
                CopySource=source,
                ContentType=original["ContentType"],
                Metadata=dict(metadata),
                MetadataDirective="REPLACE",
            )

    def presigned_url(self, key: str, lifetime_s: int) -> str:
        """See Bucket.presigned_url."""
        request = {"Bucket": self.name, "Key": key}
        with self._named_errors(key):
            return str(
                self._s3.client.generate_presigned_url("get_object", request, ExpiresIn=lifetime_s)
            )

    def presigned_post(
        self, key: str, fields: Mapping[str, str], max_bytes: int, lifetime_s: int
    ) -> tuple[str, dict[str, str]]:
        """See Bucket.presigned_post."""
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", 1, max_bytes])
        with self._named_errors(key):
            signed = self._s3.client.generate_presigned_post(
                self.name, key, dict(fields), conditions, ExpiresIn=lifetime_s
            )
        return signed["url"], signed["fields"]

    def _named_errors(self, key: str, reading: bool = False) -> Any:
        return named_s3_errors(f"s3://{self.name}/{key}", reading)

    def _get_object(self, request: Mapping[str, str]) -> Any:
        """S3's response to GET. Raises ClientError, or the permanent error it stands for."""
        from botocore.exceptions import ClientError

        try:
            return self._s3.client.get_object(**request)
        except ClientError as error:
            reason = permanent_read_error(error.response["Error"], self.name, request["Key"])
            if isinstance(reason, ObjectForbidden) and not self._is_accessible():
                reason = None  # the whole bucket is closed: the object is not at fault
            raise reason or error from error

    def _is_accessible(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._s3.client.head_bucket(Bucket=self.name)
        except (BotoCoreError, ClientError):
            return False
        return True


def _state_of(response: Mapping[str, Any]) -> ObjectState:
    """The state of an object, from the response to GET or HEAD."""
    version = response.get("VersionId")
    return ObjectState(
        etag=response["ETag"].strip('"'),
        # where versioning is suspended, all versions are called "null", which names none of them
        version_id=None if version == "null" else version,
        metadata=response["Metadata"],
    )

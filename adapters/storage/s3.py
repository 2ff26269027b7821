"""Objects in and out of S3, with every answer of S3 turned into one of our errors.

boto3 is imported, and its client made, when the first object is asked for. It takes region,
credentials and AWS_ENDPOINT_URL from the environment by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

from adapters.storage.content_encoding import unpacked
from pipeline import (
    InvalidRequest,
    ObjectArchived,
    ObjectEncrypted,
    ObjectForbidden,
    ObjectNotFound,
    PermanentError,
    StoreUnavailable,
    TooManyBytes,
)

MARK = "kirei"  # metadata of all that we write: the pipeline's version
OWNER = "kirei-source"  # metadata of all that we write: which photo it came from
FINGERPRINT = "kirei-fingerprint"  # metadata of a picture: what it was computed from

ABSENT = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "MethodNotAllowed", "404"}
MALFORMED = {"InvalidArgument", "InvalidBucketName", "KeyTooLongError"}
DENIED = {"AccessDenied", "403"}
ARCHIVED = {"InvalidObjectState"}
# GET without the customer's key (SSE-C) is an invalid request; KMS.* but for what passes
ENCRYPTED = {"InvalidRequest"}
KMS, KMS_PASSES = "KMS.", ("Throttling", "Internal", "Timeout", "Unavailable")
TAKEN = {"PreconditionFailed", "412"}
MAX_JSON_BYTES = 4_000_000


@dataclass(frozen=True)
class Head:
    """What tells one state of an object from another: equal heads, equal content and options."""

    etag: str
    version_id: str | None
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From the answer of a GET or a HEAD."""
        version = answer.get("VersionId")
        return cls(
            etag=answer["ETag"].strip('"'),
            # where versioning is suspended all versions are "null": that names nothing
            version_id=None if version == "null" else version,
            metadata=answer["Metadata"],
        )


@dataclass(frozen=True)
class Found:
    """An object whose headers are here and whose body is still to be read."""

    head: Head
    size_bytes: int
    _body: Any
    encoding: str = ""  # Content-Encoding

    def read(self, most_bytes: int) -> bytes:
        """The whole body, unpacked. Raises TooManyBytes before any of it is fetched or more of it
        unpacked, StoreUnavailable, and what ``unpacked`` raises.
        """
        if self.size_bytes > most_bytes:
            raise TooManyBytes(
                f"the object has {self.size_bytes} bytes; at most {most_bytes} are taken",
                stage="fetch",
                measured=self.size_bytes,
                limit=most_bytes,
            )
        body = self._fetch()
        return unpacked(body, self.encoding, most_bytes) if self.encoding else body

    def _fetch(self) -> bytes:
        with _translated("reading"):
            return bytes(self._body.read())


def unreadable(answer: Mapping[str, Any], bucket: str, key: str) -> PermanentError | None:
    """in: the error that S3 answered to GET; out: why this object cannot be read however often it
    is tried, None where trying again may help. Where the answer is AccessDenied, that is so only
    if the bucket answers.
    """
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    what = f"s3://{bucket}/{key}"
    if code in ARCHIVED:
        storage_class = str(answer.get("StorageClass") or "an archive class")
        return ObjectArchived(
            f"{what} is archived in {storage_class}: aws s3api restore-object --restore-request "
            f"Days=7 --bucket {bucket} --key {key}; it is drawn once S3 says that it is back",
            measured=storage_class,
        )
    by_kms = code.startswith(KMS) and not any(word in code for word in KMS_PASSES)
    if by_kms or (code in DENIED and "kms" in message.lower()):
        return ObjectEncrypted(f"the KMS key of {what} is not ours to use ({code})", measured=code)
    if code in ENCRYPTED:
        return ObjectEncrypted(
            f"{what} cannot be read ({code}): it is encrypted by its owner's own key (SSE-C)",
            measured=code,
        )
    if code in DENIED:
        return ObjectForbidden(
            f"{what} may not be read ({code}), though its bucket may: see the object's owner, its "
            "ACL and the bucket's policy",
            measured=code,
        )
    return None


def owner_of(*identity: str) -> str:
    """What names a source in an object's metadata, where only ASCII is allowed."""
    return hashlib.sha256("\n".join(identity).encode()).hexdigest()


def open_client() -> Any:
    """An S3 client that tries again by itself, three times in all, before it gives up."""
    import boto3
    from botocore.config import Config

    # Version 4 signatures are the only ones that every region takes in presigned URLs, and only
    # with this style do they name the region's host: the global one redirects, which breaks the
    # signature. Stores at an endpoint of their own may know nothing of buckets as hosts.
    own = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}
    style: Literal["auto", "virtual"] = (
        "auto" if any(os.environ.get(name) for name in own) else "virtual"
    )
    config = Config(
        retries={"mode": "standard"},
        connect_timeout=5,
        read_timeout=20,
        signature_version="s3v4",
        s3={"addressing_style": style},
    )
    return boto3.client("s3", config=config)


class Store:
    """S3. Reading raises ObjectNotFound, ObjectArchived, ObjectEncrypted, ObjectForbidden,
    InvalidRequest (a name that S3 does not take) and StoreUnavailable; writing raises
    StoreUnavailable only, for what hinders it is no photo's fault.
    """

    def __init__(self, client: Callable[[], Any] = open_client) -> None:
        self._open_client = client

    @cached_property
    def _client(self) -> Any:
        return self._open_client()

    @contextmanager
    def open(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[Found]:
        """One GET; the body is fetched only if it is read."""
        named = {"Bucket": bucket, "Key": key}
        with _translated(f"s3://{bucket}/{key}", reading=True):
            if version_id:
                named["VersionId"] = version_id
            answer = self._got(named)
        size, encoding = answer["ContentLength"], answer.get("ContentEncoding", "")
        try:
            yield Found(Head.of(answer), size, answer["Body"], encoding)
        finally:
            answer["Body"].close()

    def _got(self, named: Mapping[str, str]) -> Any:
        """S3's answer to GET. Raises ClientError, and what ``unreadable`` gives."""
        from botocore.exceptions import ClientError

        try:
            return self._client.get_object(**named)
        except ClientError as error:
            why = unreadable(error.response["Error"], named["Bucket"], named["Key"])
            if isinstance(why, ObjectForbidden) and not self._answers(named["Bucket"]):
                why = None  # all of the bucket is closed to us: no fault of this object
            raise why or error from error

    def _answers(self, bucket: str) -> bool:
        """Whether the bucket itself lets us in."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.head_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    def head(self, bucket: str, key: str) -> Head | None:
        """The object as it is now; None where there is none, or can be none of that name."""
        try:
            with _translated(f"s3://{bucket}/{key}", reading=True):
                return Head.of(self._client.head_object(Bucket=bucket, Key=key))
        except (ObjectNotFound, InvalidRequest):
            return None

    def get_json(self, bucket: str, key: str) -> dict[str, Any] | None:
        """A JSON object; None where there is none, or something else."""
        try:
            with self.open(bucket, key) as found:
                document = json.loads(found.read(MAX_JSON_BYTES))
        except (ObjectNotFound, TooManyBytes, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def put_owned(
        self, bucket: str, key: str, body: bytes, content_type: str, mark: Mapping[str, str]
    ) -> bool:
        """Writes the object if there is none, or one of the same owner; else returns False.

        Two photos may want one name at the same moment: S3 itself decides who was first.
        """
        from botocore.exceptions import ClientError

        with _translated(f"s3://{bucket}/{key}"):
            try:
                self._put(bucket, key, body, content_type, mark, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] not in TAKEN:
                    raise
            else:
                return True
            holder = self._client.head_object(Bucket=bucket, Key=key)["Metadata"].get(OWNER)
            if holder != mark[OWNER]:
                return False
            self._put(bucket, key, body, content_type, mark)
            return True

    def delete_owned(self, bucket: str, key: str, owner: str) -> None:
        """Takes away the object if there is one and its owner is this one."""
        found = self.head(bucket, key)
        if found is not None and found.metadata.get(OWNER) == owner:
            with _translated(f"s3://{bucket}/{key}"):
                self._client.delete_object(Bucket=bucket, Key=key)

    def presigned_url(self, bucket: str, key: str, lifetime_s: int) -> str:
        """A URL to GET the object with; nothing is sent for it."""
        named = {"Bucket": bucket, "Key": key}
        with _translated(f"s3://{bucket}/{key}"):
            url = self._client.generate_presigned_url("get_object", named, ExpiresIn=lifetime_s)
        return str(url)

    def presigned_post(
        self, bucket: str, key: str, fields: Mapping[str, str], most_bytes: int, lifetime_s: int
    ) -> tuple[str, dict[str, str]]:
        """A URL and the fields of a form with which anyone may put this one object, with just
        these headers, of 1 to ``most_bytes`` bytes; nothing is sent for it.
        """
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", 1, most_bytes])
        with _translated(f"s3://{bucket}/{key}"):
            signed = self._client.generate_presigned_post(
                bucket, key, dict(fields), conditions, ExpiresIn=lifetime_s
            )
        return signed["url"], signed["fields"]

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The first keys with that prefix, at most a thousand."""
        with _translated(f"s3://{bucket}/{prefix}"):
            answer = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for item in answer.get("Contents", [])]

    def copy(self, bucket: str, key: str, copy: str, metadata: Mapping[str, str]) -> None:
        """A second object of the same bytes and type, in the same bucket, with this metadata.
        Raises ObjectNotFound.
        """
        source = {"Bucket": bucket, "Key": key}
        with _translated(f"s3://{bucket}/{key}", reading=True):
            found = self._client.head_object(**source)
            self._client.copy_object(
                Bucket=bucket,
                Key=copy,
                CopySource=source,
                ContentType=found["ContentType"],
                Metadata=dict(metadata),
                MetadataDirective="REPLACE",
            )

    def _put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        content_type: str,
        mark: Mapping[str, str],
        **conditions: str,
    ) -> None:
        self._client.put_object(
            Bucket=bucket,
            Key=key,
            Body=body,
            ContentType=content_type,
            Metadata=dict(mark),
            **conditions,
        )


@contextmanager
def _translated(what: str, reading: bool = False) -> Iterator[None]:
    """botocore's errors to ours: what the world may mend is StoreUnavailable."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if reading and code in ABSENT:
            raise ObjectNotFound(f"{what} is not there ({code})") from error
        if reading and code in MALFORMED:
            raise InvalidRequest(f"{what} cannot be asked for ({code})", stage="fetch") from error
        hint = (
            "; without s3:ListBucket absent objects look so, too" if code == "AccessDenied" else ""
        )
        raise StoreUnavailable(f"{what}: S3 answered {code}{hint}", measured=code) from error
    except ParamValidationError as error:
        if reading:
            raise InvalidRequest(f"{what} is no name for an object", stage="fetch") from error
        raise StoreUnavailable(f"{what} is no name for an object") from error
    except BotoCoreError as error:
        # the exception's own text may hold a signed URL: its name is enough
        raise StoreUnavailable(f"{what}: {type(error).__name__}") from error

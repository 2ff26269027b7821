"""Errors of S3 as Kirei's own: what is permanent for an object and what may pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline import (
    InvalidRequest,
    ObjectArchived,
    ObjectEncrypted,
    ObjectForbidden,
    ObjectNotFound,
    PermanentError,
    StoreUnavailable,
)

ABSENT = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "MethodNotAllowed", "404"}
MALFORMED = {"InvalidArgument", "InvalidBucketName", "KeyTooLongError"}
DENIED = {"AccessDenied", "403"}
ARCHIVED = {"InvalidObjectState"}
# S3 calls a GET without the customer's key (SSE-C) an invalid request.
ENCRYPTED = {"InvalidRequest"}
# All KMS errors are permanent, except those that name a temporary condition.
KMS, KMS_TRANSIENT = "KMS.", ("Throttling", "Internal", "Timeout", "Unavailable")


def permanent_read_error(error: Mapping[str, Any], bucket: str, key: str) -> PermanentError | None:
    """Tells whether an object can never be read, however often it is tried.

    Args:
        error: The error in S3's response to GET.
        bucket: The object's bucket.
        key: The object's key.

    Returns:
        The reason, or None if a retry may help. ObjectForbidden is right only if the bucket itself
        is accessible: the caller checks that.
    """
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    location = f"s3://{bucket}/{key}"
    if code in ARCHIVED:
        storage_class = str(error.get("StorageClass") or "an archive class")
        return ObjectArchived(
            f"{location} is archived in {storage_class}; restore it with: aws s3api restore-object"
            f" --restore-request Days=7 --bucket {bucket} --key {key}. Kirei draws it when S3"
            " reports that it is restored.",
            measured=storage_class,
        )
    is_kms_error = code.startswith(KMS) and not any(word in code for word in KMS_TRANSIENT)
    if is_kms_error or (code in DENIED and "kms" in message.lower()):
        return ObjectEncrypted(
            f"{location} cannot be decrypted: the function may not use its KMS key ({code})",
            measured=code,
        )
    if code in ENCRYPTED:
        return ObjectEncrypted(
            f"{location} cannot be read ({code}): it is encrypted with its owner's own key (SSE-C)",
            measured=code,
        )
    if code in DENIED:
        return ObjectForbidden(
            f"access to {location} is denied ({code}), although its bucket is accessible: check"
            " the object's owner, its ACL and the bucket policy",
            measured=code,
        )
    return None


@contextmanager
def named_s3_errors(location: str, reading: bool = False) -> Iterator[None]:
    """Turns botocore's errors into Kirei's.

    Args:
        location: What was asked for, for the message.
        reading: Whether an absent object or an impossible name is the caller's fault; for a write
            it is not.

    Raises:
        ObjectNotFound: While reading, where there is no such object.
        InvalidRequest: While reading, for a name that S3 does not accept.
        StoreUnavailable: For everything that may pass.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if reading and code in ABSENT:
            raise ObjectNotFound(f"{location} does not exist ({code})") from error
        if reading and code in MALFORMED:
            raise InvalidRequest(
                f"{location} is not a valid object name ({code})", stage="fetch"
            ) from error
        hint = (
            "; without s3:ListBucket, S3 says this of absent objects too"
            if code == "AccessDenied"
            else ""
        )
        raise StoreUnavailable(f"{location}: S3 answered {code}{hint}", measured=code) from error
    except ParamValidationError as error:
        message = f"{location} is not a valid object name"
        if reading:
            raise InvalidRequest(message, stage="fetch") from error
        raise StoreUnavailable(message) from error
    except BotoCoreError as error:
        # The exception's own text may hold a signed URL: its name is enough.
        raise StoreUnavailable(f"{location}: {type(error).__name__}") from error

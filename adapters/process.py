"""What a Lambda process keeps from one event to the next."""

from __future__ import annotations

import os
from functools import cache

from adapters.settings import AdapterSettings
from adapters.storage.s3 import S3
from adapters.worker import Worker
from pipeline import InvalidOption, Misconfigured, Settings


@cache
def process_worker() -> Worker:
    """Returns the worker of this process, made from the environment once. Raises Misconfigured."""
    from pipeline import Pipeline  # it brings in numpy, which a cold start does without

    memory_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")
    try:
        settings = Settings.from_environment({"KIREI_MEMORY_MB": memory_mb, **os.environ})
    except InvalidOption as error:
        # the deployment is at fault: as InvalidOption it would be written down against the photo
        raise Misconfigured(f"environment variables: {error.message}") from error
    return Worker(Pipeline(settings), S3().bucket, AdapterSettings.from_environment(os.environ))

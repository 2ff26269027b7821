"""All that knows AWS or HTTP. Here: the one logger and the one set of metrics they share.

What is logged are keys of objects, reasons and error codes; never an event, image bytes or a
presigned URL.
"""

from __future__ import annotations

import os

from aws_lambda_powertools import Logger, Metrics

__all__ = ["logger", "metrics"]

# the stack's name, where there is one: metrics of two stacks in one account stay apart
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "kirei")

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="Kirei", service=SERVICE)

"""Everything that knows AWS or HTTP. Here: the logger and the metrics that they share.

Keys of objects, reasons and error codes are logged; events, image bytes and presigned URLs never
are.
"""

from __future__ import annotations

import os

from aws_lambda_powertools import Logger, Metrics

__all__ = ["logger", "metrics"]

# The stack's name, if there is a stack: metrics of two stacks in one account stay apart.
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "kirei")

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="Kirei", service=SERVICE)

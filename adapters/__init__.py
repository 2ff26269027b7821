"""All that knows AWS or HTTP. Here: the one logger and the one set of metrics they share.

What is logged are keys of objects, reasons and error codes; never an event, image bytes or a
presigned URL.
"""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics

__all__ = ["logger", "metrics"]

logger = Logger(service="kirei")
metrics = Metrics(namespace="Kirei", service="kirei")

"""What `kirei serve` prints on a terminal about photos that it could not draw."""

from __future__ import annotations

import io
import logging

from aws_lambda_powertools import Logger

from adapters.server.terminal_log import write_for_people


def test_a_refused_photo_is_a_line_for_people_and_a_failure_has_its_traceback() -> None:
    text = io.StringIO()
    logger = Logger(service="terminal-test", logger_handler=logging.StreamHandler(text))
    write_for_people(logger.handlers)
    error = {"code": "not_an_image", "message": "these bytes are no picture", "limit": None}
    logger.warning("refused", key="uploads/a", error=error, timings_ms={})
    logger.error("failed", key="uploads/b", traceback="Traceback: …")
    assert text.getvalue().splitlines() == [
        "kirei: refused uploads/a: not_an_image: these bytes are no picture",
        "kirei: failed uploads/b",
        "Traceback: …",
    ]

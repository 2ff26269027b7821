"""Calls of the function itself, and what it logs and counts of every call."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from buckets import INPUT, OUTPUT, Event, keys, object_of, put, s3_event
from calls import Invoke
from PIL import Image

from adapters.process import process_worker

ROOT = Path(__file__).resolve().parents[2]


def test_a_direct_call_for_an_object(
    s3: Any, invoke: Invoke, load_event: Callable[[str], Event], photo: bytes
) -> None:
    put(s3, "uploads/astronaut.jpg", photo, detail="0.9", format="webp")
    told = invoke(load_event("direct_bucket"))
    assert told["status"] == "stylised"
    assert told["sidecar"]["detail"] == 0.2  # the call's, not the metadata's
    assert keys(s3, OUTPUT) == ["stylised/astronaut.hayao.json", "stylised/astronaut.hayao.webp"]
    refused = invoke({"bucket": INPUT, "key": "uploads/astronaut.jpg", "colour": "pink"})
    assert refused["status"] == "refused"
    assert refused["error"]["code"] == "invalid_option"
    assert invoke({"bucket": "No Bucket!", "key": "k"})["error"]["code"] == "invalid_request"
    version = {"bucket": INPUT, "key": "uploads/astronaut.jpg", "version_id": "none such"}
    assert invoke(version)["status"] == "refused"


def test_a_direct_call_with_the_photo_itself(
    environment: pytest.MonkeyPatch, invoke: Invoke, load_event: Callable[[str], Event]
) -> None:
    environment.delenv("OUTPUT_BUCKET")  # none is needed
    told = invoke(load_event("direct_base64"))
    picture = Image.open(io.BytesIO(base64.b64decode(told["image_base64"])))
    assert (picture.format, picture.size) == ("WEBP", (128, 128))
    assert told["content_type"] == "image/webp"
    assert told["sidecar"]["output"]["bytes"] == len(base64.b64decode(told["image_base64"]))
    bad = base64.b64encode(b"no image").decode()
    assert invoke({"image_base64": bad})["error"]["code"] == "not_an_image"
    assert invoke({"image_base64": bad, "pink": 1})["error"]["code"] == "invalid_option"


def test_a_picture_too_large_for_the_answer_is_stored(s3: Any, invoke: Invoke) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1400, 1400, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=60)
    data = base64.b64encode(buffer.getvalue()).decode()
    # strength 0: noise again, which no PNG makes small
    told = invoke({"image_base64": data, "format": "png", "strength": 0, "enhance": "off"})
    assert "image_base64" not in told
    output = told["sidecar"]["output"]
    assert output["bytes"] > 4_600_000
    assert output["key"] == f"stylised/http/{told['sidecar']['fingerprint']}.hayao.png"
    assert len(object_of(s3, OUTPUT, output["key"])) == output["bytes"]
    assert output["url"].startswith("http://127.0.0.1")


def test_the_worker_and_its_client_are_made_once(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    first = process_worker()
    invoke(s3_event("uploads/a.jpg"))
    assert process_worker() is first


def test_metrics_and_logs_say_what_happened_and_no_more(
    s3: Any,
    invoke: Invoke,
    photo: bytes,
    load_event: Callable[[str], Event],
    capsys: pytest.CaptureFixture[str],
    logged: io.StringIO,
) -> None:
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (measured,) = [line for line in metrics if "Stylised" in line]
    assert measured["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Kirei"
    assert measured["Stylised"] == [1.0]
    assert measured["PipelineDuration"][0] > 0
    (line,) = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert line["message"] == "stylised"
    assert line["key"] == "uploads/a.jpg"
    assert line["event_kind"] == "notification"

    event = load_event("direct_base64")
    invoke(event | {"strength": 7})
    invoke(event)
    captured = capsys.readouterr()
    printed = captured.out + captured.err + logged.getvalue()
    assert "invalid_option" in printed
    assert event["image_base64"][:60] not in printed


def test_the_line_of_a_cold_start_says_so() -> None:
    code = (
        "import json, calls, handler\n"
        "for _ in range(2): print(json.dumps(handler.lambda_handler({}, calls.Context())))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    cold = [line["cold_start"] for line in lines if "cold_start" in line]
    assert (cold[0], cold[-1]) == (True, False)
    assert run.stdout.count('"code": "unknown_event"') == 2

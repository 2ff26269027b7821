"""One line and one set of figures a job, on the function's own output, and what they never hold."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, Event, put, s3_event, sqs_event
from calls import Invoke, call

from adapters import job_log
from adapters.http import access
from adapters.http.api import process_api
from pipeline import InvalidRequest, StoreUnavailable

SECRETS = ("X-Amz-", "Signature", "AKIA", "token=", "image_base64")


@pytest.fixture
def lines(
    capsys: pytest.CaptureFixture[str], environment: pytest.MonkeyPatch, logged: io.StringIO
) -> Any:
    """All that the function has printed since the last call: the log's lines and the metrics."""
    process_api()  # a process warns once that anyone may call: before what is read here
    logged.truncate(0)
    logged.seek(0)

    def read() -> Any:
        log = [json.loads(line) for line in logged.getvalue().splitlines()]
        logged.truncate(0)
        logged.seek(0)
        captured = capsys.readouterr()
        figures = [json.loads(line) for line in captured.out.splitlines()]
        text = json.dumps([log, figures]) + captured.err
        assert not [secret for secret in SECRETS if secret in text]
        return log, figures

    return read


def figure(figures: Any, name: Any) -> Any:
    return [value for line in figures for value in line.get(name, ())]


def test_a_drawn_photo_is_one_line_with_the_sidecars_essentials(
    s3: Any, invoke: Invoke, photo: bytes, lines: Callable[[], Any]
) -> None:
    put(s3, "uploads/a.jpg", photo)
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    (line,), figures = lines()
    sidecar = told["sidecar"]
    assert (line["message"], line["level"]) == ("stylised", "INFO")
    assert (line["bucket"], line["key"]) == (INPUT, "uploads/a.jpg")
    assert line["record_key"] == "stylised/a.hayao.json"
    assert line["fingerprint"] == sidecar["fingerprint"]
    assert line["etag"] == sidecar["source"]["etag"]
    assert line["photo"] == {
        "format": "jpeg",
        "width_px": 256,
        "height_px": 170,
        "bytes": len(photo),
    }
    assert line["picture"]["width_px"] == sidecar["output"]["width_px"]
    assert line["style"] == "hayao"
    assert line["faces"] == len(sidecar["faces"])
    assert line["steps"] == [step["step"] for step in sidecar["decisions"] if step["ran"]]
    assert line["timings_ms"].keys() == sidecar["timings_ms"].keys()
    assert line["event_kind"] == "notification"

    # what costs by the month is what somebody reads: template.yaml's alarms and dashboard
    (printed,) = figures
    assert {name for name, value in printed.items() if isinstance(value, list)} == {
        "Stylised",
        "PipelineDuration",
    }
    assert figure(figures, "Stylised") == [1.0]
    assert figure(figures, "PipelineDuration") == [pytest.approx(sidecar["timings_ms"]["total"])]
    for printed in figures:
        (told,) = printed["_aws"]["CloudWatchMetrics"]
        assert told["Namespace"] == "Kirei"
        assert told["Dimensions"] == [["service"]]


def test_each_end_of_a_job_is_one_line(
    s3: Any, invoke: Invoke, photo: bytes, lines: Callable[[], Any]
) -> None:
    put(s3, "uploads/a.jpg", photo)
    put(s3, "uploads/bad.jpg", b"no image")
    event = s3_event("uploads/a.jpg", "uploads/bad.jpg", "elsewhere/c.jpg", "uploads/gone.jpg")
    invoke(event)
    lines()
    invoke(event)
    log, figures = lines()
    assert [(line["message"], line["level"]) for line in log] == [
        ("already_stylised", "INFO"),
        ("refused", "WARNING"),
        ("skipped", "INFO"),
        ("refused", "WARNING"),
    ]
    assert log[1]["error"]["code"] == "not_an_image"
    assert log[1]["record_key"] == "failed/bad.jpg.json"
    assert "uploads/" in log[2]["why"]
    assert [line["error"]["code"] for line in log if "error" in line] == [
        "not_an_image",
        "object_not_found",
    ]
    assert figure(figures, "Refused") == [1.0] * 2
    assert figure(figures, "Skipped") == [1.0]
    assert figure(figures, "Stylised") == []


def test_a_job_that_is_tried_again_is_one_line_with_a_traceback(
    sick_s3: tuple[Any, Any], invoke: Invoke, lines: Callable[[], Any]
) -> None:
    with pytest.raises(StoreUnavailable):
        invoke(s3_event("uploads/unlucky.jpg"))
    (line,), figures = lines()
    assert (line["message"], line["level"]) == ("failed", "ERROR")
    assert line["error"]["code"] == "store_unavailable"
    assert line["key"] == "uploads/unlucky.jpg"
    assert "StoreUnavailable" in line["traceback"]
    assert figure(figures, "Transient") == [1.0]


def test_urls_in_errors_lose_their_query(
    s3: Any,
    invoke: Invoke,
    environment: pytest.MonkeyPatch,
    lines: Callable[[], Any],
) -> None:
    """botocore's message names the URL that it could not reach, with its query."""
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    environment.setenv("AWS_MAX_ATTEMPTS", "1")
    call = {"bucket": INPUT, "key": "uploads/a.jpg", "version_id": "token=secret"}
    with pytest.raises(StoreUnavailable):
        invoke(call)
    (line,), _ = lines()
    assert "http://127.0.0.1:9/kirei-input/uploads/a.jpg" in line["traceback"]
    assert "secret" not in json.dumps(line)


def http(body: Any, **query: Any) -> Any:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/v1/stylise",
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "queryStringParameters": query,
        "headers": {"content-type": "image/jpeg", "host": "x", "accept": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/v1/stylise"},
            "requestId": "http-1",
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def test_every_event_has_its_correlation_id(
    s3: Any,
    invoke: Invoke,
    photo: bytes,
    lines: Callable[[], Any],
    load_event: Callable[[str], Event],
) -> None:
    put(s3, "uploads/astronaut.jpg", photo)

    def told(event: Any) -> Any:
        invoke(event)
        log, _ = lines()
        (line,) = [line for line in log if line["message"] != "redelivery_not_set"]  # no queue here
        return line["correlation_id"]

    notification = load_event("s3_put")
    sent = notification["Records"][0]["responseElements"]["x-amz-request-id"]
    assert told(notification) == sent
    assert told(s3_event("uploads/astronaut.jpg")) == "7c9f2d7e-4f0a-4b3a-9c55-0d6c1a2b3c4d"
    assert told(sqs_event(notification)) == sent
    assert told(sqs_event(s3_event("uploads/astronaut.jpg"))) == "message-0"
    assert told(sqs_event({"no": "event"})) == "message-0"
    event = load_event("eventbridge_s3")
    assert told(event) == event["id"]
    task = load_event("s3_batch")
    assert told(task) == task["invocationId"]
    assert told({"bucket": INPUT, "key": "uploads/astronaut.jpg"}) == (
        "7c9f2d7e-4f0a-4b3a-9c55-0d6c1a2b3c4d"
    )
    assert told(http(photo)) == "http-1"
    assert told(http(b"no image")) == "http-1"


def test_a_photo_over_http_is_one_line_without_its_query(
    s3: Any, invoke: Invoke, photo: bytes, lines: Callable[[], Any]
) -> None:
    answer = invoke(http(photo, max_side_px="64"))
    assert "X-Amz-Signature" in json.loads(answer["body"])["output"]["url"]
    (line,), figures = lines()
    assert line["message"] == "stylised"
    assert figure(figures, "Stylised") == [1.0]
    invoke(http(photo, max_side_px="64"))
    (line,), _ = lines()
    assert line["message"] == "already_stylised"
    refused = invoke(http(photo, **{"x-token": "hush"}))
    assert refused["statusCode"] == 400
    (line,), _ = lines()
    assert line["error"]["code"] == "invalid_option"
    assert "hush" not in json.dumps(line)


def test_bytes_of_a_direct_call_are_one_line(
    s3: Any, invoke: Invoke, photo: bytes, lines: Callable[[], Any]
) -> None:
    call = {"image_base64": base64.b64encode(photo).decode(), "max_side_px": 64}
    invoke(call)
    (line,), _ = lines()
    assert line["message"] == "stylised"
    invoke(call | {"strength": 7})
    (line,), _ = lines()
    assert (line["message"], line["error"]["code"]) == ("refused", "invalid_option")
    assert OUTPUT not in json.dumps(line)


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/wp-login.php", "a-secret", 404),
        ("GET", "/.env", None, 404),
        ("POST", "/v1/stylise", None, 401),
        ("POST", "/v1/stylise", "wrong", 401),
        ("GET", "/v1/stylise", "a-secret", 405),
        ("GET", "/v1/health", None, 200),
        ("GET", "/", None, 200),
        ("GET", "/v1/styles", "a-secret", 200),
        ("GET", "/v1/results/0123456789abcdef0123456789abcdef", "a-secret", 404),
        ("POST", "/v1/uploads", "a-secret", 400),
    ],
)
def test_what_brings_no_photo_is_no_job(
    s3: Any,
    environment: pytest.MonkeyPatch,
    invoke: Invoke,
    lines: Callable[[], Any],
    method: Any,
    path: str,
    token: Any,
    status: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The alarms go by these figures: strangers would set them off, and drown what is wrong."""
    environment.setenv("API_AUTH", "token")
    environment.setenv("API_TOKEN_SECRET", "a-name")
    monkeypatch.setattr(access, "_read_tokens", lambda name: ("a-secret",))
    headers: dict[str, Any] = {"authorization": f"Bearer {token}"} if token else {}
    assert invoke(call(method, path, **headers))["statusCode"] == status
    log, figures = lines()
    assert figures == []
    assert {line["message"] for line in log} <= {"request_refused"}
    if status >= 400:
        (line,) = log
        assert line["level"] == "INFO" and line["error"]["code"]


def test_a_photo_of_a_customer_that_is_refused_is_a_job(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, lines: Callable[[], Any]
) -> None:
    assert invoke(call("POST", "/v1/stylise", b"a letter"))["statusCode"] == 415
    assert invoke(call("POST", "/v1/stylise", b"", {"strength": "7"}))["statusCode"] == 400
    log, figures = lines()
    assert [line["message"] for line in log if line["level"] == "WARNING"][-2:] == ["refused"] * 2
    assert figure(figures, "Refused") == [1.0, 1.0]


def test_a_server_of_ours_prints_no_figures(
    lines: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_log, "_metrics_enabled", True)
    job_log.disable_metrics()
    with job_log.entry() as entry:
        entry.fail(InvalidRequest("wrong"))
    log, figures = lines()
    assert ([line["message"] for line in log], figures) == (["refused"], [])

"""The AWS way: a form that is really sent to S3, the bucket's event, and the result."""

from __future__ import annotations

import base64
import io
import json
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, keys, put, s3_event
from calls import BOUNDARY, FORM, Invoke, call, error_of, form, json_of
from PIL import Image

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def offer(s3: Any, invoke: Invoke) -> Any:
    """What POST /v1/uploads answers."""

    def ask(status: Any = 201, **asked: Any) -> Any:
        asked = {"content_type": "image/jpeg", "bytes": 100_000, **asked}
        return json_of(invoke(call("POST", "/v1/uploads", asked)), status)

    return ask


def send(offered: Any, photo: bytes) -> Any:
    """Sends the form as a browser does; returns the status."""
    body = form(offered["fields"], {"file": ("photo.jpg", photo)})
    headers = {"Content-Type": FORM}
    request = urllib.request.Request(offered["url"], body, headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        return answer.status


def fetched(url: Any) -> Any:
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_uploaded_stylised_and_fetched(s3: Any, invoke: Invoke, offer: Any, photo: bytes) -> None:
    offered = offer(style="cel", max_side_px=128, detail="0.5")
    upload_id, key = offered["upload_id"], f"uploads/http/{offered['upload_id']}"
    assert offered["fields"]["key"] == key
    result = call("GET", offered["result_url"])
    assert error_of(invoke(result))["code"] == "object_not_found"

    assert send(offered, photo) == 204
    assert keys(s3, INPUT) == [key]
    found = s3.head_object(Bucket=INPUT, Key=key)
    assert found["ContentType"] == "image/jpeg"
    assert found["Metadata"] == {"style": "cel", "max-side-px": "128", "detail": "0.5"}
    answer = invoke(result)
    assert json_of(answer, 202) == {"id": upload_id, "status": "waiting", "stage": None}
    assert int(answer["headers"]["Retry-After"]) > 0

    (outcome,) = invoke(s3_event(key))["results"]
    assert outcome["status"] == "stylised"
    done = json_of(invoke(result))
    assert (done["id"], done["status"]) == (upload_id, "done")
    assert Image.open(io.BytesIO(fetched(done["image_url"]))).size == (128, 85)
    assert json.loads(fetched(done["sidecar_url"])) == done["sidecar"]
    sidecar = done["sidecar"]
    assert (sidecar["style"], sidecar["detail"]) == ("cel", 0.5)
    assert sidecar["source"]["key"] == key


def test_the_forms_conditions_fix_all_but_the_photo(offer: Any) -> None:
    """What S3 checks (moto does not): key, type, size, options and the hour are all signed."""
    offered = offer(bytes=5000, style="cel")
    policy = json.loads(base64.b64decode(offered["fields"]["policy"]))
    expires = datetime.fromisoformat(policy["expiration"]) - datetime.now(UTC)
    assert 0 < expires.total_seconds() <= offered["expires_s"] == 900
    conditions = policy["conditions"]
    assert ["content-length-range", 1, 5000] in conditions
    assert offered["max_bytes"] == 5000
    for fixed in (
        {"bucket": INPUT},
        {"key": f"uploads/http/{offered['upload_id']}"},
        {"Content-Type": "image/jpeg"},
        {"x-amz-meta-style": "cel"},
    ):
        assert fixed in conditions
    assert not [item for item in conditions if isinstance(item, list) and item[0] == "starts-with"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"content_type": "text/html"}, "invalid_request"),
        ({"content_type": "image/png; charset=x"}, "invalid_request"),
        ({"content_type": "image/png\r\nx: y"}, "invalid_request"),
        ({"content_type": None}, "invalid_request"),
        ({"bytes": 0}, "invalid_request"),
        ({"bytes": -1}, "invalid_request"),
        ({"bytes": True}, "invalid_request"),
        ({"bytes": 1.5}, "invalid_request"),
        ({"bytes": "100"}, "invalid_request"),
        ({"bytes": 52_428_801}, "too_many_bytes"),
        ({"colour": "pink"}, "invalid_option"),
        ({"style": "rococo"}, "unknown_style"),
        ({"strength": 2}, "invalid_option"),
        ({"key": "uploads/elsewhere"}, "invalid_option"),
    ],
)
def test_an_offer_that_cannot_be_made(s3: Any, invoke: Invoke, asked: Any, code: str) -> None:
    body = {"content_type": "image/jpeg", "bytes": 1000, **asked}
    assert error_of(invoke(call("POST", "/v1/uploads", body)))["code"] == code


def test_a_refused_upload_answers_with_the_failures_own_code(
    s3: Any, invoke: Invoke, offer: Any, photo: bytes
) -> None:
    for data, code, status in (
        (b"a letter", "not_an_image", 415),
        (photo[: len(photo) // 2], "truncated_image", 422),
    ):
        offered = offer()
        assert send(offered, data) == 204
        invoke(s3_event(offered["fields"]["key"]))
        answer = invoke(call("GET", offered["result_url"]))
        error = error_of(answer)
        assert (error["code"], answer["statusCode"]) == (code, status)
        assert error["stage"] == "decode"


def test_an_upload_drawn_again_with_other_options(
    s3: Any, invoke: Invoke, offer: Any, photo: bytes
) -> None:
    offered = offer(style="cel", max_side_px=64)
    upload_id = offered["upload_id"]
    send(offered, photo)

    def again(**options: Any) -> Any:
        answer = invoke(call("POST", "/v1/stylise", {"upload_id": upload_id, **options}))
        document = json_of(answer, 202)
        assert answer["headers"]["Location"] == document["result_url"]
        assert document["status"] == "waiting"
        return document["id"]

    assert again() == again(style="cel") == again(max_side_px="64") == upload_id
    assert len(keys(s3, INPUT)) == 1
    other = again(style="hayao")
    assert other != upload_id and again(style="hayao") == other
    assert len(keys(s3, INPUT)) == 2
    copied = s3.head_object(Bucket=INPUT, Key=f"uploads/http/{other}")
    assert copied["Metadata"] == {"style": "hayao", "max-side-px": "64"}
    assert copied["ContentType"] == "image/jpeg"

    invoke(s3_event(f"uploads/http/{upload_id}"))
    invoke(s3_event(f"uploads/http/{other}"))
    for result_id, style in ((upload_id, "cel"), (other, "hayao")):
        sidecar = json_of(invoke(call("GET", f"/v1/results/{result_id}")))["sidecar"]
        assert (sidecar["style"], sidecar["output"]["width_px"]) == (style, 64)


def test_an_upload_that_never_came(s3: Any, invoke: Invoke) -> None:
    answer = invoke(call("POST", "/v1/stylise", {"upload_id": ID}))
    assert error_of(answer)["code"] == "object_not_found"
    assert error_of(invoke(call("GET", f"/v1/results/{ID}")))["code"] == "object_not_found"


@pytest.mark.parametrize(
    "result_id",
    [
        "..",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "*",
        ID.upper(),
        ID[:-1],
        f"{ID}.hayao",
        f"{ID}/",
        "",
        "a" * 5000,
    ],
)
def test_an_id_that_is_none(s3: Any, invoke: Invoke, result_id: Any) -> None:
    put(s3, "uploads/secret", b"secret")
    answer = invoke(call("GET", f"/v1/results/{result_id}"))
    assert error_of(answer)["code"] in ("invalid_request", "unknown_route")
    assert len(answer["body"]) < 2000


def test_uploads_need_the_stage_to_name_their_bucket(s3: Any, invoke: Invoke) -> None:
    event = call("POST", "/v1/uploads", {"content_type": "image/jpeg", "bytes": 1})
    del event["stageVariables"]
    error = error_of(invoke(event))
    assert error["code"] == "misconfigured" and "input_bucket" in error["message"]


def test_an_s3_that_is_away(sick_s3: tuple[Any, Any], invoke: Invoke) -> None:
    _, server = sick_s3
    server.unlucky = lambda method, path: True
    answer = invoke(call("GET", f"/v1/results/{ID}"))
    assert error_of(answer)["code"] == "store_unavailable"
    assert int(answer["headers"]["Retry-After"]) > 0


def test_no_link_is_logged(
    s3: Any,
    invoke: Invoke,
    offer: Any,
    photo: bytes,
    logged: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offered = offer()
    send(offered, photo)
    invoke(s3_event(offered["fields"]["key"]))
    done = json_of(invoke(call("GET", offered["result_url"])))
    printed = capsys.readouterr()
    text = logged.getvalue() + printed.out + printed.err
    assert offered["fields"]["x-amz-signature"] not in text
    assert done["image_url"].partition("?")[2] not in text


def test_a_result_lies_in_the_output_bucket_alone(
    s3: Any, invoke: Invoke, offer: Any, photo: bytes
) -> None:
    offered = offer()
    send(offered, photo)
    invoke(s3_event(offered["fields"]["key"]))
    name = f"stylised/http/{offered['upload_id']}.hayao"
    assert keys(s3, OUTPUT) == [f"{name}.jpg", f"{name}.json"]
    assert (
        BOUNDARY.encode() not in s3.get_object(Bucket=INPUT, Key=keys(s3, INPUT)[0])["Body"].read()
    )

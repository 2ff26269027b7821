"""What the world does to a job: S3 that fails, hangs or forbids, a wrong environment."""

from __future__ import annotations

import json
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event, sqs_event
from calls import Invoke

from adapters.storage.s3 import S3, open_client
from pipeline import Misconfigured, Settings, StoreUnavailable, WeightsInvalid


def test_s3_that_fails_is_raised_after_the_others_are_done(
    sick_s3: tuple[Any, Any], invoke: Invoke, photo: bytes
) -> None:
    s3, _ = sick_s3
    put(s3, "uploads/1.jpg", photo)
    put(s3, "uploads/unlucky.jpg", photo)
    put(s3, "uploads/3.jpg", photo)
    with pytest.raises(StoreUnavailable, match="SlowDown"):
        invoke(s3_event("uploads/1.jpg", "uploads/unlucky.jpg", "uploads/3.jpg"))
    assert keys(s3, OUTPUT) == [
        "stylised/1.hayao.jpg",
        "stylised/1.hayao.json",
        "stylised/3.hayao.jpg",
        "stylised/3.hayao.json",
    ]
    with pytest.raises(StoreUnavailable):
        invoke({"bucket": INPUT, "key": "uploads/unlucky.jpg"})


def test_a_queue_gets_back_only_the_message_that_failed(
    sick_s3: tuple[Any, Any], invoke: Invoke, photo: bytes
) -> None:
    s3, _ = sick_s3
    put(s3, "uploads/1.jpg", photo)
    put(s3, "uploads/unlucky.jpg", photo)
    event = sqs_event(
        s3_event("uploads/unlucky.jpg"), s3_event("uploads/1.jpg"), s3_event("uploads/gone.jpg")
    )
    assert invoke(event) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert keys(s3, OUTPUT) == [
        "failed/gone.jpg.json",
        "stylised/1.hayao.jpg",
        "stylised/1.hayao.json",
    ]
    # a batch of one that fails is an answer, too, not an exception
    only = sqs_event(s3_event("uploads/unlucky.jpg"))
    assert len(invoke(only)["batchItemFailures"]) == 1


def test_picture_first_sidecar_last(sick_s3: tuple[Any, Any], invoke: Invoke, photo: bytes) -> None:
    s3, server = sick_s3
    put(s3, "uploads/a.jpg", photo)
    for unlucky, left in ((".jpg", []), (".json", ["stylised/a.hayao.jpg"])):
        server.unlucky = lambda method, path, end=unlucky: method == "PUT" and path.endswith(end)
        with pytest.raises(StoreUnavailable):
            invoke(s3_event("uploads/a.jpg"))
        assert keys(s3, OUTPUT) == left


def drop(request: Any) -> None:
    """The connection ends in the middle of the body."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.send_header("ETag", '"1"')
    request.end_headers()
    request.wfile.write(b"half")


def hang_up(request: Any) -> None:
    """The connection ends before any answer."""
    request.connection.shutdown(socket.SHUT_RDWR)


def test_a_lost_connection_is_transient(
    sick_s3: tuple[Any, Any], invoke: Invoke, photo: bytes
) -> None:
    s3, server = sick_s3
    put(s3, "uploads/unlucky.jpg", photo)
    for failure in (drop, hang_up):
        server.fail = failure
        with pytest.raises(StoreUnavailable):
            invoke(s3_event("uploads/unlucky.jpg"))
    assert keys(s3, OUTPUT) == []


def test_an_answer_that_does_not_come_is_transient(sick_s3: tuple[Any, Any]) -> None:
    """With the real client's waiting time cut short, for the test's sake."""
    import boto3
    from botocore.config import Config

    _, server = sick_s3
    server.fail = lambda request: time.sleep(1)
    config = Config(read_timeout=0.1, retries={"total_max_attempts": 1})
    bucket = S3(lambda: boto3.client("s3", config=config)).bucket(INPUT)
    with pytest.raises(StoreUnavailable, match="ReadTimeout"), bucket.open("unlucky"):
        pass


def forbid(request: Any) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    request.send_response(403)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def test_a_refusal_of_s3_is_transient_and_hints_at_the_policy(
    sick_s3: tuple[Any, Any], invoke: Invoke
) -> None:
    _, server = sick_s3
    server.fail = forbid
    with pytest.raises(StoreUnavailable, match="s3:ListBucket"):
        invoke(s3_event("uploads/unlucky.jpg"))


def test_an_output_that_cannot_be_written_is_transient(
    s3: Any, invoke: Invoke, environment: pytest.MonkeyPatch, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    put(s3, "uploads/b.jpg", b"no image")
    environment.setenv("OUTPUT_BUCKET", "no-such-bucket")
    for key in ("uploads/a.jpg", "uploads/b.jpg"):
        with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
            invoke(s3_event(key))


@pytest.mark.parametrize(
    ("name", "value"),
    [("KIREI_THREADS", "many"), ("OUTPUT_BUCKET", ""), ("URL_LIFETIME_S", "soon")],
)
def test_a_wrong_environment_is_not_the_photos_fault(
    s3: Any, invoke: Invoke, environment: pytest.MonkeyPatch, photo: bytes, name: str, value: Any
) -> None:
    put(s3, "uploads/a.jpg", photo)
    environment.setenv(name, value)
    with pytest.raises(Misconfigured, match=f"(?i){name.removeprefix('KIREI_')}"):
        invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == []


def test_weights_that_are_not_there_are_transient(
    s3: Any, invoke: Invoke, environment: pytest.MonkeyPatch, photo: bytes, tmp_path: Path
) -> None:
    put(s3, "uploads/a.jpg", photo)
    environment.setenv("KIREI_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(WeightsInvalid):
        invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == []


@pytest.fixture
def bare_layer(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The function's layer holds what draws, and no net beside that."""
    layer = Path(shutil.copytree(Settings().weights_dir, tmp_path / "weights"))
    document = json.loads((layer / "manifest.json").read_text())
    drawing = [one for one in document["weights"] if one["kind"] in ("style", "upsampler")]
    (layer / "manifest.json").write_text(json.dumps(document | {"weights": drawing}))
    environment.setenv("KIREI_WEIGHTS_DIR", str(layer))


@pytest.mark.parametrize(
    ("option", "value"), [("enhance", "auto"), ("gate", "learned"), ("faces", "on")]
)
def test_what_the_layer_has_no_net_for_is_refused_and_not_tried_again(
    s3: Any, bare_layer: Any, invoke: Invoke, photo: bytes, option: Any, value: Any
) -> None:
    put(s3, "uploads/a.jpg", photo, **{option: value})
    assert invoke(sqs_event(s3_event("uploads/a.jpg"))) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == ["failed/a.jpg.json"]
    error = json.loads(object_of(s3, OUTPUT, "failed/a.jpg.json"))["error"]
    assert (error["code"], error["measured"]) == ("invalid_option", f"{option}={value}")
    put(s3, "uploads/a.jpg", photo)  # and by default it is drawn without
    invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == ["stylised/a.hayao.jpg", "stylised/a.hayao.json"]


def test_the_client_tries_again_by_itself(
    sick_s3: tuple[Any, Any], environment: pytest.MonkeyPatch
) -> None:
    """One failure, then health: nobody above hears of it."""
    _, server = sick_s3
    environment.delenv("AWS_MAX_ATTEMPTS")
    asked = []

    def once(request: Any) -> None:
        asked.append(request.path)
        if len(asked) == 1:
            hang_up(request)
        else:
            whole(request)

    def whole(request: Any) -> None:
        request.send_response(200)
        request.send_header("ETag", '"1"')
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"whole")

    server.fail = once
    with S3(open_client).bucket(INPUT).open("unlucky") as found:
        assert found.read(10) == b"whole"
    assert len(asked) == 2

"""`kirei serve`: the same API over a folder, asked over real connections."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests
from PIL import Image
from serving import serving

from adapters import direct
from adapters.server import body as body_module
from adapters.server import slots as slots_module
from pipeline import Options

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def held(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The pipeline stops at the stage "stylise" until the event is set; the second event is set
    when a photo has come there.
    """
    go, here = Event(), Event()
    run = pipeline.run

    def slow(
        data: Any, options: Any, origin: Any = None, on_stage: Any = None, **limits: Any
    ) -> Any:
        if on_stage:
            on_stage("stylise")
        here.set()
        assert go.wait(60)
        return run(data, options, origin, on_stage=on_stage, **limits)

    monkeypatch.setattr(pipeline, "run", slow)
    yield go, here
    go.set()


def error_of(answer: Any, code: Any) -> Any:
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "stage", "measured", "limit", "request_id"}
    assert error["code"] == code, error
    return error


def test_a_photo_comes_back_as_the_pipeline_draws_it(
    server: Any, pipeline: Any, photo: bytes
) -> None:
    answer = server.post("/v1/stylise?format=png&max_side_px=64", photo)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    result = pipeline.run(photo, Options(format="png", max_side_px=64))
    assert answer.content == result.image
    assert answer.headers["x-kirei-fingerprint"] == result.sidecar.fingerprint
    form = {"image": ("a.jpg", photo)}
    options = {"format": "png", "max_side_px": "64"}
    assert server.post("/v1/stylise", options, files=form).content == result.image


def test_a_picture_too_large_for_lambda_is_the_answer_itself(
    server: Any, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "MAX_BASE64_BYTES", 1000)
    answer = server.post("/v1/stylise?max_side_px=128", photo)
    assert answer.status_code == 200 and len(answer.content) > 1000


def test_the_sidecars_link_gives_the_picture_to_whoever_has_it(
    pipeline: Any, tmp_path: Path, photo: bytes
) -> None:
    with serving(pipeline, tmp_path, token="a-token") as server:
        assert server.post("/v1/stylise", photo).status_code == 401
        headers = {"authorization": "Bearer a-token", "accept": "application/json"}
        sidecar = server.post("/v1/stylise?enhance=off", photo, headers=headers).json()
        link = sidecar["output"]["url"]
        picture = server.get(link)
        assert picture.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(picture.content)).size == (256, 170)
        assert server.get(link, headers={"if-none-match": picture.headers["etag"]}).status_code == (
            304
        )
        path, _, query = link.partition("?")
        expires, signature = (item.partition("=")[2] for item in query.split("&"))
        late = f"expires={int(expires) + 1}&signature={signature}"
        other = path.replace(".jpg", ".json")
        for wrong in (path, f"{path}?{late}", f"{other}?{query}", f"{path}?{query}0", f"{link}é"):
            error_of(server.get(wrong), "forbidden")
        old = server.worker.folder.presigned_url(sidecar["output"]["key"], -1)
        assert "expired" in error_of(server.get(old), "forbidden")["message"]


def test_an_upload_is_drawn_and_its_stages_are_told(server: Any, held: Any, photo: bytes) -> None:
    go, here = held
    offered = server.offer(style="cel", max_side_px=64)
    assert server.get(offered["result_url"]).status_code == 404
    assert server.send(offered, photo).status_code == 204
    assert here.wait(30)
    working = server.get(offered["result_url"])
    assert working.status_code == 202
    assert working.json() == {"id": offered["upload_id"], "status": "working", "stage": "stylise"}
    go.set()
    done = server.wait(offered["result_url"]).json()
    assert done["sidecar"]["style"] == "cel"
    assert Image.open(io.BytesIO(server.get(done["image_url"]).content)).size == (64, 42)
    stored = json.loads(server.get(done["sidecar_url"]).content)
    assert stored == done["sidecar"]


def test_an_upload_at_fault_answers_with_its_own_code(server: Any) -> None:
    offered = server.offer()
    server.send(offered, b"a letter")
    answer = server.wait(offered["result_url"])
    assert answer.status_code == 415
    error_of(answer, "not_an_image")


def test_an_upload_drawn_again_with_other_options(server: Any, photo: bytes) -> None:
    offered = server.offer(max_side_px=64)
    server.send(offered, photo)
    body = {"upload_id": offered["upload_id"], "style": "cel"}
    answer = server.post("/v1/stylise", json=body)
    assert answer.status_code == 202
    assert server.wait(answer.headers["location"]).json()["sidecar"]["style"] == "cel"
    assert server.wait(offered["result_url"]).json()["sidecar"]["style"] == "hayao"


def test_only_the_form_that_was_offered_is_taken(
    server: Any, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = server.offer(bytes=len(photo), style="cel")
    other = server.offer(bytes=len(photo))
    for changed in (
        {"x-amz-meta-style": "hayao"},
        {"x-amz-meta-strength": "0"},
        {"Content-Type": "text/html"},
        {"key": "stylised/http/theirs.jpg"},
        {"key": "uploads/http/../../../outside"},
        {"policy": other["fields"]["policy"]},
        {"signature": "0" * 64},
        {"signature": "é"},
        {"policy": "", "signature": ""},
    ):
        answer = server.send(offered, photo, **changed)
        assert answer.status_code == 403
        error_of(answer, "forbidden")
    error_of(server.send({**offered, "url": other["url"]}, photo), "forbidden")
    error_of(server.send({**offered, "url": "/v1/uploads/abc"}, photo), "invalid_request")
    error_of(server.send(offered, photo + b"x"), "too_many_bytes")
    error_of(server.send(offered, b""), "invalid_request")
    error_of(server.post(offered["url"], photo), "invalid_request")
    error_of(server.post(offered["url"], files={"file": ("a", photo)}), "forbidden")
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 901)
    assert "expired" in error_of(server.send(offered, photo), "forbidden")["message"]
    assert server.worker.folder.keys("uploads/") == []


def test_results_survive_a_restart_and_what_waited_is_taken_up(
    pipeline: Any, tmp_path: Path, photo: bytes
) -> None:
    with serving(pipeline, tmp_path) as server:
        first = server.offer(max_side_px=64)
        server.send(first, photo)
        done = server.wait(first["result_url"]).json()
        bad = server.offer()
        server.send(bad, b"a letter")
        server.wait(bad["result_url"])
        # as if the process had ended before its turn came
        waiting = server.offer(max_side_px=64)
        server.worker.folder.on_created = None
        server.send(waiting, photo)
    drawn = []
    with serving(pipeline, tmp_path) as server:
        work = server.worker.stylise

        def counted(*arguments: Any, **named: Any) -> Any:
            drawn.append(arguments[2].key)
            return work(*arguments, **named)

        server.worker.stylise = counted  # type: ignore[method-assign]
        again = server.get(first["result_url"]).json()
        assert again["sidecar"] == done["sidecar"]
        # a link is good for as long as it said
        assert server.get(done["image_url"]).content == server.get(again["image_url"]).content
        assert server.get(bad["result_url"]).status_code == 415
        assert server.wait(waiting["result_url"]).json()["status"] == "done"
    assert len(drawn) <= 1


def test_a_fault_of_ours_ends_the_waiting_and_the_next_start_tries_again(
    pipeline: Any, tmp_path: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(pipeline, tmp_path) as server:
        offered = server.offer(max_side_px=64)
        with monkeypatch.context() as broken:
            broken.setattr(pipeline, "run", None)
            server.send(offered, photo)
            answer = server.wait(offered["result_url"])
        assert answer.status_code == 500
        error_of(answer, "internal_error")
    with serving(pipeline, tmp_path) as server:
        assert server.wait(offered["result_url"]).status_code == 200


def test_a_body_over_the_limit_is_refused_before_it_is_read(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = b"POST /v1/stylise HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n"
    for request in (
        huge,  # and not one byte of it follows
        huge.replace(b"/v1/stylise", b"/v1/uploads/" + ID.encode()),
        huge.replace(b"10000000000", b"65537").replace(b"/v1/stylise", b"/v1/uploads"),
        huge.replace(b"POST /v1/stylise", b"GET /v1/styles"),
    ):
        status, document, head = server.raw(request)
        assert (status, document["error"]["code"]) == (413, "too_many_bytes")
        assert b"connection: close" in head.lower()


def test_a_body_of_unknown_length_is_read_to_the_limit_and_no_further(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "MAX_DRAIN_S", 0.2)
    sent = 0

    def endless() -> Iterator[Any]:
        nonlocal sent
        while sent < 200_000_000:
            sent += 65536
            yield b"x" * 65536

    try:
        answer = server.post("/v1/uploads", endless())
        assert answer.status_code == 413
    except requests.ConnectionError:
        pass  # the client had not stopped sending when the door was shut
    assert sent < 150_000_000


def test_a_body_that_stops_coming(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "RATE_INTERVAL_S", 0.2)
    monkeypatch.setattr(body_module, "MAX_DRAIN_S", 0.2)
    request = b"POST /v1/stylise HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"
    status, document, _ = server.raw(request)
    assert (status, document["error"]["code"]) == (408, "request_timeout")


def test_more_photos_than_there_is_room_for(
    server: Any, held: Any, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, here = held
    monkeypatch.setattr(slots_module, "MAX_PHOTOS", 2)
    offered = [server.offer(max_side_px=64) for _ in range(3)]
    for one in offered[:2]:
        assert server.send(one, photo).status_code == 204
    assert here.wait(30)
    for answer in (server.send(offered[2], photo), server.post("/v1/stylise", photo)):
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert error_of(answer, "too_many_requests")["limit"] == 2
    # whoever asks for a result is heard all the same
    assert server.get(offered[1]["result_url"]).status_code == 202
    assert server.get("/v1/health").status_code == 200
    go.set()
    for one in offered[:2]:
        assert server.wait(one["result_url"]).status_code == 200
    assert server.send(offered[2], photo).status_code == 204
    server.wait(offered[2]["result_url"])


def test_bodies_that_fill_the_memory(
    server: Any, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots_module, "MAX_HELD_BYTES", 1000)
    answer = server.post("/v1/stylise", photo)
    assert answer.status_code == 429
    monkeypatch.undo()
    assert server.post("/v1/stylise?max_side_px=64", photo).status_code == 200
    deadline = time.monotonic() + 10  # the answer is on its way before the body is let go of
    while server.server.slots.held_bytes and time.monotonic() < deadline:
        time.sleep(0.01)
    slots = server.server.slots
    assert slots.held_bytes.total() == 0 and slots.photos.total() == 0


def test_pages_of_other_sites_are_kept_out(server: Any, photo: bytes) -> None:
    own = server.url
    for headers in (
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": own + "0"},
    ):
        answer = server.post("/v1/uploads", json={}, headers=headers)
        assert answer.status_code == 403
        error_of(answer, "forbidden")
    assert server.get("/", headers={"Host": "evil.example"}).status_code == 403
    for headers in ({"Origin": own}, {"Host": "localhost"}, {}):
        assert server.post("/v1/uploads", json={}, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/app/../../../../etc/passwd",
        "/app/..%2f..%2f..%2fetc%2fpasswd",
        "/v1/results/..%2f..%2f.kirei%2fsecret",
        "/v1/results/../../.kirei/secret",
        "/v1/results/%2e%2e",
        "/v1/results/%00",
        "/v1/results/%ff%fe",
        "/v1/files/.kirei/secret",
        "/v1/files/../.kirei/secret",
        "/v1/files/%2e%2e/%2e%2e/etc/passwd?expires=9999999999&signature=00",
        "//etc/passwd",
        "/v1/styles/..%2f..%2fREADME/thumbnail.jpg",
    ],
)
def test_nothing_outside_is_ever_given(server: Any, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    status, document, _ = server.raw(request)
    assert status in (400, 403, 404), document
    assert document["error"]["code"] in ("invalid_request", "forbidden", "unknown_route")


def test_a_signed_link_leads_to_nothing_of_our_own(server: Any, tmp_path: Path) -> None:
    (tmp_path.parent / "outside.txt").write_text("secret")
    for key in (".kirei/secret", "../outside.txt", "a/../../outside.txt", "/etc/passwd", "a\0b"):
        answer = server.get(server.worker.folder.presigned_url(key, 60))
        assert answer.status_code in (400, 403, 404)
        assert b"secret" not in answer.content.replace(b".kirei/secret", b"")
    assert server.get(server.worker.folder.presigned_url("none", 60)).status_code == 404


def test_head_and_unknown_methods(server: Any) -> None:
    head = requests.head(server.url + "/v1/health", timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 10
    answer = requests.request("BREW", server.url + "/v1/stylise", timeout=30)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_folder_holds_what_the_readme_says(server: Any, tmp_path: Path, photo: bytes) -> None:
    offered = server.offer(max_side_px=64)
    server.send(offered, photo)
    server.wait(offered["result_url"])
    name = offered["upload_id"]
    found = sorted(
        path.relative_to(tmp_path).as_posix()
        for path in Path(tmp_path).rglob("*")
        if path.is_file() and ".kirei" not in path.parts
    )
    assert found == [
        f"stylised/http/{name}.hayao.jpg",
        f"stylised/http/{name}.hayao.json",
        f"uploads/http/{name}",
    ]
    assert (tmp_path / ".kirei" / "secret").stat().st_mode & 0o77 == 0

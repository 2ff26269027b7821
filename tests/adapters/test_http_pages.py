"""What there is to look at: styles, options, the page's files, Swagger UI, the schema."""

from __future__ import annotations

import gzip
import io
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from calls import Invoke, body_of, call, error_of, json_of
from PIL import Image

import pipeline
from adapters.http import api as http_api
from adapters.http.openapi import schema_text
from adapters.http.static_files import StaticFiles
from adapters.process import process_worker
from pipeline import Options, Pipeline

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("no_bucket")


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The API over a folder of pages; returns the folder."""
    folder = tmp_path / "web"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>首页</title>")
    (folder / "page.css").write_text("body { color: pink }" * 200)
    (folder / "sub" / "icon.png").write_bytes(b"\x89PNG")
    (folder / "notes.md").write_text("none of a browser's business")
    (folder / ".hidden.js").write_text("secret")
    (tmp_path / "outside.css").write_text("secret")
    made = http_api.Api(process_worker, lambda request: None, static_files=StaticFiles(folder))
    monkeypatch.setattr(http_api, "process_api", lambda: made)
    return folder


def test_health_opens_no_network(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "__init__", lambda *a: pytest.fail("the pipeline was made"))
    answer = invoke(call("GET", "/v1/health"))
    assert json_of(answer) == {"status": "ok", "version": pipeline.VERSION}
    assert answer["headers"]["Cache-Control"] == "no-store"


def test_errors_that_no_second_try_mends_are_listed(invoke: Invoke) -> None:
    codes = json_of(invoke(call("GET", "/v1/options")))["permanent_errors"]
    assert {"not_an_image", "too_many_pixels", "invalid_option"} <= set(codes)
    # a token can be given, a link made anew, a photo sent again; the world changes
    assert not {"unauthorized", "forbidden", "object_not_found", "out_of_time"} & set(codes)


def test_the_options_are_those_of_the_dataclass(invoke: Invoke) -> None:
    listed = json_of(invoke(call("GET", "/v1/options")))["options"]
    assert [option["name"] for option in listed] == [item.name for item in fields(Options)]
    by_name = {option["name"]: option for option in listed}
    assert by_name["strength"] == {
        "name": "strength",
        "kind": "number",
        "default": 1.0,
        "range": [0, 1],
        "about": "0 gives the photo back, 1 the drawing",
    }
    detail = by_name["detail"]
    assert (detail["kind"], detail["default"], detail["words"]) == ("number", "auto", ["auto"])
    assert by_name["format"]["kind"] == "choice" and "webp" in by_name["format"]["values"]
    assert by_name["quality"]["kind"] == "integer" and by_name["style"]["kind"] == "text"


def test_every_style_has_its_small_picture(invoke: Invoke) -> None:
    styles = json_of(invoke(call("GET", "/v1/styles")))
    assert styles["default"] == Options().style
    seen = set()
    for style in styles["styles"]:
        answer = invoke(call("GET", style["thumbnail"]))
        small = body_of(answer)
        assert answer["headers"]["Content-Type"] == "image/jpeg"
        assert len(small) <= 12_288
        assert Image.open(io.BytesIO(small)).size == (216, 270)
        seen.add(small)
    assert len(seen) == len(styles["styles"])
    answer = invoke(call("GET", "/v1/styles/rococo/thumbnail.jpg"))
    assert error_of(answer)["code"] == "unknown_route"


@pytest.mark.parametrize(
    "path", ["/", "/app/page.css", "/v1/styles", "/v1/options", "/openapi.json", "/docs"]
)
def test_what_was_seen_is_not_sent_again(web: Any, invoke: Invoke, path: str) -> None:
    first = invoke(call("GET", path))
    assert first["statusCode"] == 200
    tag = first["headers"]["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = invoke(call("GET", path, if_none_match=known))
        assert (again["statusCode"], body_of(again)) == (304, b"")
        assert again["headers"]["ETag"] == tag
    assert invoke(call("GET", path, if_none_match='"other"'))["statusCode"] == 200
    packed = invoke(call("GET", path, accept_encoding="gzip, br"))
    assert packed["headers"]["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["headers"]["Vary"]
    assert gzip.decompress(body_of(packed)) == body_of(first)


def test_the_page_and_its_headers(web: Any, invoke: Invoke) -> None:
    answer = invoke(call("GET", "/"))
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert "首页" in body_of(answer).decode()
    policy = answer["headers"]["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "style-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy and "form-action 'self'" in policy
    assert not re.search("unsafe|\\*", answer["headers"]["Content-Security-Policy"])
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    assert answer["headers"]["Referrer-Policy"] == "no-referrer"


def test_the_page_may_call_its_buckets(
    s3: Any, moto_endpoint: str, invoke: Invoke, web: Any
) -> None:
    headers = invoke(call("GET", "/"))["headers"]
    for directive in ("img-src", "connect-src"):
        (rule,) = re.findall(f"{directive} ([^;]+)", headers["Content-Security-Policy"])
        assert moto_endpoint in rule.split()


@pytest.mark.parametrize(
    "path",
    [
        "/app/../outside.css",
        "/app/%2e%2e/outside.css",
        "/app/..\\outside.css",
        "/app//page.css",
        "/app/./page.css",
        "/app/sub",
        "/app/sub/../page.css",
        "/app/notes.md",
        "/app/.hidden.js",
        "/app//etc/passwd",
        "/app/",
        "/docs/../../handler.py",
        "/docs/swagger-ui.js.map",
        "/docs/oauth2.py",
        "/v1/styles/../../page.css/thumbnail.jpg",
    ],
)
def test_only_listed_names_are_looked_for(web: Any, invoke: Invoke, path: str) -> None:
    answer = invoke(call("GET", path))
    assert error_of(answer)["code"] == "unknown_route"
    assert "secret" not in answer["body"]


def test_a_file_in_a_folder(web: Any, invoke: Invoke) -> None:
    answer = invoke(call("GET", "/app/sub/icon.png"))
    assert (body_of(answer), answer["headers"]["Content-Type"]) == (b"\x89PNG", "image/png")


def test_swagger_ui_asks_nobody_else(invoke: Invoke) -> None:
    page = invoke(call("GET", "/docs"))
    assert "http" not in re.sub(r"/docs/|doctype html", "", body_of(page).decode())
    names = re.findall(r'(?:src|href)="(/docs/[^"]+)"', body_of(page).decode())
    assert len(names) == 3
    for name in names:
        answer = invoke(call("GET", name, accept_encoding="gzip"))
        assert answer["statusCode"] == 200
        assert len(answer["body"]) < 6_000_000  # what Lambda returns
    assert "connect-src 'self'" in page["headers"]["Content-Security-Policy"]


def test_the_docs_can_be_switched_off(no_bucket: pytest.MonkeyPatch, invoke: Invoke) -> None:
    no_bucket.setenv("API_DOCS", "off")
    for path in ("/docs", "/docs/swagger-ui.js", "/openapi.json"):
        assert error_of(invoke(call("GET", path)))["code"] == "unknown_route"


def test_a_method_that_a_path_does_not_take(invoke: Invoke) -> None:
    answer = invoke(call("DELETE", "/v1/stylise"))
    assert error_of(answer)["code"] == "method_not_allowed"
    assert answer["headers"]["Allow"] == "POST"
    answer = invoke(call("POST", "/v1/results/00000000000000000000000000000000"))
    assert answer["headers"]["Allow"] == "GET"


def test_the_schema_is_current_and_names_every_route_and_code(invoke: Invoke) -> None:
    text = (ROOT / "openapi.json").read_text()
    assert text == schema_text(), "make openapi"
    assert body_of(invoke(call("GET", "/openapi.json"))).decode() == text
    schema = json.loads(text)
    assert schema["openapi"] == "3.1.0"
    served = {
        route.pattern.pattern.replace("[^/]+", "{}")
        for route in http_api.process_api()._routes
        if route.pattern.pattern.startswith("/v1/")
    }
    assert {re.sub(r"\{\w+\}", "{}", path) for path in schema["paths"]} == served


def test_answers_are_as_the_schema_says(invoke: Invoke, photo: bytes) -> None:
    schema = json.loads((ROOT / "openapi.json").read_text())

    def check(answer: Any, path: Any, method: Any = "get") -> None:
        operation = schema["paths"][path][method]
        said = operation["responses"][str(answer["statusCode"])]["content"]
        content = said[answer["headers"]["Content-Type"]]
        whole = {**content["schema"], "components": schema["components"]}
        jsonschema.validate(json.loads(body_of(answer)), whole)

    for path in ("/v1/styles", "/v1/options", "/v1/health"):
        check(invoke(call("GET", path)), path)
    check(invoke(call("POST", "/v1/stylise", b"no photo")), "/v1/stylise", "post")

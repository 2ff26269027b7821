"""Who is let in: the four ways of API_AUTH."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from calls import Invoke, call, error_of, json_of

from adapters.errors import Unauthorized
from adapters.http import access
from adapters.http import api as http_api
from adapters.http.access import with_token
from adapters.http.request import Request

TOKEN = "a-token-of-43-characters-abcdefghijklmnopqr"
CLOSED = [
    ("POST", "/v1/stylise"),
    ("POST", "/v1/uploads"),
    ("GET", "/v1/results/00000000000000000000000000000000"),
    ("GET", "/v1/styles"),
    ("GET", "/v1/options"),
]
OPEN = [
    "/",
    "/app/page.css",
    "/docs",
    "/openapi.json",
    "/v1/health",
    "/v1/styles/hayao/thumbnail.jpg",
]


@pytest.fixture
def secret(s3: Any, environment: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stack's secret; moto's reset has emptied Secrets Manager, too."""
    from aws_lambda_powertools.utilities.parameters import base as parameters_base

    client = boto3.client("secretsmanager")
    made = client.create_secret(Name="kirei-token", SecretString=TOKEN)
    environment.setenv("API_AUTH", "token")
    environment.setenv("API_TOKEN_SECRET", made["ARN"])
    environment.setattr(access, "_secret", access._Secret())
    parameters_base.__dict__["DEFAULT_PROVIDERS"].clear()
    yield client
    parameters_base.__dict__["DEFAULT_PROVIDERS"].clear()
    client.close()


def test_the_right_token_is_let_in(secret: Any, invoke: Invoke) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = invoke(call("GET", "/v1/options", authorization=f"{scheme} {TOKEN}"))
        assert json_of(answer)["options"]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN} ",
        f"Bearer {TOKEN}\t",
        f"Bearer  {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        "Bearer 密码",
        "Bearer \udcff",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
    ],
)
def test_a_token_that_is_missing_or_wrong(secret: Any, invoke: Invoke, sent: Any) -> None:
    headers = {} if sent is None else {"authorization": sent}
    for method, path in CLOSED:
        answer = invoke(call(method, path, **headers))
        assert error_of(answer)["code"] == "unauthorized"
        assert answer["headers"]["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in answer["body"]


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_stays_open(secret: Any, invoke: Invoke, path: str) -> None:
    assert invoke(call("GET", path))["statusCode"] != 401


def test_a_line_break_behind_the_stored_secret_does_no_harm(
    secret: Any, environment: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    made = secret.create_secret(Name="by-hand", SecretString=f"{TOKEN}\n")
    environment.setenv("API_TOKEN_SECRET", made["ARN"])
    json_of(invoke(call("GET", "/v1/options", authorization=f"Bearer {TOKEN}")))


def test_the_secret_and_the_one_before_are_asked_for_once(
    secret: Any, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    ask = SecretsProvider._get

    def counted(*arguments: Any, **named: Any) -> Any:
        asked.append(1)
        return ask(*arguments, **named)

    monkeypatch.setattr(SecretsProvider, "_get", counted)
    for _ in range(3):
        json_of(invoke(call("GET", "/v1/options", authorization=f"Bearer {TOKEN}")))
    assert len(asked) == 2


def test_a_changed_token_is_taken_and_so_is_the_one_before(
    secret: Any, environment: pytest.MonkeyPatch, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])

    def status(token: Any) -> Any:
        return invoke(call("GET", "/v1/options", authorization=f"Bearer {token}"))["statusCode"]

    name = os.environ["API_TOKEN_SECRET"]
    assert (status(TOKEN), status("second")) == (200, 401)
    secret.put_secret_value(SecretId=name, SecretString="second")
    assert status("second") == 401  # a stranger's guesses are not looked up each time
    now_s[0] += access.REFRESH_S
    assert [status(token) for token in ("second", TOKEN, "third")] == [200, 200, 401]
    secret.put_secret_value(SecretId=name, SecretString="third")
    now_s[0] += access.TOKEN_CACHE_S
    assert [status(token) for token in ("third", "second", TOKEN)] == [200, 200, 401]


@pytest.mark.parametrize(
    ("auth", "name", "code"),
    [
        (None, None, "misconfigured"),
        ("token", None, "misconfigured"),
        ("token", "no-such-secret", "store_unavailable"),
        ("public", "kirei-token", "misconfigured"),
        ("off", "kirei-token", "misconfigured"),
    ],
)
def test_what_is_not_set_up_lets_nobody_in(
    secret: Any, environment: pytest.MonkeyPatch, invoke: Invoke, auth: Any, name: str, code: str
) -> None:
    for variable, value in (("API_AUTH", auth), ("API_TOKEN_SECRET", name)):
        if value is None:
            environment.delenv(variable)
        else:
            environment.setenv(variable, value)
    answer = invoke(call("GET", "/v1/options", authorization=f"Bearer {TOKEN}"))
    assert error_of(answer)["code"] == code


def test_an_empty_secret_lets_nobody_in(
    secret: Any, environment: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    made = secret.create_secret(Name="blank", SecretString=" ")
    environment.setenv("API_TOKEN_SECRET", made["ARN"])
    answer = invoke(call("GET", "/v1/options", authorization="Bearer "))
    assert answer["statusCode"] in (401, 500)
    assert error_of(answer)["code"] == "misconfigured"


@pytest.mark.parametrize("mode", ["jwt", "iam"])
def test_what_did_not_pass_api_gateways_own_check_is_refused(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, mode: Any
) -> None:
    no_bucket.setenv("API_AUTH", mode)
    event = call("GET", "/v1/options", authorization="Bearer x")
    assert error_of(invoke(event))["code"] == "unauthorized"
    event["requestContext"]["authorizer"] = {"lambda": {}}
    assert error_of(invoke(event))["code"] == "unauthorized"
    event["requestContext"]["authorizer"] = {mode: {"claims": {"sub": "someone"}}}
    json_of(invoke(event))
    assert json_of(invoke(call("GET", "/v1/health")))["status"] == "ok"


def test_letting_anyone_in_is_told_to_the_log(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, logged: io.StringIO
) -> None:
    http_api.process_api.cache_clear()
    json_of(invoke(call("GET", "/v1/options")))
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line for line in lines if line["level"] == "WARNING" and "API_AUTH" in line["message"]]
    http_api.process_api.cache_clear()


def test_a_path_below_a_stage_is_as_closed(secret: Any, invoke: Invoke) -> None:
    event = call("GET", "/live/v1/options")
    event["requestContext"]["stage"] = "live"
    assert error_of(invoke(event))["code"] == "unauthorized"
    event["headers"]["authorization"] = f"Bearer {TOKEN}"
    json_of(invoke(event))


def test_no_token_and_no_secret_is_logged(
    secret: Any, invoke: Invoke, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(call("GET", "/v1/options", authorization=f"Bearer {TOKEN}"))
    invoke(call("GET", "/v1/options", authorization="Bearer a-stranger-s-guess"))
    printed = capsys.readouterr()
    text = logged.getvalue() + printed.out + printed.err
    assert TOKEN not in text and "a-stranger-s-guess" not in text


def test_a_server_of_ours_asks_for_its_own_token() -> None:
    def sent(value: Any) -> Any:
        return Request(call("GET", "/v1/options", authorization=value), "/v1/options")

    with_token(None)(sent(""))
    with_token(TOKEN)(sent(f"Bearer {TOKEN}"))
    with pytest.raises(Unauthorized):
        with_token(TOKEN)(sent(f"Bearer {TOKEN}x"))


def test_a_cold_start_of_http_needs_no_pydantic() -> None:
    """Reading requests, choosing the route and refusing: what every first call pays for."""
    event = json.dumps(call("POST", "/v1/stylise", b"x", content_type="image/jpeg"))
    code = "import sys, json, handler; from calls import Context; "
    code += f"answer = handler.lambda_handler(json.loads({event!r}), Context()); "
    code += "print(answer['statusCode'], 'pydantic' in sys.modules, 'boto3' in sys.modules)"
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={
            "PATH": "/usr/bin",
            "PYTHONPATH": f"{root}:{root / 'tests' / 'support'}",
            "API_AUTH": "none",
        },
    )
    assert run.stdout.splitlines()[-1] == "415 False False"

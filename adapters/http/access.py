"""Who may call the HTTP API: API_AUTH of the environment, the template's parameter ApiAuth.

``token``, also if API_AUTH is not set: whoever sends the secret that API_TOKEN_SECRET names in
Secrets Manager, or the secret before it, so that callers can change over one by one. ``jwt`` and
``iam``: whoever API Gateway let through; that it did check is checked here once more. ``none``:
anyone. The routes themselves say which of them are public.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable

from adapters import logger
from adapters.errors import Unauthorized
from adapters.http.request import Request
from pipeline import Misconfigured, StoreUnavailable

MODES = ("token", "jwt", "iam", "none")
TOKEN_CACHE_S = 300  # tokens are read again after this time
# A token that is none of them may be newer: then they are read again after this time. Guesses cause
# no more calls than that.
REFRESH_S = 30
INVALID_TOKEN = "invalid token"

Access = Callable[[Request], None]


def check_environment(request: Request) -> None:
    """Checks a call as API_AUTH says.

    Raises:
        Unauthorized: The caller may not call.
        Misconfigured: API_AUTH or API_TOKEN_SECRET is wrong.
        StoreUnavailable: The secret cannot be read.
    """
    mode = os.environ.get("API_AUTH", "token")
    if mode not in MODES:
        raise Misconfigured(f"API_AUTH is {mode!r}; it must be one of {', '.join(MODES)}")
    if mode == "token":
        _check_secret(request)
    elif mode != "none" and mode not in request.authorizer:
        raise Unauthorized(f"the call did not pass API Gateway's check ({mode})")


def public(_request: Request) -> None:
    """The check of a route that anyone may call."""


def with_token(token: str | None) -> Access:
    """Returns the check of `kirei serve`: for that token; for None, anyone may call."""

    def check(request: Request) -> None:
        if token is not None:
            check_token(request, token)

    return check


def check_token(request: Request, token: str) -> None:
    """Checks a call's bearer token. Raises Unauthorized."""
    if not _is_one_of(_sent_token(request), (token,)):
        raise Unauthorized(INVALID_TOKEN)


def _sent_token(request: Request) -> str:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent:
        raise Unauthorized("a token is required: Authorization: Bearer TOKEN")
    return sent


def _is_one_of(sent: str, tokens: tuple[str, ...]) -> bool:
    """Compares in a time that does not depend on how much of a token is right."""
    data = sent.encode("utf-8", "replace")
    matches = [hmac.compare_digest(data, token.encode()) for token in tokens]
    return any(matches)


def warn_if_open() -> None:
    """Writes a warning to the log if anyone may call."""
    if os.environ.get("API_AUTH") == "none":
        logger.warning("API_AUTH is none: whoever finds this address may call it, at your cost")


def docs_are_open() -> bool:
    """Returns API_DOCS of the environment: whether /docs and /openapi.json are served."""
    return os.environ.get("API_DOCS", "on") == "on"


def _check_secret(request: Request) -> None:
    name = os.environ.get("API_TOKEN_SECRET")
    if not name:
        raise Misconfigured("API_TOKEN_SECRET is not set: nobody can be let in")
    tokens = _secret.tokens(name, TOKEN_CACHE_S)
    sent = _sent_token(request)
    if not _is_one_of(sent, tokens) and not _is_one_of(sent, _secret.tokens(name, REFRESH_S)):
        raise Unauthorized(INVALID_TOKEN)


class _Secret:
    """The tokens of a secret, cached for some time."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._tokens: tuple[str, ...] = ()
        self._read_at_s = 0.0

    def tokens(self, name: str, max_age_s: float) -> tuple[str, ...]:
        """Returns the current token and, after a change, the previous one.

        Raises:
            StoreUnavailable: The secret cannot be read.
            Misconfigured: It is empty.
        """
        now_s = time.monotonic()
        if name != self._name or now_s - self._read_at_s >= max_age_s:
            self._tokens = _read_tokens(name)
            self._name, self._read_at_s = name, now_s
        return self._tokens


_secret = _Secret()


def _read_tokens(name: str) -> tuple[str, ...]:
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    def read(stage: str) -> str:
        secret = parameters.get_secret(name, force_fetch=True, VersionStage=stage)
        return str(secret).strip()  # a secret that was written by hand may end in a line break

    try:
        current = read("AWSCURRENT")
    except GetParameterError as error:
        # the exception's own text may quote the secret
        raise StoreUnavailable("the secret of the API's token cannot be read") from error
    if not current:
        raise Misconfigured("the secret of the API's token is empty")
    try:
        previous = read("AWSPREVIOUS")
    except GetParameterError:  # the secret was never changed
        previous = ""
    return (current, previous) if previous else (current,)

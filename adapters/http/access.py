"""Who may call the HTTP API: API_AUTH of the environment, the template's parameter ApiAuth.

``token``, also if API_AUTH is not set: whoever sends the secret that API_TOKEN_SECRET names in
Secrets Manager. ``jwt`` and ``iam``: whoever API Gateway let through; that it did check is checked
here once more. ``none``: anyone. The routes themselves say which of them are public.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable

from adapters import logger
from adapters.errors import Unauthorized
from adapters.http.request import Request
from pipeline import Misconfigured, StoreUnavailable

MODES = ("token", "jwt", "iam", "none")
TOKEN_CACHE_S = 300  # a changed token is noticed after this time

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
        check_token(request, _secret())
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
    """Checks a bearer token, in a time that does not depend on it. Raises Unauthorized."""
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent:
        raise Unauthorized("a token is required: Authorization: Bearer TOKEN")
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), token.encode()):
        raise Unauthorized("invalid token")


def warn_if_open() -> None:
    """Writes a warning to the log if anyone may call."""
    if os.environ.get("API_AUTH") == "none":
        logger.warning("API_AUTH is none: whoever finds this address may call it, at your cost")


def docs_are_open() -> bool:
    """Returns API_DOCS of the environment: whether /docs and /openapi.json are served."""
    return os.environ.get("API_DOCS", "on") == "on"


def _secret() -> str:
    name = os.environ.get("API_TOKEN_SECRET")
    if not name:
        raise Misconfigured("API_TOKEN_SECRET is not set: nobody can be let in")
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        secret = parameters.get_secret(name, max_age=TOKEN_CACHE_S)
    except GetParameterError as error:
        # the exception's own text may quote the secret
        raise StoreUnavailable("the secret of the API's token cannot be read") from error
    # a secret that was written by hand may end in a line break
    token = str(secret).strip()
    if not token:
        raise Misconfigured("the secret of the API's token is empty")
    return token

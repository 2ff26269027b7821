"""Who may call the HTTP API: API_AUTH of the environment, the template's parameter ApiAuth.

``token`` (also where API_AUTH is not set): whoever sends the secret that API_TOKEN_SECRET names in
Secrets Manager. ``jwt`` and ``iam``: whoever API Gateway let through; that it asked is checked
here once more. ``none``: anyone. Which routes are open to all, the routes themselves say.
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
TOKEN_LIFE_S = 300  # a token that was changed is asked for after that

Access = Callable[[Request], None]


def of_environment(request: Request) -> None:
    """Raises Unauthorized for a call that API_AUTH does not let in, Misconfigured where it or
    API_TOKEN_SECRET is wrong, StoreUnavailable where the secret cannot be had.
    """
    mode = os.environ.get("API_AUTH", "token")
    if mode not in MODES:
        raise Misconfigured(f"API_AUTH is {mode!r}; it is one of {', '.join(MODES)}")
    if mode == "token":
        check_token(request, _secret())
    elif mode != "none" and mode not in request.authorizer:
        raise Unauthorized(f"the call did not pass API Gateway's check ({mode})")


def to_all(request: Request) -> None:
    """The check of a route that anyone may take."""


def with_token(token: str | None) -> Access:
    """The check of a server of ours: that token, or none."""

    def check(request: Request) -> None:
        if token is not None:
            check_token(request, token)

    return check


def check_token(request: Request, token: str) -> None:
    """In a time that does not tell how much of it was right. Raises Unauthorized."""
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent:
        raise Unauthorized("a token is needed: Authorization: Bearer TOKEN")
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), token.encode()):
        raise Unauthorized("the token is not the right one, to the last character")


def warn_if_open() -> None:
    """Tells the log where anyone is let in."""
    if os.environ.get("API_AUTH") == "none":
        logger.warning("API_AUTH is none: whoever finds this address may call it, at your cost")


def docs_are_open() -> bool:
    """API_DOCS of the environment: whether /docs and /openapi.json are shown."""
    return os.environ.get("API_DOCS", "on") == "on"


def _secret() -> str:
    name = os.environ.get("API_TOKEN_SECRET")
    if not name:
        raise Misconfigured("API_TOKEN_SECRET is not set: nobody can be let in")
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        secret = parameters.get_secret(name, max_age=TOKEN_LIFE_S)
    except GetParameterError as error:
        # the exception's own text is a stranger's
        raise StoreUnavailable("the secret of the API's token cannot be read") from error
    # whoever wrote it by hand may have left a line break behind it
    token = str(secret).strip()
    if not token:
        raise Misconfigured("the secret of the API's token is empty")
    return token

"""The page under the limits that template.yaml gives API Gateway: a token bucket for each route."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import SAMPLES, Opener
from hand import choose
from templates import PARAMETERS, properties

pytestmark = pytest.mark.browser

PHOTOS = [
    (f"{name}.jpg", "image/jpeg", (SAMPLES / f"{name}.jpg").read_bytes())
    for name in ("coffee", "chelsea", "rocket")
]
THUMBNAIL = "GET /v1/styles/{name}/thumbnail.jpg"


class Bucket:
    """Holds ``size`` calls at most and gets ``rate`` new ones a second."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self._size, self._rate = (
            float(_value(limits[f"Throttling{name}Limit"])) for name in ("Burst", "Rate")
        )
        self._left, self._at_s = self._size, time.monotonic()

    def take(self) -> bool:
        now_s = time.monotonic()
        self._left = min(self._size, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _value(limit: Any) -> Any:
    return PARAMETERS[limit["Ref"]]["Default"] if isinstance(limit, dict) else limit


def _route(method: str, path: str) -> str:
    """The key of the route that a call takes."""
    if path.endswith("/thumbnail.jpg"):
        return THUMBNAIL
    if path == "/v1/health":
        return "GET /v1/health"
    return "ANY /v1/{proxy+}" if path.startswith("/v1/") else "$default"


def test_a_first_visit_is_let_through_whole_and_draws_three_photos(
    visit: Opener, server: str
) -> None:
    stage = properties("HttpApi")
    buckets: dict[str, Bucket] = {}
    refused: list[str] = []

    def throttled(route: Any) -> None:
        key = _route(route.request.method, urlsplit(route.request.url).path)
        limits = stage["RouteSettings"].get(key, stage["DefaultRouteSettings"])
        if buckets.setdefault(key, Bucket(limits)).take():
            route.continue_()
        else:
            refused.append(key)
            route.fulfill(status=429, json={"message": "Too Many Requests"})

    page = visit(ready=False)
    page.context.route(f"{server}/**", throttled)
    page.reload()
    page.locator(".cards").wait_for()
    choose(page, *PHOTOS)
    page.wait_for_function("() => document.querySelectorAll('.tile[data-state=done]').length === 3")
    assert not set(refused) & {"$default", THUMBNAIL}

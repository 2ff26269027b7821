"""What a visit costs: bytes, requests, and the time to the first paint on a phone's network."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Figure, Opener
from shipped import shipped_styles
from wire import Wire

pytestmark = pytest.mark.browser

MOST_BYTES = 150_000
MOST_PAINT_MS = 1000
LOADS = 5
# Lighthouse's "slow 4G": 150 ms to and fro, 1.6 Mbit/s down, 750 kbit/s up
SLOW_4G = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 750e3 / 8,
}

PAINT = """() => new Promise((resolve) => {
  new PerformanceObserver((list, observer) => {
    const entry = list.getEntriesByName('first-contentful-paint')[0];
    if (entry) { observer.disconnect(); resolve(entry.startTime); }
  }).observe({type: 'paint', buffered: true}); })"""

LOADED = """() => performance.getEntriesByType('resource').map((entry) =>
  ({url: entry.name, blocking: entry.renderBlockingStatus, kind: entry.initiatorType}))"""


def test_a_first_visit_weighs_less_than_150_kb(visit: Opener, server: str, figure: Figure) -> None:
    """All that comes over the wire, headers too, and what the service worker keeps for later."""
    with Wire(server) as wire:
        page = visit(wire.address)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        page.wait_for_load_state("networkidle")
        images = page.locator(".cards img")
        assert images.evaluate_all("(all) => all.every((image) => image.naturalWidth > 0)")
        assert images.count() == len(shipped_styles())
    figure("first visit, kB", wire.received_bytes / 1000)
    assert 30_000 < wire.received_bytes < MOST_BYTES


def test_nothing_outside_the_page_blocks_its_rendering(page: Any, server: str) -> None:
    loaded = page.evaluate(LOADED)
    blocking = [entry["url"] for entry in loaded if entry["blocking"] == "blocking"]
    assert all(url.startswith(f"{server}/app/") for url in blocking)
    names = {url.rpartition("/")[2] for url in blocking}
    assert names == {"boot.js", "page.css", "work.css"}
    assert all(entry["url"].startswith(server) for entry in loaded)


def test_the_first_paint_comes_within_a_second_on_slow_4g(
    visit: Opener, server: str, figure: Figure
) -> None:
    """The best of a few visits with an empty cache: what the page takes, not what this machine
    was busy with meanwhile.
    """
    page = visit(service_workers="block")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    paints = []
    for _ in range(LOADS):
        page.goto(f"{server}/", wait_until="commit")
        paints.append(page.evaluate(PAINT))
        page.locator(".cards").wait_for()
    figure("first contentful paint, ms", *sorted(paints))
    assert min(paints) < MOST_PAINT_MS
    assert min(paints) > SLOW_4G["latency"]  # the network was slow indeed


def test_the_words_of_the_first_paint_are_in_the_visitors_language(visit: Opener) -> None:
    """Without its modules the page shows no English to whoever reads Chinese."""
    page = visit(locale="zh-CN", ready=False, expect=("Failed to load resource: net::ERR_FAILED",))
    page.route("**/app/main.js", lambda route: route.abort())
    page.route("**/app/sw.js", lambda route: route.abort())
    page.reload()
    visible = page.locator("h1").evaluate("(at) => getComputedStyle(at).visibility")
    assert visible == "hidden"

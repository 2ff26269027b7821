"""What a visit costs: bytes, requests, and the time to the first paint on a phone's network."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import OFFERED, Figure, Opener, stretch
from shipped import shipped_styles
from wire import Wire

pytestmark = pytest.mark.browser

MOST_BYTES = 150_000
MOST_PAINT_MS, MOST_LARGEST_MS, MOST_SHIFT = 1000, 2000, 0.05
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

# what the example photographs take of the wire, with their headers
EXAMPLES = """() => performance.getEntriesByType('resource')
  .filter(({name}) => name.includes('/examples/'))
  .reduce((sum, {transferSize}) => sum + transferSize, 0)"""

# Lighthouse's other two: the largest paint, and how far things were pushed about, in all
STABLE = """() => new Promise((resolve) => {
  let largest = 0, shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) largest = entry.startTime;
  }).observe({type: 'largest-contentful-paint', buffered: true});
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
  }).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => resolve([largest, shift]), 1500); })"""

LOADED = """() => performance.getEntriesByType('resource').map((entry) =>
  ({url: entry.name, blocking: entry.renderBlockingStatus, kind: entry.initiatorType}))"""


@pytest.mark.parametrize(("path", "pictures"), [("", len(shipped_styles())), ("colour", 2)])
def test_a_first_visit_weighs_less_than_150_kb(
    visit: Opener, server: str, figure: Figure, path: str, pictures: int
) -> None:
    """All that comes over the wire, headers too, and what the service worker keeps for later."""
    with Wire(server) as wire:
        page = visit(wire.address, path=path)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        page.wait_for_load_state("networkidle")
        examples = page.evaluate(EXAMPLES)
        images = page.locator(".cards img, .try [data-name] img")
        assert images.evaluate_all("(all) => all.every((image) => image.naturalWidth > 0)")
        assert images.count() == pictures
    sizes = (wire.received_bytes / 1000, examples / 1000)
    figure(f"first visit of /{path}, kB: all, examples", *sizes)
    assert examples > 1_000
    assert 30_000 < wire.received_bytes - examples < MOST_BYTES


def test_nothing_outside_the_page_blocks_its_rendering(page: Any, server: str) -> None:
    loaded = page.evaluate(LOADED)
    blocking = [entry["url"] for entry in loaded if entry["blocking"] == "blocking"]
    assert all(url.startswith(f"{server}/app/") for url in blocking)
    names = {url.rpartition("/")[2] for url in blocking}
    assert names == {"boot.js", "page.css", "work.css"}
    assert all(entry["url"].startswith(server) for entry in loaded)


@pytest.mark.parametrize(
    ("path", "phone"), [("", False), ("", True), ("colour", True)], ids=["desk", "phone", "colour"]
)
def test_paints_come_soon_and_stay_where_they_are_on_slow_4g(
    visit: Opener, server: str, figure: Figure, path: str, phone: bool
) -> None:
    """The best of a few visits with an empty cache: what the page takes, not what this machine
    was busy with meanwhile.
    """
    page = visit(path=path, service_workers="block", phone=phone)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    paints, largest, shifts, stretched = [], [], [], []
    for _ in range(LOADS):
        page.goto(f"{server}/{path}", wait_until="commit")
        paints.append(page.evaluate(PAINT))
        page.locator(OFFERED[path]).wait_for()
        page.wait_for_load_state("networkidle")
        last, shift = page.evaluate(STABLE)
        largest.append(last)
        shifts.append(shift)
        stretched.append(stretch())
    where = f"/{path} on a {'phone' if phone else 'desk'}"
    figure(f"first contentful paint, {where}, ms", *sorted(paints))
    figure(f"largest contentful paint, {where}, ms", *sorted(largest))
    figure(f"layout shift, {where}, thousandths", *sorted(shift * 1000 for shift in shifts))
    assert min(paints) < MOST_PAINT_MS * max(stretched)
    assert min(paints) > SLOW_4G["latency"]  # the network was slow indeed
    assert min(largest) < MOST_LARGEST_MS * max(stretched)
    assert max(shifts) < MOST_SHIFT


def test_the_words_of_the_first_paint_are_in_the_visitors_language(visit: Opener) -> None:
    """Without its modules the page shows no English to whoever reads Chinese."""
    page = visit(locale="zh-CN", ready=False, expect=("Failed to load resource: net::ERR_FAILED",))
    page.route("**/app/bundle.js", lambda route: route.abort())
    page.route("**/app/sw.js", lambda route: route.abort())
    page.evaluate("() => sessionStorage.setItem('reloads', 9)")  # it has tried often enough
    page.reload()
    visible = page.locator("h1").evaluate("(at) => getComputedStyle(at).visibility")
    assert visible == "hidden"

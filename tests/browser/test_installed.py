"""On a home screen: the manifest, the shell without a connection, photos shared by other apps."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from conftest import CHINESE, SAMPLES, Opener, drawn
from hand import choose

pytestmark = pytest.mark.browser

COFFEE = ("coffee.jpg", "image/jpeg", (SAMPLES / "coffee.jpg").read_bytes())
# the browser itself may or may not know that there is no network
UNREACHED = re.compile("There is no connection|could not be reached|没有网络连接|无法连接服务器")

# what a phone does when a photo is shared to the page: a form is posted from outside
SHARE = """(files) => {
  const transfer = new DataTransfer();
  for (const {name, type, content} of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, {type}));
  }
  const form = document.createElement('form');
  Object.assign(form, {method: 'post', action: '/share', enctype: 'multipart/form-data'});
  const field = document.createElement('input');
  Object.assign(field, {type: 'file', name: 'photos', multiple: true});
  field.files = transfer.files;
  form.append(field);
  document.body.append(form);
  form.submit();
}"""


def controlled(page: Any) -> None:
    """Waits until the service worker answers for the page."""
    page.evaluate("""async () => {
      await navigator.serviceWorker.ready;
      while (!navigator.serviceWorker.controller) await new Promise((go) => setTimeout(go, 50));
    }""")


def test_the_browser_would_install_it(page: Any) -> None:
    session = page.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["url"].endswith("/app/manifest.webmanifest")
    assert not manifest["errors"]
    controlled(page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # a browser that is driven has no profile to install into
    assert {error["errorId"] for error in errors} <= {"in-incognito"}


def test_without_a_connection_the_page_opens_and_says_so(visit: Opener) -> None:
    page = visit(expect=("Failed to load resource: net::ERR_INTERNET_DISCONNECTED",))
    controlled(page)
    # what the API said a while ago would still be there otherwise
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.context.set_offline(True)
    page.reload()
    page.get_by_role("heading", name="Your photograph, drawn.").wait_for()
    page.get_by_role("alert").filter(has_text=UNREACHED).wait_for()
    page.get_by_role("button", name="切换到中文").click()  # both languages are there
    page.get_by_role("heading", name=CHINESE["empty.title"]).wait_for()
    choose(page, COFFEE)
    page.locator(".failure").filter(has_text=UNREACHED).wait_for()
    page.context.set_offline(False)
    drawn(page)  # by itself


@pytest.mark.parametrize("count", [1, 2])
def test_photos_shared_by_another_app_are_drawn(page: Any, count: int) -> None:
    controlled(page)
    content = base64.b64encode(COFFEE[2]).decode()
    files = [
        {"name": f"夏 {number}.jpg", "type": "image/jpeg", "content": content}
        for number in range(count)
    ]
    with page.expect_navigation():
        page.evaluate(SHARE, files)
    if count == 1:
        drawn(page)
        assert page.locator("#photo h1").inner_text() == "夏 0.jpg"
    else:
        page.locator(".tile[data-state=done]").nth(count - 1).wait_for()
    page.evaluate("() => (location.hash = '')")
    page.reload()  # they are handed out once
    page.locator(".tile").nth(count - 1).wait_for()
    assert page.locator(".tile").count() == count


def test_the_service_worker_keeps_out_of_the_api(page: Any) -> None:
    controlled(page)
    choose(page, COFFEE)
    drawn(page)
    kept = page.evaluate("""async () => {
      const urls = [];
      for (const name of await caches.keys()) {
        for (const request of await (await caches.open(name)).keys()) urls.push(request.url);
      }
      return urls; }""")
    assert kept
    assert not [url for url in kept if "/v1/" in url]

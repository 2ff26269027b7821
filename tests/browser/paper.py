"""What is done on the page of drawings: a drawing chosen, painted on, and coloured."""

from __future__ import annotations

from typing import Any

from conftest import SAMPLES

DRAWING = SAMPLES / "drawing.png"


def choose(page: Any, name: str = "drawing.png", content: bytes | None = None) -> None:
    data = DRAWING.read_bytes() if content is None else content
    page.set_input_files("#choose", [{"name": name, "mimeType": "image/png", "buffer": data}])


def coloured(page: Any) -> None:
    """Waits until what was painted last is coloured."""
    page.locator(".viewer[data-state=done] .paper").wait_for()
    page.locator("#report:not([hidden])").wait_for()


def tap(page: Any, x: float, y: float) -> None:
    """A click on the paper, at shares of its sides."""
    box = page.locator(".paper").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def dots(page: Any) -> int:
    return int(page.locator(".dots li").count())


SENT = """window.sent = [];
const plain = window.fetch;
const told = (value) => value instanceof Blob ? 'file' : value;
window.fetch = (address, init) => {
  if (init?.body instanceof FormData) {
    const fields = [...init.body].map(([name, value]) => [name, told(value)]);
    window.sent.push(Object.fromEntries(fields));
  }
  return plain(address, init);
};"""


def recoloured(page: Any, is_asked: str) -> dict[str, str]:
    """Waits until the page has asked for what is meant, and shows the answer.

    is_asked: tells it by the fields of the form that was sent last, ``form``; files are "file".
    """
    page.wait_for_function(f"() => {{ const form = window.sent.at(-1); return {is_asked}; }}")
    coloured(page)
    fields: dict[str, str] = page.evaluate("() => window.sent.at(-1)")
    return fields

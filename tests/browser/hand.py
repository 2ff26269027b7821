"""What a hand does that Playwright has no word for: dropping and pasting files; what it hits."""

from __future__ import annotations

import base64
from typing import Any

# each in turn, at the page's body, with the files in hand
HAPPEN = """([files, events]) => {
  const transfer = new DataTransfer();
  for (const { name, type, content } of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  const init = { bubbles: true, cancelable: true };
  for (const type of events) {
    const event = type === 'paste'
      ? new ClipboardEvent(type, { ...init, clipboardData: transfer })
      : new DragEvent(type, { ...init, dataTransfer: transfer });
    document.body.dispatchEvent(event);
  }
}"""

# all that can be pressed, with its box: of a field that a label stands for, the label's
TARGETS = """() => {
  const byLabel = '[type=file], [type=radio], [type=checkbox]';
  return [...document.querySelectorAll('button, a[href], summary, input, label')]
    .filter((item) => item.checkVisibility({visibilityProperty: true, opacityProperty: false}))
    .filter((item) => item.tagName !== 'LABEL' || item.control?.matches(byLabel))
    .filter((item) => !item.matches(`.unseen, .skip, ${byLabel}`))
    .map((item) => [item.outerHTML.slice(0, 80), item.getBoundingClientRect().toJSON()]); }"""
THUMB_PX = 44  # WCAG 2.5.5

File = tuple[str, str, bytes]  # name, type, content


def _happen(page: Any, events: list[str], files: tuple[File, ...]) -> None:
    sent = [
        {"name": name, "type": kind, "content": base64.b64encode(content).decode()}
        for name, kind, content in files
    ]
    page.evaluate(HAPPEN, [sent, events])


def drop(page: Any, *files: File) -> None:
    """Drags files in from outside and lets go."""
    _happen(page, ["dragenter", "dragover", "drop"], files)


def hover(page: Any, *files: File) -> None:
    """Drags files in and does not let go."""
    _happen(page, ["dragenter", "dragover"], files)


def paste(page: Any, *files: File) -> None:
    """Ctrl-V with files in the clipboard."""
    _happen(page, ["paste"], files)


def choose(page: Any, *files: File) -> None:
    """Picks files in the file dialogue."""
    chosen = [{"name": name, "mimeType": kind, "buffer": content} for name, kind, content in files]
    page.set_input_files("#choose", chosen)


def resize(page: Any, width_px: int, height_px: int) -> None:
    """Gives the page another size, and the two frames in which it finds its new shape."""
    page.set_viewport_size({"width": width_px, "height": height_px})
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def leave_at_once(page: Any, selector: str) -> None:
    """Presses a button and reloads the page before the browser does anything else."""
    with page.expect_navigation():
        page.evaluate(
            "(button) => { document.querySelector(button).click(); location.reload(); }", selector
        )


def warned_at_reload(page: Any) -> list[str]:
    """Touches the page, as browsers want before they let one warn, and reloads it.

    Returns:
        The kinds of the dialogs, each of which was accepted.
    """
    kinds: list[str] = []

    def accept(dialog: Any) -> None:
        kinds.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    page.mouse.click(5, 5)
    page.reload()
    return kinds

"""What a hand does that Playwright has no word for: dropping and pasting files."""

from __future__ import annotations

import base64
from typing import Any

TRANSFER = """
const transfer = new DataTransfer();
for (const { name, type, content } of files) {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
}
"""

File = tuple[str, str, bytes]  # name, type, content


def _sent(files: tuple[File, ...]) -> list[dict[str, str]]:
    return [
        {"name": name, "type": kind, "content": base64.b64encode(content).decode()}
        for name, kind, content in files
    ]


def drop(page: Any, *files: File) -> None:
    """Drags files in from outside and lets go."""
    script = f"""(files) => {{ {TRANSFER}
      for (const type of ['dragenter', 'dragover', 'drop']) {{
        const event = new DragEvent(type, {{ bubbles: true, cancelable: true, dataTransfer: transfer }});
        document.body.dispatchEvent(event);
      }} }}"""
    page.evaluate(script, _sent(files))


def hover(page: Any, *files: File) -> None:
    """Drags files in and does not let go."""
    script = f"""(files) => {{ {TRANSFER}
      const init = {{ bubbles: true, cancelable: true, dataTransfer: transfer }};
      document.body.dispatchEvent(new DragEvent('dragenter', init)); }}"""
    page.evaluate(script, _sent(files))


def paste(page: Any, *files: File) -> None:
    """Ctrl-V with files in the clipboard."""
    script = f"""(files) => {{ {TRANSFER}
      const event = new ClipboardEvent('paste', {{ bubbles: true, cancelable: true, clipboardData: transfer }});
      document.body.dispatchEvent(event); }}"""
    page.evaluate(script, _sent(files))


def choose(page: Any, *files: File) -> None:
    """Picks files in the file dialogue."""
    chosen = [{"name": name, "mimeType": kind, "buffer": content} for name, kind, content in files]
    page.set_input_files("#choose", chosen)

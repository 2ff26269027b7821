"""Photographs of people: heads in a look of their own, bad faces, avatars."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES, drawn, more
from hand import drop
from PIL import Image, ImageFilter

pytestmark = pytest.mark.browser


def person(blur_px: float = 0) -> tuple[str, str, bytes]:
    """The astronaut, out of focus where ``blur_px`` says so."""
    content = io.BytesIO()
    with Image.open(SAMPLES / "astronaut.jpg") as photo:
        photo.filter(ImageFilter.GaussianBlur(blur_px)).save(content, "PNG")
    return "astronaut.png", "image/png", content.getvalue()


def test_the_report_says_that_a_blurred_face_was_invented(page: Any) -> None:
    drop(page, person(blur_px=6))
    drawn(page)
    page.get_by_text("too blurred to be seen, so they were invented").wait_for(state="attached")


def test_nothing_is_said_to_be_invented_of_a_good_face(page: Any) -> None:
    drop(page, person())
    drawn(page)
    page.get_by_text("One face was found").first.wait_for(state="attached")
    assert page.get_by_text("invented").count() == 0


def test_a_head_is_drawn_in_a_look_of_its_own(page: Any) -> None:
    page.get_by_role("radio", name="Portrait").check()
    drop(page, person())
    drawn(page)
    with page.expect_download() as waiting:
        more(page, "Save the details (JSON)")
    sidecar = json.loads(Path(waiting.value.path()).read_bytes())
    assert [face["drawn_as"] for face in sidecar["faces"]] == ["portrait"]

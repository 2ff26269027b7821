"""The files that clips are written to: Chromium plays them to their end, with their sound."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from clips_made import picture, video

from pipeline.clips.domain import ClipFormat, WriterSettings
from pipeline.clips.writer import ClipWriter

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PLAYED = """async (address) => {
  const film = document.createElement('video');
  film.src = address;
  film.muted = true;
  document.body.append(film);
  await new Promise((resolve, reject) => {
    film.onended = resolve;
    film.onerror = () => reject(new Error(film.error.message));
    film.play().catch(reject);
  });
  const heard = film.webkitAudioDecodedByteCount > 0;
  return [film.duration, film.videoWidth, film.videoHeight, heard];
}"""


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_a_written_clip_plays_to_its_end_with_sound(
    chromium: Any, tmp_path: Path, format: ClipFormat
) -> None:
    path = tmp_path / f"out.{format}"
    source = video("libvpx-vp9", "webm", sound="libopus", options={"cpu-used": "8"})
    with ClipWriter(path, format, (96, 64), WriterSettings(), source) as writer:
        for number in range(6):
            writer.write(picture(number), number / 12, 1 / 12)
    address = f"data:video/{format};base64,{base64.b64encode(path.read_bytes()).decode()}"
    page = chromium.new_page()
    duration_s, width, height, heard = page.evaluate(PLAYED, address)
    page.close()
    assert duration_s == pytest.approx(0.5, abs=1 / 12)
    assert (width, height, heard) == (96, 64, True)

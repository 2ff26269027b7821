"""Photos that people have, each of which once came out wrong: KIREI_CASES."""

from __future__ import annotations

import io

import numpy as np
import pytest
from outside import CASES, needs
from PIL import Image

from pipeline import KireiError, Options, Pipeline, Settings

AS_IT_IS = Options(strength=0, detail=1, enhance="off", faces="off", format="png")
# file, mean difference to the true picture at most, a word of its warning
RIGHT = [
    ("01-png-gama/01-gama-linear16.png", 2, None),
    ("01-png-gama/01-srgb-wins.png", 0.1, None),
    ("03-png-cicp-p3/02-cicp-p3.png", 2, None),
    ("05-png-cicp-pq/03-cicp-pq.png", 8, None),
    ("07-avif-nclx-p3/04-nclx-p3.avif", 3, None),
    ("09-heic-nclx-pq/07-nclx-pq-10bit.heic", 8, None),
    ("11-jpeg-dcf-adobergb/11-dcf-adobergb.jpg", 3, None),
    ("11-jpeg-dcf-adobergb/11-dcf-srgb-control.jpg", 3, None),
    ("13-jpeg-no-eoi/12-cut-2.jpg", 3, "lacks its end"),
    ("13-jpeg-no-eoi/12-prog-cut-2.jpg", 3, "lacks its end"),
    ("13-jpeg-no-eoi/12-png-no-iend.png", 2, None),
    ("17-tiff-miniswhite16/13-miniswhite16.tif", 2, None),
    ("17-tiff-miniswhite16/13-miniswhite8.tif", 2, None),
    ("18-tiff-rgb16-planar/14-rgb16-planar.tif", 2, None),
    ("19-grey-12bit/16-packed12.tif", 2, None),
    ("21-tiff-layouts-refused/14-rgbf16.tif", 2, "floats"),
    ("21-tiff-layouts-refused/14-rgbf32.tif", 2, "floats"),
    ("35-heic-exif-orientation-only/08-heic-exif6-no-irot.heic", 3, None),
    ("36-stale-xmp-orientation/09-png-upright-stale-xmp6.png", 2, None),
    ("36-stale-xmp-orientation/09-upright-stale-xmp6.jpg", 3, None),
]
REFUSED = [
    ("15-dng-thumbnail/15-camera.dng", "unsupported_variant", "DNG"),
    ("39-jpeg-12bit-jxl/18-12bit.jpg", "unsupported_variant", "12 bits"),
    ("39-jpeg-12bit-jxl/17-photo.jxl", "not_an_image", "JPEG XL"),
]
pytestmark = needs(CASES)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(Settings())


def drawn(pipeline: Pipeline, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    result = pipeline.run((CASES / name).read_bytes(), AS_IT_IS)
    with Image.open(io.BytesIO(result.image)) as picture:
        return np.asarray(picture.convert("RGBA"), np.int16), result.sidecar.warnings


@pytest.mark.parametrize(("name", "most", "word"), RIGHT)
def test_a_photo_comes_out_right(
    pipeline: Pipeline, name: str, most: float, word: str | None
) -> None:
    picture, warnings = drawn(pipeline, name)
    with Image.open((CASES / name).parent / "expected.png") as expected:
        wanted = np.asarray(expected.convert("RGB"), np.int16)
    assert picture.shape[:2] == wanted.shape[:2]
    assert np.abs(picture[..., :3] - wanted).mean() <= most
    assert [str(word) in warning for warning in warnings] == ([True] if word else [])


def test_grey_with_alpha_of_sixteen_bits(pipeline: Pipeline) -> None:
    folder = CASES / "21-tiff-layouts-refused"
    picture, _ = drawn(pipeline, "21-tiff-layouts-refused/14-grey16-alpha.tif")
    with Image.open(folder / "expected.png") as expected:
        wanted = np.asarray(expected.convert("L"), np.int16)
    assert np.abs(picture[..., 0] - wanted).mean() <= 2


@pytest.mark.parametrize("name", ["22-blankfirst.gif", "22-blankfirst.webp"])
def test_an_animation_is_drawn_by_its_first_frame_that_shows_something(
    pipeline: Pipeline, name: str
) -> None:
    picture, warnings = drawn(pipeline, f"37-animation-blank-first/{name}")
    assert picture[..., 3].max() == 255
    assert any("frame" in warning for warning in warnings)


@pytest.mark.parametrize(("name", "code", "word"), REFUSED)
def test_a_file_is_refused_by_name(pipeline: Pipeline, name: str, code: str, word: str) -> None:
    with pytest.raises(KireiError, match=word) as caught:
        drawn(pipeline, name)
    assert caught.value.code == code
    assert "damaged" not in caught.value.message

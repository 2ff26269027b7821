"""decode: the rarer kinds of files, damaged anywhere: a photo or an error with a name, within the
decoder's limits.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_colours import bitmap, cicp, gamma, png, scene
from test_decode_damage import assert_photo_or_named_error
from test_nearly_whole import cr3, jpeg, raf, raw_tiff
from tiffs import described, tiff

from pipeline.decoder import Decoder
from pipeline.errors import TooCostly
from pipeline.settings import Settings

pillow_heif.register_heif_opener()
# What Pillow says of damaged metadata must not decide whether a photo is taken.
pytestmark = pytest.mark.filterwarnings("ignore")

SIXTEEN = np.rint(scene() * 65535).astype("<u2")
HEIGHT, WIDTH = SIXTEEN.shape[:2]


def heic() -> bytes:
    file = io.BytesIO()
    Image.fromarray((SIXTEEN >> 8).astype(np.uint8)).save(file, "HEIF")
    return file.getvalue().replace(b"nclx\0\1\0\r", b"nclx\0\x09\0\x10")


def planar() -> bytes:
    pieces = [zlib.compress(SIXTEEN[..., n].tobytes()) for n in range(3)]
    tags = described(WIDTH, HEIGHT, 2, [16] * 3, planar=2, compression=8, predictor=2)
    return tiff(tags | {"pieces": pieces})


def floats() -> bytes:
    stored = scene().astype("<f4")
    tags = described(WIDTH, HEIGHT, 2, [32] * 3, kind=3)
    small = described(10, 8, 2, [8] * 3, reduced=1) | {"pieces": [bytes(240)]}
    return tiff(small | {"below": [tags | {"pieces": [stored.tobytes()]}]})


FILES = {
    "planes": planar(),
    "floats below": floats(),
    "tiles": tiff(
        described(WIDTH, HEIGHT, 0, [12], order=1)
        | {322: 64, 323: 32, "pieces": [bytes(64 * 32 * 3 // 2)]}
    ),
    "pq": png(scene() * 0.5, 16, cicp(9, 16, 0, 1)),
    "gamma": png(scene(), 16, gamma(1.0)),
    "heic": heic(),
    "bmp": bitmap(scene(), int.from_bytes(b"MBED", "big"), 0, [0] * 9, b"a profile"),
    "raf": raf(jpeg((SIXTEEN >> 8).astype(np.uint8))),
    "cr3": cr3(jpeg((SIXTEEN >> 8).astype(np.uint8))),
    "raw": raw_tiff(jpeg((SIXTEEN >> 8).astype(np.uint8))),
}


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(FILES)),
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6
    ),
    where=st.sampled_from(["head", "tail", "all"]),
)
def test_flipped_bytes_give_a_photo_or_a_named_error(
    name: str, flips: list[tuple[float, int]], where: str
) -> None:
    data = bytearray(FILES[name])
    reach = len(data) if where == "all" else min(len(data), 250)
    offset = len(data) - reach if where == "tail" else 0
    for place, mask in flips:
        data[offset + int(place * reach)] ^= mask
    assert_photo_or_named_error(bytes(data))


def test_large_pictures_of_every_depth_keep_within_what_is_granted() -> None:
    """Two megapixels and more each, in the process that the kernel holds to memory and time."""
    large = np.kron(scene(), np.ones((40, 32, 1)))
    height, width = large.shape[:2]
    decoder = Decoder(Settings(max_input_bytes=2**28))
    for data in (
        png(large * 0.7, 16, cicp(9, 16, 0, 1)),
        png(large, 8, cicp(12, 13, 0, 1)),
        tiff(
            described(width, height, 2, [32] * 3, kind=3)
            | {"pieces": [large.astype("<f4").tobytes()]}
        ),
        tiff(
            described(width, height, 2, [16] * 4, extra=1)
            | {"pieces": [np.dstack((large, large[..., :1])).astype("<u2").tobytes()]}
        ),
    ):
        assert decoder.decode(data, 1000).photo.width_px <= 1000
    assert decoder._idle


def test_tiles_that_are_far_larger_than_the_picture() -> None:
    tags = described(40, 30, 2, [16] * 3) | {322: 20_000, 323: 20_000, "pieces": [b"x" * 64]}
    with pytest.raises(TooCostly):
        Decoder(Settings()).decode(tiff(tags), 100)

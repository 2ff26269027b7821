"""The shipped int8 graphs: safe on every processor, integers all through, and the same network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import shipped_model
from onnx import numpy_helper
from shipped import shipped_styles
from skimage import data

from pipeline.measure import psnr_db
from pipeline.settings import Settings

SETTINGS = Settings()
GRAPHS = sorted(SETTINGS.weights_dir.glob("*.int8.onnx"))
OF_INTEGERS = (*shipped_styles(), "restorer.picture", "upsampler")
MOST_OF_16_BITS = 2**15 - 1
PHOTO = data.astronaut()[:256, :192]


def integer_weights(path: Path) -> dict[str, np.ndarray]:
    """The int8 weights of a graph's convolutions and matrices, by name."""
    graph = onnx.load(path).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    return {
        name: values
        for name, values in constants.items()
        if values.dtype == np.int8 and values.ndim > 1
    }


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_no_pair_of_products_overflows_16_bits(path: Path) -> None:
    """AVX2 without VNNI multiplies uint8 by int8 and adds two neighbours in 16 bits, saturating
    (VPMADDUBSW). Whatever the activations, and whichever weights are neighbours, 255 times the
    two largest of an output stays below that.
    """
    found = integer_weights(path)
    assert found
    for name, weights in found.items():
        sizes = np.sort(np.abs(weights.reshape(len(weights), -1).astype(int)), axis=1)
        most = 255 * sizes[:, -2:].sum(1).max()
        assert most <= MOST_OF_16_BITS, f"{name}: two products may reach {most}"


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_nothing_leaves_the_integers_on_the_way(name: str) -> None:
    graph = onnx.load(SETTINGS.weights_dir / f"{name}.int8.onnx").graph
    count = Counter(node.op_type for node in graph.node)
    assert not count["DequantizeLinear"] and not count["QuantizeLinear"] and not count["Conv"]
    kinds = {one.name: one.type.tensor_type.elem_type for one in graph.input}
    assert kinds["picture"] == graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    # channels that fill a vector of 16, but for those of the photo
    widths = {
        len(weights)
        for weights in integer_weights(SETTINGS.weights_dir / f"{name}.int8.onnx").values()
    }
    assert not [width for width in widths if width % 16]


@pytest.mark.parametrize(
    ("level", "least_db"),
    [((0, 0, 0), 100), ((1.5, 0, 0), 45), ((0, 12, 40), 45), ((2, 20, 30), 41), ((4, 50, 75), 34)],
)
def test_the_restorer_in_integers_is_that_in_float(
    level: tuple[float, ...], least_db: float
) -> None:
    """Told far more than there is, it changes by tens of levels, and so do the differences."""
    pytest.importorskip("torch")
    inputs = {"level": np.array(level, np.float32).reshape(1, 3, 1, 1)}
    made, wanted = (
        shipped_model("restorer", engine=engine)(PHOTO, inputs=inputs)
        for engine in ("onnx", "torch")
    )
    if not any(level):
        np.testing.assert_array_equal(made, PHOTO)
    assert psnr_db(made, wanted) >= least_db


# those of photographs lie between -0.2 and 1.2
@pytest.mark.parametrize(
    "gain",
    [
        pytest.param(-1.5, marks=pytest.mark.xfail(strict=True, reason="36 dB: ranges are passed")),
        *(-1.0, 0.0, 1e-5, 1.0, 4.0),
    ],
)
def test_gains_and_shifts_of_any_size_come_out_as_in_float(gain: float) -> None:
    """A gain near zero, or below it, has no say in how exact the shift is."""
    pytest.importorskip("torch")
    encoder = shipped_model("hayao", "code")
    code = encoder.run({"thumbnail": encoder.planes(PHOTO[::4, ::3])}).copy()
    code[:, :4] = gain  # of four of the 80 channels
    made, wanted = (
        shipped_model("hayao", engine=engine)(PHOTO, inputs={"code": code})
        for engine in ("onnx", "torch")
    )
    assert psnr_db(made, wanted) > 38


@given(
    height=st.integers(1, 130),
    width=st.integers(1, 170),
    tile_px=st.sampled_from([16, 50, 64]),
    role=st.sampled_from(["picture", "double"]),
)
@settings(max_examples=15, deadline=None)
def test_the_restorer_by_tiles_gives_the_same_bytes(
    height: int, width: int, tile_px: int, role: str
) -> None:
    inputs = {"level": np.array([2, 20, 30], np.float32).reshape(1, 3, 1, 1)}
    picture = PHOTO[:height, :width]
    whole, tiled = (
        shipped_model("restorer", role, tile_px=tile_px)(picture, inputs=inputs)
        for tile_px in (1024, tile_px)
    )
    np.testing.assert_array_equal(tiled, whole)

"""Lesser processors by hidden CPUID, and layers beside the best convolution."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("torch", reason="torch is not installed")

from benchmarks import processors  # noqa: E402
from benchmarks.inputs import INPUTS, networks_with_inputs  # noqa: E402
from benchmarks.layers import layers_of  # noqa: E402
from benchmarks.operators import multiply_adds  # noqa: E402
from pipeline import Settings  # noqa: E402
from pipeline.weights import WeightStore  # noqa: E402

# Two products of 255 by 127 are more than 16 bits hold: without VNNI the sum of each pair is cut
# off at 32767, which no shipped network comes near, and here tells the kernels apart.
SATURATED = """
import json
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
constants = {
    "xs": np.float32(1), "xz": np.uint8(0), "w": np.full((64, 64, 3, 3), 127, np.int8),
    "ws": np.float32(1), "wz": np.int8(0), "ys": np.float32(255 * 127 * 576 / 200),
    "yz": np.uint8(0),
}
node = helper.make_node("QLinearConv", ["x", *constants], ["y"])
side = (1, 64, 16, 16)
graph = helper.make_graph(
    [node], "g", [helper.make_tensor_value_info("x", TensorProto.UINT8, side)],
    [helper.make_tensor_value_info("y", TensorProto.UINT8, (1, 64, 14, 14))],
    [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
print(json.dumps(np.unique(session.run(None, {"x": np.full(side, 255, np.uint8)})[0]).tolist()))
"""


def saturated(environment: dict[str, str] | None) -> Any:
    run = subprocess.run(
        [sys.executable, "-c", SATURATED],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def test_onnx_runtime_takes_the_kernels_of_a_lesser_processor(tmp_path: Path) -> None:
    try:
        masking = processors.mask_runtime(tmp_path)
    except processors.Unavailable as error:
        pytest.skip(str(error))
    if not any(flag.endswith("_vnni") for flag in processors._flags()):
        pytest.skip("a processor without VNNI cannot be told from AVX2 by its sums")
    assert saturated(None) == [200]
    assert saturated(masking.environment(processors.AS_IT_IS)) == [200]
    assert masking.asked.stat().st_size > 0
    assert saturated(masking.environment(processors.AVX2)) == [round(200 * 32767 / (2 * 255 * 127))]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(processors.Unavailable, match=r"without cc and objdump|on Linux on x86-64"):
        processors.mask_runtime(tmp_path)


@pytest.fixture(scope="module")
def store() -> WeightStore:
    settings = Settings()
    return WeightStore(settings.weights_dir, settings.checkpoints_dir)


def test_every_network_that_is_shipped_can_be_measured(store: WeightStore) -> None:
    assert {spec.kind for spec in store.specs.values()} <= set(INPUTS)


def test_the_layers_of_a_network_have_all_its_multiply_adds(store: WeightStore) -> None:
    ((_, spec, role, inputs),) = (
        asked for asked in networks_with_inputs(store) if asked[1].kind == "parser"
    )
    graph = store.read(spec, role)
    layers = layers_of(graph, inputs)
    counted = multiply_adds(
        onnx.load_from_string(graph), {name: array.shape for name, array in inputs.items()}
    )
    assert sum(layer.get("multiply_adds", 0) for layer in layers) == counted
    assert min(layer["seconds"] for layer in layers) >= 0
    assert any(layer.get("shape") == "3x3, 64 to 64, 64x64" for layer in layers)


def test_shares_and_rounds_by_hand() -> None:
    def seen(rate: float, seconds: float) -> dict[str, Any]:
        layer = {"name": "c", "kind": "QLinearConv", "shape": "3x3", "multiply_adds": 100}
        row = {"multiply_adds": 100, "seconds": seconds, "of_this_shape": 2}
        layers = [{**layer, "seconds": seconds / 2}]
        return {"rates": {"64": rate}, "networks": {"net": {**row, "layers": layers}}}

    quicker = processors._quicker(seen(300, 2.0), seen(400, 1.0))
    assert quicker == seen(400, 1.0)
    found = {"processors": {processors.AS_IT_IS: quicker}, "left out": {processors.AVX2: "no cc"}}
    assert processors.shares(found) == {processors.AS_IT_IS: {"net": 0.5}}
    report = "\n".join(processors.lines(found))
    assert "| net (and 1 of its shape) | 1000.0 ms, 50% |" in report
    assert "Not measured: the processor AVX2 alone; no cc." in report
    page = "\n".join(processors.layer_lines(found))
    assert "| QLinearConv 3x3 | 500.00, 100% |" in page

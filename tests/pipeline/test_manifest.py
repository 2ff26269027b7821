"""A manifest that is not as it should be: every problem has its name, no file lies elsewhere."""

from __future__ import annotations

import copy
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import OutOfDescriptors, Settings, WeightsInvalid
from pipeline.decoder import Decoder
from pipeline.engines import OnnxEngine
from pipeline.weights import WeightStore

WHOLE = json.loads((Settings().weights_dir / "manifest.json").read_text())


def layer(folder: Path, document: Any) -> WeightStore:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    (folder / "manifest.json").write_bytes(text)
    return WeightStore(folder, folder)


def changed(**fields: Any) -> dict[str, Any]:
    """The manifest with the first network changed."""
    document: dict[str, Any] = copy.deepcopy(WHOLE)
    document["weights"][0] |= fields
    return document


def file(**fields: Any) -> dict[str, Any]:
    files = copy.deepcopy(WHOLE["weights"][0]["files"])
    files["picture"] |= fields
    return {"files": files}


@pytest.mark.parametrize(
    "document",
    [
        b"[" * 100_000,
        b'{"manifest_version": 1, "weights": ' + b"9" * 5000 + b"}",
        {"manifest_version": 1, "weights": [[]]},
        {"manifest_version": 1, "weights": {"name": 3}},
        changed(files=[]),
        changed(files={"picture": []}),
        changed(files={"picture": {"file": "a"}}),
        changed(**file(file="../../../../etc/passwd")),
        changed(**file(file="/etc/passwd")),
        changed(**file(file="folder/a.onnx")),
        changed(**file(file="..")),
        changed(**file(file="")),
        changed(**file(file=3)),
        changed(**file(sha256="abc")),
        changed(**file(sha256=None)),
        changed(**file(bytes="many")),
        changed(**file(bytes=-1)),
        changed(**file(bytes=True)),
        changed(name=3),
        changed(name="../cel"),
        changed(name=""),
        changed(name=WHOLE["weights"][1]["name"]),
        changed(kind=None),
        changed(scale=0),
        changed(scale=1.5),
        changed(multiple_of_px="4"),
        changed(multiple_of_px=0),
        changed(overlap_px=-1),
        changed(working_px=10**12),
        changed(working_px=0),
        changed(tileable="yes"),
        changed(input_range=[1]),
        changed(input_range=["a", "b"]),
        changed(input_range=[0, float("nan")]),
        changed(shape=[]),
        changed(thresholds={"noise": "much"}),
    ],
    ids=range(36),
)
def test_what_is_no_manifest_is_said(tmp_path: Path, document: Any) -> None:
    with pytest.raises(WeightsInvalid, match=r"manifest\.json cannot be read"):
        _ = layer(tmp_path, document).specs


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANY = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)


@st.composite
def odd_manifests(draw: st.DrawFn) -> Any:
    """The manifest with one value, anywhere in it, replaced."""
    document = copy.deepcopy(WHOLE)
    parent, step = document, "weights"
    while isinstance(parent[step], dict | list) and parent[step] and draw(st.integers(0, 4)):
        parent = parent[step]
        steps = sorted(parent) if isinstance(parent, dict) else range(len(parent))
        step = draw(st.sampled_from(list(steps)))
    parent[step] = draw(ANY)
    return document


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(document=ANY | odd_manifests())
def test_any_manifest_is_read_or_refused_by_name(tmp_path: Path, document: Any) -> None:
    try:
        specs = layer(tmp_path, document).specs
    except WeightsInvalid:
        return
    for spec in specs.values():
        for listed in spec.files.values():
            assert (tmp_path / listed.file).resolve().parent == tmp_path.resolve()
        assert spec.scale >= 1 and spec.multiple_of_px >= 1


def test_a_file_of_another_size_than_listed_is_refused(tmp_path: Path) -> None:
    weights = Settings().weights_dir
    entry = WHOLE["weights"][0]
    listed = entry["files"]["picture"]
    (tmp_path / listed["file"]).write_bytes((weights / listed["file"]).read_bytes())
    odd = layer(tmp_path, changed(**file(bytes=listed["bytes"] + 1)))
    with pytest.raises(WeightsInvalid, match="another size") as caught:
        odd.read(odd.specs[entry["name"]], "picture")
    assert caught.value.measured == listed["bytes"]


def test_a_graph_that_takes_tensors_from_other_files_is_refused(
    tmp_path: Path, monkeypatch: Any
) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra train is not installed")
    from onnx import TensorProto, helper, numpy_helper

    tensor = numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32), "weights")
    graph = helper.make_graph(
        [helper.make_node("Add", ["picture", "weights"], ["out"])],
        "graph",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert OnnxEngine(model.SerializeToString(), 1)
    monkeypatch.chdir(tmp_path)
    onnx.save(
        model,
        "outside.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    whole = Path("outside.onnx").read_bytes()
    for graph_bytes in (whole, whole.replace(b"\n\x08location", b"\n\x88\x00location")):
        with pytest.raises(WeightsInvalid, match="other files"):
            OnnxEngine(graph_bytes, 1)


def test_too_few_descriptors_are_no_fault_of_the_layer_or_the_photo(monkeypatch: Any) -> None:
    def too_few(*arguments: object, **named: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    decoder = Decoder(Settings())
    with monkeypatch.context() as broken:
        broken.setattr("socket.socketpair", too_few)
        with pytest.raises(OutOfDescriptors, match="Too many open files"):
            decoder.decode(b"x", 64)
    monkeypatch.setattr(Path, "read_bytes", too_few)
    with pytest.raises(OutOfDescriptors, match="Too many open files"):
        _ = WeightStore(Settings().weights_dir, Settings().weights_dir).specs

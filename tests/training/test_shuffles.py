"""Shuffles in their quickest form: the same values, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

import onnxruntime  # noqa: E402
from torch import nn  # noqa: E402

from pipeline import Settings  # noqa: E402
from pipeline.weights import WeightStore  # noqa: E402
from training.export.onnx import export_onnx  # noqa: E402
from training.export.shuffles import UNSHUFFLE, split_shuffles  # noqa: E402


class Shuffled(nn.Module):  # type: ignore[misc]
    def __init__(self, block: int) -> None:
        super().__init__()
        self.apart, self.together = nn.PixelUnshuffle(block), nn.PixelShuffle(block)

    def forward(self, picture: Any) -> Any:
        return self.together(self.apart(picture) * 2 + 1)


def run(model: Any, values: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    result: np.ndarray = session.run(None, {"picture": values})[0]
    return result


@pytest.mark.parametrize("is_free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("block", [2, 4])
@pytest.mark.parametrize("count", [1, 3])
def test_a_graph_computes_the_same_with_its_shuffles_split(
    tmp_path: Path, is_free: bool, block: int, count: int
) -> None:
    example = torch.zeros(count, 3, 16, 24)
    path = export_onnx(Shuffled(block), {"picture": example}, "y", tmp_path / "g.onnx", is_free)
    model = onnx.load(path)
    split = split_shuffles(model)
    kinds = [node.op_type for node in split.graph.node]
    assert "DepthToSpace" not in kinds
    assert kinds.count("Transpose") == 4
    sides = (count, 3, 32, 8) if is_free else tuple(example.shape)
    values = np.random.default_rng(0).standard_normal(sides).astype(np.float32)
    assert np.array_equal(run(split, values), run(model, values))


def test_what_is_no_shuffle_stays_as_it_is() -> None:
    settings = Settings()
    store = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    graph = onnx.load_from_string(store.read(store.specs["detector"], "faces"))
    assert split_shuffles(graph).graph.node == graph.graph.node


def test_no_shipped_graph_has_a_shuffle_in_a_slow_form() -> None:
    settings = Settings()
    store = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    for name, spec in store.specs.items():
        if name == "colouriser":  # of an export before this one
            continue
        for role, file in spec.files.items():
            if not file.file.endswith(".onnx"):
                continue
            for node in onnx.load_from_string(store.read(spec, role)).graph.node:
                perms = [tuple(one.ints) for one in node.attribute if one.name == "perm"]
                assert node.op_type != "DepthToSpace", file.file
                assert UNSHUFFLE not in perms, file.file

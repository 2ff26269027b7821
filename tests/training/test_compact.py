"""Float weights in a byte each."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline.architectures.compact import STEP, compacted, expanded  # noqa: E402


def test_weights_come_back_to_a_step_and_a_second_time_the_same() -> None:
    torch.manual_seed(1)
    tensors = {"wide.weight": torch.randn(8, 32, 3, 3) * 0.2, "wide.bias": torch.randn(8)}
    tensors["wide.weight"][3] = 0
    compact = compacted(tensors)
    assert compact["wide.weight"].dtype == torch.int8
    assert compact["wide.bias"].dtype == torch.float16
    back = expanded(compact)
    assert set(back) == set(tensors)
    off = (back["wide.weight"] - tensors["wide.weight"]).abs()
    assert (off <= compact["wide.weight" + STEP] / 2 + 1e-7).all()
    again = expanded(compacted(back))
    assert torch.allclose(again["wide.weight"], back["wide.weight"], atol=1e-6)
    assert (again["wide.bias"] == back["wide.bias"]).all()


def test_what_is_not_compact_only_becomes_float() -> None:
    tensors = {"layer.weight": torch.randn(4, 4).half()}
    assert (expanded(tensors)["layer.weight"] == tensors["layer.weight"].float()).all()

"""What the machine can do, measured, and how near to it each network of the layer comes."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from benchmarks.inputs import Arrays, networks_with_inputs
from benchmarks.machine import interleaved
from benchmarks.operators import multiply_adds, quantised_convolution, quantised_product
from pipeline import Settings
from pipeline.engines import OnnxEngine
from pipeline.weights import WeightStore

THREADS = (1, 2)
MATRIX_SIDES = (1024, 2048, 3072)
CHANNELS = (64, 128, 256)
COPIED_BYTES = 256 * 2**20
LIMIT_S = 0.4  # seconds of trying at each size
NET_ROUNDS = 15
PROFILED_RUNS = 10
RATES = ("fp32 FLOP/s", "bf16 FLOP/s", "int8 operations/s", "bytes copied/s")
# the operators that multiply matrices, as ONNX Runtime names them once it has fused them
MATRIX_OPERATORS = ("Conv", "Gemm", "MatMul")


def _best_rate(work: float, run: Callable[[], object]) -> float:
    """Work over time of the quickest of many runs: a limit is what can be reached."""
    run()
    best = 0.0
    until = time.perf_counter() + LIMIT_S
    while time.perf_counter() < until:
        start = time.perf_counter()
        run()
        best = max(best, work / (time.perf_counter() - start))
    return best


def _float_rate(kind: torch.dtype) -> float:
    """FLOP/s of torch's product of square matrices, on as many threads as torch has."""
    rates = []
    for side in MATRIX_SIDES:
        left, right = (torch.randn(side, side).to(kind) for _ in range(2))
        rates.append(_best_rate(2.0 * side**3, partial(torch.matmul, left, right)))
    return max(rates)


def _int8_rates(threads: int) -> dict[str, float]:
    """Measures ONNX Runtime's products of square matrices and dense 3x3 convolutions.

    Activations are u8, weights s8; the rates are in operations a second.
    """
    graphs = {f"product of {side}x{side}": quantised_product(side) for side in MATRIX_SIDES}
    graphs |= {
        f"3x3 convolution, {count} channels": quantised_convolution(count) for count in CHANNELS
    }
    rates = {}
    for name, model in graphs.items():
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
        engine = OnnxEngine(model.SerializeToString(), threads)
        values = np.random.default_rng(0).integers(0, 255, sides, np.uint8)
        work = 2.0 * multiply_adds(model, {"x": sides})
        rates[name] = _best_rate(work, partial(engine.run, {"x": values}))
    return rates


def _copy_rate(threads: int) -> float:
    """Bytes/s read and written by copies of COPIED_BYTES, cut among the threads."""
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros(COPIED_BYTES, np.uint8)
    pairs = list(zip(np.split(target, threads), np.split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(lambda pair: np.copyto(*pair), pairs))

        return _best_rate(2.0 * COPIED_BYTES, copy)


def _limits(threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    int8 = _int8_rates(threads)
    found = (
        _float_rate(torch.float32),
        _float_rate(torch.bfloat16),
        max(int8.values()),
        _copy_rate(threads),
    )
    return dict(zip(RATES, found, strict=True)) | {"int8 operations/s by graph": int8}


def _profile(graph: bytes, inputs: Arrays, threads: int) -> dict[str, float]:
    """Finds where the time of a run goes, by ONNX Runtime's own profiler.

    The session is set up as pipeline/engines.py does. Returns shares by kind of operator, and
    "between operators" for what is left.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for _ in range(1 + PROFILED_RUNS):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    runs = sorted(
        (event for event in events if event["name"] == "model_run"), key=lambda event: event["ts"]
    )[1:]
    total_us = sum(run["dur"] for run in runs)
    spent_us: Counter[str] = Counter()
    for event in events:
        if event["name"].endswith("_kernel_time") and event["ts"] >= runs[0]["ts"]:
            spent_us[event["args"]["op_name"]] += event["dur"]
    shares = {kind: spent / total_us for kind, spent in spent_us.most_common()}
    return shares | {"between operators": max(0.0, 1 - sum(shares.values()))}


def measure() -> dict[str, Any]:
    """Measures the machine's rates and what share of them each network reaches.

    Returns:
        ``limits``: the machine's rates by number of threads. ``networks``: for each network its
        multiply-adds and, by number of threads, its median seconds, its share of the machine's int8
        rate, and where its time goes.
    """
    settings = Settings()
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    found: dict[str, Any] = {"limits": {}, "networks": {}}
    networks = networks_with_inputs(layer)
    for name, spec, role, inputs in networks:
        model = onnx.load_from_string(layer.read(spec, role))
        counted = multiply_adds(model, {key: array.shape for key, array in inputs.items()})
        found["networks"][name] = {"multiply-adds": counted, "threads": {}}
    for threads in THREADS:
        limits = found["limits"][str(threads)] = _limits(threads)
        engines = [OnnxEngine(layer.read(spec, role), threads) for _, spec, role, _ in networks]
        medians = interleaved(
            [partial(engine.run, one[3]) for engine, one in zip(engines, networks, strict=True)],
            NET_ROUNDS,
        )
        for (name, spec, role, inputs), seconds in zip(networks, medians, strict=True):
            row = found["networks"][name]
            profile = _profile(layer.read(spec, role), inputs, threads)
            matrices = sum(
                share for kind, share in profile.items() if kind.endswith(MATRIX_OPERATORS)
            )
            reached = 2 * row["multiply-adds"] / seconds / limits["int8 operations/s"]
            row["threads"][str(threads)] = {
                "seconds": seconds,
                "share of the int8 rate": reached,
                "share of the time in matrix operators": matrices,
                "share of the int8 rate within them": reached / matrices,
                "share of the time by operator": profile,
            }
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """The section of a report: the machine's limits, then each network beside them."""
    made = [
        "| threads | fp32 GFLOP/s | bf16 GFLOP/s | int8 GOP/s | memory GB/s"
        " | int8 GOP/s by graph |",
        "|---" * 6 + "|",
    ]
    for threads, limits in found["limits"].items():
        by_graph = limits["int8 operations/s by graph"]
        cells = " | ".join(f"{limits[rate] / 1e9:.0f}" for rate in RATES)
        each = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in by_graph.items())
        made.append(f"| {threads} | {cells} | {each} |")
    made += [
        "",
        "| network | million multiply-adds | threads | ms | of the int8 rate | time in matrix"
        " operators | of the int8 rate within them | where the time goes |",
        "|---" * 8 + "|",
    ]
    for name, row in found["networks"].items():
        for threads, one in row["threads"].items():
            spent = sorted(one["share of the time by operator"].items(), key=lambda item: -item[1])
            largest = ", ".join(f"{kind} {share:.0%}" for kind, share in spent[:3])
            made.append(
                f"| {name} | {row['multiply-adds'] / 1e6:.0f} | {threads} |"
                f" {1000 * one['seconds']:.1f} | {one['share of the int8 rate']:.0%} |"
                f" {one['share of the time in matrix operators']:.0%} |"
                f" {one['share of the int8 rate within them']:.0%} | {largest} |"
            )
    most = max(found["limits"])
    shares = [row["threads"][most]["share of the int8 rate"] for row in found["networks"].values()]
    limits = found["limits"][most]
    by_graph = limits["int8 operations/s by graph"].items()
    convolved = max(rate for name, rate in by_graph if "convolution" in name)
    return [
        *made,
        "",
        "The rates are the best that were seen: torch's matrix products in fp32 and bf16, ONNX"
        " Runtime's matrix products and dense 3x3 convolutions of u8 by s8; bytes are counted"
        f" read and written. Times of the networks are medians. On {most} threads the networks'"
        f" median share of the int8 rate is {statistics.median(shares):.0%}; a dense 3x3"
        " convolution alone reaches"
        f" {convolved / limits['int8 operations/s']:.0%} of it in ONNX Runtime.",
    ]


if __name__ == "__main__":
    print("\n".join(lines(measure())))

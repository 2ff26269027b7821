"""The guard of the speed: what fails it and what does not; start, throughput and cost."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("torch", reason="torch is not installed")

import numpy as np

from benchmarks import bench, check, start, throughput
from pipeline.engines import OnnxEngine

COMMITTED = {
    "processor": "one",
    "python": "3.11.7",
    "ratios": {"stylise": 2.0, "gone": 1.0},
    "instructions": {"options": 1000},
}


def now(**changed: object) -> dict[str, object]:
    return {**COMMITTED, "ratios": {"stylise": 2.0}, **changed}


def test_what_is_as_committed_or_faster_passes_and_what_is_gone_is_left_out() -> None:
    rows = check.compared(now(instructions={"options": 900}), COMMITTED)
    assert [row.what for row in rows] == ["stylise", "options"]
    assert all(row.passes for row in rows)


@pytest.mark.parametrize(
    ("changed", "slower"),
    [
        ({"ratios": {"stylise": 2.0 * check.MARGIN * 0.99}}, []),
        ({"ratios": {"stylise": 2.0 * check.MARGIN * 1.01}}, ["stylise"]),
        ({"instructions": {"options": 1090}}, []),
        ({"instructions": {"options": 1110}}, ["options"]),
        # another processor: a wider margin; another Python: counts tell nothing
        ({"processor": "two", "ratios": {"stylise": 2.0 * check.MARGIN * 1.01}}, []),
        (
            {"processor": "two", "ratios": {"stylise": 2.1 * check.OTHER_PROCESSOR_MARGIN}},
            ["stylise"],
        ),
        ({"python": "3.12.1", "instructions": {"options": 9000}}, []),
    ],
)
def test_beyond_the_margin_is_slower(changed: dict[str, object], slower: list[str]) -> None:
    rows = check.compared(now(**changed), COMMITTED)
    assert [row.what for row in rows if not row.passes] == slower
    told = [line for line in check.lines(rows) if "**slower**" in line]
    assert len(told) == len(slower)


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing that could be compared"):
        check.compared(now(ratios={}, instructions={}), COMMITTED)


def test_without_valgrind_it_says_so_and_counts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert check.instructions() == {}
    assert "valgrind is not installed" in capsys.readouterr().out


def test_the_reference_is_as_many_convolutions_in_integers() -> None:
    planes = np.full((1, check.CHANNELS, check.SIDE_PX, check.SIDE_PX), 128, np.uint8)
    made = OnnxEngine(check.integer_convolutions(), 1).run({"x": planes})
    assert made.shape == planes.shape
    assert (made == 128).all()  # zeros stay zeros


def test_cost_by_hand() -> None:
    # one processor at 1769 MB, two at 3538 MB, half of one takes twice as long
    assert throughput.lambda_seconds(1769, 1.0, 0.6) == 1.0
    assert throughput.lambda_seconds(3538, 1.0, 0.6) == 0.6
    assert throughput.lambda_seconds(10_240, 1.0, 0.6) == 0.6
    assert throughput.lambda_seconds(1024, 1.0, 0.6) == pytest.approx(1769 / 1024)
    assert throughput.dollars_a_thousand(1024, 0.5, 0.00002) == pytest.approx(0.01 + 0.0002)


def test_the_parts_of_a_start_add_up_and_have_their_row() -> None:
    parts = start.first_answer_s("onnx")
    whole = parts.pop("first answer")
    assert min(parts.values()) > 0
    assert sum(parts.values()) == pytest.approx(whole)
    found = {
        "threads": 2,
        "first answer": {start.OURS: {**parts, "first answer": whole}},
        start.TORCH: 2 * whole,
    }
    made = start.lines(found)
    assert made[-1].endswith("after 50% of the time that `import torch` takes.")
    report = bench.report({"machine": bench.machine(), "start": found})
    assert "\n".join(made) in report
    assert "50.0 % | under 100 % | met |" in report
    assert bench.PARTS["throughput"][0] not in report  # was not measured


def test_a_round_of_throughput_is_told_with_its_cost() -> None:
    taken = dict(zip(throughput.WAYS, (0.5, 0.4, 0.8), strict=True))
    found = {"width": 64, "height": 48, "seconds_a_photo": taken, "price_per_gb_second": 0.001}
    made = "\n".join(throughput.lines(found | {"without_avx2": "no compiler"}))
    assert "| two processes of one thread | 0.400 | 150 |" in made
    assert "| 1769 MB | 1.00 | 0.80 s, $1.3822 |" in made
    assert "Not measured: AVX2 alone; no compiler." in made
    lesser = {f"{throughput.ONE_CORE}, AVX2 alone": 1.6, f"{throughput.TWO_CORES}, AVX2 alone": 1}
    made = "\n".join(
        throughput.lines(found | {"seconds_a_photo": taken | lesser, "without_avx2": ""})
    )
    assert "| 1769 MB | 1.00 | 0.80 s, $1.3822 | 1.60 s, $2.7643 |" in made

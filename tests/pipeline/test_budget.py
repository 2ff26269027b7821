"""Too little time or memory: what is left out, in which order, and what the sidecar says of it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from buckets import OUTPUT, keys, put, s3_event
from calls import Invoke
from PIL import Image, ImageFilter

from adapters.deadline import Deadline
from adapters.process import process_worker
from pipeline import Options, OutOfTime, Pipeline, Settings, TooMuchMemory
from pipeline.budget import (
    BYTES_PER_PIXEL,
    BYTES_PER_WORKING_PIXEL,
    DEFAULT_S,
    Budget,
    Costs,
    WorkPlan,
    expected_s,
    fit_to_budget,
)
from pipeline.model import Model
from pipeline.planning import FixedScale

ROOT = Path(__file__).parents[2]


def plan(
    width: Any = 2000, height: Any = 1500, steps: Any = ("upscale", "denoise"), faces: Any = True
) -> Any:
    return WorkPlan(
        width_px=width,
        height_px=height,
        mode="classic",
        steps=steps,
        faces=faces,
        style="hayao",
        working=FixedScale(500, 500),
    )


def test_what_is_left_out_first() -> None:
    parts = [(step, words) for _, step, words in plan().fallbacks()]
    assert [step for step, _ in parts] == ["upscale"] + ["side"] * 7 + ["faces"]
    assert parts[0][1] == "it is not doubled"
    assert parts[-2][1] == "it is drawn at 512 px"
    plans = [plan(), *(less for less, *_ in plan().fallbacks())]
    assert plans[1].side_px == 2000
    assert plans[1].steps == ("denoise",)
    assert (plans[-1].width_px, plans[-1].height_px) == (512, 384)
    assert [less.faces for less in plans[1:]] == [True] * 8 + [False]
    costs = [expected_s(less, Costs()) for less in plans]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)


def test_a_small_photo_is_made_no_smaller() -> None:
    assert [step for _, step, _ in plan(400, 300, ()).fallbacks()] == ["faces"]
    assert list(plan(400, 300, (), faces=False).fallbacks()) == []


def test_costs_are_the_dearest_of_the_last_runs_by_megapixel() -> None:
    costs = Costs()
    assert costs.expected_s("measure", 3.0, DEFAULT_S["measure"]) == pytest.approx(0.3)
    costs.learn("measure", 0.01, 9.0)  # a thumbnail teaches nothing
    assert costs.expected_s("measure", 3.0, 0.1) == pytest.approx(0.3)
    for elapsed_s in (2.0, 1.0):
        costs.learn("measure", 2.0, elapsed_s)
    assert costs.expected_s("measure", 3.0, 0.1) == pytest.approx(3.0)
    for _ in range(8):
        costs.learn("measure", 2.0, 0.2)
    assert costs.expected_s("measure", 3.0, 0.1) == pytest.approx(0.3)


def test_no_limits_decide_nothing() -> None:
    wanted = plan()
    assert fit_to_budget(wanted, Budget(), Costs(), False) == (wanted, (), ())


def left(seconds: Any, **known: Any) -> Any:
    """A budget whose clock stands still."""

    class Still(Budget):
        left_s = seconds

    return Still(**known)


@pytest.mark.parametrize(
    ("left_s", "side_px", "steps", "faces"),
    [
        (1000, 2000, ("upscale", "denoise"), True),
        (20, 2000, ("denoise",), True),
        (4, 819, ("denoise",), True),
        (1.97, 512, ("denoise",), True),
        (1.8, 512, ("denoise",), False),
    ],
)
def test_less_time_less_is_done(left_s: Any, side_px: Any, steps: Any, faces: Any) -> None:
    found, (decision,), told = fit_to_budget(plan(), left(left_s), Costs(), False)
    assert (found.side_px, found.steps, found.faces) == (side_px, steps, faces)
    assert decision.measured is not None and decision.measured <= left_s == decision.threshold
    assert decision.ran == bool(told) == (left_s < 1000)
    if told:
        assert all("are left" in words for words in told)
        assert found.limited(Options(upscale="on")).upscale == "off"
    else:
        assert found.limited(Options(upscale="on")).upscale == "on"


def test_too_little_for_anything() -> None:
    with pytest.raises(OutOfTime) as caught:
        fit_to_budget(plan(), left(1.5), Costs(), False)
    assert caught.value.limit == 1.5
    assert isinstance(caught.value.measured, float) and caught.value.measured > 1.5
    with pytest.raises(TooMuchMemory):
        fit_to_budget(plan(), Budget(free_bytes=5_000_000), Costs(), False)


def test_too_little_memory_makes_the_picture_smaller() -> None:
    found, _, told = fit_to_budget(plan(), Budget(free_bytes=450_000_000), Costs(), False)
    assert found.steps == ("denoise",)
    assert found.megapixels * BYTES_PER_PIXEL <= 100
    assert ["MB are free" in words for words in told] == [True, True]


def test_a_larger_working_scale_needs_more_memory_up_to_a_tile() -> None:
    """The picture's size alone says too little: it is drawn at another."""
    small, large = (replace(plan(), working=FixedScale(1000, side)) for side in (200, 800))
    assert large.memory_mb - small.memory_mb == pytest.approx(0.6 * BYTES_PER_WORKING_PIXEL, abs=1)
    assert expected_s(large, Costs()) > expected_s(small, Costs())
    tiled, whole = (replace(plan(), working=FixedScale(1000, side)) for side in (2000, 24000))
    assert tiled.memory_mb == whole.memory_mb


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return Pipeline(Settings())


def test_a_run_that_would_not_make_it_is_drawn_smaller(
    pipeline: Any, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring is made dear: a photo of 1024 px would take 500 seconds and 100 are left."""
    monkeypatch.setattr(pipeline, "_costs", Costs())
    pipeline._costs.learn("measure", 1.0, 700.0)
    file = io.BytesIO()
    picture.resize((1024, 680)).save(file, "JPEG")
    data = file.getvalue()
    options = Options(upscale="on", max_side_px=2048)
    result = pipeline.run(data, options, time_left_s=100_000.0)
    assert (result.sidecar.output.width_px, result.sidecar.warnings) == (2048, ())
    budgeted = result.sidecar.decisions[0]
    assert (budgeted.step, budgeted.ran, budgeted.why) == ("budget", False, "all of it fits")

    monkeypatch.setattr(pipeline, "_costs", Costs())
    pipeline._costs.learn("measure", 1.0, 700.0)
    result = pipeline.run(data, options, time_left_s=300.0)
    width_px = result.sidecar.output.width_px
    assert 512 <= width_px < 1024
    assert result.sidecar.source.width_px == 1024
    doubled, smaller = result.sidecar.warnings
    assert "not doubled" in doubled
    assert f"drawn at {width_px} px" in smaller
    by_step = {decision.step: decision for decision in result.sidecar.decisions}
    assert by_step["budget"].ran
    assert by_step["budget"].threshold < 300
    assert not by_step["upscale"].ran
    assert result.sidecar.timings_ms["measure"] < 60_000  # it was not dear after all,
    assert pipeline._costs.expected_s("measure", 1.0, 0.1) >= 700  # but it may be again


def test_faces_are_left_last_and_the_sidecar_says_so(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for faces is made dear: at 512 px it would take 140 seconds and 100 are left."""
    monkeypatch.setattr(pipeline, "_costs", Costs())
    pipeline._costs.learn("faces", 1.0, 700.0)
    astronaut = Image.open(ROOT / "samples" / "astronaut.jpg").convert("RGB").resize((512, 384))
    file = io.BytesIO()
    astronaut.save(file, "JPEG")
    at_ease = pipeline.run(file.getvalue(), Options(), time_left_s=100_000.0).sidecar
    assert len(at_ease.faces) == 1 and at_ease.warnings == ()
    monkeypatch.setattr(pipeline, "_costs", Costs())
    pipeline._costs.learn("faces", 1.0, 700.0)
    hurried = pipeline.run(file.getvalue(), Options(), time_left_s=100.0).sidecar
    assert hurried.output.width_px == 512
    assert hurried.faces == ()
    (left_out,) = hurried.warnings
    assert "its faces are left as drawn" in left_out and "are left" in left_out
    by_step = {decision.step: decision for decision in hurried.decisions}
    assert (by_step["budget"].ran, by_step["faces"].ran) == (True, False)


def test_a_stage_that_took_too_long_ends_the_run_before_the_next(
    pipeline: Any, photo: bytes
) -> None:
    budget = left(2.0)
    budget.check(1.9)
    with pytest.raises(OutOfTime, match=r"2\.1 s more and 2\.0 s are left"):
        budget.check(2.1)
    with pytest.raises(OutOfTime):
        pipeline.run(photo, Options(), time_left_s=0.0)


@pytest.mark.parametrize("stage", ["enhance", "stylise"])
def test_time_that_ends_within_a_stage_ends_the_run_between_two_tiles(
    monkeypatch: pytest.MonkeyPatch, stage: Any
) -> None:
    """Every tile takes longer than the whole photo may: the second one is not begun."""
    clock_s, tiles, entered = [1000.0], list[Any](), list[Any]()
    monkeypatch.setattr("pipeline.budget.time.monotonic", lambda: clock_s[0])
    run_tile = Model._run_tile

    def slow(self: Any, image: Any, guide: Any, inputs: Any) -> Any:
        drawn = run_tile(self, image, guide, inputs)
        if entered[-1] == stage:
            tiles.append(self.spec.name)
            clock_s[0] += 100
        return drawn

    monkeypatch.setattr(Model, "_run_tile", slow)
    picture = Image.open(ROOT / "samples" / "chelsea.jpg").convert("RGB").resize((640, 420))
    buffer = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(3)).save(buffer, "PNG")
    options = Options(style="cel", detail=1, faces="off", upscale="off")
    with pytest.raises(OutOfTime, match="there is no time left"):
        Pipeline(Settings(tile_px=256)).run(
            buffer.getvalue(), options, on_stage=entered.append, time_left_s=90
        )
    assert (entered[-1], len(tiles)) == (stage, 1)


class Hurried:
    """A context of Lambda whose function is about to be ended."""

    function_name = "kirei"
    memory_limit_in_mb = 2048
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:kirei"
    aws_request_id = "7c9f2d7e-4f0a-4b3a-9c55-0d6c1a2b3c4d"

    def get_remaining_time_in_millis(self) -> int:
        return 5_000  # what is kept for writing


def over_http(body: str) -> dict[str, Any]:
    """The event of a photo that is posted."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/v1/stylise",
        "rawQueryString": "",
        "headers": {"content-type": "image/jpeg"},
        "requestContext": {
            "http": {"method": "POST", "path": "/v1/stylise"},
            "requestId": "1",
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": True,
    }


def test_the_functions_own_time_is_watched(
    s3: Any, environment: pytest.MonkeyPatch, photo: bytes
) -> None:
    from handler import lambda_handler

    hurried: Any = Hurried()
    put(s3, "uploads/a.jpg", photo)
    with pytest.raises(OutOfTime):
        lambda_handler(s3_event("uploads/a.jpg"), hurried)
    assert keys(s3, OUTPUT) == []  # it is tried again, and nothing is written down against it
    event = over_http(base64.b64encode(photo).decode())
    answer = lambda_handler(event, hurried)
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["error"]["code"] == "out_of_time"


def test_the_functions_own_time_over_http_ends_before_the_gateway_s(
    environment: pytest.MonkeyPatch,
) -> None:
    """An HTTP API waits for 30 s, however long the function may run."""
    import handler

    class Unhurried(Hurried):
        def get_remaining_time_in_millis(self) -> int:
            return 300_000

    left_s: dict[str, float | None] = {}

    def at_the_api(event: Any, context: Any, deadline: Deadline) -> dict[str, Any]:
        left_s["http"] = deadline.remaining_s()
        return {}

    def directly(event: Any, deadline: Deadline) -> dict[str, Any]:
        left_s["direct"] = deadline.remaining_s()
        return {}

    environment.setattr("adapters.http.api.handle", at_the_api)
    environment.setattr("adapters.direct.handle", directly)
    context: Any = Unhurried()
    handler.lambda_handler(over_http(""), context)
    handler.lambda_handler({"bucket": "b", "key": "uploads/a.jpg"}, context)
    assert 20 < (left_s["http"] or 0) < 30
    assert 200 < (left_s["direct"] or 0) < 300


def test_the_functions_own_memory_is_watched(
    s3: Any, environment: pytest.MonkeyPatch, invoke: Invoke, encoded: Callable[..., bytes]
) -> None:
    environment.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    assert process_worker().pipeline.settings.memory_mb == 128
    put(s3, "uploads/a.png", encoded("PNG"))
    (told,) = invoke(s3_event("uploads/a.png"))["results"]
    assert told["error"]["code"] == "too_much_memory"
    assert keys(s3, OUTPUT) == ["failed/a.png.json"]
    environment.setenv("KIREI_MEMORY_MB", "4096")  # whoever knows better
    process_worker.cache_clear()
    assert process_worker().pipeline.settings.memory_mb == 4096

"""Alarms and dashboard: what they look at is sent, and each alarm goes off when it should."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from buckets import INPUT, put, s3_event
from metric_math import Period, calculate, rings, substituted
from templates import (
    PARAMETERS,
    ROOT,
    TEMPLATE,
    of_type,
    properties,
    walk,
)

ALARMED = {
    "DeadLettersAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "FailedEventsAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "OldestUploadAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    "ErrorsAlarm": ("AWS/Lambda", "Errors"),
    "ThrottlesAlarm": ("AWS/Lambda", "Throttles"),
    "DurationAlarm": ("AWS/Lambda", "Duration"),
}
OF_METRICS = {
    "FailuresAlarm": {("Kirei", name) for name in ("Refused", "Transient", "Stylised")},
    "SpendAlarm": {("AWS/Lambda", name) for name in ("Duration", "Invocations")},
    "LongClipsAlarm": {("AWS/States", f"Executions{name}") for name in ("Failed", "TimedOut")},
}


def test_every_alarm_is_told_and_every_one_asked_for_is_there() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm")
    assert set(alarms) == {*ALARMED, *OF_METRICS, "CanaryErrorsAlarm"}
    for name, alarm in alarms.items():
        of = alarm["Properties"]
        assert of["AlarmActions"] == of["OKActions"] == [{"Ref": "AlarmTopic"}], name
        assert of["TreatMissingData"] == "notBreaching"
        assert of["AlarmDescription"]
        if name in ALARMED:
            assert (of["Namespace"], of["MetricName"]) == ALARMED[name]
        if name in OF_METRICS:
            looked_at = [
                item["MetricStat"]["Metric"] for item in of["Metrics"] if "MetricStat" in item
            ]
            assert {(each["Namespace"], each["MetricName"]) for each in looked_at} == OF_METRICS[
                name
            ]
    near = properties("DurationAlarm")
    assert near["ExtendedStatistic"] == "p95"
    assert near["Threshold"] == {"Fn::FindInMap": ["Timeouts", {"Ref": "Timeout"}, "NearMs"]}


def test_operators_are_told_what_to_do_at_every_alarm_and_no_other() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page[page.index("## Alarms") :].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+Alarm)` \|[^|]+\|[^|]{9,}\|$", section, re.MULTILINE)
    assert sorted(rows) == sorted(of_type("AWS::CloudWatch::Alarm"))


def dashboard() -> Any:
    """Its body, as JSON once its names are put in."""
    text = properties("Dashboard")["DashboardBody"]["Fn::Sub"][0]
    return json.loads(re.sub(r"\$\{\w+\}|\$\{AWS::\w+\}", "1", text))


def test_the_dashboard_is_json_and_its_widgets_do_not_overlap() -> None:
    taken = set()
    for widget in dashboard()["widgets"]:
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert x < 24 and (x, y) not in taken
                taken.add((x, y))


def test_metrics_of_ours_that_are_watched_are_those_that_are_sent(
    sick_s3: Any, invoke: Any, photo: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = {
        value["MetricName"]
        for value in walk(of_type("AWS::CloudWatch::Alarm"))
        if isinstance(value, dict) and value.get("Namespace") == "Kirei"
    }
    for widget in dashboard()["widgets"]:
        above: list[Any] = []
        for row in widget["properties"]["metrics"]:
            above = [above[i] if part == "." else part for i, part in enumerate(row)]
            if above[0] == "Kirei":
                watched.add(above[1])
    assert watched >= {"Stylised", "Refused", "Transient"}
    s3, _ = sick_s3
    put(s3, "uploads/a.jpg", photo)
    put(s3, "uploads/bad.jpg", b"no image")
    put(s3, "uploads/ours.jpg", photo, kirei="0.1.0")
    for key in ("a", "bad", "ours"):
        invoke(s3_event(f"uploads/{key}.jpg"))
    with pytest.raises(Exception, match="SlowDown"):
        invoke(s3_event("uploads/unlucky.jpg"))
    sent = set()
    for line in capsys.readouterr().out.splitlines():
        for group in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            assert group["Namespace"] == "Kirei"
            if group["Dimensions"] == [["service"]]:
                sent |= {metric["Name"] for metric in group["Metrics"]}
    assert watched <= sent
    assert INPUT not in watched


NAMES: dict[str, Any] = {
    "MemorySize": 3008,
    "IsArm": False,
    "AWS::StackName": "kirei",
    "DailySpendAlarmUsd": 10,
    "StyliseFunction": "kirei-f",
}
GIGABYTE_SECOND_USD, CALL_USD = 0.0000166667, 0.0000002
SECONDS_OF_TEN_DOLLARS = 10 / (3008 / 1024 * GIGABYTE_SECOND_USD)


def one(*values: float | None) -> list[Period]:
    return [{"value": value} for value in values]


def photos(stylised: float | None, refused: float | None, transient: float | None) -> list[Period]:
    return [{"stylised": stylised, "refused": refused, "transient": transient}]


def runs(seconds: float | None, calls: float | None) -> list[Period]:
    return [{"duration": None if seconds is None else seconds * 1000, "calls": calls}]


def clips(failed: float | None, late: float | None) -> list[Period]:
    return [{"failed": failed, "late": late}]


QUIET_AND_LOUD: dict[str, tuple[list[list[Period]], list[list[Period]]]] = {
    "DeadLettersAlarm": ([one(0), one(None)], [one(1)]),
    "FailedEventsAlarm": ([one(0), one(None)], [one(1)]),
    "OldestUploadAlarm": ([one(3600), one(None)], [one(3601)]),
    "ErrorsAlarm": ([one(0), one(None)], [one(1)]),
    "CanaryErrorsAlarm": ([one(0), one(None)], [one(1)]),
    "LongClipsAlarm": ([clips(0, 0), clips(None, None)], [clips(1, None), clips(None, 1)]),
    "ThrottlesAlarm": ([one(9, 9, 0), one(9, None, 9), one(None, None, None)], [one(1, 1, 1)]),
    "DurationAlarm": (
        [one(239_999, 239_999, 239_999), one(240_000, None, 0), one(0, 0, 240_000)],
        [one(240_000, 0, 240_000), one(None, 250_000, 240_000)],
    ),
    "FailuresAlarm": (
        [photos(16, 4, None), photos(None, 19, None), photos(None, None, None)],
        [photos(15, 5, None), photos(15, None, 5), photos(15, 4, 1), photos(None, 20, None)],
    ),
    "SpendAlarm": (
        [runs(0.999 * SECONDS_OF_TEN_DOLLARS, 1), runs(None, None), runs(1, 49_000_000)],
        [runs(1.001 * SECONDS_OF_TEN_DOLLARS, 1), runs(1, 50_100_000)],
    ),
}


@pytest.mark.parametrize("name", sorted(of_type("AWS::CloudWatch::Alarm")))
def test_every_alarm_goes_off_when_it_should_and_not_before(name: str) -> None:
    alarm = substituted(properties(name), NAMES)
    threshold = alarm["Threshold"]
    if name == "DurationAlarm":
        threshold = TEMPLATE["Mappings"]["Timeouts"][PARAMETERS["Timeout"]["Default"]]["NearMs"]
    quiet, loud = QUIET_AND_LOUD[name]
    assert [rings(alarm, periods, threshold) for periods in quiet] == [False] * len(quiet)
    assert [rings(alarm, periods, threshold) for periods in loud] == [True] * len(loud)


def test_the_spend_on_other_processors_is_reckoned_at_their_price() -> None:
    arm = substituted(properties("SpendAlarm"), NAMES | {"IsArm": True})
    assert not rings(arm, runs(1.2 * SECONDS_OF_TEN_DOLLARS, 1), 10)
    assert rings(arm, runs(1.3 * SECONDS_OF_TEN_DOLLARS, 1), 10)


def test_an_expression_that_is_not_understood_is_no_answer() -> None:
    with pytest.raises(ValueError, match="not understood"):
        calculate("RATE(a)", {"a": 1.0})
    assert calculate("a / 2", {"a": None}) is None

"""The guided way to a deployment: nine questions, answered where build and deploy both read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from templates import PARAMETERS, ROOT

from operations.configure import QUESTIONS, Question, answers, written
from operations.stack import OperationsError

SHIPPED = (ROOT / "samconfig.toml").read_text()


def defaults(question: Question) -> str:
    return question.default


def test_at_most_ten_questions_are_asked_and_enter_is_an_answer_to_each() -> None:
    assert len(QUESTIONS) <= 10
    given = answers(defaults)
    assert given["ApiAuth"] == PARAMETERS["ApiAuth"]["Default"]
    for question in QUESTIONS[2:]:
        parameter = PARAMETERS[question.name]
        assert str(parameter["Default"]) == question.default
        assert given[question.name] in parameter.get("AllowedValues", [given[question.name]])


def test_the_answers_stand_where_both_commands_read_them() -> None:
    given = answers(defaults) | {
        "stack_name": "anime",
        "region": "eu-central-1",
        "Architecture": "arm64",
        "InputBucketName": "my-photos",
    }
    text = written(SHIPPED, given)
    before, after = tomllib.loads(SHIPPED), tomllib.loads(text)
    shared = after["default"].pop("global")["parameters"]
    before["default"].pop("global")
    assert after == before
    assert (shared["stack_name"], shared["region"]) == ("anime", "eu-central-1")
    overrides = dict(item.split("=", 1) for item in shared["parameter_overrides"])
    assert overrides["Architecture"] == "arm64"
    assert (overrides["InputBucketExists"], overrides["Delivery"]) == ("yes", "eventbridge")
    assert set(overrides) <= set(PARAMETERS)
    for name, value in overrides.items():
        assert re.search(PARAMETERS[name].get("AllowedPattern", ""), value)
    assert written(text, given) == text


def test_an_answer_that_cannot_be_is_asked_for_again() -> None:
    tries = iter(["9 lives", "kirei"])

    def ask(question: Question) -> str:
        return next(tries) if question.name == "stack_name" else question.default

    assert answers(ask)["stack_name"] == "kirei"


def test_a_file_without_the_section_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(OperationsError, match="take the shipped one"):
        written("version = 0.1\n", answers(defaults))

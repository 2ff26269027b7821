"""Asks what matters for a deployment and writes samconfig.toml: ``make configure``.

``sam deploy --guided`` asks for every parameter of the template, by its name alone, and keeps the
answers where ``sam build`` does not read them. Here are nine questions, and the answers stand where
both do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from operations.stack import OperationsError

SAMCONFIG = Path(__file__).resolve().parent.parent / "samconfig.toml"
SECTION = "[default.global.parameters]\n"


@dataclass(frozen=True)
class Question:
    """One question: the parameter that it sets, and what it may be."""

    name: str
    text: str
    default: str
    pattern: str


QUESTIONS = (
    Question("stack_name", "Name of the stack", "kirei", r"[A-Za-z][A-Za-z0-9-]{0,65}"),
    Question("region", "Region, empty for that of your AWS profile", "", r"|[a-z]{2}(-[a-z]+)+-\d"),
    Question("AlarmEmail", "Who gets mail of alarms, empty for nobody", "", r"|[^@\s]+@[^@\s]+"),
    Question(
        "ApiAuth",
        "Who may call the HTTP API (token, iam, none, off; jwt needs two more parameters)",
        "token",
        r"token|iam|none|off",
    ),
    Question(
        "InputBucketName",
        "A bucket that is there already for the photos, empty to make one",
        "",
        r"|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    ),
    Question("PhotoExpirationDays", "Days until photos are deleted, 0 for never", "0", r"\d{1,5}"),
    Question(
        "PictureExpirationDays", "Days until pictures are deleted, 0 for never", "0", r"\d{1,5}"
    ),
    Question(
        "Architecture",
        "Processor: x86_64, or arm64, which must be built on one or under QEMU",
        "x86_64",
        r"x86_64|arm64",
    ),
    Question(
        "PermissionsBoundaryArn",
        "Permissions boundary for the roles, empty for none",
        "",
        r"|arn:aws[a-z-]*:iam::(\d{12}|aws):policy/\S+",
    ),
)


def answers(ask: Callable[[Question], str]) -> dict[str, str]:
    """Asks every question until its answer is one that it takes.

    Args:
        ask: Returns the answer to a question.
    """
    given: dict[str, str] = {}
    for question in QUESTIONS:
        answer = ask(question).strip()
        while not re.fullmatch(question.pattern, answer):
            answer = ask(question).strip()
        given[question.name] = answer
    return given


def written(text: str, given: dict[str, str]) -> str:
    """Returns samconfig.toml with the answers in the section that build and deploy both read.

    Raises:
        OperationsError: The file has no such section.
    """
    start = text.find(SECTION)
    if start < 0:
        raise OperationsError(f"samconfig.toml has no {SECTION.strip()}: take the shipped one")
    begin = start + len(SECTION)
    end = text.find("\n[", begin)
    end = len(text) if end < 0 else end + 1
    parameters = {"Engine": "onnx"} | {
        name: value for name, value in given.items() if name[0].isupper() and value
    }
    if given["InputBucketName"]:
        parameters |= {"InputBucketExists": "yes", "Delivery": "eventbridge"}
    lines = [f'stack_name = "{given["stack_name"]}"']
    if given["region"]:
        lines.append(f'region = "{given["region"]}"')
    lines.append("parameter_overrides = [")
    lines += [f'  "{name}={value}",' for name, value in parameters.items()]
    return text[:begin] + "\n".join([*lines, "]\n\n"]) + text[end:]


def main() -> None:
    """Asks on the terminal and writes samconfig.toml."""

    def ask(question: Question) -> str:
        return str(click.prompt(question.text, default=question.default, show_default=True))

    try:
        SAMCONFIG.write_text(written(SAMCONFIG.read_text(), answers(ask)))
    except OperationsError as error:
        click.echo(f"kirei: {error}", err=True)
        sys.exit(1)
    click.echo("samconfig.toml is written; now: sam build && sam deploy")


if __name__ == "__main__":
    main()

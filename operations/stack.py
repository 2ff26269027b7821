"""A deployed stack: its outputs, and AWS clients for its region."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any


class OperationsError(Exception):
    """Something that an operator can correct. It is printed on one line, with exit code 1."""


@cache
def client(service: str) -> Any:
    """Returns an AWS client, with region and credentials from the environment.

    Args:
        service: The service's name in boto3.
    """
    import boto3
    from botocore.config import Config

    return boto3.client(service, config=Config(retries={"mode": "standard"}))  # type: ignore[call-overload]


@contextmanager
def named_aws_errors() -> Iterator[None]:
    """Turns botocore's errors into OperationsError: the operation, and the response's code."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        details = error.response["Error"]
        message = f"{error.operation_name}: {details.get('Code')}: {details.get('Message')}"
        raise OperationsError(message) from error
    except BotoCoreError as error:
        raise OperationsError(
            f"AWS did not answer; check region and credentials: {error}"
        ) from error


@dataclass(frozen=True)
class Stack:
    """A deployed stack; ``outputs`` are those of the template, by name."""

    name: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, name: str) -> Stack:
        """Returns the stack of that name. Raises OperationsError if there is none."""
        with named_aws_errors():
            (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}
        return cls(name, outputs)

    def output(self, key: str) -> str:
        """Returns an output. Raises OperationsError if the stack lacks it."""
        if key not in self.outputs:
            raise OperationsError(
                f"the stack {self.name} has no output {key}: deploy this version of template.yaml"
            )
        return self.outputs[key]


def default_stack() -> str:
    """Returns the stack's name where none is named: KIREI_STACK, or that of samconfig.toml."""
    return os.environ.get("KIREI_STACK", "kirei")

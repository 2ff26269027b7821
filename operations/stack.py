"""A deployed stack: its outputs, and clients of AWS in its region."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any


class OperationsError(Exception):
    """What an operator can mend: said in one line, exit code 1."""


@cache
def client(service: str) -> Any:
    """A client of AWS, from the environment's region and credentials."""
    import boto3
    from botocore.config import Config

    return boto3.client(service, config=Config(retries={"mode": "standard"}))  # type: ignore[call-overload]


@contextmanager
def named_errors() -> Iterator[None]:
    """botocore's errors as an OperationsError: what was asked for, and the answer's code."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        message = f"{error.operation_name}: {told.get('Code')}: {told.get('Message')}"
        raise OperationsError(message) from error
    except BotoCoreError as error:
        raise OperationsError(str(error)) from error


@dataclass(frozen=True)
class Stack:
    """``outputs``: as the template names them."""

    name: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, name: str) -> Stack:
        """Raises OperationsError where there is none of the name."""
        with named_errors():
            (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}
        return cls(name, outputs)

    def output(self, key: str) -> str:
        """Raises OperationsError where the stack has it not."""
        if key not in self.outputs:
            raise OperationsError(
                f"the stack {self.name} has no output {key}: deploy this version of template.yaml"
            )
        return self.outputs[key]


def default_stack() -> str:
    """The stack's name where none is given: KIREI_STACK, or that of samconfig.toml."""
    return os.environ.get("KIREI_STACK", "kirei")

"""template.yaml as Python reads it, and ways to look into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INPUT_BUCKET = {"Fn::If": ["MakesInputBucket", {"Ref": "InputBucket"}, {"Ref": "InputBucketName"}]}


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML whose short forms (!Ref x) are what they stand for ({"Ref": x})."""


def _intrinsic(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".")
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _intrinsic)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(), Loader)
RESOURCES = TEMPLATE["Resources"]
PARAMETERS = TEMPLATE["Parameters"]


def of_type(kind: str) -> dict[str, Any]:
    return {name: item for name, item in RESOURCES.items() if item["Type"] == kind}


def properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def walk(value: Any) -> Iterator[Any]:
    """The value and all within it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value
    for item in inner if isinstance(value, dict | list) else ():
        yield from walk(item)


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """(resource, statement) of every policy, those within !If too."""
    for name, item in RESOURCES.items():
        for value in walk(item.get("Properties", {})):
            if isinstance(value, dict) and "Effect" in value:
                yield name, value


def texts(value: Any) -> set[str]:
    return {item for item in walk(value) if isinstance(item, str)}


ALLOWED = [(name, each) for name, each in statements() if each["Effect"] == "Allow"]


def routes() -> dict[str, Any]:
    return properties("HttpApi")["DefinitionBody"]["paths"]

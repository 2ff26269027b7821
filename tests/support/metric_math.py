"""CloudWatch's alarms on data: what an alarm of the template makes of some periods.

Of metric math there is what the template uses: arithmetic, comparisons, IF and FILL
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html). All else is
an error, so that an expression that is not understood passes for nothing.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Value = float | None  # None: a period without data
Period = Mapping[str, Value]  # by the metric's id, or "value" where there is but one

OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
}
FUNCTIONS: dict[str, Callable[..., Value]] = {
    "FILL": lambda value, otherwise: otherwise if value is None else value,
    "IF": lambda condition, yes, no: None if condition is None else yes if condition else no,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
}


def calculate(expression: str, values: Mapping[str, Value]) -> Value:
    """An expression's value in one period; None where a value is missing that is not filled."""

    def of(node: ast.expr) -> Value:
        if isinstance(node, ast.Constant):
            return float(str(node.value))
        if isinstance(node, ast.Name):
            return values[node.id]
        if isinstance(node, ast.BinOp):
            return applied(OPERATORS[type(node.op)], of(node.left), of(node.right))
        if isinstance(node, ast.Compare):
            (right,) = node.comparators
            return applied(OPERATORS[type(node.ops[0])], of(node.left), of(right))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in FUNCTIONS:
            return FUNCTIONS[node.func.id](  # type: ignore[attr-defined]
                *map(of, node.args)
            )
        raise ValueError(f"not understood: {ast.dump(node)}")

    def applied(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
        if left is None or right is None or (function is operator.truediv and right == 0):
            return None  # CloudWatch has no datapoint where it would divide by nothing
        return float(function(left, right))

    return of(ast.parse(expression, mode="eval").body)


def rings(alarm: Mapping[str, Any], periods: list[Period], threshold: float) -> bool:
    """Whether an alarm is in ALARM after these periods, the latest last.

    Args:
        alarm: its properties, names put in.
        periods: the data of each period.
        threshold: its own, put in.
    """
    compare = COMPARISONS[alarm["ComparisonOperator"]]
    looked_at = periods[-alarm["EvaluationPeriods"] :]
    breaching = 0
    for period in looked_at:
        value = _watched(alarm, period)
        assert alarm["TreatMissingData"] == "notBreaching"
        breaching += value is not None and compare(value, threshold)
    return breaching >= alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])


def _watched(alarm: Mapping[str, Any], period: Period) -> Value:
    """The value that an alarm compares: its metric's, or its expression's."""
    if "Metrics" not in alarm:
        return period["value"]
    values = dict(period)
    expressions = {item["Id"]: item for item in alarm["Metrics"] if "Expression" in item}
    (shown,) = [name for name, item in expressions.items() if item.get("ReturnData", True)]
    # those that others use come first
    for name in sorted(expressions, key=lambda name: name == shown):
        values[name] = calculate(expressions[name]["Expression"], values)
    return values[shown]


def substituted(value: Any, names: Mapping[str, Any]) -> Any:
    """The same with Fn::Sub and Ref of these names put in."""
    if isinstance(value, dict) and set(value) == {"Fn::Sub"}:
        text, more = (
            value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})
        )
        known = {**names, **{name: substituted(part, names) for name, part in more.items()}}
        return re.sub(r"\$\{([\w:]+)\}", lambda found: str(known[found[1]]), text)
    if isinstance(value, dict) and set(value) == {"Ref"}:
        return names.get(value["Ref"], value)
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        condition, yes, no = value["Fn::If"]
        return substituted(yes if names[condition] else no, names)
    if isinstance(value, dict):
        return {name: substituted(part, names) for name, part in value.items()}
    return [substituted(part, names) for part in value] if isinstance(value, list) else value

"""The settings of a training run, as they are changed on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

AnyRecipe = TypeVar("AnyRecipe", bound="DataclassInstance")


class InvalidSetting(ValueError):
    """A setting that a recipe does not have, or a value that it cannot take."""


def changed(recipe: AnyRecipe, changes: Sequence[str]) -> AnyRecipe:
    """The recipe with NAME=VALUE changes. Raises InvalidSetting naming what cannot be."""
    values: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in asdict(recipe):
            raise InvalidSetting(f"no setting {name!r}; there are {', '.join(asdict(recipe))}")
        try:
            values[name] = type(getattr(recipe, name))(value)
        except ValueError as error:
            raise InvalidSetting(f"{name}: {error}") from error
    try:
        return replace(recipe, **values)
    except ValueError as error:  # from the recipe's own checks
        raise InvalidSetting(str(error)) from error

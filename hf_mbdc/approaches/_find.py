"""Which approaches there are: the files of this folder. A recipe names one, and published columns betray it."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_mbdc.errors import RecipeError


def approach_names() -> list[str]:
    """The names of all approaches, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_"))


def make_approach(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """The approach of that name with these options.

    Raises:
        RecipeError: there is no such approach or option, or an option has the wrong type or value.

    Example:
        >>> make_approach("extractive_qa", {"choose": "last"}).choose
        'last'
    """
    if name not in approach_names():
        raise RecipeError(
            f"There is no approach {name!r}",
            key="approach.name",
            mend=f"{_hint(name, approach_names())}Take one of: {', '.join(approach_names())}.",
        )
    kind = _class_of(name)
    known = [field.name for field in dataclasses.fields(kind)]
    for option in options or {}:
        if option not in known:
            raise RecipeError(
                f"The approach {name!r} has no option {option!r}",
                key=f"approach.options.{option}",
                mend=f"{_hint(option, known)}Its options are: {', '.join(known)}.",
            )
    return kind(**(options or {}))


def find_approaches(features: Mapping[str, Any]) -> dict[str, Any]:
    """The approach whose columns a dataset has, as the record that a manifest keeps; {} when there is none.

    Rows that an older version annotated lack the columns that came later; their record names those that they have.

    Args:
        features: of the dataset.

    Returns:
        `name` and `adds` (column → `type` and `meaning`).
    """
    for name in approach_names():
        approach = _class_of(name)()
        if set(features).issuperset(set(approach.adds) - getattr(approach, "came_later", frozenset())):
            adds = {
                column: {"type": _type_name(features[column]), "meaning": approach.meanings[column]}
                for column in approach.adds
                if column in features
            }
            return {"name": name, "adds": adds}
    return {}


def _hint(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def _class_of(name: str) -> type[Any]:
    members = vars(importlib.import_module(f"hf_mbdc.approaches.{name}")).values()
    return next(member for member in members if isinstance(member, type) and getattr(member, "name", None) == name)


def _type_name(feature: Any) -> str:
    """A feature as Arrow would write it: `list<{start: int32}>`."""
    if isinstance(feature, Mapping):
        return "{" + ", ".join(f"{name}: {_type_name(inner)}" for name, inner in feature.items()) + "}"
    inner = getattr(feature, "feature", None)
    return f"list<{_type_name(inner)}>" if inner is not None else str(feature.dtype)

"""Writing computed values into FHIR JSON: paths, list elements, and values as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cds_service.engine.wording import in_english
from cds_service.errors import EvaluationError
from cds_service.fhirpath import Message, Quantity, Temporal
from cds_service.fhirpath.model import element_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[(\d+)\])?")


def set_value(
    resource: dict[str, Any], path: str, values: Sequence[Any], *, kind: str | None = None
) -> None:
    """Set what `path` names in `resource` (changed in place) to `values`; no values, no change.

    `kind` is the FHIR type of `resource` where it is not a resource (`RequestGroup.action`).

    A Message stays one, until `with_words` puts the resource into a language.
    Missing objects on the way are created; a list met on the way without an index means its first
    element. A list element takes all values, another element takes exactly one.
    Raises EvaluationError for a path that is not made of names and indexes, or for too many values.
    """
    if not values:
        return
    kind = kind or str(resource.get("resourceType"))
    steps = _steps(path, kind)
    target: dict[str, Any] = resource
    for name, index in steps[:-1]:
        kind, is_list = _shape(kind, name, path)
        target = _descend(target, name, index, is_list=is_list)
    name, index = steps[-1]
    plain = [value if isinstance(value, Message) else to_json(value) for value in values]
    if _shape(kind, name, path)[1] and index is None:
        target[name] = plain
        return
    if len(plain) > 1:
        raise EvaluationError(f"'{path}' takes one value; the expression gave {len(plain)}")
    if index is None:
        target[name] = plain[0]
    else:
        target[name] = _replaced(target.get(name, []), index, plain[0], path)


def _shape(kind: str, name: str, path: str) -> tuple[str, bool]:
    shape = element_shape(kind, name)
    if shape is None:
        raise EvaluationError(f"'{path}' cannot be set: {kind} has no element '{name}'")
    return shape


def to_json(value: Any) -> Any:
    """A value of FHIRPath as FHIR JSON: dates as text, quantities as objects, the rest as it is."""
    if isinstance(value, Quantity):
        return {"value": value.value, "unit": value.unit}
    if isinstance(value, Message):
        return in_english(value)
    return str(value).removeprefix("T") if isinstance(value, Temporal) else value


def _steps(path: str, resource_type: str) -> list[tuple[str, int | None]]:
    steps = []
    for prefix in ("%resource.", f"{resource_type}.", "action."):
        path = path.removeprefix(prefix)
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise EvaluationError(f"'{path}' is not a path that a dynamic value can set")
        steps.append((match[1], int(match[2]) if match[2] else None))
    return steps


def _descend(
    target: dict[str, Any], name: str, index: int | None, *, is_list: bool
) -> dict[str, Any]:
    """The object below `target`, as a copy that stands in its place; made when it is missing."""
    current = target.get(name)
    if isinstance(current, list) or (current is None and (is_list or index is not None)):
        items: list[Any] = list(current or [])
        position = index or 0
        if position == len(items):
            items.append({})
        if position > len(items):
            raise EvaluationError(f"'{name}' has {len(items)} elements, none at {position}")
        items[position] = child = _copy_of(items[position], name)
        target[name] = items
        return child
    target[name] = child = _copy_of({} if current is None else current, name)
    return child


def _copy_of(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EvaluationError(f"'{name}' is no object in the data, so nothing is set in it")
    return dict(value)


def _replaced(items: Sequence[Any], index: int, value: Any, path: str) -> list[Any]:
    """A copy of `items` with one replaced, or appended when `index` is the next free one."""
    if index > len(items):
        raise EvaluationError(f"'{path}' would leave a gap: there are {len(items)} elements")
    return [*items[:index], value, *items[index + 1 :]]

"""Writing computed values into FHIR JSON: along a path, as the type that stands there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.engine.dynamic_path import Step, steps_of
from cds_service.engine.typed_value import choice_for, json_of
from cds_service.errors import EvaluationError
from cds_service.fhirpath import Node
from cds_service.fhirpath.model import Element, element_shape, elements_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class _Place:
    """A member of a JSON object: its key, its FHIR type, and whether it is a list.

    `others` are the keys of the same choice element, of which only one may be there.
    """

    key: str
    kind: str
    is_list: bool
    others: tuple[str, ...] = ()

    def cleared(self, target: dict[str, Any]) -> None:
        """Take the other types of this choice out of `target`."""
        for other in self.others:
            target.pop(other, None)
            target.pop(f"_{other}", None)


def set_value(
    resource: dict[str, Any], path: str, values: Sequence[Any], *, kind: str | None = None
) -> None:
    """Set what `path` names in `resource` (changed in place) to `values`; no values, no change.

    `kind` is the FHIR type of `resource` where it is not a resource (`RequestGroup.action`).
    Values are items of FHIRPath or JSON. A Message stays one, until `with_words` puts the resource
    into a language. Missing objects and extensions on the way are created; a list met on the way
    without an index means its first element. A list element takes all values, another element
    takes exactly one. Of a choice element the value's type decides, where the path does not.
    Raises EvaluationError for a path that leads nowhere, for values of another type, and for too
    many of them.
    """
    values = [value for value in values if not isinstance(value, Node) or value.value is not None]
    if not values:
        return
    kind = kind or str(resource.get("resourceType"))
    target: dict[str, Any] = resource
    *before, last = steps_of(path, kind)
    for step in before:
        target, kind = _descend(target, kind, step, path)
    if last.url is not None:
        raise EvaluationError(f"'{path}' names an extension", hint="write .value behind it")
    _assign(target, _place(target, kind, last, path, values), last.index, values, path)


def _assign(
    target: dict[str, Any], place: _Place, index: int | None, values: Sequence[Any], path: str
) -> None:
    found = [json_of(value, place.kind, path) for value in values]
    if len(found) > 1 and (not place.is_list or index is not None):
        raise EvaluationError(f"'{path}' takes one value; the expression gave {len(found)}")
    place.cleared(target)
    if not place.is_list and index in {None, 0}:
        target[place.key] = found[0]
    elif index is None:
        target[place.key] = found
    else:
        target[place.key] = _replaced(target.get(place.key, []), index, found[0], path)


def _place(
    target: dict[str, Any], kind: str, step: Step, path: str, values: Sequence[Any] = ()
) -> _Place:
    """Where a step leads in an object of the FHIR type `kind`."""
    elements = elements_of(kind)
    element, shape = elements.get(step.name), element_shape(kind, step.name)
    if element is None or shape is None:
        raise EvaluationError(f"'{path}' cannot be set: {kind} has no element '{step.name}'")
    base = step.name if element.choices else element.concrete_of
    keys = tuple(key for key, _ in elements[base].choices) if base else ()
    if not element.choices:
        others = tuple(key for key in keys if key != step.name)
        return _Place(step.name, element.types[0], shape[1], others)
    chosen = step.of_type or _chosen(target, element, values)
    for key, name in element.choices:
        if name == chosen:
            return _Place(key, name, is_list=False, others=tuple(set(keys) - {key}))
    raise EvaluationError(
        f"'{path}' can be of several types, and it is not clear which is meant",
        hint=f"write {step.name}.ofType(...) with one of {', '.join(element.types)}",
    )


def _chosen(target: dict[str, Any], element: Element, values: Sequence[Any]) -> str | None:
    """The type of a choice element: that of the value to come, or of what stands there."""
    if values:
        return choice_for(values[0], element.types)
    return next((kind for key, kind in element.choices if key in target), None)


def _descend(
    target: dict[str, Any], kind: str, step: Step, path: str
) -> tuple[dict[str, Any], str]:
    """The object that a step leads to, as a copy in its place, and its type; made when missing."""
    if step.url is not None:
        return _extension(target, step.url), "Extension"
    place = _place(target, kind, step, path)
    key = place.key
    if "value" in elements_of(place.kind) and place.kind[0].islower():
        if place.is_list:
            raise EvaluationError(f"'{path}' cannot be set: '{step.name}' is a list of primitives")
        key = f"_{key}"  # the extensions of a primitive stand beside it
    place.cleared(target)
    return _child(target, key, step.index, is_list=place.is_list), place.kind


def _extension(target: dict[str, Any], url: str) -> dict[str, Any]:
    found = target.get("extension", [])
    items = list(found) if isinstance(found, list) else []
    for index, item in enumerate(items):
        if isinstance(item, dict) and item.get("url") == url:
            items[index] = child = dict(item)
            break
    else:
        child = {"url": url}
        items.append(child)
    target["extension"] = items
    return child


def _child(
    target: dict[str, Any], name: str, index: int | None, *, is_list: bool
) -> dict[str, Any]:
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

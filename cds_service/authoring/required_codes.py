"""Codes of which FHIR says all that there are: `status`, `priority`, `intent` and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN = frozenset({"+", "etc."})
"""Stands among the codes of a list that names some of many."""


class WrongCode(NamedTuple):
    """A code that is none of those `allowed`, and the steps that lead to it."""

    steps: tuple[str | int, ...]
    code: str
    allowed: tuple[str, ...]


def wrong_codes(element: Any, steps: tuple[str | int, ...] = ()) -> Iterator[WrongCode]:
    """Every wrong code in a model of fhir.resources, whose fields know the codes."""
    for name, field in type(element).model_fields.items():
        if name not in element.model_fields_set:
            continue
        value, here = getattr(element, name), (*steps, field.alias or name)
        is_list = isinstance(value, list)
        for index, item in enumerate(value if is_list else [value]):
            at = (*here, index) if is_list else here
            if hasattr(item, "model_fields_set"):
                yield from wrong_codes(item, at)
            elif isinstance(item, str) and (allowed := _listed(field)) and item not in allowed:
                yield WrongCode(at, item, allowed)


def _listed(field: Any) -> tuple[str, ...]:
    """All codes of a field; none where FHIR leaves them open."""
    codes = tuple((field.json_schema_extra or {}).get("enum_values", ()))
    return () if _OPEN.intersection(codes) else codes

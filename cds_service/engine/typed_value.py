"""A value of FHIRPath as the JSON of the FHIR type that an element takes.

What is of another type is an EvaluationError: a request that is not FHIR is worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath import Date, DateTime, Message, Node, Quantity, Temporal, Time
from cds_service.fhirpath.collection import TEMPORAL_TYPES, UCUM_SYSTEM, describe
from cds_service.fhirpath.model import ABSTRACT, INTEGERS, ancestors, elements_of
from cds_service.fhirpath.quantity import ucum_code

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXTS = frozenset(
    {
        "string", "code", "id", "uri", "url", "canonical", "markdown", "oid", "uuid",
        "base64Binary", "xhtml", "System.String",
    }
)  # fmt: skip
_FULL = 6
"""The parts of a dateTime with seconds, which FHIR demands once there is an hour."""
_WIDER = {"date": ("dateTime",), "Quantity": ("Duration", "Age")}
"""What else takes a value of a type, where its own is not to be had."""


def type_of(value: Any) -> str | None:
    """The FHIR type of a value; None where nothing tells it."""
    if isinstance(value, Node):
        return value.type
    for kind, name in _SYSTEM:
        if isinstance(value, kind):
            return name
    return None


_SYSTEM: tuple[tuple[type, str], ...] = (
    (bool, "boolean"), (int, "integer"), (str, "string"), (Message, "string"), (Date, "date"),
    (DateTime, "dateTime"), (Time, "time"), (Quantity, "Quantity"),
)  # fmt: skip


def choice_for(value: Any, types: tuple[str, ...]) -> str | None:
    """Which of the types of a choice element a value is given as; None when that is open."""
    kind = type_of(value)
    if kind is None:
        return "decimal" if not isinstance(_raw(value), dict) and "decimal" in types else None
    fitting = [kind, *_WIDER.get(kind, ()), *sorted(ancestors(kind) - {kind})]
    return next((name for name in fitting if name in types), None)


def json_of(value: Any, kind: str, path: str) -> Any:
    """The JSON of a value for an element of the FHIR type `kind`; a Message stays one."""
    found = _converted(value, kind)
    if found is None:
        named = f"a {value.type}" if isinstance(value, Node) and value.type else None
        raise EvaluationError(
            f"'{path}' takes a {kind.rpartition('.')[2]}, not {named or describe(_raw(value))}",
            hint="convert the value in the expression",
        )
    return found


def _converted(value: Any, kind: str) -> Any:
    raw = _raw(value)
    if kind in _TEXTS:
        return _text(raw)
    if kind in TEMPORAL_TYPES:
        return _moment(raw, kind)
    if kind in _PRIMITIVES:
        return raw if _PRIMITIVES[kind](raw) else None
    if isinstance(raw, Quantity):
        return quantity_json(raw) if "Quantity" in ancestors(kind) else None
    if isinstance(raw, str):
        return {"reference": raw} if kind == "Reference" else None
    return _complex(value, raw, kind) if isinstance(raw, dict) else None


def _raw(value: Any) -> Any:
    return value.value if isinstance(value, Node) else value


def _is_number(raw: Any) -> bool:
    return not isinstance(raw, bool | str | dict | Temporal | Quantity | Message)


_PRIMITIVES: dict[str, Callable[[Any], bool]] = {
    "boolean": lambda raw: isinstance(raw, bool),
    "decimal": _is_number,
    **dict.fromkeys(INTEGERS, lambda raw: isinstance(raw, int) and not isinstance(raw, bool)),
}


def _text(raw: Any) -> Any:
    if isinstance(raw, str | Message):
        return raw
    return str(raw) if isinstance(raw, Temporal) else None


def _moment(raw: Any, kind: str) -> str | None:
    """A date or time as `kind` spells it: a date is a dateTime as well, and has none of its own."""
    if isinstance(raw, str):
        raw = TEMPORAL_TYPES["dateTime" if kind == "date" else kind](raw)
    if kind == "time":
        return str(raw) if isinstance(raw, Time) and len(raw.parts) == Time.size else None
    if isinstance(raw, DateTime) and kind == "date":
        raw = raw.date
    if isinstance(raw, DateTime) and len(raw.parts) > Date.size:
        return str(raw) if len(raw.parts) == _FULL and raw.offset is not None else None
    return str(raw) if isinstance(raw, Date | DateTime) and kind != "instant" else None


def _complex(value: Any, raw: dict[str, Any], kind: str) -> dict[str, Any] | None:
    own = value.type if isinstance(value, Node) else None
    if kind == "Reference" and "resourceType" in raw:
        return {"reference": f"{raw['resourceType']}/{raw['id']}"} if "id" in raw else None
    if kind == "CodeableConcept" and own == "Coding":
        return {"coding": [raw]}
    if own is None or kind in ABSTRACT or "." in kind or "." in own or not elements_of(kind):
        return raw
    both = ancestors(own) & ancestors(kind)
    return raw if kind in both or own in both or "Quantity" in both else None


def quantity_json(quantity: Quantity) -> dict[str, Any]:
    """A System.Quantity as a FHIR Quantity, with its UCUM code where it has one."""
    written: dict[str, Any] = {"value": quantity.value, "unit": quantity.unit}
    code = ucum_code(quantity)
    return written if code is None else written | {"system": UCUM_SYSTEM, "code": code}

"""What expressions work on: collections, their items, and the bit that says not all is known.

A collection is a `list`; `Incomplete` is one of which not everything is known, and an Incomplete
without items is *unknown*. An item is a System value or a `Node`. Input is never changed.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any, Final

from cds_service.errors import EvaluationError
from cds_service.fhirpath.model import ABSTRACT, Element, ancestors, elements_of
from cds_service.fhirpath.quantity import Quantity, fhir_quantity
from cds_service.fhirpath.temporal import Temporal, parse_date, parse_datetime, parse_time
from cds_service.fhirpath.values import Long

UCUM_SYSTEM = "http://unitsofmeasure.org"


class Incomplete(list[Any]):
    """A collection of which not everything is known; its items are known to be in it."""

    __slots__ = ()


class Unknown:
    """What a single value is when the data that holds it could not be obtained."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Truth(Enum):
    """The value of a condition."""

    TRUE = "true"
    FALSE = "false"
    EMPTY = "empty"
    UNKNOWN = "unknown"


class Node:
    """A FHIR element: its JSON, its type (None when not known), and what surrounds it.

    `extra` is the JSON of `_name` for a primitive: its id and extensions. `root` is the resource
    that the element is in, the container for contained resources; None outside a resource.
    """

    __slots__ = ("extra", "root", "type", "value")

    def __init__(
        self,
        value: Any,
        type_name: str | None,
        extra: dict[str, Any] | None = None,
        root: dict[str, Any] | None = None,
    ) -> None:
        self.value = value
        self.type = type_name
        self.extra = extra
        self.root = root

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.type!r})"

    def add_children(self, name: str, out: list[Any]) -> None:
        """Append the values of the element `name` to `out`, in order."""
        value = self.value
        if type(value) is not dict:
            self._add_extra(name, out)
            return
        element = elements_of(self.type).get(name)
        if element is None:
            self._add_undeclared(name, out)
        elif element.choices:
            for key, kind in element.choices:
                if key in value or f"_{key}" in value:
                    add_items(value.get(key), value.get(f"_{key}"), kind, self.root, out)
        elif element.types[0] == "Resource":
            self._add_resources(name, out)
        elif name in value or f"_{name}" in value:
            add_items(value.get(name), value.get(f"_{name}"), element.types[0], self.root, out)

    def _add_extra(self, name: str, out: list[Any]) -> None:
        if name == "value" and self.value is not None:
            out.append(system_value(self))
        elif self.extra is not None and name in {"id", "extension"}:
            kind = "Extension" if name == "extension" else "System.String"
            add_items(self.extra.get(name), None, kind, self.root, out)

    def _add_undeclared(self, name: str, out: list[Any]) -> None:
        kind = "Extension" if name in {"extension", "modifierExtension"} else None
        if name in {"contained", "resource"}:
            self._add_resources(name, out)
            return
        add_items(self.value.get(name), self.value.get(f"_{name}"), kind, self.root, out)

    def _add_resources(self, name: str, out: list[Any]) -> None:
        raw = self.value.get(name)
        for resource in raw if isinstance(raw, list) else [raw]:
            if isinstance(resource, dict):
                root = self.root if name == "contained" and self.root else resource
                out.append(Node(resource, resource.get("resourceType"), None, root))

    def all_children(self) -> list[Any]:
        """The values of all elements, in the order of the JSON (section 5.8.1)."""
        out: list[Any] = []
        if type(self.value) is not dict:
            for name in ("id", "extension"):
                self._add_extra(name, out)
            return out
        seen: set[str] = set()
        for key in self.value:
            name = key.removeprefix("_")
            if name != "resourceType" and name not in seen:
                seen.add(name)
                self.add_children(name, out)
        return out


def add_items(
    raw: Any, extra: Any, kind: str | None, root: dict[str, Any] | None, out: list[Any]
) -> None:
    """Append the items of a JSON value, and the `_name` part beside it, to `out`."""
    if type(raw) is not list and type(extra) is not list:
        item = as_item(raw, kind, extra, root)
        if item is not None:
            out.append(item)
        return
    values = raw if isinstance(raw, list) else [raw]
    extras = extra if isinstance(extra, list) else [extra]
    for index in range(max(len(values), len(extras))):
        value = values[index] if index < len(values) else None
        item = as_item(value, kind, extras[index] if index < len(extras) else None, root)
        if item is not None:
            out.append(item)


def as_item(
    raw: Any,
    kind: str | None = None,
    extra: dict[str, Any] | None = None,
    root: dict[str, Any] | None = None,
) -> Any:
    """The item for one JSON value of the FHIR type `kind`; None where there is nothing."""
    if type(raw) is dict:
        if "resourceType" in raw and (kind is None or kind in ABSTRACT or root is None):
            return Node(raw, raw["resourceType"], None, raw if root is None else root)
        return Node(raw, kind, None, root)
    if kind is None:
        if extra is None:
            return Decimal(str(raw)) if type(raw) is float else raw
    elif kind.startswith("System."):
        return raw
    if raw is None and not extra:
        return None
    return Node(raw, kind, extra, root)


def wrap(value: Any, kind: str | None = None) -> list[Any]:
    """The collection for a variable's value: JSON, a list of it, or items that already are."""
    if isinstance(value, Incomplete):
        return Incomplete(item for raw in value for item in wrap(raw, kind))
    if isinstance(value, list | tuple):
        try:
            return [Node(raw, raw["resourceType"], None, raw) for raw in value]
        except (KeyError, TypeError):  # not all of them are resources
            pass
        out: list[Any] = []
        for raw in value:
            if type(raw) is dict and "resourceType" in raw:
                out.append(Node(raw, raw["resourceType"], None, raw))
            else:
                out += wrap(raw, kind)
        return out
    if value is None:
        return []
    item = value if isinstance(value, Node) else as_item(value, _primitive_kind(value, kind))
    return [] if item is None else [item]


def _primitive_kind(value: Any, kind: str | None) -> str | None:
    """A declared type applies to JSON; a System value keeps its own."""
    return None if isinstance(value, Temporal | Quantity | Long) else kind


TEMPORAL_TYPES: dict[str | None, Any] = {
    "date": parse_date,
    "dateTime": parse_datetime,
    "instant": parse_datetime,
    "time": parse_time,
}
"""The FHIR types whose JSON string is a date or time, and how it is read."""


def system_value(item: Any) -> Any:
    """The System value of an item: a Node of a complex type as it is, None where it has no value.

    UNKNOWN for a Quantity with a comparator (`<5`): its value is not known. EvaluationError for a
    date or number that is not one.
    """
    if type(item) is not Node:
        return item
    value = item.value
    if type(value) is dict:
        return _quantity(value, item) if _is_quantity(item.type) else item
    if type(value) is float:
        return Decimal(str(value))
    kind = item.type
    if value is None or type(value) is bool:
        return value
    if kind in TEMPORAL_TYPES and type(value) is str:
        parsed = TEMPORAL_TYPES[kind](value)
        if parsed is None:
            raise EvaluationError(f"'{value}' is not a valid {kind}", code="invalid-data")
        return parsed
    if kind == "decimal" and type(value) is int:
        return Decimal(value)
    return value


def _is_quantity(kind: str | None) -> bool:
    return kind is not None and "Quantity" in ancestors(kind)


def _quantity(value: dict[str, Any], node: Node) -> Any:
    number = value.get("value")
    if number is None:
        return node
    if value.get("comparator"):
        return UNKNOWN
    coded = value.get("system") in {None, UCUM_SYSTEM}
    code = value.get("code") if coded else None
    return fhir_quantity(Decimal(str(number)), str(code or value.get("unit") or "1"))


def scalar(collection: list[Any]) -> Any:
    """The System value of a collection that may hold one item: None if empty, UNKNOWN if unknown.

    EvaluationError for more than one item (section 4.5, singleton evaluation).
    """
    if type(collection) is not list:
        return UNKNOWN
    if not collection:
        return None
    if len(collection) > 1:
        raise EvaluationError(
            f"expected a single item here, found {len(collection)}",
            code="not-a-singleton",
            hint="use first(), where(...) or exists() to say which item is meant",
        )
    item = collection[0]
    return system_value(item) if type(item) is Node else item


def truth(collection: list[Any]) -> Truth:
    """The value of a condition; EvaluationError when it is not a single boolean."""
    value = scalar(collection)
    if value is True:
        return Truth.TRUE
    if value is False:
        return Truth.FALSE
    if value is None:
        return Truth.EMPTY
    if value is UNKNOWN:
        return Truth.UNKNOWN
    raise EvaluationError(
        f"a condition must be true or false, this is {describe(value)}",
        code="not-a-boolean",
        hint="end it with exists(), or compare it with a value",
    )


def plain(collection: list[Any]) -> list[Any]:
    """The items as plain values: JSON for elements, System values as they are.

    What is `Incomplete` stays so: unknown is not the same as empty.
    """
    values = [item.value if type(item) is Node else item for item in collection]
    return values if type(collection) is list else Incomplete(values)


def facts_of(collection: list[Any]) -> list[Any]:
    """The items as a text can show them: dates and numbers as values, elements as their JSON."""
    return [_fact_of(item) for item in collection]


def _fact_of(item: Any) -> Any:
    if type(item) is not Node:
        return item
    if type(item.value) is dict:
        return item.value
    try:
        return system_value(item)
    except EvaluationError:  # a date that is none is shown as it was recorded
        return item.value


def describe(value: Any) -> str:
    """A value and its type, for messages; never the content of a complex element."""
    if isinstance(value, Node):
        return f"a {value.type or 'complex element'}"
    return f"the {system_type(value)} {value}"


def system_type(value: Any) -> str:
    """The name of the System type of a System value (`Boolean`, `Quantity`, ...)."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, Long):
        return "Long"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, str):
        return "String"
    return type(value).__name__


def element_types(element: Element) -> frozenset[str] | None:
    """What is statically known of the type of an element's values; None for nothing."""
    return None if ABSTRACT & set(element.types) else frozenset(element.types)

"""Equality, equivalence and order of items and collections (specification, sections 6.1 and 6.2).

Each answers True, False or None, None being *empty*. Unknown is the caller's business.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.collection import UNKNOWN, Node, describe, system_value
from cds_service.fhirpath.message import Message
from cds_service.fhirpath.quantity import Quantity, decimals_equivalent
from cds_service.fhirpath.quantity import compare as compare_quantities
from cds_service.fhirpath.quantity import equivalent as quantities_equivalent
from cds_service.fhirpath.temporal import Date, DateTime, Temporal
from cds_service.fhirpath.temporal import compare as compare_temporal

_SPACE = re.compile(r"[ \t\r\n]")
"""What is white space in FHIRPath (section 8.1)."""
_NUMBERS = (int, Decimal)


def collections_equal(left: list[Any], right: list[Any]) -> bool | None:
    """`=` on two collections: same items in the same order; None if either is empty (6.1.1)."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    result: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = items_equal(one, other)
        if same is False:
            return False
        if same is None:
            result = None
    return result


def items_equal(left: Any, right: Any) -> bool | None:
    """Whether two items are equal; None when precision or dimension leave it open."""
    one, other = system_value(left), system_value(right)
    if isinstance(one, Node) or isinstance(other, Node):
        return isinstance(one, Node) and isinstance(other, Node) and _json_equal(one, other)
    if one is None or other is None:
        return _valueless_equal(left, right)
    if one is UNKNOWN or other is UNKNOWN:
        return True if _valueless_equal(left, right) else None
    return values_equal(one, other)


def _json_equal(one: Node, other: Node) -> bool:
    return bool(one.value == other.value)


def _valueless_equal(left: Any, right: Any) -> bool:
    """Items without a value (extensions only, or a comparator) are equal when their JSON is."""
    if not isinstance(left, Node) or not isinstance(right, Node):
        return False
    return bool(left.value == right.value and left.extra == right.extra)


def values_equal(one: Any, other: Any) -> bool | None:
    """Whether two System values are equal; values of different types are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, str) or isinstance(other, str):
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
        return bool(one == other)
    order = _order(one, other)
    if order is NotImplemented:
        return isinstance(one, Message) and bool(one == other)
    return None if order is None else order == 0


def _order(one: Any, other: Any) -> Any:
    """-1, 0, 1, None for open, or NotImplemented for types without a common order."""
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        if type(one) is type(other) or {type(one), type(other)} == {Date, DateTime}:
            return compare_temporal(one, other)
        return NotImplemented
    first, second = _as_quantity(one), _as_quantity(other)
    if first is None or second is None:
        return NotImplemented
    return compare_quantities(first, second)


def _as_quantity(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return Quantity(Decimal(value))
    return None


def order(one: Any, other: Any) -> int | None:
    """-1, 0 or 1 for two System values, None when open; EvaluationError across types (6.2)."""
    if type(one) is type(other):
        if type(one) is Date:
            return compare_temporal(one, other)
        if isinstance(one, str):
            return int(one > other) - int(one < other)
    both_numbers = isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS)
    if both_numbers and not isinstance(one, bool) and not isinstance(other, bool):
        return int(one > other) - int(one < other)
    result = _order(one, other)
    if result is NotImplemented:
        raise EvaluationError(
            f"{describe(one)} and {describe(other)} cannot be compared", code="type-mismatch"
        )
    return result if result is None else int(result)


def collections_equivalent(left: list[Any], right: list[Any]) -> bool:
    """`~` on two collections: the same items in any order, or both empty (6.1.3)."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        for index, other in enumerate(rest):
            if items_equivalent(one, other):
                del rest[index]
                break
        else:
            return False
    return True


def items_equivalent(left: Any, right: Any) -> bool:
    """Whether two items mean the same: case, kind of white space and surplus precision aside."""
    one, other = system_value(left), system_value(right)
    if isinstance(one, Node) and isinstance(other, Node):
        return _nodes_equivalent(one, other)
    if one is None or other is None or one is UNKNOWN or other is UNKNOWN:
        return _valueless_equal(left, right)
    if isinstance(one, Node) or isinstance(other, Node):
        return False
    return _values_equivalent(one, other)


def _values_equivalent(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _folded(one) == _folded(other)
    both_numbers = isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS)
    if both_numbers and not isinstance(one, bool) and not isinstance(other, bool):
        return decimals_equivalent(Decimal(one), Decimal(other))
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        first, second = _as_quantity(one), _as_quantity(other)
        return first is not None and second is not None and quantities_equivalent(first, second)
    return values_equal(one, other) is True


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).casefold()


def _nodes_equivalent(one: Node, other: Node) -> bool:
    if one.type == other.type == "Coding":
        return _codings_equivalent(one.value, other.value)
    if one.type == other.type == "CodeableConcept":
        return any(
            _codings_equivalent(first, second)
            for first in one.value.get("coding", [])
            for second in other.value.get("coding", [])
        ) or bool(one.value == other.value)
    return _json_equivalent(one.value, other.value)


def _codings_equivalent(one: Any, other: Any) -> bool:
    return bool(one.get("code") == other.get("code") and one.get("system") == other.get("system"))


def _json_equivalent(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _json_equivalent(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return collections_equivalent(
            [Node(item, None) for item in one], [Node(item, None) for item in other]
        )
    if isinstance(one, float):
        one = Decimal(str(one))
    if isinstance(other, float):
        other = Decimal(str(other))
    return one is other if one is None or other is None else _values_equivalent(one, other)


def key_of(item: Any) -> Any:
    """A hash key that equal items share, or None when items must be compared one by one."""
    value = system_value(item)
    if type(value) in {str, bool}:
        return (type(value), value)
    if isinstance(value, _NUMBERS):
        return ("number", value)
    return None


def contains(collection: list[Any], item: Any) -> bool:
    """Whether an item of the collection equals `item`."""
    return any(items_equal(item, other) is True for other in collection)


def distinct(collection: list[Any]) -> list[Any]:
    """The items without repetition, the first of each kept, as a plain list."""
    if len(collection) < 2:
        return list(collection)
    out: list[Any] = []
    slow: list[Any] = []
    seen: set[Any] = set()
    for item in collection:
        key = key_of(item)
        if key is None:
            if not contains(slow, item):
                slow.append(item)
                out.append(item)
        elif key not in seen:
            seen.add(key)
            out.append(item)
    return out

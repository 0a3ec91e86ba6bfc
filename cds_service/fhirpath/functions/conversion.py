"""Conversion (section 5.5): toX() answers empty where convertsToX() answers false."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cds_service.fhirpath.arithmetic import is_number
from cds_service.fhirpath.collection import UNKNOWN, Node, scalar
from cds_service.fhirpath.evaluation import unknown
from cds_service.fhirpath.functions.registry import Table, over_collections, over_values
from cds_service.fhirpath.quantity import Quantity, convert, parse_quantity
from cds_service.fhirpath.temporal import (
    Date,
    DateTime,
    Time,
    parse_date,
    parse_datetime,
    parse_time,
)
from cds_service.fhirpath.values import Long

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Table()
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
_DIGITS = frozenset("0123456789")
_MOST_DIGITS = 19
"""The digits of the largest Long."""


def to_boolean(value: Any) -> bool | None:
    """`toBoolean()` (5.5.2)."""
    if isinstance(value, bool):
        return value
    if is_number(value):
        return {0: False, 1: True}.get(value)
    if isinstance(value, str):
        folded = value.lower()
        return True if folded in _TRUE else False if folded in _FALSE else None
    return None


def to_integer(value: Any) -> int | None:
    """`toInteger()` (5.5.3)."""
    number = _integer(value)
    return number if number is not None and -(2**31) <= number < 2**31 else None


def to_long(value: Any) -> int | None:
    """`toLong()` (3.0)."""
    number = _integer(value)
    return Long(number) if number is not None and -(2**63) <= number < 2**63 else None


def _integer(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value)
    if not isinstance(value, str):
        return None
    digits = value[1:] if value[:1] in {"+", "-"} else value
    if not digits or not set(digits) <= _DIGITS:
        return None
    significant = digits.lstrip("0") or "0"
    if len(significant) > _MOST_DIGITS:
        return None
    return -int(significant) if value[0] == "-" else int(significant)


def to_decimal(value: Any) -> Decimal | None:
    """`toDecimal()` (5.5.6)."""
    if isinstance(value, bool):
        return Decimal("1.0") if value else Decimal("0.0")
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and len(value) <= 60:
        body = value[1:] if value[:1] in {"+", "-"} else value
        whole, dot, fraction = body.partition(".")
        plain = whole and set(whole + fraction) <= _DIGITS and bool(fraction) == bool(dot)
        return Decimal(value) if plain else None
    return None


def to_string(value: Any) -> str | None:
    """`toString()` (5.5.8)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if isinstance(value, Node) else str(value)


def to_date(value: Any) -> Date | None:
    """`toDate()` (5.5.4): the date part of a DateTime, or what a string spells."""
    if isinstance(value, Date):
        return value
    if isinstance(value, DateTime):
        return value.date
    if isinstance(value, str):
        found = parse_datetime(value) if "T" in value else parse_date(value)
        return found.date if isinstance(found, DateTime) else found
    return None


def to_date_time(value: Any) -> DateTime | None:
    """`toDateTime()` (5.5.5)."""
    if isinstance(value, DateTime):
        return value
    if isinstance(value, Date):
        return DateTime(value.parts)
    return parse_datetime(value) if isinstance(value, str) else None


def to_time(value: Any) -> Time | None:
    """`toTime()` (5.5.9)."""
    if isinstance(value, Time):
        return value
    return parse_time(value) if isinstance(value, str) else None


def to_quantity(value: Any, unit: Any = None) -> Quantity | None:
    """`toQuantity(unit)` (5.5.7), converted to the unit when one is given."""
    quantity: Quantity | None = None
    if isinstance(value, Quantity):
        quantity = value
    elif isinstance(value, bool):
        quantity = Quantity(Decimal("1.0") if value else Decimal("0.0"))
    elif is_number(value):
        quantity = Quantity(Decimal(value))
    elif isinstance(value, str):
        quantity = parse_quantity(value)
    if quantity is None or unit is None:
        return quantity
    return convert(quantity, str(unit))


def _converts(convert_value: Callable[..., Any]) -> Callable[..., list[Any]]:
    def converts(items: list[Any], *arguments: list[Any]) -> list[Any]:
        value = scalar(items)
        others = [scalar(argument) for argument in arguments]
        if value is UNKNOWN or UNKNOWN in others:
            return unknown()
        if value is None or None in others:
            return []
        return [convert_value(value, *others) is not None]

    return converts


def _declare(kind: str, convert_value: Callable[..., Any], section: str, most: int = 0) -> None:
    system = frozenset({f"System.{kind}"})
    to = over_values(convert_value, types=system)
    TABLE.declare(f"to{kind}", to, arity=(0, most), section=section)
    converts = over_collections(_converts(convert_value), frozenset({"System.Boolean"}))
    TABLE.declare(f"convertsTo{kind}", converts, arity=(0, most), section=section)


_declare("Boolean", to_boolean, "5.5.2")
_declare("Integer", to_integer, "5.5.3")
_declare("Long", to_long, "3.0 5.5.3")
_declare("Date", to_date, "5.5.4")
_declare("DateTime", to_date_time, "5.5.5")
_declare("Decimal", to_decimal, "5.5.6")
_declare("Quantity", to_quantity, "5.5.7", most=1)
_declare("String", to_string, "5.5.8")
_declare("Time", to_time, "5.5.9")

__all__ = ["TABLE", "to_date", "to_date_time", "to_string"]

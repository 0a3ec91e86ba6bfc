"""Precision and boundaries (3.0, sections 5.7 and 5.9): what an imprecise value can stand for."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.arithmetic import is_number, whole
from cds_service.fhirpath.collection import describe
from cds_service.fhirpath.functions.registry import BOOLEAN, INTEGER, Table, over_values
from cds_service.fhirpath.quantity import Quantity, comparable
from cds_service.fhirpath.readings import computed
from cds_service.fhirpath.rows import ODD
from cds_service.fhirpath.temporal import Date, DateTime, Temporal, Time, days_in_month

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cds_service.fhirpath.code import Code, Compiling, Site
    from cds_service.fhirpath.functions.registry import Build

TABLE = Table()
_MOST_DECIMALS = 28
_CONTEXT = Context(prec=60)
_NANO = 1_000_000_000
_LAST = 59_999_000_000
_MILLISECOND = 1_000_000
_DATE_DIGITS = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
_TIME_DIGITS = {2: 1, 4: 2, 6: 3, 9: 3}
_WHOLE_SECONDS = frozenset({6, 14})
"""The precisions of a time and of a dateTime that end with the seconds."""


def precision(value: Any) -> int | None:
    """`precision()`: decimals of a number, digits of a date or time."""
    if isinstance(value, Decimal):
        return max(0, -int(value.as_tuple().exponent))
    if isinstance(value, Temporal):
        return sum(character.isdigit() for character in _without_zone(value))
    if is_number(value):
        return 0
    raise EvaluationError(f"precision() does not work on {describe(value)}", code="type-mismatch")


def _without_zone(value: Temporal) -> str:
    return str(type(value)(value.parts, None, value.digits))


def low_boundary(value: Any, digits: Any = None) -> Any:
    """`lowBoundary(precision)`: the least that the value can stand for."""
    return _boundary(value, digits, high=False)


def high_boundary(value: Any, digits: Any = None) -> Any:
    """`highBoundary(precision)`: the greatest that the value can stand for."""
    return _boundary(value, digits, high=True)


def _boundary(value: Any, digits: Any, *, high: bool) -> Any:
    if digits is not None and (isinstance(digits, bool) or not isinstance(digits, int)):
        raise EvaluationError("a boundary's precision is a whole number", code="type-mismatch")
    if is_number(value):
        return _decimal_boundary(Decimal(value), digits, high=high)
    if isinstance(value, Quantity):
        number = _decimal_boundary(value.value, digits, high=high)
        return None if number is None else Quantity(number, value.unit, value.kind)
    if isinstance(value, Temporal):
        return _temporal_boundary(value, digits, high=high)
    raise EvaluationError(f"boundaries do not exist for {describe(value)}", code="type-mismatch")


def _decimal_boundary(value: Decimal, digits: int | None, *, high: bool) -> Decimal | None:
    places = 8 if digits is None else digits
    if not 0 <= places <= _MOST_DECIMALS or whole(value) is None:
        return None
    half = Decimal(5).scaleb(-(precision(value) or 0) - 1)
    bound = _CONTEXT.add(value, half if high else -half)
    rounding = ROUND_CEILING if high else ROUND_FLOOR
    context = Context(prec=100, rounding=rounding)
    return bound.quantize(Decimal(1).scaleb(-places), context=context)


def _temporal_boundary(value: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    if isinstance(value, Time):
        wanted = _TIME_DIGITS.get(9 if digits is None else digits)
        return None if wanted is None else _cut(value, _clock(value, high=high), wanted, digits)
    if type(value) is Date and len(value.parts) == 3 and digits is None:
        return value  # a full day has no other boundary
    default = 8 if isinstance(value, Date) else 17
    wanted = _DATE_DIGITS.get(default if digits is None else digits)
    if wanted is None or (isinstance(value, Date) and wanted > 3):
        return None
    filled = (*_day(value.parts, high=high), *_clock(value, high=high))
    if value.offset is None and isinstance(value, DateTime):
        value = DateTime(value.parts, (-12 if high else 14) * 60, value.digits)
    return _cut(value, filled, wanted, digits)


def _cut(value: Temporal, filled: tuple[int, ...], wanted: int, digits: int | None) -> Temporal:
    last = 3 if isinstance(value, Time) else 6
    offset = value.offset if wanted > 3 else None
    if wanted == last and digits in _WHOLE_SECONDS:
        seconds = filled[-1] - filled[-1] % _NANO
        return type(value)((*filled[: last - 1], seconds), offset)
    return type(value)(filled[:wanted], offset, 3 if wanted == last else 0)


def _day(parts: tuple[int, ...], *, high: bool) -> tuple[int, ...]:
    year, *rest = parts[:3]
    month = rest[0] if rest else (12 if high else 1)
    day = rest[1] if len(rest) > 1 else (days_in_month(year, month) if high else 1)
    return year, month, day


def _clock(value: Temporal, *, high: bool) -> tuple[int, ...]:
    """Hour, minute and second; a second is known to as many decimals as were written."""
    known = value.parts if isinstance(value, Time) else value.parts[3:]
    if not high:
        return (*known, *(0, 0, 0)[len(known) :])
    if len(known) < 3:
        return (*known, *(23, 59, _LAST)[len(known) :])
    rest = max(10 ** (9 - value.digits) - _MILLISECOND, 0)
    return (*known[:2], known[2] + rest)


def is_comparable(value: Any, other: Any) -> bool:
    """`comparable(quantity)`: whether two quantities measure the same thing."""
    pair = [Quantity(Decimal(item)) if is_number(item) else item for item in (value, other)]
    for item in pair:
        if not isinstance(item, Quantity):
            raise EvaluationError(
                f"comparable() works on quantities, not on {describe(item)}", code="type-mismatch"
            )
    return comparable(pair[0], pair[1])


TABLE.declare("precision", over_values(precision, types=INTEGER), arity=(0, 0), section="3.0")


def _build_boundary(implementation: Callable[..., Any]) -> Build:
    ordinary = over_values(implementation)

    def of_day(value: Any, _now: datetime | None) -> Any:
        if type(value) is not Date:
            return ODD
        return value if len(value.parts) == Date.size else implementation(value)

    def build(compiler: Compiling, site: Site) -> Code:
        code = ordinary(compiler, site)
        if site.call.arguments:
            return code
        return replace(code, reading=computed(site.receiver.reading, of_day))

    return build


TABLE.declare("lowBoundary", _build_boundary(low_boundary), arity=(0, 1), section="3.0")
TABLE.declare("highBoundary", _build_boundary(high_boundary), arity=(0, 1), section="3.0")
TABLE.declare("comparable", over_values(is_comparable, types=BOOLEAN), arity=(1, 1), section="3.0")

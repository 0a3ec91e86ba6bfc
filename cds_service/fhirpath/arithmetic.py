"""Arithmetic operators on numbers, strings, quantities and dates (section 6.6).

Overflow and division by zero are empty; operands without a common meaning are an EvaluationError.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath import quantity as quantities
from cds_service.fhirpath import temporal
from cds_service.fhirpath.collection import UNKNOWN, describe, scalar
from cds_service.fhirpath.evaluation import BUDGET_EXCEEDED, unknown
from cds_service.fhirpath.quantity import Kind, Quantity
from cds_service.fhirpath.temporal import DateTime, Temporal, Time
from cds_service.fhirpath.values import Long

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_INTEGER = 2**31 - 1
_LARGEST_LONG = 2**63 - 1
_MAX_TEXT = 1_000_000
_MAX_DIGITS = 60
_NANOSECONDS = {
    "hour": 3600 * 10**9,
    "minute": 60 * 10**9,
    "second": 10**9,
    "millisecond": 10**6,
}
_PER_DAY = 24 * 3600 * 10**9
_UCUM_SPANS = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second"} | {
    "ms": "millisecond"
}


def is_number(value: Any) -> bool:
    """Whether a System value is an Integer, Long or Decimal."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def fits(value: Any, *operands: Any) -> Any:
    """A number that is within the range of its type, else None (overflow is empty)."""
    if isinstance(value, int):
        longest = any(isinstance(operand, Long) for operand in operands)
        limit = _LARGEST_LONG if longest else _LARGEST_INTEGER
        if not -limit - 1 <= value <= limit:
            return None
        return Long(value) if longest else value
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return value


def whole(value: Decimal) -> int | None:
    """The whole part of a number, None when it has too many digits to be one."""
    if not value.is_finite() or value.adjusted() > _MAX_DIGITS:
        return None
    return int(value)


def _operator(symbol: str, apply: Callable[[Any, Any], Any]) -> Callable[..., list[Any]]:
    def run(left: list[Any], right: list[Any]) -> list[Any]:
        if not left or not right:
            return [] if type(left) is list is type(right) else unknown()
        one, other = scalar(left), scalar(right)
        if one is UNKNOWN or other is UNKNOWN:
            return unknown()
        if one is None or other is None:
            return []
        try:
            result = apply(one, other)
        except DecimalException:
            return []
        if result is NotImplemented:
            raise EvaluationError(
                f"'{symbol}' does not work on {describe(one)} and {describe(other)}",
                code="type-mismatch",
            )
        return [] if result is None else [result]

    return run


def _as_quantities(one: Any, other: Any) -> tuple[Quantity, Quantity] | None:
    if not isinstance(one, Quantity) and not isinstance(other, Quantity):
        return None
    pair = [Quantity(Decimal(value)) if is_number(value) else value for value in (one, other)]
    if isinstance(pair[0], Quantity) and isinstance(pair[1], Quantity):
        return pair[0], pair[1]
    return None


def _add(one: Any, other: Any) -> Any:
    if is_number(one) and is_number(other):
        return fits(one + other, one, other)
    if isinstance(one, str) and isinstance(other, str):
        return joined(one, other)
    if isinstance(one, Temporal):
        return _shift(one, other, 1) if isinstance(other, Quantity) else NotImplemented
    pair = _as_quantities(one, other)
    return NotImplemented if pair is None else quantities.add(*pair, 1)


def _subtract(one: Any, other: Any) -> Any:
    if is_number(one) and is_number(other):
        return fits(one - other, one, other)
    if isinstance(one, Temporal):
        return _shift(one, other, -1) if isinstance(other, Quantity) else NotImplemented
    pair = _as_quantities(one, other)
    return NotImplemented if pair is None else quantities.add(*pair, -1)


def _multiply(one: Any, other: Any) -> Any:
    if is_number(one) and is_number(other):
        return fits(one * other, one, other)
    pair = _as_quantities(one, other)
    return NotImplemented if pair is None else quantities.multiply(*pair)


def _divide(one: Any, other: Any) -> Any:
    if is_number(one) and is_number(other):
        return None if other == 0 else fits(Decimal(one) / Decimal(other))
    pair = _as_quantities(one, other)
    return NotImplemented if pair is None else quantities.divide(*pair)


def _integer_divide(one: Any, other: Any) -> Any:
    if not is_number(one) or not is_number(other):
        return NotImplemented
    if other == 0:
        return None
    if isinstance(one, int) and isinstance(other, int):
        quotient = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
        return fits(quotient, one, other)
    truncated = whole(Decimal(one) / Decimal(other))
    return None if truncated is None else Decimal(truncated)


def _modulo(one: Any, other: Any) -> Any:
    if not is_number(one) or not is_number(other):
        return NotImplemented
    if other == 0:
        return None
    if isinstance(one, int) and isinstance(other, int):
        return fits(abs(one) % abs(other) * (-1 if one < 0 else 1), one, other)
    return Decimal(one) % Decimal(other)


def joined(one: str, other: str) -> str:
    """Both texts together; EvaluationError beyond a million characters."""
    if len(one) + len(other) > _MAX_TEXT:
        raise EvaluationError("a text grows too long", code=BUDGET_EXCEEDED)
    return one + other


def concatenate(left: list[Any], right: list[Any]) -> list[Any]:
    """`&`: strings with empty taken as '' (6.6.7)."""
    one, other = scalar(left), scalar(right)
    if one is UNKNOWN or other is UNKNOWN:
        return unknown()
    for value in (one, other):
        if value is not None and not isinstance(value, str):
            raise EvaluationError(
                f"'&' joins strings, not {describe(value)}",
                code="type-mismatch",
                hint="use toString()",
            )
    return [joined(one or "", other or "")]


def negate(operand: list[Any]) -> list[Any]:
    """Unary minus on a number or quantity."""
    value = scalar(operand)
    if value is UNKNOWN:
        return unknown()
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [Quantity(-value.value, value.unit, value.kind)]
    if not is_number(value):
        raise EvaluationError(f"'-' does not work on {describe(value)}", code="type-mismatch")
    return [type(value)(-value)]


def affirm(operand: list[Any]) -> list[Any]:
    """Unary plus on a number or quantity."""
    value = scalar(operand)
    if value is UNKNOWN:
        return unknown()
    if value is None:
        return []
    if not isinstance(value, Quantity) and not is_number(value):
        raise EvaluationError(f"'+' does not work on {describe(value)}", code="type-mismatch")
    return [value]


def _shift(moment: Temporal, by: Quantity, sign: int) -> Temporal | None:
    """A date or time moved by a duration, in its own precision (6.6.7)."""
    unit = by.calendar_unit or _UCUM_SPANS.get(by.unit)
    if unit is None:
        raise EvaluationError(
            f"a date or time cannot be moved by {by}",
            code="type-mismatch",
            hint="use a calendar duration: years, months, weeks, days, hours, minutes, seconds",
        )
    if by.kind is Kind.UCUM and by.unit in {"a", "mo"}:
        raise EvaluationError(f"a date cannot be moved by {by}; use years or months")
    amount = by.value * sign
    if unit in {"second", "millisecond"}:
        nanoseconds = whole(amount * _NANOSECONDS[unit])
    else:
        count = whole(amount)
        if count is None or abs(count) > 10**9:
            return None
        if unit not in _NANOSECONDS:
            return _shift_calendar(moment, unit, count)
        nanoseconds = count * _NANOSECONDS[unit]
    return None if nanoseconds is None else _shift_clock(moment, nanoseconds)


def _shift_calendar(moment: Temporal, unit: str, count: int) -> Temporal | None:
    if isinstance(moment, Time):
        raise EvaluationError(f"a time cannot be moved by {unit}s", code="type-mismatch")
    known = len(moment.parts)
    if unit in {"week", "day"}:
        days = count * (7 if unit == "week" else 1)
        if known >= 3:
            return temporal.add_days(moment, days)
        return temporal.add_months(
            moment, towards_zero(days, 30 if known == 2 else 365) * (1 if known == 2 else 12)
        )
    months = count * (12 if unit == "year" else 1)
    if known == 1:
        months = towards_zero(months, 12) * 12
    return temporal.add_months(moment, months)


def _shift_clock(moment: Temporal, nanoseconds: int) -> Temporal | None:
    known = len(moment.parts) if isinstance(moment, Time) else len(moment.parts) - 3
    if known <= 0:
        return _shift_calendar(moment, "day", towards_zero(nanoseconds, _PER_DAY))
    step = (_NANOSECONDS["hour"], _NANOSECONDS["minute"], 1)[min(known, 3) - 1]
    if isinstance(moment, Time | DateTime) and abs(nanoseconds) < 10**9 * _PER_DAY:
        return temporal.add_nanoseconds(moment, towards_zero(nanoseconds, step) * step)
    return None


def towards_zero(count: int, size: int) -> int:
    """How many times `size` goes into a count, of either sign."""
    return abs(count) // size * (-1 if count < 0 else 1)


add = _operator("+", _add)
subtract = _operator("-", _subtract)
multiply = _operator("*", _multiply)
divide = _operator("/", _divide)
integer_divide = _operator("div", _integer_divide)
modulo = _operator("mod", _modulo)

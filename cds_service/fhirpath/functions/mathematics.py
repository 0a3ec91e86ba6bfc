"""Math (section 5.7) on numbers and quantities; where there is no result, it is empty."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.arithmetic import fits, whole
from cds_service.fhirpath.collection import describe
from cds_service.fhirpath.functions.registry import Table, over_values
from cds_service.fhirpath.quantity import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Table()
_CONTEXT = Context(prec=28)
_NUMBERS = (int, Decimal)


def _within(implementation: Callable[..., Any]) -> Callable[..., Any]:
    """On a Quantity, the function works on its number; a result that overflows is empty."""

    def apply(value: Any, *arguments: Any) -> Any:
        try:
            if isinstance(value, Quantity):
                result = implementation(value.value, *arguments)
                return None if result is None else Quantity(Decimal(result), value.unit, value.kind)
            return implementation(value, *arguments)
        except DecimalException:
            return None

    return apply


def _argument(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise EvaluationError(
            f"{name}() needs a number, not {describe(value)}", code="type-mismatch"
        )
    return Decimal(value)


def absolute(value: Any) -> Any:
    """`abs()` (5.7.1)."""
    return abs(value)


def ceiling(value: Any) -> int | None:
    """`ceiling()` (5.7.2)."""
    return _rounded_whole(value, ROUND_CEILING)


def floor(value: Any) -> int | None:
    """`floor()` (5.7.4)."""
    return _rounded_whole(value, ROUND_FLOOR)


def _rounded_whole(value: Any, rounding: str) -> int | None:
    number = Decimal(value)
    return None if whole(number) is None else int(number.to_integral_value(rounding=rounding))


def exponential(value: Any) -> Decimal:
    """`exp()` (5.7.3)."""
    return Decimal(value).exp(_CONTEXT)


def natural_logarithm(value: Any) -> Decimal | None:
    """`ln()` (5.7.5)."""
    return Decimal(value).ln(_CONTEXT) if value > 0 else None


def logarithm(value: Any, base: Any) -> Decimal | None:
    """`log(base)` (5.7.6)."""
    number = _argument("log", base)
    if value <= 0 or number <= 0 or number == 1:
        return None
    quotient = _CONTEXT.divide(Decimal(value).ln(_CONTEXT), number.ln(_CONTEXT))
    nearest = round(quotient, 20)
    return nearest.normalize(_CONTEXT) if abs(nearest - quotient) < Decimal("1E-24") else quotient


def power(value: Any, exponent: Any) -> Any:
    """`power(exponent)` (5.7.7): an Integer for whole numbers, else a Decimal."""
    number = _argument("power", exponent)
    if value == 0 and number <= 0:
        return 1 if number == 0 else None
    if value < 0 and number != number.to_integral_value():
        return None
    result = _CONTEXT.power(Decimal(value), number)
    if isinstance(value, int) and isinstance(exponent, int) and exponent >= 0:
        exact = whole(result)
        return None if exact is None or abs(exact) >= 2**63 else fits(value**exponent, value)
    return result


def rounded(value: Any, places: Any = None) -> Any:
    """`round(precision)` (5.7.8), halves away from zero."""
    digits = 0 if places is None else whole(_argument("round", places))
    if digits is None or not 0 <= digits <= 28:
        raise EvaluationError("round() needs a precision from 0 to 28", code="type-mismatch")
    if whole(Decimal(value)) is None:
        return None
    context = Context(prec=100, rounding=ROUND_HALF_UP)
    return Decimal(value).quantize(Decimal(1).scaleb(-digits), context=context)


def square_root(value: Any) -> Decimal | None:
    """`sqrt()` (5.7.9)."""
    return Decimal(value).sqrt(_CONTEXT) if value >= 0 else None


def truncate(value: Any) -> int | None:
    """`truncate()` (5.7.10)."""
    return whole(Decimal(value))


_KEEPS_UNIT = frozenset({"abs", "ceiling", "floor", "round", "truncate"})
"""The functions that take a Quantity; of the others its unit would not be that of the result."""


def _declare(name: str, implementation: Callable[..., Any], most: int, section: str) -> None:
    least = 1 if most and name != "round" else 0
    takes = (int, Decimal, Quantity) if name in _KEEPS_UNIT else _NUMBERS
    build = over_values(_within(implementation), takes=takes, empty_arguments=name == "round")
    TABLE.declare(name, build, arity=(least, most), section=section)


_declare("abs", absolute, 0, "5.7.1")
_declare("ceiling", ceiling, 0, "5.7.2")
_declare("exp", exponential, 0, "5.7.3")
_declare("floor", floor, 0, "5.7.4")
_declare("ln", natural_logarithm, 0, "5.7.5")
_declare("log", logarithm, 1, "5.7.6")
_declare("power", power, 1, "5.7.7")
_declare("round", rounded, 1, "5.7.8")
_declare("sqrt", square_root, 0, "5.7.9")
_declare("truncate", truncate, 0, "5.7.10")

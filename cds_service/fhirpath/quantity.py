"""Quantities: numbers with a unit, their comparison and arithmetic (sections 4.1.8, 6.2, 6.6).

A unit is UCUM (`'mg'`), a calendar duration (`days`), or a time unit of a FHIR Quantity, which
acts as whichever of the two its partner is. A unit that cannot be read is an EvaluationError as
soon as it would have to be converted: it never makes a comparison false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from enum import Enum
from fractions import Fraction

from cds_service.errors import EvaluationError
from cds_service.fhirpath.ucum import Unit, product, unit_of

_SINGULAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
CALENDAR_UNITS = {name: name for name in _SINGULAR} | {f"{name}s": name for name in _SINGULAR}
"""Every spelling of a calendar duration and its singular."""

_TO_UCUM = dict(zip(_SINGULAR, ("a", "mo", "wk", "d", "h", "min", "s", "ms"), strict=True))
_FROM_UCUM = {code: name for name, code in _TO_UCUM.items()}
_SECONDS = {
    "year": Fraction(365 * 86400),
    "month": Fraction(30 * 86400),
    "week": Fraction(7 * 86400),
    "day": Fraction(86400),
    "hour": Fraction(3600),
    "minute": Fraction(60),
    "second": Fraction(1),
    "millisecond": Fraction(1, 1000),
}
_MONTHS = {"year": Fraction(12), "month": Fraction(1)}
_INDEFINITE = frozenset({"year", "month", "a", "mo"})
_SPELLED = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([a-z]+))?", re.ASCII)
_LOGARITHMIC = frozenset({"B", "dB", "Np", "[pH]"})
_EXACT = Context(prec=60)
_ROUNDED = Context(prec=60, rounding=ROUND_HALF_UP)
_LARGEST_EXPONENT = 60


class Kind(Enum):
    """How the unit of a quantity is meant."""

    UCUM = "ucum"
    CALENDAR = "calendar"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A System.Quantity; `str()` is its literal (`4 days`, `4 'mg'`).

    `unit` is a UCUM code, or the singular word of a calendar duration.
    """

    value: Decimal
    unit: str = "1"
    kind: Kind = Kind.UCUM

    def __str__(self) -> str:
        if self.kind is Kind.CALENDAR:
            return f"{self.value:f} {self.unit}{'' if self.value == 1 else 's'}"
        return f"{self.value:f} '{self.unit}'"

    @property
    def calendar_unit(self) -> str | None:
        """The calendar duration (singular) that this counts, when it may be taken as one."""
        if self.kind is Kind.CALENDAR:
            return self.unit
        return _FROM_UCUM.get(self.unit) if self.kind is Kind.EITHER else None


def literal_quantity(number: Decimal | int, unit: str) -> Quantity:
    """The quantity that a number followed by a unit denotes in an expression."""
    if unit in CALENDAR_UNITS:
        return Quantity(Decimal(number), CALENDAR_UNITS[unit], Kind.CALENDAR)
    return Quantity(Decimal(number), unit)


def parse_quantity(text: str) -> Quantity | None:
    """The quantity that a string spells (`1 'mg'`, `4 days`, `3`), or None (section 5.5.7)."""
    match = _SPELLED.fullmatch(text.strip())
    if match is None:
        return None
    number, unit, word = match.groups()
    if word is not None and word not in CALENDAR_UNITS:
        return None
    return literal_quantity(Decimal(number), unit or word or "1")


def fhir_quantity(value: Decimal, code: str) -> Quantity:
    """The quantity of a FHIR element; time units may act as calendar durations."""
    return Quantity(value, code, Kind.EITHER if code in _FROM_UCUM else Kind.UCUM)


def ucum_code(quantity: Quantity) -> str | None:
    """The UCUM code of the unit; None for a unit that is not known here."""
    code = _TO_UCUM.get(quantity.unit, quantity.unit)
    return code if unit_of(code) is not None else None


def _required(unit: str) -> Unit:
    found = unit_of(unit)
    if found is None:
        raise EvaluationError(
            f"the unit '{unit}' cannot be converted: it is not a unit known here",
            code="unknown-unit",
            hint="use a UCUM code, or bring both quantities to the same unit",
        )
    return found


def _measures(left: Quantity, right: Quantity) -> tuple[Unit, Unit] | None:
    """Both units on one scale, or None when they measure different things."""
    first, second = left.calendar_unit, right.calendar_unit
    as_calendar = Kind.CALENDAR in {left.kind, right.kind} and first and second
    if as_calendar and first in _MONTHS and second in _MONTHS:
        month = (("month", 1),)
        return Unit(_MONTHS[str(first)], month), Unit(_MONTHS[str(second)], month)
    if as_calendar:
        second_ = (("s", 1),)
        return Unit(_SECONDS[str(first)], second_), Unit(_SECONDS[str(second)], second_)
    if Kind.CALENDAR in {left.kind, right.kind} and _INDEFINITE & {left.unit, right.unit}:
        return None
    one, other = (_required(_TO_UCUM.get(q.unit, q.unit)) for q in (left, right))
    return (one, other) if one.dimensions == other.dimensions else None


def _based(value: Decimal, unit: Unit) -> Fraction:
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise EvaluationError(f"the number {value} is too large or too small to convert")
    return (Fraction(value) + unit.offset) * unit.factor


def _decimal(value: Fraction) -> Decimal:
    """The nearest Decimal: exact where there is one, else 28 digits."""
    with localcontext(_EXACT):
        exact = Decimal(value.numerator) / Decimal(value.denominator)
    if Fraction(exact) == value:
        return exact
    return Decimal(value.numerator) / Decimal(value.denominator)


def same_unit(left: Quantity, right: Quantity) -> bool:
    """Whether the numbers can be compared as they are."""
    return left.unit == right.unit and left.kind is right.kind


def comparable(left: Quantity, right: Quantity) -> bool:
    """Whether the two can be compared (section 6.2.5); unknown units cannot."""
    if same_unit(left, right):
        return True
    try:
        return _measures(left, right) is not None
    except EvaluationError:
        return False


def compare(left: Quantity, right: Quantity) -> int | None:
    """-1, 0 or 1; None when the two measure different things."""
    if same_unit(left, right):
        return (left.value > right.value) - (left.value < right.value)
    units = _measures(left, right)
    if units is None:
        return None
    first, second = _based(left.value, units[0]), _based(right.value, units[1])
    return (first > second) - (first < second)


def convert(quantity: Quantity, unit: str) -> Quantity | None:
    """The same amount in another unit, or None when it has none in it (section 5.5.7)."""
    target = literal_quantity(Decimal(1), unit)
    if same_unit(quantity, target):
        return quantity
    if unit_of(_TO_UCUM.get(target.unit, target.unit)) is None:
        return None
    units = _measures(quantity, target)
    if units is None:
        return None
    value = _based(quantity.value, units[0]) / units[1].factor - units[1].offset
    return Quantity(_decimal(value), target.unit, target.kind)


def add(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """Sum (sign 1) or difference (-1) in the finer of the two units, or None."""
    if _LOGARITHMIC & {left.unit, right.unit}:
        return None
    if same_unit(left, right):
        return Quantity(left.value + sign * right.value, left.unit, left.kind)
    units = _measures(left, right)
    if units is None or units[0].offset or units[1].offset:
        return None
    finer = 0 if units[0].factor <= units[1].factor else 1
    total = _based(left.value, units[0]) + sign * _based(right.value, units[1])
    shape = (left, right)[finer]
    kind = shape.kind
    if kind is Kind.EITHER and Kind.CALENDAR in {left.kind, right.kind}:
        return Quantity(
            _decimal(total / units[finer].factor), str(shape.calendar_unit), Kind.CALENDAR
        )
    if kind is Kind.EITHER and Kind.UCUM in {left.kind, right.kind}:
        kind = Kind.UCUM
    return Quantity(_decimal(total / units[finer].factor), shape.unit, kind)


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """The product with the product of the units; None for calendar durations of both (6.6.1)."""
    scaled = _scaled(left, right) or _scaled(right, left)
    if scaled is not None:
        return scaled
    if Kind.CALENDAR in {left.kind, right.kind}:
        return None
    return Quantity(left.value * right.value, product(left.unit, right.unit, 1))


def _scaled(number: Quantity, quantity: Quantity) -> Quantity | None:
    """The quantity times a number without dimension, None when `number` has one."""
    unit = unit_of(number.unit) if number.kind is not Kind.CALENDAR else None
    if unit is None or unit.dimensions:
        return None
    return Quantity(
        _decimal(_based(number.value, unit)) * quantity.value, quantity.unit, quantity.kind
    )


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """The quotient with the quotient of the units; None for zero and calendar durations (6.6.2)."""
    if not right.value:
        return None
    if Kind.CALENDAR not in {left.kind, right.kind}:
        return _divide_measures(left, right)
    if right.unit == "1":
        return Quantity(left.value / right.value, left.unit, left.kind)
    return None


def _divide_measures(left: Quantity, right: Quantity) -> Quantity | None:
    if left.unit == right.unit:
        return Quantity(left.value / right.value)
    one, other = _required(left.unit), _required(right.unit)
    if one.offset or other.offset:
        return None
    if one.dimensions == other.dimensions:
        return Quantity(_decimal(_based(left.value, one) / _based(right.value, other)))
    if not other.dimensions:
        value = _decimal(Fraction(left.value) / _based(right.value, other))
        return Quantity(value, left.unit, left.kind)
    return Quantity(left.value / right.value, product(left.unit, right.unit, -1))


def equivalent(left: Quantity, right: Quantity) -> bool:
    """Whether the amounts agree at the precision of the less precise one (section 6.1.3)."""
    first, second = _definite(left), _definite(right)
    if same_unit(first, second):
        return decimals_equivalent(first.value, second.value)
    units = _measures(first, second)
    if units is None:
        return False
    coarse = 0 if units[0].factor >= units[1].factor else 1
    values = [first.value, second.value]
    fine = 1 - coarse
    based = _based(values[fine], units[fine]) / units[coarse].factor - units[coarse].offset
    return decimals_equivalent(_decimal(based), values[coarse])


def _definite(quantity: Quantity) -> Quantity:
    """For equivalence a year is `'a'` and a month `'mo'`, so all become calendar durations."""
    if quantity.kind is not Kind.CALENDAR and quantity.unit in _FROM_UCUM:
        return Quantity(quantity.value, _FROM_UCUM[quantity.unit], Kind.CALENDAR)
    return quantity


def decimals_equivalent(left: Decimal, right: Decimal) -> bool:
    """Whether two numbers agree after rounding to the fewer decimals, trailing zeros aside."""
    if left == right:
        return True
    places = min(_decimals(left), _decimals(right))
    step = Decimal(1).scaleb(-places)
    if max(left.adjusted(), right.adjusted()) > _LARGEST_EXPONENT - 30:
        return False
    with localcontext(_ROUNDED):
        return left.quantize(step) == right.quantize(step)


def _decimals(value: Decimal) -> int:
    return min(max(0, -int(value.normalize().as_tuple().exponent)), 28)

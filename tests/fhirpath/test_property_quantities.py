"""Quantities against tables of exact factors."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from fhirpath_answers import answer, bounded
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.errors import EvaluationError
from cds_service.fhirpath import Quantity

SCALES: dict[str, dict[str, Fraction]] = {
    "mass": {"kg": Fraction(1000), "g": Fraction(1), "mg": Fraction(1, 1000),
             "ug": Fraction(1, 1_000_000), "[lb_av]": Fraction("453.59237")},
    "length": {"m": Fraction(1), "cm": Fraction(1, 100), "mm": Fraction(1, 1000),
               "km": Fraction(1000), "[in_i]": Fraction("0.0254"), "[ft_i]": Fraction("0.3048")},
    "volume": {"L": Fraction(1), "dL": Fraction(1, 10), "mL": Fraction(1, 1000)},
    "time": {"d": Fraction(86400), "h": Fraction(3600), "min": Fraction(60), "s": Fraction(1),
             "wk": Fraction(604800), "ms": Fraction(1, 1000)},
    "concentration": {"mg/dL": Fraction(1, 100), "g/L": Fraction(1), "mg/L": Fraction(1, 1000)},
}  # fmt: skip
"""Units by what they measure, and how many of one base unit each is."""

CALENDAR = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}
MONTHS = {"year": 12, "month": 1}

NUMBERS = st.decimals(
    min_value=Decimal("0.001"), max_value=Decimal(10_000), places=3, allow_nan=False
)
ALIKE = st.sampled_from(sorted(SCALES)).flatmap(
    lambda scale: st.tuples(
        *[st.sampled_from([(scale, unit) for unit in sorted(SCALES[scale])])] * 2
    )
)


def base(number: Decimal, unit: tuple[str, str]) -> Fraction:
    return Fraction(number) * SCALES[unit[0]][unit[1]]


@bounded
@given(pair=ALIKE, left=NUMBERS, right=NUMBERS)
def test_quantities_of_one_kind_are_ordered_by_their_amount(pair, left, right) -> None:
    first, second = base(left, pair[0]), base(right, pair[1])
    question = f"{left} '{pair[0][1]}' {{}} {right} '{pair[1][1]}'"
    assert answer(question.format("<")) == [first < second]
    assert answer(question.format(">=")) == [first >= second]
    assert answer(question.format("=")) == [first == second]


@bounded
@given(pair=ALIKE, number=NUMBERS)
def test_an_amount_written_in_another_unit_is_equal(pair, number) -> None:
    amount = base(number, pair[0]) / SCALES[pair[1][0]][pair[1][1]]
    written = Decimal(amount.numerator) / Decimal(amount.denominator)
    assume(Fraction(written) == amount)
    assert answer(f"{number} '{pair[0][1]}' = {written:f} '{pair[1][1]}'") == [True]


@bounded
@given(pair=ALIKE, number=NUMBERS)
def test_conversion_keeps_the_amount(pair, number) -> None:
    found = answer(f"({number} '{pair[0][1]}').toQuantity('{pair[1][1]}')")[0]
    expected = base(number, pair[0]) / SCALES[pair[1][0]][pair[1][1]]
    assert found.unit == pair[1][1]
    assert abs(Fraction(found.value) - expected) <= abs(expected) * Fraction(1, 10**24)


@bounded
@given(pair=ALIKE, left=NUMBERS, right=NUMBERS)
def test_a_sum_is_the_sum_of_the_amounts_in_the_finer_unit(pair, left, right) -> None:
    found = answer(f"{left} '{pair[0][1]}' + {right} '{pair[1][1]}'")[0]
    factors = SCALES[pair[0][0]]
    finer = min(factors[pair[0][1]], factors[pair[1][1]])
    expected = base(left, pair[0]) + base(right, pair[1])
    assert factors[found.unit] == finer
    assert abs(Fraction(found.value) * finer - expected) <= expected * Fraction(1, 10**24)


@bounded
@given(one=st.sampled_from(sorted(SCALES)), other=st.sampled_from(sorted(SCALES)), number=NUMBERS)
def test_quantities_of_different_kinds_are_neither_equal_nor_ordered(one, other, number) -> None:
    assume(one != other)
    units = min(SCALES[one]), min(SCALES[other])
    question = f"{number} '{units[0]}' {{}} {number} '{units[1]}'"
    assert answer(question.format("=")) == []
    assert answer(question.format("<")) == []
    assert answer(question.format("~")) == [False]


@bounded
@given(
    units=st.tuples(*[st.sampled_from(sorted(CALENDAR))] * 2),
    left=st.integers(1, 400),
    right=st.integers(1, 400),
)
def test_calendar_durations_up_to_weeks_compare_by_their_seconds(units, left, right) -> None:
    first, second = left * CALENDAR[units[0]], right * CALENDAR[units[1]]
    assert answer(f"{left} {units[0]}s < {right} {units[1]}s") == [first < second]
    assert answer(f"{left} {units[0]}s = {right} {units[1]}s") == [first == second]


@bounded
@given(
    units=st.tuples(*[st.sampled_from(sorted(MONTHS))] * 2),
    left=st.integers(1, 400),
    right=st.integers(1, 400),
)
def test_years_and_months_compare_by_their_months(units, left, right) -> None:
    first, second = left * MONTHS[units[0]], right * MONTHS[units[1]]
    assert answer(f"{left} {units[0]}s <= {right} {units[1]}s") == [first <= second]


@bounded
@given(tenths=st.integers(-1000, 3000), more=st.integers(1, 50))
def test_degrees_of_two_scales_are_compared_by_temperature(tenths, more) -> None:
    celsius = Decimal(tenths) / 10
    same = Quantity(celsius * 9 / 5 + 32, "[degF]")
    warmer = Quantity(celsius * 9 / 5 + 32 + more, "[degF]")
    given_ = {"c": Quantity(celsius, "Cel"), "same": same, "warmer": warmer}
    assert answer("%c = %same and %c < %warmer and %warmer > %c", **given_) == [True]


@pytest.mark.parametrize("unit", ["furlongs", "mg/", "xyz", "%%"])
def test_a_unit_that_is_not_known_is_an_error_and_not_false(unit) -> None:
    with pytest.raises(EvaluationError, match="unit"):
        answer(f"1 '{unit}' < 2 'kg'")

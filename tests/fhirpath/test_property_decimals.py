"""Decimal arithmetic: exact, with the digits that were written, never through a float."""

from __future__ import annotations

from decimal import Decimal

from fhirpath_answers import answer, bounded, text
from hypothesis import assume, example, given
from hypothesis import strategies as st

DECIMALS = st.decimals(min_value=0, max_value=10**6, places=4, allow_nan=False)
INTEGERS = st.integers(0, 20_000)


@bounded
@given(one=DECIMALS, other=DECIMALS)
@example(one=Decimal("0.1"), other=Decimal("0.2"))
@example(one=Decimal("1.10"), other=Decimal("2.20"))
def test_sums_differences_and_products_are_exact(one, other) -> None:
    assert answer(f"{one} + {other}") == [one + other]
    assert answer(f"{one} - {other}") == [one - other]
    assert answer(f"{one} * {other}") == [one * other]


@bounded
@given(one=DECIMALS)
@example(one=Decimal("1.500"))
def test_a_decimal_keeps_the_digits_that_were_written(one) -> None:
    assert text(f"{one}.toString()") == str(one)
    assert answer(f"{one}.precision()") == [4 if one.as_tuple().exponent == -4 else 3]


@bounded
@given(one=DECIMALS)
def test_a_decimal_of_a_resource_keeps_its_digits(one) -> None:
    from cds_service.fhirpath import compile as compile_expression  # noqa: PLC0415

    observation = {"resourceType": "Observation", "valueQuantity": {"value": one, "unit": "1"}}
    found = compile_expression("value.ofType(Quantity).value + 0.0")(observation)
    assert str(found[0]) == str(one + Decimal("0.0"))


@bounded
@given(one=DECIMALS, other=DECIMALS)
def test_a_quotient_is_exact_where_it_ends(one, other) -> None:
    assume(other)
    quotient = one / other
    assume(quotient * other == one)
    assert answer(f"{one} / {other} = {quotient:f}") == [True]


@bounded
@given(one=INTEGERS, other=st.integers(1, 500))
def test_div_and_mod_belong_together(one, other) -> None:
    assert answer(f"({one} div {other}) * {other} + ({one} mod {other})") == [one]
    assert answer(f"(-{one}) div {other}") == [-(one // other)]
    assert answer(f"(-{one}) mod {other}") == [-(one % other)]


@bounded
@given(one=DECIMALS)
def test_dividing_by_zero_is_empty(one) -> None:
    assert answer(f"{one} / 0 | {one} div 0 | {one} mod 0.0") == []


@bounded
@given(one=DECIMALS, digits=st.integers(0, 3))
@example(one=Decimal("2.25"), digits=1)
@example(one=Decimal("0.5"), digits=0)
def test_round_takes_halves_up(one, digits) -> None:
    step = Decimal(1).scaleb(-digits)
    assert answer(f"{one}.round({digits})") == [((one / step + Decimal("0.5")) // 1) * step]


@bounded
@given(one=DECIMALS)
def test_truncate_floor_and_ceiling_enclose_the_number(one) -> None:
    floor, ceiling = answer(f"{one}.floor() | {one}.ceiling()")[0], answer(f"{one}.ceiling()")[0]
    assert floor <= one <= ceiling
    assert ceiling - floor == (0 if one == one.to_integral_value() else 1)
    assert answer(f"{one}.truncate()") == [int(one)]
    assert answer(f"(-{one}).floor()") == [-ceiling]


@bounded
@given(one=DECIMALS)
def test_surplus_zeros_matter_to_nothing_but_to_the_text(one) -> None:
    assert answer(f"{one} = {one}00 and {one} ~ {one}00 and ({one} | {one}00).count() = 1") == [
        True
    ]


@bounded
@given(one=st.integers(-(2**31) + 1, 2**31 - 1))
def test_the_text_of_a_number_reads_back_as_the_number(one) -> None:
    assert answer(f"'{one}'.toInteger()") == [one]
    assert answer("%n.toString().toInteger() = %n", n=one) == [True]
    assert answer("%n.toDecimal().toString().toDecimal() = %n", n=one) == [True]

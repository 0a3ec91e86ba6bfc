"""Clauses of the FHIRPath specification, one expression each, with the answer they demand.

The numbers are those of version 2.0.0; "3.0" marks what the next version adds or makes clear.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.errors import CdsError, ExpressionError
from cds_service.fhirpath import compile as compile_expression

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [
        {"use": "official", "family": "Berg", "given": ["Ann", "Marie"]},
        {"use": "usual", "given": ["Annie"]},
        {"use": "maiden", "family": "Dal"},
    ],
}


def evaluated(expression: str, **variables: Any) -> list[Any]:
    return compile_expression(expression)(PATIENT, variables=variables)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("'-2147483648'.toInteger()", [-2147483648]),
        ("'-2147483649'.convertsToInteger()", [False]),
        ("'-9223372036854775808'.toLong()", [-(2**63)]),
        ("'9223372036854775808'.convertsToLong()", [False]),
        ("'0000000000000000000000042'.toInteger()", [42]),
        ("'+'.toInteger()", []),
    ],
)
def test_5_5_3_every_integer_that_the_format_spells_converts(expression, answer) -> None:
    assert evaluated(expression) == answer


def test_5_5_6_a_boolean_becomes_a_decimal_with_one_decimal() -> None:
    assert str(evaluated("true.toDecimal()")[0]) == "1.0"


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        (r"'a\tb' ~ 'a b'", [True]),
        (r"'a\u00a0b' ~ 'a b'", [False]),
        (r"' \t\r\na\n'.trim()", ["a"]),
        (r"'\u00a0a'.trim()", ["\u00a0a"]),
    ],
)
def test_8_1_white_space_is_tab_space_and_line_ends(expression, answer) -> None:
    assert evaluated(expression) == answer


@pytest.mark.parametrize("expression", ["1.05 ~ 1.1", "(-1.05) ~ (-1.1)", "2.5 'mg' ~ 3 'mg'"])
def test_6_1_3_equivalent_decimals_are_rounded_with_halves_up(expression) -> None:
    assert evaluated(expression) == [True]


@pytest.mark.parametrize("call", ["sqrt()", "exp()", "ln()", "log(2)", "power(2)"])
def test_5_7_a_quantity_is_not_a_number_where_the_unit_would_change(call) -> None:
    with pytest.raises(CdsError, match="works on"):
        evaluated(f"(4 'kg').{call}")


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        (r"'11/30/1972'.replaceMatches('(?<m>\\d+)/(?<d>\\d+)', '${d}-${m}')", ["30-11/1972"]),
        (r"'é1'.matches('^[\\p{L}\\d]+$')", [True]),
        (r"'1'.matches('^[\\P{L}]+$')", [True]),
        (r"'1'.matches('^[^\\p{L}]+$')", [True]),
        ("'ab'.matches('^[[:alpha:]]+$')", [True]),
        ("'a1'.matches('^[[:alpha:]]+$')", [False]),
        ("'a[b'.matches('^[a[b]+$')", [True]),
        ("'a[x'.matches('^[a[]+x$')", [True]),
        ("'a&b'.matches('^[a&&b]+$')", [True]),
    ],
)
def test_5_6_regular_expressions_are_read_as_pcre_spells_them(expression, answer) -> None:
    assert evaluated(expression) == answer


@pytest.mark.parametrize("pattern", ["[[:nope:]]", "[[:^alpha:]]", "[:alpha:]"])
def test_5_6_a_class_of_characters_that_is_not_known_is_refused(pattern) -> None:
    with pytest.raises(CdsError, match="regular expression"):
        compile_expression(f"'a'.matches('{pattern}')")


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("'c328'.decode('hex')", []),
        ("'w7'.encode('hex').decode('hex')", ["w7"]),
        ("'Ærø'.encode('ascii')", ["?r?"]),
    ],
)
def test_3_0_what_is_not_utf_8_decodes_to_nothing(expression, answer) -> None:
    assert evaluated(expression) == answer


@pytest.mark.parametrize(
    "expression",
    ["text.div", "name.and", "Patient.day", "name.true", "name.years()", "1\u00a0+ 1", "\u0663"],
)
def test_8_what_the_grammar_does_not_know_is_refused(expression) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(expression)


@pytest.mark.parametrize("name", ["as", "is", "in", "contains", "`div`", "`day`"])
def test_8_5_some_keywords_and_all_quoted_names_are_identifiers(name) -> None:
    assert evaluated(f"name.{name}") == []
    assert evaluated(name) == []


@pytest.mark.parametrize("text", ["'٢٠١٤'.toDate()", "'٣'.toQuantity()", "'٣'.toInteger()"])
def test_5_5_digits_are_those_of_the_formats(text) -> None:
    assert evaluated(text) == []


def test_6_3_a_system_type_that_there_is_not_is_refused() -> None:
    with pytest.raises(ExpressionError, match="unknown type"):
        compile_expression("name is System.Foo")


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("(4.50 'mg').value", [Decimal("4.50")]),
        ("(4 'mg').unit", ["mg"]),
        ("(2 years).unit", ["year"]),
        ("(1 'kg').toQuantity('g').value > 999", [True]),
    ],
)
def test_4_1_8_a_quantity_has_a_value_and_a_unit(expression, answer) -> None:
    assert evaluated(expression) == answer


@pytest.mark.parametrize(
    "expression",
    [
        "defineVariable('context', 1)",
        "defineVariable('ucum', 1)",
        "defineVariable('given', 1)",
        "defineVariable('n', 1).select(defineVariable('n', 2))",
    ],
)
def test_3_0_a_variable_that_is_there_already_is_not_defined_again(expression) -> None:
    with pytest.raises(CdsError, match="already"):
        evaluated(expression, given=1)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("name.sort(family).use", ["usual", "official", "maiden"]),
        ("name.sort(family desc).use", ["maiden", "official", "usual"]),
        ("name.sort(given.count() desc, use asc).use", ["official", "usual", "maiden"]),
    ],
)
def test_3_0_an_empty_key_is_lower_than_every_other(expression, answer) -> None:
    assert evaluated(expression) == answer


def test_3_0_a_key_of_sort_has_no_index() -> None:
    with pytest.raises(ExpressionError, match=r"no \$index"):
        compile_expression("name.sort($index)")


def test_3_0_combine_can_be_told_to_keep_the_order() -> None:
    assert evaluated("(1 | 2).combine(2 | 3, true)") == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("precision", "crossed"), [("year", 0), ("day", 1), ("hour", 0), ("minute", 0)]
)
def test_3_0_offsets_count_for_hours_and_less(precision, crossed) -> None:
    before, after = "@2025-01-01T23:00:00-05:00", "@2025-01-02T05:00:00+01:00"
    assert evaluated(f"{before}.difference({after}, '{precision}')") == [crossed]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("5 div 2", "Integer"), ("5L div 2", "Long"), ("5.5 div 2", "Decimal"), ("4 / 2", "Decimal")],
)
def test_3_0_a_truncated_quotient_has_the_type_of_its_operands(expression, kind) -> None:
    assert evaluated(f"({expression}) is {kind}") == [True]


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("@T10:30:00.highBoundary()", "10:30:00.999"),
        ("@T10:30:00.lowBoundary()", "10:30:00.000"),
        ("@T10:30:00.5.highBoundary()", "10:30:00.599"),
        ("@T10:30:00.123.highBoundary()", "10:30:00.123"),
        ("@2024-02-29T10:30:00+02:00.highBoundary()", "2024-02-29T10:30:00.999+02:00"),
        ("@2024-02-29T10:30:00.500Z.highBoundary(14)", "2024-02-29T10:30:00Z"),
        ("@T10:30.highBoundary(6)", "10:30:59"),
    ],
)
def test_3_0_a_second_is_known_to_the_decimals_that_were_written(expression, answer) -> None:
    assert [str(item) for item in evaluated(expression)] == [answer]


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "+", "-", "*", "/", "div", "mod"])
def test_6_an_operand_that_is_empty_makes_the_answer_empty(operator) -> None:
    assert evaluated(f"{{}} {operator} (1 | 2)") == []
    assert evaluated(f"(1 | 2) {operator} {{}}") == []


def test_3_0_the_empty_string_is_found_at_the_start() -> None:
    assert evaluated("'abc'.lastIndexOf('')") == [0]


@pytest.mark.parametrize(
    "call", ["'1'.toQuantity({})", "1.convertsToQuantity({})", "'a'.indexOf({})", "2.log({})"]
)
def test_4_4_an_argument_that_is_empty_makes_the_answer_empty(call) -> None:
    assert evaluated(call) == []


def test_3_0_a_boolean_has_no_precision() -> None:
    with pytest.raises(CdsError, match="precision"):
        evaluated("true.precision()")


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("12 'cm' * 3 'cm'", "36 'cm2'"),
        ("3 'cm' * 12 'cm2'", "36 'cm3'"),
        ("12 'cm2' / 3 'cm'", "4 'cm'"),
        ("10 'kg' / 5 'm2'", "2 'kg/m2'"),
        ("2 'm/s' * 3 's'", "6 'm'"),
        ("1 / 2 's'", "0.5 's-1'"),
        ("3 'mg' * 2 'g'", "6 'mg.g'"),
    ],
)
def test_6_6_a_product_of_quantities_has_the_unit_that_fits(expression, answer) -> None:
    assert [str(item) for item in evaluated(expression)] == [answer]


def test_6_1_3_a_null_in_a_list_is_equivalent_to_another() -> None:
    name = {"given": [None, "Ann"], "_given": [{"id": "a"}, None]}
    other = {"given": [None, "ANN"], "_given": [{"id": "a"}, None]}
    assert evaluated("%one ~ %other", one=name, other=other) == [True]

"""What is wrong with an expression is said when it is compiled, with the place and a way out."""

from __future__ import annotations

import pytest

from cds_service.errors import ExpressionError
from cds_service.fhirpath import compile as compile_expression


@pytest.mark.parametrize(
    ("expression", "offset", "message", "hint"),
    [
        ("", 0, "the expression is empty", None),
        ("name.where(", 10, "never closed with ')'", None),
        ("(1 + 2", 0, "this '(' is never closed with ')'", None),
        ("name[0", 4, "this '[' is never closed with ']'", None),
        ("name)", 4, "this ')' closes nothing", None),
        ("'abc", 0, "this string is not terminated", None),
        ("1 /* note", 2, "this comment is not terminated", None),
        ("1 +", 3, "the expression ends too early", None),
        ("@2019-02-29", 0, "'@2019-02-29' is not a valid date or time", None),
        ("name.given.cuont()", 11, "unknown function 'cuont'", "'count'"),
        ("name.first(1)", 5, "first() takes 0 arguments, not 1", None),
        ("name.where()", 5, "where() takes 1 argument, not 0", None),
        ("name.givn", 5, "HumanName has no element 'givn'", "'given'"),
        ("contact.name.where(usee = 'x')", 19, "HumanName has no element 'usee'", "'use'"),
        ("deceasedBoolean", 0, "'deceasedBoolean' is JSON", "deceased.ofType(boolean)"),
        ("Observation.value", 0, "Patient has no element 'Observation'", None),
        ("birthDate is Strnig", 0, "unknown type 'Strnig'", "'String'"),
        ("name.ofType(HumanNam)", 12, "unknown type 'HumanNam'", "'HumanName'"),
        ("$that", 0, "unknown '$that'", "'$this'"),
        ("$index", 0, "there is no $index here", None),
        ("name.$index", 5, "cannot follow a '.'", None),
        ("1 adn 2", 2, "unexpected 'adn'", "'and'"),
        ("true AND false", 5, "unexpected 'AND'", "write 'and'"),
        ("true && false", 6, "unexpected '&'", "write 'and'"),
        ("true || false", 6, "unexpected '|'", "write 'or'"),
        ("gender == 'male'", 8, "unexpected '='", "write '='"),
        ("not %x", 4, "unexpected '%x'", "%x.not()"),
        ("!active", 0, "unexpected character '!'", ".not()"),
        ('gender = "male"', 9, "unexpected character", "single quotes"),
        ("gender = ‘male’", 9, "unexpected character", "single quotes"),
        ("14 dasy", 3, "unexpected 'dasy'", "'days'"),
        ("38 C", 3, "unexpected 'C'", "38 'Cel'"),
        ("gender = male", 9, "Patient has no element 'male'", "'male'"),
        ("active.not", 7, "the function not() lacks its parentheses", "not()"),
        ("name.birthDat", 5, "HumanName has no element", None),
        ("deceasedBoolea", 0, "Patient has no element", "'deceasedBoolean'"),
        ("gender.memberOf('x')", 16, "unknown value set 'x'", "no value sets"),
        ("gender.matches('(a+)+')", 15, "repeats a repetition", None),
        ("gender.matches('(')", 15, "is not valid", None),
    ],
)
def test_the_message_names_the_problem_and_the_offset_its_place(
    expression, offset, message, hint
) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(expression, root_type="Patient")
    assert message in raised.value.message
    assert raised.value.offset == offset
    if hint is not None:
        assert hint in (raised.value.hint or "")


def test_a_caret_points_at_the_place() -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression("name.given1", root_type="Patient")
    assert str(raised.value).endswith("  name.given1\n       ^")


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 3000 + "1" + ")" * 3000,
        "-" * 3000 + "1",
        "name" + ".first()" * 3000,
        "1" + " + 1" * 3000,
        "a.where(" * 500 + "true" + ")" * 500,
        "1" + "[0]" * 3000,
    ],
)
@pytest.mark.requirement("F2")
def test_an_expression_that_nests_too_deeply_is_refused(expression) -> None:
    with pytest.raises(ExpressionError, match=r"nests deeper|longer than"):
        compile_expression(expression)


def test_many_alternatives_in_a_row_do_not_count_as_nesting() -> None:
    alternatives = " or ".join(f"gender = 'g{number}'" for number in range(300))
    assert compile_expression(alternatives)({"resourceType": "Patient", "gender": "g299"}) == [True]


@pytest.mark.requirement("F2")
def test_an_expression_that_is_too_long_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer than"):
        compile_expression("1 " * 20_000)


def test_elements_are_not_checked_where_the_type_is_not_known() -> None:
    assert compile_expression("nothing.like.this")({"resourceType": "Patient"}) == []


def test_an_undeclared_variable_is_refused_where_variables_are_strict() -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(
            "%conditons.exists()", types={"conditions": "Condition"}, strict_variables=True
        )
    assert raised.value.message == "unknown variable '%conditons'"
    assert raised.value.hint == "did you mean '%conditions'?"


@pytest.mark.parametrize(
    "expression", ["%conditions", "%context", "%ucum", "%`vs-gender`", "(1).defineVariable('x')"]
)
def test_declared_and_standard_variables_pass_where_variables_are_strict(expression) -> None:
    compile_expression(expression, types={"conditions": None}, strict_variables=True)


def test_elements_of_a_variable_are_checked_against_its_type() -> None:
    with pytest.raises(ExpressionError, match="Condition has no element 'onsett'"):
        compile_expression("%c.onsett", types={"c": "Condition"})

"""memberOf: local value sets only, and an unknown one is never just false."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cds_service.errors import EvaluationError, ExpressionError
from cds_service.fhirpath import Definition, Evaluation, Library
from cds_service.fhirpath import compile as compile_expression

if TYPE_CHECKING:
    from collections.abc import Callable

ICD = "http://hl7.org/fhir/sid/icd-10"


class Pain:
    """One value set, `pain`: M54 of ICD-10, and the bare code `back`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.names = ["pain"]

    def resolve(self, reference: str) -> Callable[[str | None, str], bool] | None:
        self.asked.append(reference)
        if reference not in {"pain", "https://example.org/ValueSet/pain"}:
            return None
        members = {(ICD, "M54"), (None, "back")}
        return lambda system, code: (system, code) in members


def condition(*codings: tuple[str, str]) -> dict[str, Any]:
    coded = [{"system": system, "code": code} for system, code in codings]
    return {"resourceType": "Condition", "code": {"coding": coded, "text": "back"}}


@pytest.mark.parametrize(
    ("expression", "resource", "answer"),
    [
        ("code.memberOf('pain')", condition((ICD, "M54")), [True]),
        ("code.memberOf('pain')", condition(("other", "x"), (ICD, "M54")), [True]),
        ("code.memberOf('pain')", condition(("other", "M54")), [False]),
        ("code.memberOf('pain')", condition(), [False]),
        ("code.coding.memberOf('pain')", condition((ICD, "M54")), [True]),
        ("code.coding.code.memberOf('pain')", condition((ICD, "M54")), [False]),
        ("'back'.memberOf('pain')", condition(), [True]),
        ("code.memberOf('https://example.org/ValueSet/pain')", condition((ICD, "M54")), [True]),
        ("severity.memberOf('pain')", condition(), []),
        ("code.memberOf(code.text.replace('back', 'pain'))", condition((ICD, "M54")), [True]),
    ],
)
def test_a_concept_a_coding_or_a_code_is_looked_up(expression, resource, answer) -> None:
    assert compile_expression(expression, value_sets=Pain())(resource) == answer


def test_an_unknown_value_set_stops_the_compilation() -> None:
    with pytest.raises(ExpressionError, match="unknown value set 'VS-X'") as raised:
        compile_expression("code.memberOf('VS-X')", value_sets=Pain())
    assert raised.value.offset == 14
    assert raised.value.hint


def test_a_value_set_that_is_nearly_one_that_is_loaded_is_suggested() -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression("code.memberOf('https://example.org/ValueSet/pian')", value_sets=Pain())
    assert raised.value.hint == "did you mean 'pain'?"


def test_a_definition_without_its_sign_is_suggested() -> None:
    library = Library({"worse": Definition("worse", "true")}, root_type="Patient")
    with pytest.raises(ExpressionError) as raised:
        library.compile("worse and true", root_type="Patient")
    assert raised.value.hint == "did you mean '%worse'?"


def test_a_function_without_parentheses_on_what_is_of_no_known_type_is_told() -> None:
    library = Library(
        {"worse": Definition("worse", "%x")}, types={"x": None}, strict_variables=True
    )
    with pytest.raises(ExpressionError, match=r"the function not\(\) lacks its parentheses"):
        library.compile("%worse.not")


def test_an_unknown_value_set_in_an_argument_is_reported_where_it_was_written() -> None:
    has = Definition("has", "%conditions.exists(code.memberOf(%valueSet))", ("valueSet",))
    deep = Definition("deep", "has(%v)", ("v",))
    library = Library({"has": has, "deep": deep}, value_sets=Pain())
    with pytest.raises(ExpressionError) as raised:
        library.compile("true and deep('VS-X')")
    assert raised.value.message == "unknown value set 'VS-X'"
    assert raised.value.expression == "true and deep('VS-X')"
    assert raised.value.offset == 14


def test_an_unknown_value_set_that_only_data_names_is_an_error_not_false() -> None:
    program = compile_expression("code.memberOf(code.text)", value_sets=Pain())
    with pytest.raises(EvaluationError, match="unknown value set 'back'"):
        program(condition((ICD, "M54")))


def test_several_items_are_an_error_with_a_way_out() -> None:
    program = compile_expression("code.coding.memberOf('pain')", value_sets=Pain())
    with pytest.raises(EvaluationError) as raised:
        program(condition((ICD, "M54"), (ICD, "M55")))
    assert "exists(memberOf(...))" in (raised.value.hint or "")


def test_a_constant_value_set_is_looked_up_when_compiled_and_not_again() -> None:
    value_sets = Pain()
    program = compile_expression("%c.exists(code.memberOf('pain'))", value_sets=value_sets)
    value_sets.asked.clear()
    evaluation = Evaluation(variables={"c": [condition((ICD, "M54"))] * 5}, now=None)
    assert program.evaluate(evaluation, []) == [True]
    assert value_sets.asked == []

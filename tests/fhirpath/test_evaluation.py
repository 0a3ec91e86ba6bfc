"""The environment of a request: variables, references, budgets, and that nothing is changed."""

from __future__ import annotations

import copy
import time
from decimal import Decimal
from typing import Any

import pytest

from cds_service.errors import EvaluationError, ExpressionError
from cds_service.fhirpath import Evaluation, Node, plain
from cds_service.fhirpath import compile as compile_expression

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [
        {"given": ["Ann", None], "_given": [None, {"id": "g2"}], "family": "Berg"},
        {"use": "old", "family": "Dal"},
    ],
    "birthDate": "1980-02-03",
    "_birthDate": {"extension": [{"url": "http://x", "valueCode": "about"}]},
    "deceasedBoolean": False,
    "contained": [{"resourceType": "Organization", "id": "o", "name": "GP"}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"display": "unknown to us"}],
    "multipleBirthInteger": 2,
}


def evaluated(expression: str, **variables: Any) -> list[Any]:
    return compile_expression(expression)(PATIENT, variables=variables)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("Patient.name.family", ["Berg", "Dal"]),
        ("name.given", ["Ann", None]),
        ("name.given[1].id", ["g2"]),
        ("name.given[1].hasValue()", [False]),
        ("deceased", [False]),
        ("deceased.ofType(boolean).not()", [True]),
        ("multipleBirth is integer", [True]),
        ("birthDate.extension('http://x').value", ["about"]),
        ("birthDate.extension('http://x').value is code", [True]),
        ("contained.name", ["GP"]),
        ("managingOrganization.resolve().name", ["GP"]),
        ("managingOrganization.resolve() is Organization", [True]),
        ("Resource.id", ["p"]),
        ("type().name", ["Patient"]),
        ("birthDate is date", [True]),
        ("birthDate is Date", [False]),
        ("name.where(use = 'old').family", ["Dal"]),
        ("descendants().ofType(Organization).id", ["o"]),
        ("%resource.id & %rootResource.id & %context.id", ["ppp"]),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", [True]),
    ],
)
def test_paths_follow_the_types_of_fhir_r4(expression, answer) -> None:
    assert evaluated(expression) == answer


def test_a_variable_may_hold_an_item_a_list_a_primitive_or_nothing() -> None:
    assert evaluated("%x.name.family", x=PATIENT) == ["Berg", "Dal"]
    assert evaluated("%x.id", x=[PATIENT, PATIENT]) == ["p", "p"]
    assert evaluated("%x + 1", x=0.5) == [Decimal("1.5")]
    assert evaluated("%x & '!'", x="text") == ["text!"]
    assert evaluated("%x", x=None) == []
    assert evaluated("%x.count()", x=[]) == [0]


def test_items_of_one_expression_can_be_bound_for_another() -> None:
    evaluation = Evaluation(variables={}, now=None, resource=PATIENT)
    names = compile_expression("name").evaluate(evaluation, [PATIENT])
    assert all(type(item) is Node for item in names)
    family = compile_expression("%each.family")
    found = [family.evaluate(evaluation.bind(each=name), []) for name in names]
    assert [plain(items) for items in found] == [["Berg"], ["Dal"]]


def test_the_declared_type_of_a_variable_gives_its_json_a_type() -> None:
    element = {"timingDateTime": "2024-01-01"}
    program = compile_expression("%action.timing", types={"action": "PlanDefinition.action"})
    assert program({}, variables={"action": element}) == ["2024-01-01"]


def test_context_can_be_bound_to_the_hooks_context() -> None:
    assert evaluated("%context.patientId", context={"patientId": "7"}) == ["7"]


def test_a_variable_that_is_not_set_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="the variable %nope is not set"):
        evaluated("%nope.exists()")


def test_references_are_asked_for_once() -> None:
    asked: list[str] = []

    def resolve(reference: str) -> dict[str, Any]:
        asked.append(reference)
        return {"resourceType": "Practitioner", "id": "1"}

    program = compile_expression("generalPractitioner.where(reference.exists()).resolve().id")
    evaluation = Evaluation(variables={}, now=None, resolve=resolve, resource=PATIENT)
    for _ in range(2):
        assert program.evaluate(evaluation, [PATIENT]) == ["1"]
    assert asked == ["Practitioner/1"]


def test_evaluation_changes_neither_the_resource_nor_the_variables() -> None:
    before = copy.deepcopy(PATIENT)
    evaluated("name.select(given | family).distinct().sort() | %x.name.given", x=[PATIENT])
    assert before == PATIENT


def test_the_answer_list_may_be_changed_without_harm() -> None:
    program = compile_expression("'a'")
    program({}).append("b")
    assert program({}) == ["a"]


def test_steps_are_limited() -> None:
    evaluation = Evaluation(variables={"x": list(range(1000))}, now=None, max_steps=5000)
    program = compile_expression("%x.select(iif($this >= 0, %x).where($this > 5).count())")
    with pytest.raises(EvaluationError, match="more steps"):
        program.evaluate(evaluation, [])


@pytest.mark.parametrize(
    "expression",
    [
        "(1).repeatAll($this)",
        "(1).repeat($this + 1)",
        "%x.select(%x).select(%x)",
        "%x.aggregate($total.combine($total).combine(1))",
        "%x.aggregate($total & $total & 'aaaaaaaaaa', 'a')",
        "%x.aggregate($total.replace('a', 'aaaaaaaaaa'), 'a')",
    ],
)
def test_what_grows_without_end_is_stopped(expression) -> None:
    evaluation = Evaluation(variables={"x": list(range(400))}, now=None, max_steps=200_000)
    started = time.thread_time()
    with pytest.raises(EvaluationError) as raised:
        compile_expression(expression).evaluate(evaluation, [])
    assert raised.value.code == "budget-exceeded"
    assert time.thread_time() - started < 10


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("name.family = 'x' and name.single().exists()", "single"),
        ("name.family.upper()", "expected a single item"),
        ("birthDate.upper()", "works on a string"),
        ("name.where(family)", "a criterion must be true or false"),
        ("birthDate > 5", "cannot be compared"),
        ("'a' + 1", "'+' does not work on"),
        ("name as HumanName", "works on a single item"),
        ("name.skip('x')", "needs a whole number"),
        ("conformsTo('http://x')", "base types of FHIR"),
    ],
)
def test_data_that_does_not_fit_the_expression_is_an_error(expression, message) -> None:
    expression = expression.replace("name.family = 'x'", "name.first().family = 'Berg'")
    with pytest.raises(EvaluationError) as raised:
        evaluated(expression)
    assert message in raised.value.message


def test_messages_do_not_hold_the_content_of_elements() -> None:
    with pytest.raises(EvaluationError) as raised:
        evaluated("name.first() > 5")
    assert "Berg" not in str(raised.value)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("(1).defineVariable('x', $this + 1).select(%x)", [2]),
        ("name.defineVariable('all').select(%all.count())", [2, 2]),
        ("name.select(defineVariable('f', family).use | %f)", None),
        ("(1 | 2).defineVariable('a').union((3).defineVariable('b').select(%b))", [1, 2, 3]),
        ("(1).defineVariable('x') | (2).defineVariable('x').select(%x)", [1, 2]),
    ],
)
def test_a_chain_variable_is_visible_in_what_follows_it(expression, answer) -> None:
    if answer is None:
        with pytest.raises(EvaluationError, match="%f is not set"):
            evaluated(expression)
    else:
        assert evaluated(expression) == answer


def test_a_chain_variable_is_defined_once() -> None:
    with pytest.raises(ExpressionError, match="already defined"):
        compile_expression("(1).defineVariable('x').defineVariable('x')")


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("(3 | 1 | 2).sort()", [1, 2, 3]),
        ("(3 | 1 | 2).sort($this desc)", [3, 2, 1]),
        ("name.sort(family desc).family", ["Dal", "Berg"]),
        ("name.sort(use, family).family", ["Berg", "Dal"]),
        ("coalesce(name.text, name.family.first())", ["Berg"]),
        ("(1 | 2).repeatAll($this.where($this < 1))", []),
        ("1.587.lowBoundary(2)", [Decimal("1.58")]),
        ("(1 | 2 | 3).aggregate($total + $this, 0)", [6]),
        ("name.trace('n').count()", [2]),
        ("5L is Long", [True]),
        ("'abc'.matches('^[a-c]+$')", [True]),
        ("'a-b'.split('-').join('+')", ["a+b"]),
    ],
)
def test_the_named_parts_of_the_third_version(expression, answer) -> None:
    assert evaluated(expression) == answer

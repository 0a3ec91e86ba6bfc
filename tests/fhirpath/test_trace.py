"""explain: what each part answered, and which resources it came from."""

from __future__ import annotations

from typing import Any

from cds_service.fhirpath import Definition, Evaluation, Incomplete, Library, Trace

LOW = {"resourceType": "Condition", "id": "low", "code": {"coding": [{"code": "M54"}]}}
LEG = {"resourceType": "Condition", "id": "leg", "code": {"coding": [{"code": "G83"}]}}
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1980-01-01"}
DEFINITIONS = {
    "has": Definition("has", "%conditions.exists(code.coding.code = %code)", ("code",)),
    "lrs": Definition("lrs", "has('G83') or has('X')"),
    "isLow": Definition("isLow", "code.coding.code = 'M54'", ()),
}


def explained(expression: str, conditions: Any = None) -> Trace:
    library = Library(DEFINITIONS, {"conditions": "Condition"}, root_type="Patient")
    data = [LOW, LEG] if conditions is None else conditions
    evaluation = Evaluation(variables={"conditions": data}, now=None, resource=PATIENT)
    program = library.compile(expression, root_type="Patient", traced=True)
    return program.explain(evaluation, [PATIENT])


def outline(trace: Trace) -> Any:
    """The texts of a trace: a text, or a text with the outlines below it."""
    if not trace.children:
        return trace.text
    return trace.text, [outline(child) for child in trace.children]


def test_operands_of_a_condition_are_its_children() -> None:
    trace = explained("gender = 'female' and %lrs")
    assert trace.value == [True]
    assert [child.text for child in trace.children] == ["gender = 'female'", "%lrs"]
    assert [child.value for child in trace.children] == [[True], [True]]


def test_a_definition_is_opened_on_every_reference() -> None:
    trace = explained("%lrs and %lrs")
    assert outline(trace.children[0]) == outline(trace.children[1])
    assert outline(trace.children[0])[0] == "%lrs"
    assert outline(trace.children[0])[1] == [("has('G83')", ["%conditions"])]


def test_a_part_that_was_not_needed_is_not_shown() -> None:
    trace = explained("has('M54') or has('G83')")
    assert [child.text for child in trace.children] == ["has('M54')"]


def test_rows_of_a_filter_are_not_traced() -> None:
    trace = explained("%conditions.where(isLow() and code.exists()).exists()")
    assert outline(trace) == (trace.text, ["%conditions"])


def test_resources_are_those_that_a_filter_kept() -> None:
    trace = explained("%conditions.where(isLow()).exists() and %lrs")
    assert trace.children[0].resources == (LOW,)
    assert trace.children[1].children[0].resources == (LEG,)


def test_an_unknown_part_says_so() -> None:
    trace = explained("has('X')", Incomplete([LOW]))
    assert trace.unknown
    assert trace.value == []


def test_an_inline_call_shows_its_body() -> None:
    trace = explained("%conditions.first().isLow() and gender.exists()")
    assert outline(trace.children[0]) == (
        "%conditions.first().isLow()",
        ["%conditions", "code.coding.code"],
    )


def test_the_answer_is_the_same_with_and_without_the_observer() -> None:
    library = Library(DEFINITIONS, {"conditions": "Condition"})
    evaluation = Evaluation(variables={"conditions": [LOW, LEG]}, now=None, resource=PATIENT)
    for expression in ("%lrs", "has('M54') and gender = 'male'", "%conditions.where(isLow()).id"):
        plain_answer = library.compile(expression).evaluate(evaluation, [PATIENT])
        traced = library.compile(expression, traced=True)
        assert len(traced.evaluate(evaluation, [PATIENT])) == len(plain_answer)
        assert traced.explain(evaluation, [PATIENT]).unknown is False

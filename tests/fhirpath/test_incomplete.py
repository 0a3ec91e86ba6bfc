"""Each function and operator over a collection of which not everything is known."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.errors import EvaluationError
from cds_service.fhirpath import Evaluation, Incomplete, Truth, truth
from cds_service.fhirpath import compile as compile_expression

NOTHING_KNOWN: list[Any] = []


def evaluated(expression: str, known: list[Any]) -> list[Any]:
    """The answer when of %i only `known` is known; %c is 1, 2, 3 and complete."""
    evaluation = Evaluation(variables={"i": Incomplete(known), "c": [1, 2, 3]}, now=None)
    return compile_expression(expression).evaluate(evaluation, [])


@pytest.mark.parametrize(
    ("expression", "known", "answer"),
    [
        ("%i.exists()", [1], [True]),
        ("%i.empty()", [1], [False]),
        ("%i.exists($this > 0)", [1], [True]),
        ("%i.all($this > 1)", [1], [False]),
        ("%i.isDistinct()", [1, 1], [False]),
        ("%i.allTrue()", [True, False], [False]),
        ("%i.anyTrue()", [True, False], [True]),
        ("%i.allFalse()", [True], [False]),
        ("%i.anyFalse()", [False], [True]),
        ("1 in %i", [1], [True]),
        ("%i contains 1", [1], [True]),
        ("{} in %i", [], []),
        ("%i.subsetOf(%c)", [4], [False]),
        ("%c.supersetOf(%i)", [4], [False]),
        ("%c.subsetOf(%i)", [3, 2, 1], [True]),
        ("%c.intersect(%i)", [3, 2, 1], [1, 2, 3]),
        ("{}.intersect(%i)", [1], []),
        ("%c.exclude(%i)", [3, 2, 1], []),
        ("%i.exists() or %i.count() > 3", [1], [True]),
        ("false and %i.exists()", [], [False]),
        ("%i.exists() and false", [], [False]),
        ("true or %i.exists()", [], [True]),
        ("false implies %i.exists()", [], [True]),
        ("%i.exists() implies true", [], [True]),
        ("iif(%i.exists(), 1, 1)", [], [1]),
        ("coalesce(1, %i)", [], [1]),
    ],
)
def test_what_the_known_items_decide_is_decided(expression, known, answer) -> None:
    found = evaluated(expression, known)
    assert found == answer
    assert type(found) is list


@pytest.mark.parametrize(
    "expression",
    [
        "%i.exists()", "%i.empty()", "%i.all($this = 1)", "%i.count()", "%i.sum()", "%i.avg()",
        "%i.min()", "%i.max()", "%i.first()", "%i.last()", "%i.tail()", "%i.single()", "%i[0]",
        "%i.take(1)", "%i.skip(1)", "%i.isDistinct()", "%i.allTrue()", "%i.anyTrue()",
        "%i = 1", "%i != 1", "%i ~ 1", "%i !~ 1", "%i > 1", "%i + 1", "%i & 'x'", "-%i",
        "%i.not()", "1 in %i", "%i in %c", "%c contains %i", "%i.subsetOf(%c)",
        "%c.subsetOf(%i)", "%i.supersetOf(%c)", "%i.hasValue()", "%i.toString()", "%i is Integer",
        "%i as Integer", "%i.join(',')", "%i.aggregate($this, 0)", "%i.memberOf('x')",
        "%i.exists().exists()", "(%i.exists()).empty()", "true and %i.exists()",
        "false or %i.exists()", "true xor %i.exists()", "true implies %i.exists()",
        "%i.exists() implies false", "{} and %i.exists()", "{} or %i.exists()",
        "iif(%i.exists(), 1, 2)", "coalesce(%i, 1)", "%c.exclude(%i)", "%i.where($index = 0)",
        "%i.exists() = true", "%i.matches('a')", "%i.round()", "%i.getValue()",
    ],
)  # fmt: skip
def test_what_the_missing_items_could_change_is_unknown(expression) -> None:
    expression = expression.replace("%i.memberOf('x')", "%i.memberOf(%i)")
    found = evaluated(expression, NOTHING_KNOWN)
    assert isinstance(found, Incomplete)
    assert found == []


@pytest.mark.parametrize(
    ("expression", "known"),
    [
        ("%i.where($this > 1)", [2]),
        ("%i.select($this)", [2]),
        ("%i.ofType(Integer)", [2]),
        ("%i.repeat({})", []),
        ("%i.distinct()", [2]),
        ("%i.combine(%c)", [2, 1, 2, 3]),
        ("%i.union(%c)", [2, 1, 3]),
        ("%i | %c", [2, 1, 3]),
        ("%c | %i", [1, 2, 3]),
        ("%i.intersect(%c)", [2]),
        ("%i.exclude(%c)", []),
        ("%i.sort()", [2]),
        ("%i.trace('x')", [2]),
        ("%i.value", []),
        ("%i.children()", []),
        ("%i.descendants()", []),
        ("%i.extension('x')", []),
        ("%c.where(%i.exists($this > 9))", []),
        ("%c.select(%i)", [2, 2, 2]),
        ("coalesce(%i, 1)", [2]),
    ],
)
def test_what_passes_items_on_passes_on_that_some_are_missing(expression, known) -> None:
    found = evaluated(expression, [2])
    assert isinstance(found, Incomplete)
    assert found == known


def test_a_criterion_that_is_empty_leaves_the_row_out_and_the_result_complete() -> None:
    found = evaluated("%c.where({})", [])
    assert found == []
    assert type(found) is list


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("%i.exists().isTrue()", False),
        ("%i.exists().isFalse()", False),
        ("%i.exists().isUnknown()", True),
        ("({}).isTrue()", False),
        ("({}).isFalse()", False),
        ("({}).isUnknown()", True),
        ("true.isTrue()", True),
        ("true.isFalse()", False),
        ("true.isUnknown()", False),
        ("false.isFalse()", True),
    ],
)
def test_the_truth_tests_give_a_definite_answer(expression, answer) -> None:
    assert evaluated(expression, []) == [answer]


def test_not_known_to_be_is_not_the_same_as_known_not_to_be() -> None:
    assert evaluated("%i.exists().isTrue().not()", []) == [True]
    assert evaluated("%i.exists().not().isTrue()", []) == [False]


def test_a_reference_that_is_not_at_hand_is_unknown() -> None:
    encounter = {"resourceType": "Encounter", "subject": {"reference": "Patient/1"}}
    program = compile_expression("subject.resolve()")
    found = program.evaluate(Evaluation(variables={}, now=None), [encounter])
    assert isinstance(found, Incomplete)


def test_a_failure_that_only_missing_data_lets_happen_is_unknown() -> None:
    assert isinstance(evaluated("%i.exists() and %c.single() = 1", []), Incomplete)
    with pytest.raises(EvaluationError):
        evaluated("%c.exists() and %c.single() = 1", [])


def test_a_quantity_with_a_comparator_is_unknown_in_comparisons() -> None:
    value = {"value": 5, "comparator": "<", "unit": "mg", "code": "mg"}
    resource = {"resourceType": "Observation", "valueQuantity": value}
    for expression in ("value > 1 'mg'", "value = 5 'mg'", "value + 1 'mg'"):
        found = compile_expression(expression).evaluate(
            Evaluation(variables={}, now=None), [resource]
        )
        assert isinstance(found, Incomplete), expression


@pytest.mark.parametrize(
    ("collection", "expected"),
    [
        ([True], Truth.TRUE),
        ([False], Truth.FALSE),
        ([], Truth.EMPTY),
        (Incomplete(), Truth.UNKNOWN),
        (Incomplete([True]), Truth.UNKNOWN),
    ],
)
def test_truth_tells_the_four_apart(collection, expected) -> None:
    assert truth(collection) is expected


@pytest.mark.parametrize("collection", [[1], ["true"], [True, True]])
def test_truth_refuses_what_is_not_a_single_boolean(collection) -> None:
    with pytest.raises(EvaluationError):
        truth(collection)

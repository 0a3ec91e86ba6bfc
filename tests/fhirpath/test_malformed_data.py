"""Charts hold JSON that is not FHIR; an expression over it answers or fails, it never crashes."""

from __future__ import annotations

from contextlib import suppress

import pytest

from cds_service.errors import EvaluationError
from cds_service.fhirpath import compile as compile_expression


class Everything:
    def resolve(self, _reference):
        return lambda system, code: (system, code) == ("s", "c")


EXPRESSION = "Condition.code.memberOf('VS')"


@pytest.mark.parametrize(
    "code",
    [
        {"coding": "c"},
        {"coding": {"system": "s", "code": "c"}},
        {"coding": ["c"]},
        {"coding": [None]},
        {"coding": [{"system": "s", "code": {"x": 1}}]},
        {"coding": [{"system": ["s"], "code": "c"}]},
        {"coding": [{"system": "s", "code": 5}]},
        "c",
        5,
        ["c"],
        [["c"]],
        {},
    ],
)
def test_member_of_does_not_take_malformed_codings_for_members(code):
    program = compile_expression(EXPRESSION, value_sets=Everything())

    try:
        found = program({"resourceType": "Condition", "code": code})
    except EvaluationError:
        return
    assert found in ([], [False])


@pytest.mark.parametrize("value", [None, 5, "x", [], [[]], {"a": [None]}, [{"b": 1}, 3]])
@pytest.mark.parametrize(
    "expression",
    [
        "Observation.code.coding.code",
        "Observation.value.value > 5",
        "Observation.effective <= today()",
        "Observation.component.where(code.exists()).value",
        "Observation.status = 'final'",
        "Observation.subject.reference",
        "Observation.descendants().count() >= 0",
    ],
)
def test_navigation_through_malformed_json_answers_or_fails_with_a_reason(expression, value):
    program = compile_expression(expression)
    resource = {
        "resourceType": "Observation",
        **dict.fromkeys(("code", "valueQuantity", "effectiveDateTime", "component"), value),
        **dict.fromkeys(("status", "subject"), value),
    }

    with suppress(EvaluationError):
        assert isinstance(program(resource), list)

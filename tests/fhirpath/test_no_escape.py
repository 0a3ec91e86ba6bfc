"""An expression reaches the data of its call and nothing else: no Python, file or network (F3)."""

from __future__ import annotations

import sys

import pytest

from cds_service.errors import EvaluationError, ExpressionError
from cds_service.fhirpath import compile as compile_expression

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Doe"}]}
ESCAPES = (
    "`__class__`",
    "name.`__class__`.`__mro__`",
    "`__dict__`",
    "name.first().`__init__`.`__globals__`",
    "`keys`",
    "name.`get`",
    "name.family.`upper`",
    "__import__('os')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "'x'.getClass()",
    "'{0.__class__}'.format(1)",
    "name.family.replaceMatches('(?P<x>.)', '__class__')",
    "%env",
    "%`PATH`",
    "%resource.`__class__`",
    "%terminologies.expand('http://127.0.0.1/ValueSet/x')",
    "%factory.string('x')",
    "gender.memberOf('http://127.0.0.1:9/ValueSet/x')",
    "'http://127.0.0.1:9/Patient/1'.resolve()",
    "'file:///etc/passwd'.resolve()",
    "{{context.patientId}}",
)


@pytest.fixture
def touched(monkeypatch):
    """Every file, connection and process that Python opens while the test runs."""
    seen = []
    is_on = [True]

    def watch(event, _):
        if is_on[0] and event.split(".")[0] in {"open", "socket", "subprocess", "os", "exec"}:
            seen.append(event)

    sys.addaudithook(watch)
    yield seen
    is_on[0] = False


@pytest.mark.requirement("F3")
@pytest.mark.parametrize("expression", ESCAPES)
def test_an_expression_cannot_leave_its_data(expression, touched):
    try:
        program = compile_expression(expression)
    except ExpressionError:
        return
    touched.clear()
    try:
        answer = program(PATIENT)
    except EvaluationError:
        answer = []
    assert answer in ([], ["Doe"], ["__class__" * 3])
    assert touched == []

"""How much the engine looks at grows with the data, and not with data times rules.

Counted in the steps of the budget, not in time.
"""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

import pytest

from cds_service.data import plan_library
from cds_service.fhirpath import Definition, Evaluation, Library
from cds_service.hooks.service import HookService

REPOSITORY = Path(__file__).parent.parent.parent
SERVICE = "low-back-pain-patient-view"
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


@cache
def hooks():
    return HookService(plan_library.load(REPOSITORY / "plan_definitions"))


def message(observations):
    """A patient-view request: back pain, and temperatures and pain scores day by day."""
    pain = coded("http://hl7.org/fhir/sid/icd-10", "M54.5")
    chart = [
        {"resourceType": "Condition", "code": pain},
        *(observation(number) for number in range(observations)),
    ]
    service = hooks().library.service(SERVICE)
    return {
        "hook": "patient-view",
        "hookInstance": "00000000-0000-4000-8000-0000000000be",
        "context": {"userId": "Practitioner/a", "patientId": "p"},
        "prefetch": {
            item.key: {
                "resourceType": "Bundle",
                "entry": [
                    {"resource": found}
                    for found in chart
                    if found["resourceType"] == item.resource_type
                ],
            }
            for item in service.requirements
            if "?" in item.query
        }
        | {"patient": {"resourceType": "Patient", "id": "p", "birthDate": "1975-04-12"}},
    }


def observation(number):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": coded("http://loinc.org", ("8310-5", "72514-3", "8867-4")[number % 3]),
        "effectiveDateTime": str(NOW.date() - timedelta(days=1 + number)),
        "valueQuantity": {"value": Decimal(37), "code": "Cel"},
    }


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def steps_for(observations, monkeypatch):
    """The steps that one patient-view call takes."""
    made = []

    class Watched(Evaluation):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            made.append((self, self.budget.steps))

    module = sys.modules["cds_service.engine.apply"]  # the name in the package is the function
    monkeypatch.setattr(module, "Evaluation", Watched)
    hooks().call(SERVICE, message(observations), now=NOW, decision_id=UUID(int=1))
    evaluation, allowed = made[0]
    return allowed - evaluation.budget.steps


@pytest.mark.slow
@pytest.mark.requirement("A11")
def test_steps_grow_with_the_chart_in_a_straight_line(monkeypatch):
    few, many, more = (steps_for(count, monkeypatch) for count in (100, 1_000, 2_000))

    assert more - many < 1.2 * (many - few) * 1_000 / 900
    assert (more - many) / 1_000 < 40  # looks per Observation, whatever the number of rules


def test_another_value_set_looks_at_its_own_rows_only():
    sets = {"one": lambda _system, code: code == "1", "none": lambda _system, _code: False}
    rows = [
        {"resourceType": "Observation", "code": {"coding": [{"code": str(number % 100)}]}}
        for number in range(1_000)
    ]
    library = Library({}, {"obs": "Observation"}, Sets(sets))

    def steps(*expressions):
        evaluation = Evaluation(variables={"obs": rows}, now=NOW)
        before = evaluation.budget.steps
        for expression in expressions:
            library.compile(expression).evaluate(evaluation, evaluation.focus)
        return before - evaluation.budget.steps

    one = "%obs.where(code.memberOf('one')).exists()"
    none = "%obs.where(code.memberOf('none') and status = 'final').exists()"
    assert steps(one) == 1_000 + 10  # the rows are read once, then those with the code
    assert steps(one, none) == steps(one)
    assert steps(one, "%obs.where(code.memberOf('one')).count()") == steps(one) + 10
    assert steps(one, one, one) == steps(one)  # the same question is answered once


class Sets:
    def __init__(self, found):
        self.resolve = found.get


def test_a_definition_is_evaluated_once_for_a_row():
    definitions = {
        "parts": Definition("parts", "component.where(value > 0).count()", ()),
        "isLarge": Definition("isLarge", "parts() > 0 or parts() > 1 or parts() > 2", ()),
    }
    row = {
        "resourceType": "Observation",
        "component": [{"valueInteger": -1}, {"valueInteger": -1}],
    }
    evaluation = Evaluation(variables={"obs": [row]}, now=NOW)
    before = evaluation.budget.steps
    program = Library(definitions, {"obs": "Observation"}).compile(
        "%obs.where(isLarge()).exists() or %obs.where(parts() > 1).exists()"
    )
    assert program.evaluate(evaluation, evaluation.focus) == [False]
    assert before - evaluation.budget.steps == 2 + 2  # two `where`, and the components once


def test_no_data_of_a_call_waits_for_garbage_collection():
    """A chart that stays until garbage is searched for costs memory, and that search its time."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # no threads of other tests
        assert alone.submit(garbage_of_a_call).result() == 0


def garbage_of_a_call():
    """Objects that only a search for garbage frees, after the second call of a process."""
    service, body = hooks(), message(20)
    service.call(SERVICE, body, now=NOW, decision_id=UUID(int=0))
    gc.collect()
    service.call(SERVICE, body, now=NOW, decision_id=UUID(int=0))
    return gc.collect()

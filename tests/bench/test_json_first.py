"""What is told from JSON is what an evaluation answers, whatever the data looks like.

The same expressions run with and without the short ways; answers and failures must agree.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import EvaluationError
from cds_service.fhirpath import (
    Definition,
    Evaluation,
    Incomplete,
    Library,
    json_first,
    rows,
)
from cds_service.fhirpath import index as code_index

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


class Sets:
    def resolve(self, reference):
        return {"temperature": in_temperature, "any": in_any}.get(reference)


def in_temperature(system, code):
    return system == LOINC and code in {"8310-5", "8329-5"}


def in_any(_system, code):
    return code.startswith("8")


DEFINITIONS = {
    "isFinal": Definition("isFinal", "status = 'final' or status = 'amended'", ()),
    "isWarm": Definition("isWarm", "isFinal() and value.ofType(Quantity).value > 37", ()),
    "day": Definition("day", "effective.ofType(dateTime).combine(effective.ofType(instant))", ()),
    "coded": Definition("coded", "%obs.where(code.memberOf(%set))", ("set",)),
    "limit": Definition("limit", "37"),
}  # fmt: skip
EXPRESSIONS = [
    "%obs.where(code.memberOf('temperature')).id",
    "%obs.where(code.memberOf('temperature') and status = 'final').id",
    "%obs.where(code.memberOf('temperature').not()).id",
    "%obs.where(code.memberOf('any') and code.memberOf('temperature').not() and isFinal()).id",
    "coded('temperature').where(isWarm()).id",
    "coded('temperature').combine(coded('any')).select(day()).first()",
    "%obs.exists(status = 'final')",
    "%obs.where(status = 'final' or status = 'amended').count()",
    "%obs.where(code.coding.exists(system = 'http://loinc.org' and code = '8310-5')).id",
    "%obs.where(code.coding.where(system = 'http://loinc.org').exists()).id",
    "%obs.where(code.coding.code = '8310-5').value.ofType(Quantity).value",
    "%obs.where(code.coding.empty()).id",
    "%obs.where(code.text.exists().not() and value.exists()).id",
    "%obs.where(value.ofType(boolean).exists($this = true)).id",
    "%obs.where(value.ofType(CodeableConcept).exists(memberOf('temperature'))).id",
    "%obs.where(code.coding.memberOf('temperature')).id",
    "%obs.where($index > 0 and code.memberOf('temperature')).id",
    "%obs.where(code.memberOf('temperature') and $index > 0).id",
    "%obs.where(isWarm() and value.ofType(Quantity).value > %limit).select(day())",
    "%obs.select(iif(isFinal(), code.text, status))",
    "%obs.where(component.code.coding.exists(code = '8310-5')).id",
    "%obs.where(code.extension.exists() or status = 'final').id",
    "%obs.all(isFinal())",
]

odd = st.sampled_from(
    [None, [], {}, "", "final", 3, True, ["final", None], [["final"]], {"code": 4}]
)
code = st.sampled_from(["8310-5", "8329-5", "8867-4", "final", ""])
coding = st.one_of(
    odd,
    st.fixed_dictionaries(
        {"code": st.one_of(code, odd)},
        optional={"system": st.one_of(st.sampled_from([LOINC, SNOMED]), odd), "_code": st.just({})},
    ),
    st.fixed_dictionaries({"system": st.just(LOINC), "code": code}),
)
concept = st.one_of(
    odd,
    st.fixed_dictionaries(
        {},
        optional={
            "coding": st.one_of(st.lists(coding, max_size=3), odd),
            "text": st.one_of(st.just("warm"), odd),
            "extension": st.one_of(odd, st.just([{"url": "x", "valueBoolean": True}])),
        },
    ),
)
quantity = st.fixed_dictionaries({"value": st.integers(35, 40)}, optional={"comparator": odd})
observation = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Observation"] * 5 + ["Condition", "OperationOutcome"])},
    optional={
        "status": st.one_of(st.sampled_from(["final", "amended", "draft"]), odd),
        "_status": st.one_of(st.none(), st.just({"id": "s"})),
        "code": st.one_of(concept, concept, st.lists(concept, max_size=2)),
        "_code": st.none(),
        "valueBoolean": st.one_of(st.booleans(), odd),
        "valueQuantity": st.one_of(quantity, odd),
        "valueCodeableConcept": concept,
        "effectiveDateTime": st.sampled_from(["2024-05-01T10:00:00Z", "2024", "never"]),
        "component": st.lists(st.fixed_dictionaries({"code": concept}), max_size=2),
    },
)


def answer(expression, resources):
    library = Library(DEFINITIONS, {"obs": None}, Sets())
    program = library.compile(expression)
    evaluation = Evaluation(variables={"obs": resources}, now=None)
    try:
        found = program.evaluate(evaluation, evaluation.focus)
    except EvaluationError as error:
        return error.code, error.message
    return type(found) is list, [getattr(item, "value", item) for item in found]


@settings(max_examples=150, deadline=None)
@given(st.lists(observation, max_size=4), st.sampled_from(EXPRESSIONS), st.booleans())
def test_short_ways_answer_as_the_evaluation_does(resources, expression, is_incomplete):
    numbered = [{**resource, "id": str(place)} for place, resource in enumerate(resources)]
    data = Incomplete(numbered) if is_incomplete else numbered
    quick = answer(expression, data)

    with pytest.MonkeyPatch.context() as patch:
        for module in (rows, code_index, json_first):
            patch.setattr(module, "values_at", lambda _path, _kind: None)
        slow = answer(expression, data)

    assert quick == slow

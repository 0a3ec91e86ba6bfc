"""What is told from JSON is what an evaluation answers, whatever the data looks like.

The same expressions run with and without the short ways; answers and failures must agree.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.code_tables import CodeDirectory, CodeTable
from cds_service.errors import EvaluationError
from cds_service.fhirpath import (
    Definition,
    Evaluation,
    Incomplete,
    Library,
    facts,
    json_first,
    readings,
    rows,
)
from cds_service.fhirpath import index as code_index

NOW = datetime(2024, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


class Sets:
    def resolve(self, reference):
        return {"temperature": in_temperature, "any": in_any, "none": in_none}.get(reference)


class Listed:
    """The same value sets as tables of one directory."""

    def __init__(self):
        tables = {name: CodeTable({}) for name in ("temperature", "any", "none")}
        for listed in ("8310-5", "8329-5"):
            tables["temperature"].add_code(LOINC, listed)
        for system in (LOINC, SNOMED):
            tables["any"].add_root(system, "8")
        tables["none"].add_code(LOINC, "none")
        self.directory = CodeDirectory(tables.values())
        self.resolve = tables.get


def in_temperature(system, code):
    return system == LOINC and code in {"8310-5", "8329-5"}


def in_any(_system, code):
    return code.startswith("8")


def in_none(system, code):
    return system == LOINC and code == "none"


DEFINITIONS = {
    "isFinal": Definition("isFinal", "status = 'final' or status = 'amended'", ()),
    "isWarm": Definition("isWarm", "isFinal() and value.ofType(Quantity).value > 37", ()),
    "at": Definition("at", "effective.ofType(dateTime).combine(effective.ofType(instant))", ()),
    "coded": Definition("coded", "%obs.where(code.memberOf(%set))", ("set",)),
    "limit": Definition("limit", "37"),
    "moment": Definition("moment", "effective.ofType(dateTime).combine(effective.ofType(instant))"
        ".combine(effective.ofType(Period).select(iif(end.exists(), end, start)))", ()),
    "lastDay": Definition("lastDay", "%moment.localDate().highBoundary()", ("moment",)),
    "until": Definition("until", "lastDay(moment())", ()),
    "degrees": Definition("degrees", "value.ofType(Quantity).select(iif(code = 'Cel' or unit = 'C',"
        " value, iif(code = '[degF]', (value - 32) * 5 / 9, {})))", ()),
    "score": Definition("score", "value.ofType(Quantity).value.combine(value.ofType(integer))", ()),
    "isHigh": Definition("isHigh", "score().exists($this >= %limit)", ()),
    "of": Definition("of", "component.select(%day)", ("day",)),
}  # fmt: skip
EXPRESSIONS = [
    "%obs.where(code.memberOf('temperature')).id",
    "%obs.where(code.memberOf('temperature') and status = 'final').id",
    "%obs.where(code.memberOf('temperature').not()).id",
    "%obs.where(code.memberOf('any') and code.memberOf('temperature').not() and isFinal()).id",
    "coded('temperature').where(isWarm()).id",
    "coded('temperature').combine(coded('any')).select(at()).first()",
    "coded('any').exists() and coded('none').where(until() > 1).combine(coded('none')).exists()",
    "coded('any').empty() or coded('none').exists().not()",
    "coded('any') | coded('none').select(value / 0).combine(coded('temperature')).id",
    "coded('any').select(id).combine(coded('none').id).combine(coded('none').where($index = 0).id)",
    "coded('none').exists() or coded('temperature').exists() or coded('none').exists(isWarm())",
    "coded('any').empty() or (coded('none').exists() and %unset)",
    "%obs.exists(status = 'final')",
    "%obs.where(status = 'final' or status = 'amended').count()",
    "%obs.where(status = 'final' or code.text = 'warm' or status = 'draft').id",
    "%obs.where((status = 'final' or status = 'amended').not()).id",
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
    "%obs.where(isWarm() and value.ofType(Quantity).value > %limit).select(at())",
    "%obs.select(iif(isFinal(), code.text, status))",
    "%obs.where(component.code.coding.exists(code = '8310-5')).id",
    "%obs.where(code.extension.exists() or status = 'final').id",
    "%obs.all(isFinal())",
    "%obs.select(until())",
    "%obs.select(moment())",
    "%obs.where(until() <= @2024-05-01).id",
    "%obs.where(isFinal() and until() > @2024-04-30 and until().exists()).id",
    "%obs.select(lastDay(effective.ofType(dateTime)))",
    "%obs.select(iif(status = 'final', until(), effective.ofType(Period).start))",
    "%obs.select(component.lastDay(%context.birthDate))",
    "%obs.select(of(effective.ofType(dateTime).localDate()))",
    "%obs.select(effective.ofType(dateTime).lowBoundary())",
    "%obs.select(effective.ofType(dateTime).localDate().lowBoundary(6))",
    "%obs.select(degrees())",
    "%obs.where(degrees().exists()).id",
    "%obs.where(degrees().exists($this >= %limit) or status = 'final').id",
    "%obs.where(isFinal() and isHigh()).id",
    "%obs.where(isHigh().not()).id",
    "%obs.where(score() > 37).score()",
    "%obs.select(score() + 1)",
    "%obs.select(value.ofType(integer) / 0)",
    "%obs.select(value.ofType(Quantity).value * value.ofType(Quantity).value)",
    "%obs.where(value.ofType(integer) >= 36.5).id",
    "%obs.select(score().combine({}).combine(value.ofType(integer)))",
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
number = st.one_of(st.integers(35, 40), st.sampled_from([Decimal("37.0"), Decimal("99.50")]))
quantity = st.fixed_dictionaries(
    {"value": st.one_of(number, number, odd)},
    optional={
        "comparator": odd,
        "code": st.sampled_from(["Cel", "[degF]", "kg"]),
        "unit": st.one_of(st.just("C"), odd),
        "_value": st.just({"id": "v"}),
    },
)
moment = st.sampled_from(
    ["2024-05-01T10:00:00Z", "2024-05-01T23:30:00-05:00", "2024-05-01", "2024-05", "2024", "never"]
)
period = st.fixed_dictionaries(
    {}, optional={"start": st.one_of(moment, odd), "end": st.one_of(moment, odd)}
)
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
        "effectiveDateTime": st.one_of(moment, moment, odd),
        "effectiveInstant": moment,
        "effectivePeriod": st.one_of(period, odd),
        "valueInteger": st.one_of(st.integers(35, 40), odd),
        "component": st.lists(st.fixed_dictionaries({"code": concept}), max_size=2),
    },
)


def answer(expression, resources, now, sets):
    library = Library(DEFINITIONS, {"obs": None}, sets)
    program = library.compile(expression)
    evaluation = Evaluation(variables={"obs": resources}, now=now)
    try:
        found = program.evaluate(evaluation, evaluation.focus)
    except EvaluationError as error:
        return error.code, error.message
    return type(found) is list, [
        (type(item), getattr(item, "type", None), getattr(item, "value", item)) for item in found
    ]


@settings(max_examples=300)
@given(
    st.lists(observation, max_size=4),
    st.sampled_from(EXPRESSIONS),
    st.booleans(),
    st.sampled_from([NOW, None]),
    st.sampled_from([Sets(), Listed()]),
)
def test_short_ways_answer_as_the_evaluation_does(resources, expression, is_incomplete, now, sets):
    numbered = [{**resource, "id": str(place)} for place, resource in enumerate(resources)]
    data = Incomplete(numbered) if is_incomplete else numbered
    quick = answer(expression, data, now, sets)

    with pytest.MonkeyPatch.context() as patch:
        for module in (rows, facts, code_index, json_first, readings):
            patch.setattr(module, "values_at", lambda _path, _kind: None)
        slow = answer(expression, data, now, sets)

    assert quick == slow

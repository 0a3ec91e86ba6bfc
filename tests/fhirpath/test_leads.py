"""What no code of the chart leads to is passed over only where the evaluation answers the same."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.code_tables import CodeDirectory, CodeTable
from cds_service.errors import EvaluationError
from cds_service.fhirpath import Definition, Evaluation, Incomplete, Library

SYSTEM = "http://example.org/codes"
DEFINITIONS = {
    "coded": Definition("coded", "%obs.where(code.memberOf(%set))", ("set",)),
    "final": Definition("final", "coded(%set).where(status = 'final')", ("set",)),
    "has": Definition("has", "final(%set).combine(coded(%set).select(value)).exists()", ("set",)),
    "warm": Definition("warm", "has('warm')"),
    "both": Definition("both", "%warm or has('cold')"),
}
EXPRESSIONS = [
    "%warm", "%both", "%warm.not()", "has('cold') and %warm", "has('warm') and 1 / %obs.id > 0",
    "final('warm')", "final('warm').id", "coded('warm').exists(status = 'draft')",
    "final('cold').combine(final('warm'))", "coded('warm').select(status)", "%both.not().not()",
    "%obs.where(status = 'final')", "%obs.exists(status / 2 > 1) or %warm",
    "%obs.where(status = 'final').combine(coded('warm')).exists()",
    "coded('warm') | coded('cold')", "coded('warm').empty()", "coded('warm').count()",
]  # fmt: skip


def row(code: Any, status: str = "final") -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "1", "code": code, "status": status}


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": SYSTEM, "code": code}]}


CHARTS = {
    "nothing": [],
    "neither code": [row(coded("other"))],
    "one code": [row(coded("other")), row(coded("w1"), "draft")],
    "the other code": [row(coded("c1"))],
    "both codes": [row(coded("c1")), row(coded("w1"))],
    "no code at all": [row({"text": "warm"})],
    "not as FHIR has it": [row([coded("w1"), coded("c1")])],
    "not complete": Incomplete([row(coded("other"))]),
    "not known": Incomplete(),
}


def in_directory() -> dict[str, CodeTable]:
    tables = {"warm": CodeTable({}), "cold": CodeTable({})}
    tables["warm"].add_code(SYSTEM, "w1")
    tables["cold"].add_code(SYSTEM, "c1")
    CodeDirectory(tables.values())
    return tables


def without_directory(table: CodeTable) -> Any:
    """The same test as a plain function: every part is evaluated then."""

    def test(system: str | None, code: str) -> bool:
        return table(system, code)

    return test


class Sets:
    def __init__(self, *, listed: bool) -> None:
        tables = in_directory()
        self.resolve = tables.get if listed else lambda name: without_directory(tables[name])


def answers(expression: str, chart: Any, *, listed: bool, bound: Any = None) -> list[Any]:
    """What an expression answers when the codes of the chart are known already."""
    library = Library(DEFINITIONS, {"obs": "Observation"}, Sets(listed=listed))
    evaluation = Evaluation(variables={"obs": chart}, now=None)
    before = ("coded('cold')", "%obs.where(id = '1')")
    programs = [library.compile(text) for text in (*before, expression)]
    found: list[Any] = []
    for scope in (evaluation, *([] if bound is None else [evaluation.bind(obs=bound)])):
        for program in programs:
            try:
                items = program.evaluate(scope, scope.focus)
            except EvaluationError as error:
                found.append((error.code, error.message))
            else:
                found.append((type(items), [getattr(item, "value", item) for item in items]))
    return found


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_part_without_codes_answers_as_if_it_were_evaluated(expression, chart):
    assert answers(expression, chart, listed=True) == answers(expression, chart, listed=False)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_rows_of_a_repeated_action_are_not_taken_for_those_of_the_chart(expression):
    chart, bound = CHARTS["neither code"], CHARTS["both codes"]
    quick = answers(expression, chart, listed=True, bound=bound)
    assert quick == answers(expression, chart, listed=False, bound=bound)


def test_what_no_code_leads_to_takes_no_step():
    library = Library(DEFINITIONS, {"obs": "Observation"}, Sets(listed=True))
    evaluation = Evaluation(variables={"obs": CHARTS["the other code"]}, now=None)
    library.compile("coded('cold')").evaluate(evaluation, [])
    steps = evaluation.budget.steps
    assert library.compile("%warm").evaluate(evaluation, []) == [False]
    assert evaluation.budget.steps == steps

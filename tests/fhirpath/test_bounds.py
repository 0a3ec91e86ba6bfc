"""A bound on what is remembered of each row says what the ordinary evaluation says."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from cds_service.errors import EvaluationError
from cds_service.fhirpath import Definition, Evaluation, Incomplete, Library

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DEFINITIONS = {
    "taken": Definition("taken", "effective.ofType(dateTime).toDate()", ()),
    "since": Definition("since", "%obs.where(taken() >= %limit and status = 'final')", ("limit",)),
}
EXPRESSIONS = [
    "%obs.where(taken() >= today() - 6 months)",
    "%obs.where(taken() > @2024-01-10 and taken() <= today())",
    "%obs.where(status = 'final' and taken() < today() - 3 months and id != '1')",
    "%obs.where(taken() >= today() and $index > 0)",
    "%obs.exists(taken() <= @2024-02)",
    "%obs.where(taken() <= %nothing.taken())",
    "%obs.where(taken() <= 1 'kg' and status = 'final')",
    "%obs.where(status = 'final' and taken() <= @2024-02-01 and value / 0 > 1)",
    "since(today() - 10 days) | since(@2024-01-10)",
    "since(%obs.taken().first())",
]


def row(when: Any, status: str = "final") -> dict[str, Any]:
    return {"resourceType": "Observation", "id": str(when), "status": status,
            "effectiveDateTime": when}  # fmt: skip


CHARTS = {
    "no rows": [],
    "full days": [row("2024-01-10"), row("2024-05-30"), row("2023-11-02", "draft")],
    "days in part": [row("2024-01"), row("2024"), row("2024-05-30")],
    "no day": [row(None), row("2024-05-30")],
    "not a day": [row("2024-01-10"), row("yesterday"), row("2024-05-30")],
    "several": [row(["2024-01-10", "2024-02-10"]), row("2024-05-30")],
    "not complete": Incomplete([row("2024-01-10"), row("2024-05-30")]),
    "not known": Incomplete(),
}


def answered(chart: list[Any], expression: str, *, before: str | None = None) -> tuple[Any, ...]:
    """Items, completeness and failure of an expression; with another one evaluated before it."""
    library = Library(DEFINITIONS, {"obs": "Observation", "nothing": "Observation"})
    scope = Evaluation(variables={"obs": chart, "nothing": []}, now=NOW)
    try:
        if before is not None:
            library.compile(before).evaluate(scope, scope.focus)
    except EvaluationError:
        pass
    try:
        found = library.compile(expression).evaluate(scope, scope.focus)
    except EvaluationError as error:
        return (str(error),)
    return [getattr(item, "value", item) for item in found], type(found)


@pytest.mark.parametrize(("chart", "expression"), list(product(CHARTS, EXPRESSIONS)))
def test_what_is_known_of_the_rows_changes_no_answer(chart, expression):
    alone = answered(CHARTS[chart], expression)

    assert answered(CHARTS[chart], expression, before="%obs.select(taken())") == alone
    assert answered(CHARTS[chart], expression, before=expression) == alone

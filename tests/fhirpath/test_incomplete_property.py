"""Over incomplete data an answer is that of the complete data, or unknown; never another one."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import CdsError
from cds_service.fhirpath import Evaluation, Incomplete, Library, plain

KEYS = ("a", "b", "n")
LIBRARY = Library(types={"n": "Observation"})

SOURCE = ["%a", "%b", "%n.value", "%n.component.value", "{}", "(1 | 2)", "2"]
ROW = [
    "$this > <number>", "$this = <number>", "$this in <source>", "$index = <number>",
    "<source>.exists($this > <number>)", "<source>.empty()",
]  # fmt: skip
GRAMMAR = {
    "number": ["0", "1", "2", "3"],
    "source": SOURCE,
    "logic": ["and", "or", "xor", "implies"],
    "values": [
        "(<values>).<unary>", "(<values>).<binary>(<values>)", "(<values>).skip(<number>)",
        "(<values>).take(<number>)", "(<values>)[<number>]", "(<values> | <values>)",
        "(<values>).where(<row>)", "(<values>).select(<each>)",
        "iif(<fact>, <values>, <values>)", "coalesce(<values>, <values>)",
        "%n.where(component.exists(<part>)).value",
    ],
    "unary": [
        "distinct()", "first()", "last()", "tail()", "single()", "sort()", "ofType(Integer)",
        "repeat(iif($this > 0, $this - 1, {}))", "where($index > 0)", "select($index)",
        "aggregate($this + $total, 0)", "sum()", "min()", "max()", "count()",
        "select(defineVariable('v').select(%v.count()))", "trace('t')",
        "isDistinct().toInteger()",
    ],
    "binary": ["union", "combine", "intersect", "exclude"],
    "each": ["$this", "$this + 1", "%a", "%b.where($this > 1)", "$this | 1", "{}", "$index"],
    "part": ["value > 1", "value in %a", "value = %b.first()"],
    "row": [*ROW, "(<row> <logic> <row>)", "(<row>).not()"],
    "fact": [
        "(<values>).<test>", "(<values>).exists(<row>)", "(<values>).all(<row>)",
        "(<values>) <compared> (<values>)", "(<values>).subsetOf(<values>)",
        "(<values>).supersetOf(<values>)", "(<values>).count() <order> <number>",
        "(<values>).sum() <order> <number>", "<number> in (<values>)",
        "(<values>) contains <number>", "(<values>).select(<row>).<quantifier>",
        "(<fact> <logic> <fact>)", "(<fact>).not()", "(<fact>).exists()", "(<fact>).empty()",
        "iif(<fact>, <fact>, <fact>)",
    ],
    "test": ["exists()", "empty()", "isDistinct()", "hasValue()", "exists().exists()"],
    "compared": ["=", "!=", "~", "!~"],
    "order": ["=", "<", ">="],
    "quantifier": ["allTrue()", "anyTrue()", "allFalse()", "anyFalse()"],
}  # fmt: skip
SHALLOW = {"values": SOURCE, "row": ROW, "fact": ["<source>.exists()", "<source>.empty()"]}
"""What the recursive symbols become when no depth is left."""


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Expressions over %a and %b, lists of numbers, and %n, Observations."""

    def expanded(symbol: str, depth: int) -> str:
        options = SHALLOW[symbol] if depth == 0 and symbol in SHALLOW else GRAMMAR[symbol]
        template = draw(st.sampled_from(options))
        below = max(depth - 1, 0)
        return re.sub(r"<(\w+)>", lambda match: expanded(match[1], below), template)

    return expanded(draw(st.sampled_from(["fact", "values"])), draw(st.integers(0, 3)))


def observation(value: int) -> dict[str, Any]:
    parts = [{"valueInteger": part} for part in range(value)]
    return {"resourceType": "Observation", "valueInteger": value, "component": parts}


@st.composite
def charts(draw: st.DrawFn) -> dict[str, list[Any]]:
    lists = st.lists(st.integers(0, 3), max_size=3)
    chart: dict[str, list[Any]] = {key: draw(lists) for key in KEYS}
    return {**chart, "n": [observation(value) for value in chart["n"]]}


@st.composite
def known_parts(draw: st.DrawFn, chart: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The chart with at least one key incomplete: some of its items, in some order."""
    missing = draw(st.sets(st.sampled_from(KEYS), min_size=1))
    known: dict[str, list[Any]] = {}
    for key, items in chart.items():
        kept = [item for item in items if draw(st.booleans())] if key in missing else items
        known[key] = Incomplete(draw(st.permutations(kept))) if key in missing else items
    return known


def answer(expression: str, variables: dict[str, list[Any]]) -> list[Any] | None:
    """The answer of an expression over these variables, None when it is an error."""
    try:
        program = LIBRARY.compile(expression)
        return program.evaluate(Evaluation(variables=variables, now=None), [])
    except CdsError:
        return None


@settings(max_examples=400)
@given(data=st.data(), expression=expressions(), chart=charts())
def test_incomplete_data_never_turns_an_answer_into_another_one(data, expression, chart) -> None:
    expected = answer(expression, chart)
    if expected is None:
        return
    found = answer(expression, data.draw(known_parts(chart)))
    assert found is not None, "an error only because data is missing"
    if type(found) is list:
        assert plain(found) == plain(expected)
        return
    rest = plain(expected)
    for item in plain(found):
        assert item in rest, "something is said to be there that is not"
        rest.remove(item)

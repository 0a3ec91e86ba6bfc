"""Over incomplete data an answer is the same as over the complete data, or unknown; never another."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import CdsError
from cds_service.fhirpath import Evaluation, Incomplete, Library, plain

KEYS = ("a", "b", "n")
LIBRARY = Library(types={"n": "Observation"})

numbers = st.integers(0, 3)
small_lists = st.lists(numbers, max_size=3)


def observations(values: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Observation",
            "valueInteger": value,
            "component": [{"valueInteger": part} for part in range(value)],
        }
        for value in values
    ]


sources = st.sampled_from(["%a", "%b", "%n.value", "%n.component.value", "{}", "(1 | 2)", "2"])


def collections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({}).{}".format, inner, st.sampled_from(SAME_TYPE)),
        st.builds("({}).{}({})".format, inner, st.sampled_from(WITH_COLLECTION), inner),
        st.builds("({}).{}({})".format, inner, st.sampled_from(WITH_NUMBER), numbers),
        st.builds("({} | {})".format, inner, inner),
        st.builds("({})[{}]".format, inner, numbers),
        st.builds("({}).where({})".format, inner, rows),
        st.builds("({}).select({})".format, inner, row_values),
        st.builds("iif({}, {}, {})".format, facts, inner, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("%n.where(component.exists({})).value".format, rows_of_components),
    )


SAME_TYPE = [
    "distinct()", "first()", "last()", "tail()", "single()", "sort()", "ofType(Integer)",
    "repeat(iif($this > 0, $this - 1, {}))", "where($index > 0)", "select($index)",
    "aggregate($this + $total, 0)", "sum()", "min()", "max()", "count()",
    "defineVariable('v').select(%v.count())", "trace('t')", "isDistinct().toInteger()",
]  # fmt: skip
WITH_COLLECTION = ["union", "combine", "intersect", "exclude"]
WITH_NUMBER = ["skip", "take"]
row_values = st.sampled_from(
    ["$this", "$this + 1", "%a", "%b.where($this > 1)", "$this | 1", "{}", "$index"]
)
rows_of_components = st.sampled_from(["value > 1", "value in %a", "value = %b.first()"])

basic = sources
rows = st.deferred(
    lambda: st.one_of(
        st.builds("$this > {}".format, numbers),
        st.builds("$this = {}".format, numbers),
        st.builds("$this in {}".format, sources),
        st.builds("$index = {}".format, numbers),
        st.builds("{}.exists($this > {})".format, sources, numbers),
        st.builds("{}.empty()".format, sources),
        st.builds("({} {} {})".format, rows, st.sampled_from(LOGIC), rows),
        st.builds("({}).not()".format, rows),
    )
)
LOGIC = ["and", "or", "xor", "implies"]

facts: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.builds("({}).{}".format, values, st.sampled_from(TESTS)),
        st.builds("({}).{}({})".format, values, st.sampled_from(ROW_TESTS), rows),
        st.builds("({}) {} ({})".format, values, st.sampled_from(COMPARED), values),
        st.builds("({}).{}({})".format, values, st.sampled_from(SETS), values),
        st.builds("({}).count() {} {}".format, values, st.sampled_from(ORDERS), numbers),
        st.builds("({}).sum() {} {}".format, values, st.sampled_from(ORDERS), numbers),
        st.builds("{} in ({})".format, numbers, values),
        st.builds("({}) contains {}".format, values, numbers),
        st.builds("({}).select({}).{}".format, values, rows, st.sampled_from(TRUTHS)),
        st.builds("({} {} {})".format, facts, st.sampled_from(LOGIC), facts),
        st.builds("({}).not()".format, facts),
        st.builds("({}).{}".format, facts, st.sampled_from(["exists()", "empty()"])),
        st.builds("iif({}, {}, {})".format, facts, facts, facts),
    )
)
TESTS = ["exists()", "empty()", "isDistinct()", "hasValue()", "exists().exists()", "count() > 1"]
ROW_TESTS = ["exists", "all"]
COMPARED = ["=", "!=", "~", "!~"]
SETS = ["subsetOf", "supersetOf"]
ORDERS = ["=", "<", ">="]
TRUTHS = ["allTrue()", "anyTrue()", "allFalse()", "anyFalse()"]

values: st.SearchStrategy[str] = st.recursive(basic, collections, max_leaves=4)


@st.composite
def partial(draw: st.DrawFn, items: list[Any]) -> Incomplete:
    """What is known of `items` when not all of it is: some of them, in some order."""
    known = [item for item in items if draw(st.booleans())]
    return Incomplete(draw(st.permutations(known)))


def answer(expression: str, variables: dict[str, Any]) -> list[Any] | None:
    """The answer of an expression over these variables, None when it is an error."""
    evaluation = Evaluation(variables=variables, now=None)
    try:
        return LIBRARY.compile(expression).evaluate(evaluation, [])
    except CdsError:
        return None


@settings(max_examples=1500, deadline=None)
@given(data=st.data(), expression=st.one_of(facts, values))
def test_incomplete_data_never_turns_an_answer_into_another_one(data, expression) -> None:
    whole = {key: data.draw(small_lists, label=key) for key in KEYS}
    whole["n"] = observations(whole["n"])
    expected = answer(expression, whole)
    if expected is None:
        return
    missing = data.draw(st.sets(st.sampled_from(KEYS), min_size=1), label="incomplete")
    known = {
        key: data.draw(partial(items), label=f"known of {key}") if key in missing else items
        for key, items in whole.items()
    }
    found = answer(expression, known)
    assert found is not None, "an error only because data is missing"
    if type(found) is list:
        assert plain(found) == plain(expected)
    else:
        rest = plain(expected)
        for item in plain(found):
            assert item in rest, "something is said to be there that is not"
            rest.remove(item)

"""Three-valued logic against truth tables, with unknown and with what is merely empty."""

from __future__ import annotations

from typing import Any

import pytest
from fhirpath_answers import answer, bounded
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhirpath import Evaluation, Incomplete, Truth, truth
from cds_service.fhirpath import compile as compile_expression

T, F, E, U = Truth.TRUE, Truth.FALSE, Truth.EMPTY, Truth.UNKNOWN
VALUES: dict[Truth, list[Any]] = {T: [True], F: [False], E: [], U: Incomplete()}
ORDER = (T, F, E, U)


def table(rows: str) -> dict[tuple[Truth, Truth], Truth]:
    """A table whose rows are the left side, whose columns are the right one: T, F, E, U."""
    names = {"T": T, "F": F, "E": E, "U": U}
    cells = [line.split() for line in rows.strip().splitlines()]
    return {
        (left, right): names[cells[row][column]]
        for row, left in enumerate(ORDER)
        for column, right in enumerate(ORDER)
    }


TABLES = {
    "and": table("""
        T F E U
        F F F F
        E F E U
        U F U U"""),
    "or": table("""
        T T T T
        T F E U
        T E E U
        T U U U"""),
    "xor": table("""
        F T E U
        T F E U
        E E E U
        U U U U"""),
    "implies": table("""
        T F E U
        T T T T
        T E E U
        T U U U"""),
}
PAIRS = [(operator, one, other) for operator in TABLES for one in ORDER for other in ORDER]


def judged(expression: str, **values: Truth) -> Truth:
    evaluation = Evaluation(
        variables={name: VALUES[value] for name, value in values.items()}, now=None
    )
    return truth(compile_expression(expression).evaluate(evaluation, []))


@pytest.mark.parametrize(("operator", "one", "other"), PAIRS)
def test_an_operator_answers_as_its_truth_table_says(operator, one, other) -> None:
    assert judged(f"%a {operator} %b", a=one, b=other) is TABLES[operator][one, other]


@pytest.mark.parametrize("value", ORDER)
def test_not_turns_true_and_false_and_keeps_the_rest(value) -> None:
    assert judged("%a.not()", a=value) is {T: F, F: T, E: E, U: U}[value]


@pytest.mark.parametrize("value", ORDER)
def test_is_true_is_false_and_is_unknown_always_answer(value) -> None:
    assert judged("%a.isTrue()", a=value) is (T if value is T else F)
    assert judged("%a.isFalse()", a=value) is (T if value is F else F)
    assert judged("%a.isUnknown()", a=value) is (T if value in {E, U} else F)


def conditions() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["%a", "%b", "%c", "true", "false", "{}"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(sorted(TABLES)), inner).map(
                lambda found: f"({found[0]} {found[1]} {found[2]})"
            ),
            inner.map(lambda found: f"({found}).not()"),
            st.tuples(inner, inner, inner).map(lambda found: f"iif({', '.join(found)})"),
        ),
        max_leaves=6,
    )


SOME = st.sampled_from(ORDER)


@bounded
@given(condition=conditions(), values=st.tuples(SOME, SOME, SOME))
def test_learning_more_never_turns_a_condition_into_its_opposite(condition, values) -> None:
    known = dict(zip("abc", values, strict=True))
    before = judged(condition, **known)
    if before not in {T, F}:
        return
    for name, value in known.items():
        if value is U:
            for learned in (T, F, E):
                assert judged(condition, **{**known, name: learned}) is before


@bounded
@given(one=conditions(), other=conditions(), values=st.tuples(SOME, SOME, SOME))
def test_de_morgan_holds_with_unknown_and_empty(one, other, values) -> None:
    known = dict(zip("abc", values, strict=True))
    left = judged(f"(({one}) and ({other})).not()", **known)
    right = judged(f"({one}).not() or ({other}).not()", **known)
    assert left is right


@bounded
@given(one=conditions(), other=conditions(), values=st.tuples(SOME, SOME, SOME))
def test_implies_is_not_the_left_or_the_right(one, other, values) -> None:
    known = dict(zip("abc", values, strict=True))
    assert judged(f"({one}) implies ({other})", **known) is judged(
        f"({one}).not() or ({other})", **known
    )


@bounded
@given(values=st.lists(st.sampled_from([True, False]), max_size=4))
def test_all_and_exists_are_and_and_or_over_the_rows(values) -> None:
    assert answer("%values.all($this)", values=values) == [all(values)]
    assert answer("%values.exists($this)", values=values) == [any(values)]

"""Definitions: names evaluated once, calls expanded where they stand, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.errors import EvaluationError, ExpressionError
from cds_service.fhirpath import Definition, Evaluation, Incomplete, Library, plain

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}
CONDITIONS = [
    {"resourceType": "Condition", "id": "a", "code": {"coding": [{"code": "M54"}]}},
    {"resourceType": "Condition", "id": "b", "code": {"coding": [{"code": "G83"}]}},
]


def library(**definitions: Any) -> Library:
    """A library from name=expression or name=(expression, parameters)."""
    made: dict[str, Definition] = {}
    for name, value in definitions.items():
        expression, parameters = value if isinstance(value, tuple) else (value, None)
        made[name] = Definition(name, expression, parameters)
    return Library(made, types={"conditions": "Condition"})


def evaluated(names: Library, expression: str, **variables: Any) -> list[Any]:
    evaluation = Evaluation(
        variables={"conditions": CONDITIONS, **variables}, now=None, resource=PATIENT
    )
    return plain(names.compile(expression).evaluate(evaluation, [PATIENT]))


def test_a_name_has_the_subject_as_its_focus_wherever_it_stands() -> None:
    names = library(sex="gender")
    assert evaluated(names, "%conditions.select(%sex)") == ["female", "female"]


def test_a_name_is_evaluated_once_in_a_request_and_not_before_it_is_needed() -> None:
    names = library(all="%conditions.where(%x = 1)")
    programs = [names.compile("%all.count()"), names.compile("%all.empty()")]
    evaluation = Evaluation(variables={"conditions": CONDITIONS, "x": 1}, now=None)
    assert evaluation.memo == {}
    programs[0].evaluate(evaluation, [])
    steps = evaluation.budget.steps
    programs[1].evaluate(evaluation, [])
    assert evaluation.budget.steps == steps


def test_a_call_has_what_it_is_called_on_as_its_focus() -> None:
    names = library(isLow=("code.coding.code = 'M54'", ()))
    assert evaluated(names, "%conditions.where(isLow()).id") == ["a"]


def test_a_parameter_is_the_argument_in_the_scope_of_the_caller() -> None:
    names = library(withCode=("%conditions.where(code.coding.code = %wanted)", ("wanted",)))
    expression = "('M54' | 'G83').select(withCode($this).id)"
    assert evaluated(names, expression) == ["a", "b"]


def test_this_in_an_argument_is_the_callers_even_inside_a_filter_of_the_body() -> None:
    names = library(others=("%conditions.where(id != %me)", ("me",)))
    assert evaluated(names, "%conditions.select(others($this.id).id)") == ["b", "a"]


def test_index_in_an_argument_is_the_callers() -> None:
    names = library(skipped=("%conditions.skip(%count).id", ("count",)))
    assert evaluated(names, "('x' | 'y').select(skipped($index))") == ["a", "b", "b"]


def test_arguments_pass_through_nested_definitions() -> None:
    names = library(
        has=("%conditions.exists(code.coding.code = %code)", ("code",)),
        both=("has(%first) and has(%second)", ("first", "second")),
    )
    assert evaluated(names, "both('M54', 'G83')") == [True]
    assert evaluated(names, "both('M54', 'X')") == [False]


def test_a_call_may_be_an_argument_of_the_same_definition() -> None:
    names = library(twice=("%n + %n", ("n",)))
    assert evaluated(names, "twice(twice(2))") == [8]


def test_a_variable_defined_in_the_callers_chain_is_not_visible_in_a_body() -> None:
    names = library(peek=("%hidden", ()))
    with pytest.raises(EvaluationError, match="the variable %hidden is not set"):
        evaluated(names, "(1).defineVariable('hidden').select(peek())")


def test_a_call_that_does_not_depend_on_its_place_is_evaluated_once_in_a_request() -> None:
    names = library(
        has=("%conditions.exists(code.coding.code = %code)", ("code",)),
        suspected="has('G83') or has('M54')",
    )
    evaluation = Evaluation(variables={"conditions": CONDITIONS}, now=None)
    names.compile("has('G83')").evaluate(evaluation, [])
    steps = evaluation.budget.steps
    assert names.compile("has('G83') and %suspected").evaluate(evaluation, []) == [True]
    assert evaluation.budget.steps == steps


def test_the_same_call_in_two_expressions_shares_one_compiled_body() -> None:
    names = library(has=("%conditions.exists(code.coding.code = %code)", ("code",)))
    names.compile("has('G83')")
    names.compile("has('G83').not()")
    assert len(names._calls) == 1


def test_reads_reach_through_definitions() -> None:
    names = library(a="%b", b="c(%conditions)", c=("%x.exists() or %y", ("x",)))
    assert names.compile("%a").reads == {"conditions", "y"}


@pytest.mark.parametrize("start", ["%a", "f(1)"])
def test_a_definition_that_uses_itself_is_refused_and_the_cycle_named(start) -> None:
    names = library(a="%b", b="%a", f=("g(%x)", ("x",)), g=("f(%x)", ("x",)))
    with pytest.raises(ExpressionError, match=r"a → b → a|f → g → f"):
        names.compile(start)


def test_a_wrong_number_of_arguments_is_refused() -> None:
    names = library(has=("%conditions.exists(code = %code)", ("code",)))
    with pytest.raises(ExpressionError, match=r"has\(\) takes 1 argument, not 2"):
        names.compile("has('a', 'b')")


def test_a_name_is_not_called_and_a_call_is_not_a_name() -> None:
    names = library(a="1", f=("1", ("x",)))
    with pytest.raises(ExpressionError, match="not called like a function"):
        names.compile("a()")
    with pytest.raises(ExpressionError, match="called like a function") as raised:
        names.compile("%f")
    assert raised.value.hint == "write f(x)"


def test_a_definition_may_not_take_the_name_of_a_built_in_function() -> None:
    with pytest.raises(ExpressionError, match="built in"):
        library(where=("true", ()))


def test_a_definition_that_is_a_name_may_be_called_like_a_function_of_the_table() -> None:
    assert evaluated(library(count="3"), "%count") == [3]


def test_an_error_in_a_body_names_the_definition_and_points_into_its_text() -> None:
    definition = Definition("sick", "%conditions.foo()", None, where="Library-x.json")
    with pytest.raises(ExpressionError, match="in definition 'sick'") as raised:
        Library({"sick": definition}).compile("1 = 1 and %sick")
    assert raised.value.expression == "%conditions.foo()"
    assert raised.value.offset == 12
    assert raised.value.where is not None
    assert raised.value.where.file == "Library-x.json"


def test_an_error_while_a_body_is_evaluated_names_the_definition() -> None:
    names = library(one="%conditions.single()", ask=("%conditions.id.single() = %x", ("x",)))
    with pytest.raises(EvaluationError, match=r"in definition 'one': single\(\)"):
        evaluated(names, "%one.exists()")
    with pytest.raises(EvaluationError, match=r"in definition 'ask': single\(\)"):
        evaluated(names, "gender.select(ask($this))")


def test_check_names_every_definition_that_does_not_compile() -> None:
    names = library(good="1", bad="foo()", worse=("%x.bar()", ("x",)))
    with pytest.raises(Exception, match="2 problems"):
        names.check()


def test_a_nested_library_sees_the_definitions_around_it_and_its_own_first() -> None:
    outer = library(a="1", b="%a + 1")
    inner = outer.extend({"a": Definition("a", "10")})
    assert evaluated(inner, "%a") == [10]
    assert evaluated(inner, "%b") == [2]
    assert evaluated(outer, "%a") == [1]


def test_nested_libraries_have_one_program_for_a_question_that_means_the_same_in_both() -> None:
    outer = library(a="1", twice=("%x * 2", ("x",)))
    one, other = outer.extend({"own": Definition("own", "3")}), outer.extend(types={"x": None})
    assert one.compile("twice(%a)") is other.compile("twice(%a)") is outer.compile("twice(%a)")


def test_a_question_about_a_nested_librarys_own_names_is_compiled_in_it() -> None:
    outer = library(a="1")
    ten = outer.extend({"a": Definition("a", "10")})
    filled = outer.extend(types={"n": None})
    assert evaluated(ten, "%a + 1") == [11]
    assert evaluated(outer, "%a + 1") == [2]
    assert evaluated(filled.extend({"b": Definition("b", "5")}), "%n + %a", n=2) == [3]


def test_a_bound_variable_reaches_definitions_that_read_it() -> None:
    names = library(double="%x + %x", fixed="%conditions.count()")
    both = names.compile("%double | %fixed")
    evaluation = Evaluation(variables={"conditions": CONDITIONS, "x": 4}, now=None)
    assert both.evaluate(evaluation, []) == [8, 2]
    assert both.evaluate(evaluation.bind(x=5), []) == [10, 2]
    assert both.evaluate(evaluation, []) == [8, 2]


def test_a_child_scope_shares_what_does_not_read_the_bound_variable() -> None:
    names = library(low="%conditions.where(code.coding.code = 'M54')")
    evaluation = Evaluation(variables={"conditions": CONDITIONS}, now=None)
    child = evaluation.bind(x=1)
    program = names.compile("%low.count()")
    program.evaluate(child, [])
    steps = evaluation.budget.steps
    program.evaluate(evaluation, [])
    assert evaluation.budget.steps == steps
    assert child.memo == {}


def test_an_incomplete_variable_makes_a_definition_unknown_not_false() -> None:
    names = library(sick="%conditions.exists(code.coding.code = 'Z')")
    found = evaluated(names, "%sick.isUnknown()", conditions=Incomplete(CONDITIONS))
    assert found == [True]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("birthDate.exists()", {"resource"}),
        ("%a", {"resource"}),
        ("$this", {"resource"}),
        ("%x.where(code = 'a').exists()", {"x"}),
        ("%x.exists($this = 1) and active", {"x", "resource"}),
        ("today()", set()),
    ],
)
def test_what_starts_from_the_focus_reads_the_resource(text, reads) -> None:
    assert library(a="birthDate + 1 year").compile(text).reads == reads

"""Lint: what is wrong with a folder of guidelines, and where."""

from __future__ import annotations

import json

import pytest
from plans import condition, plan
from shared_data import REPOSITORY

from cds_service.authoring.lint import lint


@pytest.fixture
def lint_plan(tmp_path):
    def write_and_lint(resource):
        text = resource if isinstance(resource, str) else json.dumps(resource, indent=2)
        (tmp_path / "PlanDefinition.json").write_text(text)
        return lint(tmp_path)

    return write_and_lint


def test_the_shipped_guidelines_are_clean():
    assert [str(problem) for problem in lint(REPOSITORY / "plan_definitions")] == []


def test_a_sound_plan_is_clean(lint_plan):
    assert lint_plan(plan("p", {"id": "a", "title": "A"})) == []


def test_a_mistake_in_an_expression_is_shown_with_its_line_and_a_caret(lint_plan):
    resource = plan("p", {"id": "a", "condition": [condition("birthDate.exist()")]})

    (problem,) = lint_plan(resource)

    line = (
        json.dumps(resource, indent=2)
        .splitlines()
        .index('            "expression": "birthDate.exist()"')
    )
    assert problem.where.line == line + 1
    assert problem.where.column == len('            "expression": "birthDate.') + 1
    assert "exists" in str(problem)
    assert "birthDate.exist()\n            ^" in str(problem)


def test_what_fhir_does_not_know_is_reported_at_its_place(lint_plan):
    (problem,) = lint_plan({**plan("p"), "titel": "x"})

    assert problem.code == "fhir"
    assert problem.where.path == "PlanDefinition.titel"


@pytest.mark.parametrize(
    ("owner", "misspelt", "sentence", "hint"),
    [
        ((), "titel", "PlanDefinition has no element 'titel'", "did you mean 'title'"),
        (
            ("action", 0), "condtion",
            "PlanDefinition.action has no element 'condtion'", "did you mean 'condition'",
        ),
        (
            ("action", 0, "condition", 0, "expression"), "langauge",
            "Expression has no element 'langauge'", "did you mean 'language'",
        ),
    ],
)  # fmt: skip
def test_an_unknown_element_is_named_with_what_may_be_meant(
    lint_plan, owner, misspelt, sentence, hint
):
    resource = plan("p", {"id": "a", "condition": [condition("true")]})
    place = resource
    for step in owner:
        place = place[step]
    place[misspelt] = "x"

    (problem,) = lint_plan(resource)

    assert (problem.code, problem.message) == ("fhir", sentence)
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("changed", "path", "sentence", "hint"),
    [
        (
            {"status": "Active"}, "PlanDefinition.status",
            "status is 'Active', not one of draft, active, retired, unknown",
            "did you mean 'active'?",
        ),
        (
            {"contact": [{"telecom": [{"system": "telefon"}]}]},
            "PlanDefinition.contact[0].telecom[0].system",
            "system is 'telefon', not one of phone, fax, email, pager, url, sms, other",
            "hl7.org",
        ),
        (
            {"action": {"id": "a"}}, "PlanDefinition.action", "a list is needed here", "[ … ]",
        ),
        (
            {"id": "a plan"}, "PlanDefinition.id",
            "'a plan' is not written as FHIR asks for here", "hl7.org",
        ),
        (
            {"resourceType": "PlanDefintion"}, "PlanDefintion.resourceType",
            "'PlanDefintion' is not a FHIR R4 resource type", "'PlanDefinition'",
        ),
    ],
)  # fmt: skip
def test_what_else_fhir_objects_to_is_a_sentence(lint_plan, changed, path, sentence, hint):
    (problem,) = lint_plan({**plan("p"), **changed})

    assert (problem.where.path, problem.message) == (path, sentence)
    assert hint in problem.hint


def test_what_the_loader_tells_is_not_told_again_by_fhir(lint_plan):
    action = {"id": "a", "condition": [{**condition("true"), "kind": "applicable"}]}

    assert [problem.code for problem in lint_plan(plan("p", action))] == ["condition-kind"]


def test_a_member_that_is_missing_is_told_at_the_element_that_needs_it(lint_plan):
    resource = {key: value for key, value in plan("p").items() if key != "title"}

    (problem,) = lint_plan(resource)

    assert problem.code == "no-title"
    assert (problem.where.path, problem.where.line) == ("PlanDefinition.title", 1)


def test_fhir_objects_to_what_does_not_compile_as_well(lint_plan):
    action = {"id": "a", "condition": [condition("birthDate.exist()")]}

    problems = lint_plan({**plan("p", action), "titel": "x"})

    assert sorted(problem.code for problem in problems) == ["fhir", "unknown-function"]


def test_broken_json_names_the_line(lint_plan):
    (problem,) = lint_plan('{\n  "resourceType": "PlanDefinition",\n  "url": \n}')

    assert (problem.where.file, problem.where.line) == ("PlanDefinition.json", 4)


@pytest.mark.parametrize(
    ("encoding", "line", "said"),
    [("latin-1", 7, "it is not UTF-8"), ("utf-16", 1, "it is UTF-16")],
)
@pytest.mark.parametrize("name", ["PlanDefinition.json", "cases/one.json"])
def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path, name, encoding, line, said):
    text = json.dumps(plan("p", title="Rückenschmerz"), indent=2, ensure_ascii=False)
    (tmp_path / "cases").mkdir()
    (tmp_path / "sound.json").write_text(json.dumps(plan("q")))
    (tmp_path / name).write_bytes(text.encode(encoding))

    (problem,) = lint(tmp_path)

    assert (problem.where.file, problem.where.line) == (name, line)
    assert said in problem.message
    assert problem.hint == "write UTF-8"


def test_a_member_that_stands_twice_is_an_error(lint_plan):
    (problem,) = lint_plan('{"resourceType": "PlanDefinition", "url": "a", "url": "b"}')

    assert "url" in problem.message


def test_a_broken_case_is_found_by_lint_too(tmp_path):
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(plan("p")))
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "one.json").write_text('{"name": "x", "expekt": {}}')

    assert "expect" in str(lint(tmp_path)[0])

"""Content with problems: what is left out with it, and what is in force all the same."""

from __future__ import annotations

import json

import pytest
from plans import BASE, condition, plan, situation

from cds_service.engine import Source, Verdict, apply, compile_what_works
from cds_service.errors import ContentError, ContentErrors, Where

HOOK = [{"type": "named-event", "name": "patient-view"}]


def leads_to(*ids, kind="PlanDefinition"):
    return [{"id": id_, "definitionCanonical": f"{BASE}/{kind}/{id_}"} for id_ in ids]


def strategy(*ids):
    top = {"id": "top", "trigger": HOOK, "action": leads_to(*ids)}
    return plan("strategy", top, description="What is served.")


def rule(name, expression="true", **members):
    return plan(
        name, {"id": "card", "title": name, "condition": [condition(expression)]}, **members
    )


def works(*resources, unreadable=()):
    sources = [Source(f"{item['id']}.json", json.dumps(item), item) for item in resources]
    return compile_what_works(sources, unreadable)


def verdicts(content):
    outcome = apply(content.plans[f"{BASE}/PlanDefinition/strategy"], situation())
    return {item.action.key: (item.verdict, item.note) for item in outcome.actions[0].children}


@pytest.mark.requirement("A12")
def test_a_plan_with_a_problem_is_judged_error_and_the_others_are_judged():
    content = works(strategy("good", "bad"), rule("good"), rule("bad", "%nothing"))

    found = verdicts(content)

    assert found["good"][0] is Verdict.FIRED
    assert found["bad"][0] is Verdict.ERROR
    assert "bad.json:" in found["bad"][1]
    assert "PlanDefinition.action[0].condition[0]" in found["bad"][1]


@pytest.mark.requirement("A12")
def test_what_is_left_out_is_named_with_its_problem():
    content = works(strategy("good", "bad"), rule("good"), rule("bad", "%nothing"))

    assert [item.id for item in content.left_out] == ["bad"]
    assert [problem.where.file for problem in content.problems] == ["bad.json"]


@pytest.mark.requirement("A12")
def test_a_value_set_with_a_problem_deep_in_it_goes_alone_and_is_told_with_its_place():
    url = f"{BASE}/ValueSet/v2.1"
    far = {"include": [{"system": "http://nowhere", "filter": [{"value": "1"}]}]}
    value_set = {"resourceType": "ValueSet", "id": "v2.1", "url": url, "compose": far}

    content = works(strategy("good"), rule("good"), value_set)

    (problem,) = content.problems
    assert verdicts(content)["good"][0] is Verdict.FIRED
    assert [item.id for item in content.left_out] == ["v2.1"]
    assert problem.where.path == "ValueSet.compose.include[0].filter[0]"
    assert (problem.where.file, problem.where.line) == ("v2.1.json", 1)


def test_nothing_is_left_out_of_content_without_problems():
    content = works(strategy("good"), rule("good"))

    assert (content.left_out, content.problems) == ((), ())


def test_a_plan_goes_with_the_library_that_it_needs():
    url = f"{BASE}/Library/broken"
    library = {
        "resourceType": "Library",
        "id": "broken",
        "url": url,
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/variable",
                "valueExpression": {
                    "name": "x",
                    "language": "text/fhirpath",
                    "expression": "1 +",
                },
            }
        ],
    }
    content = works(strategy("good", "user"), rule("good"), rule("user", library=[url]), library)

    assert {item.id for item in content.left_out} == {"broken", "user"}
    assert verdicts(content)["good"][0] is Verdict.FIRED
    assert "nothing with the url" in verdicts(content)["user"][1]


def test_an_activity_with_a_problem_leaves_the_action_that_needs_it_without_a_verdict():
    activity = {
        "resourceType": "ActivityDefinition",
        "id": "bad",
        "url": f"{BASE}/ActivityDefinition/bad",
        "kind": "Spaceship",
    }
    card = {"id": "card", "title": "t", "action": leads_to("bad", kind="ActivityDefinition")}
    content = works(strategy("rule"), plan("rule", card), activity)

    outcome = apply(content.plans[f"{BASE}/PlanDefinition/rule"], situation())

    assert outcome.actions[0].verdict is Verdict.FIRED
    assert outcome.actions[0].children[0].verdict is Verdict.ERROR


def test_a_file_that_is_no_fhir_leaves_the_action_that_names_its_plan_without_a_verdict():
    problem = ContentError("this is not JSON", code="json", where=Where("lost.json", line=1))
    content = works(strategy("good", "lost"), rule("good"), unreadable=[problem])

    assert verdicts(content)["lost"][0] is Verdict.ERROR
    assert content.problems == (problem,)
    assert "lost" in str(content.unsupported[0])


def test_of_two_files_with_one_url_neither_is_used():
    other = rule("good") | {"id": "twin"}
    content = works(strategy("good", "else"), rule("good"), other, rule("else"))

    assert verdicts(content)["good"][0] is Verdict.ERROR
    assert verdicts(content)["else"][0] is Verdict.FIRED


def test_without_any_service_left_all_problems_are_raised():
    with pytest.raises(ContentErrors) as raised:
        works(rule("bad", "%nothing"), strategy("bad") | {"title": None})

    assert {problem.where.file for problem in raised.value.problems} >= {"bad.json"}

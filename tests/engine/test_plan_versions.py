"""Several versions of a plan, an activity, a Library or a value set in one guideline."""

from __future__ import annotations

import json

import pytest
from plans import BASE, EXTENSIONS, apply_first, compile_all, condition, plan, situation, variable

from cds_service.engine import Source, apply, compile_what_works
from cds_service.engine.recompile import Recompiler
from cds_service.errors import ContentErrors

RULE = f"{BASE}/PlanDefinition/rule"


def rule(version, status="draft", **members):
    card = {"id": "card", "title": f"Version {version} speaks"}
    return plan("rule", card, version=version, status=status, id=f"rule-{version}") | members


def strategy(*canonicals, **members):
    named = [{"id": f"a{n}", "definitionCanonical": name} for n, name in enumerate(canonicals)]
    trigger = [{"type": "named-event", "name": "patient-view"}]
    root = {"id": "root", "groupingBehavior": "logical-group", "trigger": trigger, "action": named}
    return plan("trial", root, description="D", **members)


def says(*resources):
    """The titles that applying the first resource shows."""
    found = apply_first(*resources).walk()
    return [item.action.title.default for item in found if item.action.title is not None]


def problems_of(*resources):
    with pytest.raises(ContentErrors) as caught:
        compile_all(*resources)
    return {problem.code: problem for problem in caught.value.problems}


def library(version, value, status="active"):
    return {
        "resourceType": "Library",
        "id": f"terms-{version}",
        "url": f"{BASE}/Library/terms",
        "version": version,
        "status": status,
        "extension": [variable("enough", value)],
    }


def value_set(version, code, status="active"):
    return {
        "resourceType": "ValueSet",
        "id": f"VS-{version}",
        "url": f"{BASE}/ValueSet/VS",
        "version": version,
        "status": status,
        "compose": {"include": [{"system": "urn:x", "concept": [{"code": code}]}]},
    }


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (RULE, "Version 1.0.0 speaks"),
        (f"{RULE}|1.0.0", "Version 1.0.0 speaks"),
        (f"{RULE}|2.0.0", "Version 2.0.0 speaks"),
    ],
)
def test_the_strategy_names_which_version_runs(named, expected):
    assert says(strategy(named), rule("1.0.0", "active"), rule("2.0.0")) == [expected]


def test_two_versions_run_side_by_side():
    both = strategy(f"{RULE}|1.0.0", f"{RULE}|2.0.0")

    assert len(says(both, rule("1.0.0"), rule("2.0.0"))) == 2


def test_a_version_that_is_not_loaded_is_refused_with_those_that_are():
    problem = problems_of(strategy(f"{RULE}|3.0.0"), rule("1.0.0"), rule("2.0.0"))[
        "unknown-version"
    ]

    assert f"{RULE}|2.0.0 (draft), {RULE}|1.0.0 (draft)" in problem.message
    assert problem.where.file == "trial.json"


def test_a_url_of_which_all_versions_are_retired_names_none():
    assert "unknown-version" in problems_of(strategy(RULE), rule("1.0.0", "retired"))


def test_one_url_and_version_twice_is_refused_with_both_files():
    problem = problems_of(rule("1.0.0"), rule("1.0.0", id="copy"))["duplicate-url"]

    assert problem.where.file == "copy.json"
    assert "rule-1.0.0.json" in problem.message


def test_two_versions_with_one_id_are_refused():
    assert "duplicate-id" in problems_of(rule("1.0.0"), rule("2.0.0", id="rule-1.0.0"))


def test_a_code_system_has_one_version():
    system = {"resourceType": "CodeSystem", "id": "a", "url": "urn:x", "version": "1"}

    assert "duplicate-url" in problems_of(system, system | {"id": "b", "version": "2"})


@pytest.mark.parametrize(("pin", "fires"), [("", False), ("|1.0.0", True), ("|2.0.0", False)])
def test_a_plan_reads_the_definitions_of_the_version_of_the_library_that_it_names(pin, fires):
    action = {"id": "a", "title": "Speaks", "condition": [condition("%enough = 1")]}
    reader = plan("p", action, library=[f"{BASE}/Library/terms{pin}"])

    (found,) = apply_first(reader, library("1.0.0", "1"), library("2.0.0", "2")).actions

    assert (found.verdict == "fired") is fires


@pytest.mark.parametrize(("pin", "code"), [("", "new"), ("|1.0.0", "old"), ("|2.0.0", "new")])
def test_an_expression_names_a_version_of_a_value_set(pin, code):
    both = value_set("1.0.0", "old"), value_set("2.0.0", "new")
    sets = compile_all(plan("p"), *both).value_sets

    is_member = sets.resolve(f"{BASE}/ValueSet/VS{pin}")

    assert is_member("urn:x", code)


def test_each_version_has_its_own_contained_value_set():
    def reasons(version, code):
        contained = {
            "resourceType": "ValueSet",
            "id": "reasons",
            "compose": {"include": [{"system": "urn:x", "concept": [{"code": code}]}]},
        }
        extension = {"url": f"{EXTENSIONS}/override-reasons", "valueCanonical": "#reasons"}
        card = {"id": "card", "title": "T", "extension": [extension]}
        return rule(version, contained=[contained], action=[card])

    content = compile_all(reasons("1.0.0", "old"), reasons("2.0.0", "new"))

    codes = {plan.version: plan.actions[0].override_reasons for plan in content.plans.values()}
    assert [item.code for item in codes["1.0.0"]] == ["old"]
    assert [item.code for item in codes["2.0.0"]] == ["new"]


def test_the_service_of_the_version_in_force_answers_under_the_same_id():
    old = strategy(status="active", title="Old")
    new = strategy(status="active", title="New", version="2.0.0", id="trial-2")

    (service,) = compile_all(old, new).services.values()

    assert (service.id, service.title.default) == ("trial", "New")


def test_a_retired_strategy_answers_nobody():
    assert not compile_all(strategy(status="retired")).services


def test_a_broken_version_in_force_is_not_silently_replaced_by_an_older_one():
    broken = rule(
        "2.0.0", "active", title=None, action=[{"id": "a", "condition": [condition("1 +")]}]
    )
    files = strategy(RULE), rule("1.0.0", "active"), broken
    sources = [Source(f"{item['id']}.json", json.dumps(item, indent=2), item) for item in files]

    content = compile_what_works(sources)

    outcome = apply(content.plans[f"{BASE}/PlanDefinition/trial"], situation())
    (found,) = [item for item in outcome.walk() if item.action.key == "a0"]
    assert found.verdict == "error"


def test_a_changed_version_is_compiled_again_without_the_other():
    files = strategy(f"{RULE}|1.0.0", f"{RULE}|2.0.0"), rule("1.0.0"), rule("2.0.0")
    sources = [Source(f"{item['id']}.json", json.dumps(item, indent=2), item) for item in files]
    recompiler = Recompiler(sources)
    other = recompiler.content.plans[f"{RULE}|1.0.0"]
    changed = rule("2.0.0", action=[{"id": "card", "title": "Changed"}])

    content = recompiler.with_rewritten(Source("rule-2.0.0.json", json.dumps(changed), changed))

    assert content.plans[f"{RULE}|1.0.0"] is other
    assert content.plans[RULE].actions[0].title.default == "Changed"

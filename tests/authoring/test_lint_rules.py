"""Each lint rule finds its fault at the place of the fault, and nothing in sound content."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from plans import BASE, condition, plan, variable
from shared_data import REPOSITORY

from cds_service import fhir_json
from cds_service.authoring import lint

REVIEWED = {"lastReviewDate": "2024-01-01", "effectivePeriod": {"end": "2025-01-01"}}
CITED = {"documentation": [{"type": "citation", "citation": "A guideline, 2024"}]}
HOOK = {"id": "root", "trigger": [{"type": "named-event", "name": "patient-view"}]}


def rule(name, *actions, **members):
    return plan(name, *actions, **{**REVIEWED, **members})


def strategy(*named, **members):
    below = [{"id": item["id"], "definitionCanonical": item["url"]} for item in named]
    root = {**HOOK, "groupingBehavior": "logical-group", "action": below}
    return rule("s", root, description="D", **members)


def library(name, *keys, query=None):
    return {
        "resourceType": "Library", "id": name, "url": f"{BASE}/Library/{name}", "status": "draft",
        "type": {"coding": [{"code": "logic-library"}]},
        "dataRequirement": [
            {
                "id": key, "type": "Observation",
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern",
                        "valueString": query or "Observation?patient={{context.patientId}}",
                    },
                    {"url": f"{BASE}/StructureDefinition/need", "valueCode": "may"},
                ],
            }
            for key in keys
        ],
    }  # fmt: skip


@pytest.fixture
def check(tmp_path):
    def write_and_check(*resources, **options):
        for index, resource in enumerate(resources):
            path = tmp_path / f"{index}-{resource['id']}.json"
            path.write_text(fhir_json.pretty(resource) + "\n", encoding="utf-8")
        found = lint.check(tmp_path, **options)
        return [
            (item.code, item.where.file, item.where.path) for item in found.all if item.where.line
        ]

    return write_and_check


def test_the_shipped_guidelines_have_neither_problems_nor_warnings():
    assert [str(item) for item in lint.check(REPOSITORY / "plan_definitions").all] == []


def test_sound_content_gives_no_finding(check):
    card = {"id": "a", "title": "A", **CITED, "condition": [condition("%known.exists()")]}
    told = rule("p", card, extension=[variable("known", "birthDate")])

    assert check(told, strategy(told)) == []


def test_a_definition_that_nothing_uses(check):
    assert check(rule("p", extension=[variable("idle", "1")])) == [
        ("unused-definition", "0-p.json", "PlanDefinition.extension[0].valueExpression.name")
    ]


def test_a_definition_that_only_a_text_uses_is_used(check):
    card = {"id": "a", "title": "Since {weeks} weeks", **CITED}

    assert check(rule("p", card, extension=[variable("weeks", "6")])) == []


def test_a_definition_that_hides_one_of_a_library_data_or_another(check):
    shared = {**library("words", "obs"), "extension": [variable("W6", "42")]}
    inner = {"id": "a", "extension": [variable("here", "2")], "condition": [condition("%here = 2")]}
    hiding = [variable("W6", "7"), variable("obs", "%W6"), variable("patient", "%obs")]
    told = rule(
        "p", inner, library=[shared["url"]], extension=[*hiding, variable("here", "%patient")]
    )

    found = [item for item in check(told, shared) if item[0] == "hidden-name"]

    assert [path for _, _, path in found] == [
        "PlanDefinition.action[0].extension[0].valueExpression.name",
        *(f"PlanDefinition.extension[{number}].valueExpression.name" for number in range(3)),
    ]


def test_a_trigger_that_is_nearly_a_hook_is_told(check):
    root = {"id": "root", "trigger": [{"type": "named-event", "name": "order-sgin"}]}

    assert ("misspelt-hook", "0-s.json", "PlanDefinition.action[0].trigger[0].name") in check(
        rule("s", root, description="D")
    )


def test_a_value_set_that_nothing_names(check):
    idle = {
        "resourceType": "ValueSet", "id": "VS-IDLE", "url": f"{BASE}/ValueSet/VS-IDLE",
        "status": "draft",
        "compose": {"include": [{"system": "urn:x", "concept": [{"code": "1"}]}]},
    }  # fmt: skip
    card = {"id": "a", "title": "A", **CITED}

    assert check(rule("p", card), idle) == [("unused-resource", "1-VS-IDLE.json", "ValueSet")]


def test_a_plan_that_no_strategy_leads_to(check):
    assert check(rule("p"), strategy()) == [("unreachable", "0-p.json", "PlanDefinition.url")]


def test_a_version_that_runs_nowhere_is_told_for_information(check):
    card = {"id": "a", "title": "A", **CITED}
    old, new = rule("p", card), rule("p", card, id="p-2", version="2.0.0", status="active")

    assert check(old, new, strategy(new)) == [
        ("idle-version", "0-p.json", "PlanDefinition.version")
    ]
    assert "idle-version" in lint.WARNINGS


def test_a_version_in_shadow_runs(check):
    card = {"id": "a", "title": "A", **CITED}
    old, new = rule("p", card), rule("p", card, id="p-2", version="2.0.0")
    pinned = [{**item, "url": f"{item['url']}|{item['version']}"} for item in (old, new)]

    assert check(old, new, strategy(*pinned)) == []


def test_an_action_behind_one_that_always_applies_in_a_first_match_group(check):
    first = {"id": "a", "title": "A", **CITED}
    behind = {**first, "id": "b"}
    group = {
        "id": "g", "groupingBehavior": "logical-group", "action": [first, behind],
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/cqf-applicabilityBehavior",
                "valueCode": "any",
            }
        ],
    }  # fmt: skip

    assert check(rule("p", group)) == [
        ("unreachable", "0-p.json", "PlanDefinition.action[0].action[1]")
    ]


def test_data_that_a_rule_reads_and_its_service_does_not_ask_for(check):
    own = library("own", "scores")
    card = {"id": "a", "title": "A", **CITED, "condition": [condition("%scores.exists()")]}
    told = rule("p", card, library=[own["url"]])

    assert check(told, strategy(told), own) == [
        ("undeclared-data", "0-p.json", "PlanDefinition.action[0]")
    ]
    assert check(told, strategy(told, library=[own["url"]]), own) == []


@pytest.mark.requirement("PFT-22")
def test_data_that_a_service_asks_for_and_no_rule_reads(check):
    own = library("own", "scores")

    assert check(strategy(library=[own["url"]]), own) == [
        ("unused-data", "0-s.json", "PlanDefinition")
    ]


@pytest.mark.parametrize(
    "query",
    [
        "Observation?patient={{context.patient}}",
        "Observation?patient={{context.patientId}}&performer=Practitioner/{{context.userId}}",
        "Observation?status=final",
        "Condition?patient={{context.patientId}}",
        "Observation?patient={{context.patientId}}&_include=Observation:subject",
        "Observation?patient={{context.patientId}}&subject.name=x",
        "Observation?patient={{context.patientId}}&code:below=x",
        "Observation?patient={{context.patientId}}&code:not=x",
        "Observation?patient={{context.patientId}}&_has:Provenance:target:agent=x",
        "Observation?patient={{context.patientId}}&date=ap2024-01-01",
        "Observation?patient={{context.patientId}}&date=ne2024-01-01",
        "Observation?patient={{context.patientId}}&sort:desc=date",
        "Observation?patient={{context.patientId}}&sort=-date",
        "Observation?patient={{context.patientId}}&date=ge{{today() - 90 days}}",
        "Observation?patient={{context.draftOrders.entry.resource.ofType(Nothing).subject}}",
        "Observation?patient={{%patient.id}}",
    ],
)
@pytest.mark.requirement("PD-9", "PFT-13", "PFT-14", "PFT-19", "PFT-20", "FP-3", "FP-5", "FP-9")
def test_a_prefetch_query_that_no_ehr_can_answer(check, query):
    own = library("own", "scores", query=query)
    card = {"id": "a", "title": "A", **CITED, "condition": [condition("%scores.exists()")]}

    ((code, file, path),) = check(rule("p", card, library=[own["url"]]), own)

    assert (code, file) == ("impossible-prefetch", "1-own.json")
    assert path == "Library.dataRequirement[0].extension[0].valueString"


@pytest.mark.parametrize(
    "query",
    [
        "Observation?patient={{context.patientId}}&_count=50",
        "Observation?patient={{context.patientId}}&code:in=http://x&date=ge2024-01-01&_sort=-date",
        "Observation?patient={{context.patientId}}&date=lt2024-01-01&_sort=-date&_maxresults=5",
        "Observation/{{context.encounterId}}",
    ],
)
@pytest.mark.requirement("PFT-10", "PFT-11", "PFT-12", "PFT-14", "PFT-15", "PFT-16", "PFT-17")
def test_a_prefetch_query_of_the_specified_subset_is_sound(check, query):
    own = library("own", "scores", query=query)
    card = {"id": "a", "title": "A", **CITED, "condition": [condition("%scores.exists()")]}

    assert check(rule("p", card, library=[own["url"]]), own) == []


def test_two_files_with_one_type_and_id(check):
    other = {**rule("p"), "url": f"{BASE}/PlanDefinition/q"}

    assert check(rule("p"), other) == [("duplicate-id", "1-p.json", "PlanDefinition.id")]


@pytest.mark.requirement("PD-9")
def test_a_card_without_source_and_a_plan_without_review_or_version(check):
    bare = plan("p", {"id": "a", "title": "A"})
    del bare["version"]

    assert check(bare) == [
        ("no-version", "0-p.json", "PlanDefinition"),
        ("no-review-date", "0-p.json", "PlanDefinition"),
        ("no-source", "0-p.json", "PlanDefinition.action[0].title"),
    ]


@pytest.mark.requirement("LINK-8", "PD-9")
@pytest.mark.parametrize("cited", [{"url": "http://g.example"}, {"document": {"url": "ftp://g"}}])
def test_a_citation_with_an_address_that_no_card_takes_along(check, cited):
    documents = [{"type": "citation", "display": "A guideline, 2024", **cited}]
    inner = {"id": "b", "title": "B", "documentation": documents}
    place = "documentation[0].document" if "document" in cited else "documentation[0]"

    assert check(rule("p", {"id": "a", "title": "A", **CITED, "action": [inner]})) == [
        ("insecure-link", "0-p.json", f"PlanDefinition.action[0].action[0].{place}.url")
    ]


@pytest.mark.requirement("ACT-10")
def test_a_code_in_an_order_that_is_listed_nowhere(check):
    coding = {"system": "http://loinc.org", "code": "24968-0", "display": "MR Spine lumbar"}
    order = {
        "resourceType": "ActivityDefinition", "id": "mri", "status": "draft",
        "url": f"{BASE}/ActivityDefinition/mri", "kind": "ServiceRequest",
        "code": {"coding": [coding]},
    }  # fmt: skip
    card = {"id": "a", "title": "A", **CITED, "definitionCanonical": order["url"]}

    assert check(rule("p", card), order) == [
        ("unlisted-code", "1-mri.json", "ActivityDefinition.code.coding[0].code")
    ]


def test_a_value_set_problem_stands_at_its_line(check):
    broken = {
        "resourceType": "ValueSet", "id": "VS-X", "url": f"{BASE}/ValueSet/VS-X", "status": "draft",
        "compose": {"include": [{"valueSet": ["nowhere"]}]},
    }  # fmt: skip

    ((code, file, _),) = check(rule("p"), broken)

    assert (code, file) == ("value-set", "1-VS-X.json")


def test_a_mistake_in_a_case_stands_at_its_line_under_the_name_in_the_folder(check, tmp_path):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "one.json").write_text('{\n  "name": "x",\n  "expekt": {}\n}')

    assert check(rule("p")) == [("case", "cases/one.json", "expekt")]


def test_conditions_that_come_out_alike_in_all_cases_are_told_with_cases(check, tmp_path):
    conditions = [condition("true"), condition("birthDate.empty()"), condition("1 = 1")]
    told = rule("p", {"id": "a", "title": "A", **CITED, "condition": conditions})
    (tmp_path / "cases").mkdir()
    case = {
        "name": "A patient with a birth date",
        "hook": "patient-view",
        "data": [{"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}],
        "expect": {"only": True},
    }
    (tmp_path / "cases" / "one.json").write_text(json.dumps(case))
    own = library("own", "patient", query="Patient/{{context.patientId}}")
    own["dataRequirement"][0]["type"] = "Patient"
    sources = (told, strategy(told, library=[own["url"]]), own)

    assert check(*sources) == []
    found = check(*sources, cases_in=ZoneInfo("UTC"))
    assert [(code, path.removesuffix(".expression.expression")) for code, _, path in found] == [
        ("always-true", "PlanDefinition.action[0].condition[0]"),
        ("always-false", "PlanDefinition.action[0].condition[1]"),
        ("never-evaluated", "PlanDefinition.action[0].condition[2]"),
    ]


def accept(folder, **members):
    entry = {
        "code": "unused-definition", "file": "0-p.json", "reason": "Kept for the trial.",
        "path": "PlanDefinition.extension[0].valueExpression.name", **members,
    }  # fmt: skip
    (folder / "exceptions").mkdir()
    (folder / "exceptions" / "lint.json").write_text(json.dumps([entry]))


def test_a_warning_can_be_accepted_with_a_reason(check, tmp_path):
    accept(tmp_path)

    assert check(rule("p", extension=[variable("idle", "1")])) == []


def test_an_accepted_warning_that_is_gone_is_a_problem(check, tmp_path):
    accept(tmp_path)

    assert check(rule("p")) == [("stale-exception", "exceptions/lint.json", "[0]")]


def test_a_warning_is_not_accepted_without_a_reason(check, tmp_path):
    accept(tmp_path, reason=" ")

    found = check(rule("p", extension=[variable("idle", "1")]))

    assert [code for code, _, _ in found] == ["unused-definition", "exception"]


def test_a_problem_cannot_be_accepted(check, tmp_path):
    accept(tmp_path, code="duplicate-id", file="1-p.json", path="PlanDefinition.id")
    other = {**rule("p"), "url": f"{BASE}/PlanDefinition/q"}

    codes = {code for code, _, _ in check(rule("p"), other)}

    assert codes == {"duplicate-id"}

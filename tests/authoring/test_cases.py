"""Cases as data: what a case says is what is asked, and what is compared."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from plans import BASE, EXTENSIONS, condition, plan

from cds_service.authoring import case_diff, cases
from cds_service.data import plan_library
from cds_service.errors import ContentError
from cds_service.hooks.service import HookService

ZONE = ZoneInfo("UTC")
PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1979-03-01"}


def requirement(key, resource_type, query, need):
    return {
        "id": key,
        "type": resource_type,
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern",
                "valueString": query,
            },
            {"url": f"{EXTENSIONS}/need", "valueCode": need},
        ],
    }


STRATEGY = plan(
    "my-service",
    {
        "id": "root",
        "groupingBehavior": "logical-group",
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "input": [
            requirement("patient", "Patient", "Patient/{{context.patientId}}", "must"),
            requirement(
                "conditions", "Condition", "Condition?patient={{context.patientId}}", "must"
            ),
            requirement("obs", "Observation", "Observation?patient={{context.patientId}}", "may"),
        ],
        "action": [
            {
                "id": "card",
                "title": "There are observations",
                "description": "Found some.",
                "priority": "urgent",
                "code": [{"coding": [{"system": f"{BASE}/rules", "code": "lbpR16"}]}],
                "condition": [condition("%obs.exists()")],
            },
            {
                "id": "none",
                "title": "There are none",
                "code": [{"coding": [{"system": f"{BASE}/rules", "code": "lbpR17"}]}],
                "condition": [condition("%obs.empty()")],
            },
            {
                "id": "tried",
                "title": "Only tried",
                "code": [{"coding": [{"system": f"{BASE}/rules", "code": "lbpR19"}]}],
                "extension": [{"url": f"{EXTENSIONS}/shadow", "valueBoolean": True}],
                "condition": [condition("%obs.exists()")],
            },
            {
                "id": "final",
                "title": "None is cancelled",
                "code": [{"coding": [{"system": f"{BASE}/rules", "code": "lbpR18"}]}],
                "condition": [
                    condition("%obs.exists()"),
                    condition("%obs.where(status = 'cancelled').empty()"),
                ],
            },
        ],
    },
    description="D",
)
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p"},
}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "strategy"
    (folder / "cases").mkdir(parents=True)
    (folder / "PlanDefinition.json").write_text(json.dumps(STRATEGY))
    service = HookService(plan_library.load(tmp_path))

    def run_case(**members):
        path = folder / "cases" / "case.json"
        case = {"name": "A case", "hook": "patient-view", "data": [PATIENT], **members}
        path.write_text(json.dumps(case))
        return cases.run(cases.read(path), service, ZONE)

    return run_case


def expect(*rules, **members):
    return {"cards": [{"rule": rule} for rule in rules], **members}


def test_a_case_passes_when_its_cards_appear(run):
    assert run(data=[PATIENT, OBSERVATION], expect=expect("lbpR16")).is_passed


def test_keys_without_resources_are_known_empty(run):
    assert run(expect=expect("lbpR17", only=True)).is_passed


def test_a_key_that_is_unavailable_is_neither_empty_nor_filled(run):
    result = run(unavailable=["obs"], expect=expect(absent=["lbpR16", "lbpR17"], only=True))

    assert result.is_passed


def test_what_an_incomplete_key_shows_is_known(run):
    assert run(data=[PATIENT, OBSERVATION], incomplete=["obs"], expect=expect("lbpR16")).is_passed


def test_what_an_incomplete_key_does_not_show_is_not_known_to_be_absent(run):
    data = [PATIENT, OBSERVATION]

    assert run(data=data, expect=expect("lbpR18")).is_passed
    assert run(data=data, incomplete=["obs"], expect=expect(absent=["lbpR18"])).is_passed


def test_a_case_expects_what_applies_in_shadow(run):
    wanted = expect("lbpR16", "lbpR18", only=True, shadow=["lbpR19"])

    assert run(data=[PATIENT, OBSERVATION], expect=wanted).is_passed


def test_a_rule_that_does_not_apply_in_shadow_is_told(run):
    result = run(expect=expect("lbpR17", shadow=["lbpR19"]))

    told = "lbpR19 did not apply in shadow; in shadow: no rule"
    assert result.failures == (told,)
    assert told in case_diff.lines(result)


def test_a_rule_that_applies_in_shadow_is_not_absent(run):
    result = run(data=[PATIENT, OBSERVATION], expect=expect(absent=["lbpR19"]))

    assert result.failures == ("lbpR19 must not appear, but applies in shadow",)


@pytest.mark.parametrize(
    ("members", "sentence", "hint"),
    [
        ({"unavailable": ["observations"]}, "my-service has no prefetch key", "known: cond"),
        ({"incomplete": ["obss"]}, "my-service has no prefetch key 'obss'", "did you mean 'obs'"),
        ({"incomplete": ["patient"]}, "'patient' is one resource", "put it under unavailable"),
        ({"incomplete": ["obs"]}, "'obs' has no resource in data", "add one, or put it under"),
    ],
)
def test_a_key_that_cannot_be_lacking_so_fails_with_what_to_do(run, members, sentence, hint):
    (failure,) = run(**members, expect=expect()).failures

    assert sentence in failure
    assert hint in failure


def test_a_required_key_that_is_unavailable_gives_the_expected_status(run):
    assert run(unavailable=["conditions"], expect={"status": 412}).is_passed


def test_a_card_that_does_not_appear_fails_and_says_what_was_shown(run):
    (failure,) = run(expect=expect("lbpR16")).failures

    assert failure == "lbpR16 did not appear; shown: lbpR17"


def test_a_card_that_must_not_appear_fails(run):
    assert run(expect=expect(absent=["lbpR17"])).failures


def test_a_card_that_nobody_expected_fails_only_when_the_case_says_only(run):
    assert run(expect=expect()).is_passed
    assert not run(expect=expect(only=True)).is_passed


@pytest.mark.parametrize(
    "wrong",
    [
        {"indicator": "critical"},
        {"summary": "There are dragons"},
        {"detail": ["Lost some."]},
        {"suggestions": ["Refer"]},
        {"actions": ["Refer"]},
    ],
)
def test_every_property_of_an_expected_card_is_compared(run, wrong):
    right = {"rule": "lbpR16", "indicator": "warning", "summary": "There are", "detail": ["Found"]}
    data = [PATIENT, OBSERVATION]

    assert run(data=data, expect={"cards": [right]}).is_passed
    assert len(run(data=data, expect={"cards": [{**right, **wrong}]}).failures) == 1


def test_a_card_that_says_what_it_must_not_fails(run):
    data = [PATIENT, OBSERVATION]

    for text in ("There are observations", "Found some"):
        (failure,) = run(
            data=data, expect={"cards": [{"rule": "lbpR16", "lacks": [text]}]}
        ).failures
        assert text in failure
    assert run(data=data, expect={"cards": [{"rule": "lbpR16", "lacks": ["dragons"]}]}).is_passed


def test_a_status_other_than_the_expected_fails(run):
    assert run(expect={"status": 412}).failures


def test_a_whole_request_can_stand_in_a_case(run):
    request = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "p"},
        "prefetch": {"patient": PATIENT, "conditions": None, "obs": None},
    }

    assert run(request=request, expect=expect("lbpR17")).is_passed


@pytest.mark.parametrize(
    ("members", "hint"),
    [
        ({"expects": {}}, "expect"),
        ({"expect": {"card": []}}, "cards"),
        ({"expect": {"cards": [{"rule": "lbpR16", "sumary": "x"}]}}, "summary"),
    ],
)
def test_a_misspelt_member_is_an_error_with_a_suggestion(run, members, hint):
    with pytest.raises(ContentError) as caught:
        run(**members)

    assert hint in str(caught.value)


# --- versions ---


@pytest.fixture
def versions(tmp_path):
    """Runs a case over a rule that the strategy pins to 1.0.0 and tries as 2.0.0 in shadow."""
    rules = f"{BASE}/PlanDefinition/rule"
    shadow = {"url": f"{EXTENSIONS}/shadow", "valueBoolean": True}
    root = {
        **STRATEGY["action"][0],
        "action": [
            {"id": "R", "definitionCanonical": f"{rules}|1.0.0"},
            {"id": "R-next", "extension": [shadow], "definitionCanonical": f"{rules}|2.0.0"},
        ],
    }
    written = [{**STRATEGY, "action": [root]}]
    for number in ("1.0.0", "2.0.0"):
        card = {"id": "card", "title": f"Says {number}"}
        topic = [{"coding": [{"system": f"{BASE}/rules", "code": "lbpR1"}]}]
        about = {"id": f"rule-{number}", "version": number, "topic": topic}
        written.append(plan("rule", card, **about))
    for resource in written:
        (tmp_path / f"{resource['id']}.json").write_text(json.dumps(resource))
    (tmp_path / "cases").mkdir()
    service = HookService(plan_library.load(tmp_path))

    def run(**members):
        path = tmp_path / "cases" / "case.json"
        case = {"name": "N", "hook": "patient-view", "data": [PATIENT], **members}
        path.write_text(json.dumps(case))
        return cases.run(cases.read(path), service, ZONE)

    return run


def summaries(result):
    return [card["summary"] for card in result.answer.response["cards"]]


def test_a_case_without_a_version_is_answered_as_the_strategy_says(versions):
    result = versions(expect={"cards": [{"rule": "lbpR1", "summary": "Says 1.0.0"}]})

    assert result.failures == ()


@pytest.mark.parametrize("number", ["1.0.0", "2.0.0"])
def test_a_case_can_say_which_version_of_a_plan_counts_in_it(versions, number):
    forced = [f"{BASE}/PlanDefinition/rule|{number}"]

    result = versions(forceArtifactVersion=forced, expect={})

    assert summaries(result) == [f"Says {number}"]


def test_a_version_that_is_not_loaded_fails_the_case_and_names_those_that_are(versions):
    forced = [f"{BASE}/PlanDefinition/rule|3.0.0"]

    result = versions(forceArtifactVersion=forced, expect={})

    assert "not loaded in version 3.0.0; loaded: " in result.failures[0]
    assert "rule|2.0.0 (draft)" in result.failures[0]


def test_a_misspelt_url_of_a_version_fails_the_case_with_a_suggestion(versions):
    result = versions(forceArtifactVersion=[f"{BASE}/PlanDefinition/rul|1.0.0"], expect={})

    assert f"did you mean '{BASE}/PlanDefinition/rule'" in result.failures[0]


@pytest.mark.parametrize("forced", [f"{BASE}/PlanDefinition/rule|1.0.0", [1]])
def test_a_version_that_is_no_list_of_canonicals_is_refused(versions, forced):
    with pytest.raises(ContentError, match=r"a list of canonicals, each url\|version"):
        versions(forceArtifactVersion=forced, expect={})


def test_a_canonical_without_a_version_is_refused(versions):
    result = versions(forceArtifactVersion=[f"{BASE}/PlanDefinition/rule"], expect={})

    assert "names no version" in result.failures[0]

"""An expression that fails on the data of one call: the other rules answer, and it is said."""

from __future__ import annotations

import json

import pytest
from contract.clients import client_with
from plans import BASE, EXTENSIONS, condition, plan

QUERY = "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern"
WORKS = plan("works", {"id": "a", "title": "Works", "condition": [condition("%subject.exists()")]})
FAILS = plan(
    "fails",
    {"id": "a", "title": "Fails", "condition": [condition("%subject.name.given.upper() = 'ANN'")]},
    title="Ask about the fall",
)
"""Right for one given name, and no answer for two."""

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"given": ["Ann", "Bo"]}]}


def strategy(*names):
    asked = {
        "id": "patient",
        "type": "Patient",
        "extension": [
            {"url": QUERY, "valueString": "Patient/{{context.patientId}}"},
            {"url": f"{EXTENSIONS}/need", "valueCode": "must"},
        ],
    }
    rules = [{"id": name, "definitionCanonical": f"{BASE}/PlanDefinition/{name}"} for name in names]
    main = {
        "id": "main",
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "input": [asked],
        "groupingBehavior": "logical-group",
        "action": rules,
    }
    return plan("probe", main, publisher="Tests", description="Two rules.")


def asked(tmp_path, names=("works", "fails"), **headers):
    """The answer about a patient with two given names, and the event that was logged."""
    for content in (WORKS, FAILS, strategy(*names)):
        (tmp_path / f"{content['id']}.json").write_text(json.dumps(content), encoding="utf-8")
    client = client_with(PLANS=str(tmp_path), DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3")
    body = {
        "hook": "patient-view",
        "hookInstance": "23f1a303-991f-4118-86c5-11d99a39222e",
        "context": {"userId": "Practitioner/1", "patientId": "p"},
        "prefetch": {"patient": PATIENT},
    }
    answer = client.post("/cds-services/probe", body, headers=headers)
    assert answer.status == 200
    return answer.json["cards"], client.events[-1]


@pytest.mark.requirement("RESP-10", "A2")
def test_the_other_rules_answer_and_a_card_names_the_one_that_failed(tmp_path):
    card, notice = asked(tmp_path)[0]
    assert card["summary"] == "Works"
    assert notice["summary"] == "One recommendation could not be evaluated"
    assert notice["detail"].endswith("- Ask about the fall")
    assert "says nothing about this patient" in notice["detail"]
    assert notice["indicator"] == "info"


@pytest.mark.requirement("RESP-10")
def test_where_every_rule_failed_the_answer_is_not_empty(tmp_path):
    (notice,) = asked(tmp_path, ["fails"])[0]
    assert notice["summary"] == "One recommendation could not be evaluated"


@pytest.mark.requirement("RESP-10")
def test_the_log_counts_what_failed(tmp_path):
    assert asked(tmp_path)[1]["verdicts"]["error"] == 1


@pytest.mark.requirement("RESP-10")
@pytest.mark.parametrize("language", ["de", "nl", "nb"])
def test_it_is_said_in_the_readers_language(tmp_path, language):
    english = asked(tmp_path)[0][-1]
    translated = asked(tmp_path, **{"Accept-Language": language})[0][-1]
    for member in ("summary", "detail"):
        assert translated[member] != english[member]

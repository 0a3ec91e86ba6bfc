"""A plan that knows nothing of this service is published, asked about and answered as any other."""

from __future__ import annotations

import json

import pytest
from contract.clients import client_with
from plans import condition, plan

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}


def told(name, *expressions):
    return {"id": name, "title": name, "condition": [condition(text) for text in expressions]}


FOREIGN = plan(
    "foreign",
    {
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "groupingBehavior": "logical-group",
        "action": [
            told("woman", "gender = 'female'"),
            told("somebody", "%subject.exists() and %patient.exists()"),
            told("nobody", "%subject.exists().not() or %patient.exists().not()"),
            told("no practitioner", "%practitioner.exists().not()"),
        ],
    },
    description="Asks about the patient, and declares no data.",
)


@pytest.fixture
def client(tmp_path):
    (tmp_path / "foreign.json").write_text(json.dumps(FOREIGN), encoding="utf-8")
    return client_with(PLANS=str(tmp_path))


def summaries(client, **prefetch):
    body = {
        "hook": "patient-view",
        "hookInstance": "23f1a303-991f-4118-86c5-11d99a39222e",
        "context": {"userId": "Practitioner/1", "patientId": "p"},
        "prefetch": prefetch,
    }
    return [card["summary"] for card in client.post("/cds-services/foreign", body).json["cards"]]


def test_a_plan_that_declares_no_data_asks_for_its_patient(client):
    (service,) = client.get("/cds-services").json["services"]
    assert service["prefetch"] == {"patient": "Patient/{{context.patientId}}"}


def test_a_condition_about_the_patient_is_judged(client):
    assert summaries(client, patient=PATIENT) == ["woman", "somebody"]


def test_a_patient_that_could_not_be_had_is_not_nobody(client):
    assert summaries(client) == []

"""The log: one JSON line per request, with ids of ours and nothing of the patient."""

from __future__ import annotations

import json

import pytest
from fhir_stub import closed_port

from cds_service.hooks.service import HookService

CANARIES = {
    "patient": "canary-patient",
    "user": "Practitioner/canary-user",
    "name": "canary-name",
    "token": "canary-token",
    "bearer": "canary-jwt",
    "query": "canary-query",
}


def canary_message(message):
    body = message(
        fhirServer="https://canary-server.invalid/fhir",
        fhirAuthorization={"access_token": CANARIES["token"], "patient": CANARIES["patient"]},
    )
    body["context"] |= {"patientId": CANARIES["patient"], "userId": CANARIES["user"]}
    body["prefetch"]["patient"] |= {
        "id": CANARIES["patient"],
        "name": [{"family": CANARIES["name"]}],
    }
    return body


def send(client, address, body):
    return client.open(
        "POST",
        f"{address()}?x={CANARIES['query']}",
        json=body,
        headers={"Authorization": f"Bearer {CANARIES['bearer']}"},
    )


def test_a_call_is_one_event_with_what_operations_need(client, address, message):
    client.post(address(), message())
    (event,) = client.events
    assert event["event"] == "call"
    assert event["level"] == "info"
    assert event["status"] == 200
    assert event["hook_instance"] == message()["hookInstance"]
    assert event["profile"] == "core"
    assert event["service"] in address()
    assert event["cards"] == 0
    assert event["milliseconds"] > 0
    assert event["plan_revision"]
    assert event["recorded"] is True
    assert event["verdicts"]
    assert event["timestamp"].endswith("Z")


def test_a_refused_call_is_one_event_with_its_error_code(client, address, message):
    client.post(address(), message(prefetch={}))
    (event,) = client.events
    assert (event["status"], event["error"]) == (412, "prefetch-unavailable")
    assert "patient" in event["unavailable"]


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("http://127.0.0.1:{closed}/fhir", "nothing listens at its port"),
        ("https://no-such-host.invalid/fhir", "its host name leads to no address"),
    ],
)
def test_why_a_fhir_server_gave_nothing_is_told_once(client, address, message, server, why):
    server = server.format(closed=closed_port())  # here: names of tests are the same in each run
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300}
    client.post(address(), message(fhirServer=server, fhirAuthorization=token, prefetch={}))
    (event,) = client.events
    assert event["fhir_server_failed"] == [f"the FHIR server cannot be reached: {why}"]


def test_preflights_and_probes_are_not_logged(client):
    client.open("OPTIONS", "/cds-services")
    client.get("/health")
    client.get("/ready")
    assert client.events == []


@pytest.mark.requirement("PHI-3", "AUTHZ-11", "SEC-27")
def test_an_answered_call_leaves_no_trace_of_patient_user_or_tokens(client, address, message):
    assert send(client, address, canary_message(message)).status == 200
    assert "canary" not in client.log.getvalue()


@pytest.mark.requirement("PHI-3", "PHI-5")
@pytest.mark.parametrize("spoil", ["prefetch", "hook", "context", "json"])
def test_a_refused_call_leaves_none_either_nor_does_its_answer(client, address, message, spoil):
    body = canary_message(message)
    if spoil == "json":
        answer = client.open(
            "POST", address(), data=json.dumps(body)[:-1], content_type="application/json"
        )
    else:
        body[spoil] = {} if spoil != "hook" else "order-sign"
        answer = send(client, address, body)
    assert answer.status in {400, 412}
    assert b"canary" not in answer.body
    assert "canary" not in client.log.getvalue()


@pytest.mark.requirement("RESP-9", "PHI-5")
@pytest.mark.requirement("H2")
def test_a_bug_is_told_by_its_decision_and_logged_without_its_text(
    client, address, message, monkeypatch
):
    def broken(*_, **__):
        try:
            {}["canary-name"]
        except KeyError as error:
            raise RuntimeError("canary-name was born in 1979") from error

    monkeypatch.setattr(HookService, "call", broken)
    answer = send(client, address, canary_message(message))
    (event,) = client.events
    assert (answer.status, answer.code, event["level"]) == (500, "bug", "error")
    assert event["decision_id"] in answer.text
    assert b"canary" not in answer.body
    assert "canary" not in client.log.getvalue()
    assert event["bug"]["type"] == "RuntimeError"
    assert event["bug"]["cause"]["type"] == "KeyError"
    assert any("cds_hooks.py" in frame for frame in event["bug"]["frames"])


@pytest.mark.requirement("G5")
def test_what_a_client_chose_is_one_short_line(client, address, message):
    client.post(address(), message(hookInstance="a\r\nfake event\x1b[31m" + "x" * 1000))
    (event,) = client.events
    assert len(event["hook_instance"]) == 64
    assert client.log.getvalue().count("\n") == 1
    assert "\x1b" not in client.log.getvalue()

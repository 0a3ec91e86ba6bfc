"""Feedback over HTTP: acknowledged with an empty 200 after it is stored, or refused as a whole."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from contract.clients import client_with

CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"
LOW_BACK_PAIN, RETENTION_OF_URINE = "279039007", "236648008"
ACCEPTED = {
    "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "e56e1945-20b3-4393-8503-a1a20fd73152"}],
    "outcomeTimestamp": "2024-06-01T10:05:31Z",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("feedback") / "cds.sqlite3"


@pytest.fixture(scope="module")
def application(path):
    return client_with(DATABASE_URL=f"sqlite:///{path}")


@pytest.fixture
def own(application, path):
    """An application with a database of this module's own, empty at the start of each test."""
    for table in ("feedback_comment", "feedback", "decision_card", "decision"):
        stored(path, f"delete from {table}")
    application.log.seek(0)
    application.log.truncate()
    return application


def stored(path, query="select count(*) from feedback"):
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.commit()
    connection.close()
    return found


@pytest.mark.requirement("FB-1", "FB-16", "DISC-24")
@pytest.mark.parametrize("profile", ["", "/nl"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_feedback_is_acknowledged_with_an_empty_200(own, path, address, profile, slash):
    answer = own.post(f"{profile}{address()}/feedback{slash}", {"feedback": [ACCEPTED]})
    assert (answer.status, answer.body) == (200, b"")
    assert "Content-Type" not in answer.headers
    assert stored(path) == [(1,)]


@pytest.mark.requirement("FB-13", "FB-21")
def test_a_message_sent_twice_is_stored_once(own, path, address):
    for _ in range(2):
        assert own.post(f"{address()}/feedback", {"feedback": [ACCEPTED]}).status == 200
    assert stored(path) == [(1,)]


@pytest.mark.requirement("FB-17")
def test_one_wrong_entry_refuses_the_message_and_is_named(own, path, address):
    body = {"feedback": [ACCEPTED, {**ACCEPTED, "outcome": "ignored"}]}
    answer = own.post(f"{address()}/feedback", body)
    assert answer.status == 400
    assert answer.text == "feedback[1].outcome: must be 'accepted' or 'overridden'"
    assert stored(path) == [(0,)]


@pytest.mark.requirement("FB-24")
@pytest.mark.parametrize("place", ["/cds-services/nothing", "/xx{}"])
def test_feedback_to_an_unknown_address_is_404(own, address, place):
    answer = own.post(f"{place.format(address())}/feedback", {"feedback": [ACCEPTED]})
    assert answer.status == 404


def with_retention_of_urine(body):
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    problems = [
        {
            "resourceType": "Condition",
            "id": f"c{code}",
            "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
            "clinicalStatus": {"coding": [{"system": CLINICAL_STATUS, "code": "active"}]},
            "onsetDateTime": yesterday,
        }
        for code in (LOW_BACK_PAIN, RETENTION_OF_URINE)
    ]
    body["prefetch"]["conditions"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": problem, "search": {"mode": "match"}} for problem in problems],
    }
    return body


@pytest.mark.requirement("FB-18", "CARD-2", "SUG-3")
def test_a_card_that_was_sent_is_known_and_another_is_not(own, path, address, message, monkeypatch):
    monkeypatch.setattr("cds_service.store._OWN_DECISIONS_WITHIN_S", 30.0)
    body = with_retention_of_urine(message())
    (card, *_) = own.post(address(), body).json["cards"]
    for uuid in (card["uuid"], "123456"):
        own.post(f"{address()}/feedback", {"feedback": [{**ACCEPTED, "card": uuid}]})
    kept = stored(path, "select card, unknown_card from feedback order by unknown_card")
    assert kept == [(card["uuid"], 0), ("123456", 1)]


@pytest.mark.requirement("PHI-4")
def test_a_decision_names_the_rules_that_fired(own, path, address, message):
    cards = own.post(address(), with_retention_of_urine(message())).json["cards"]
    assert own.app.extensions["store"].flush()
    ((verdicts,),) = stored(path, "select rule_verdicts from decision")
    shown = {rule for card in cards for rule in card["extension"]["org.example.lbp"]["rules"]}
    assert set(json.loads(verdicts)["fired"]) == shown


@pytest.mark.requirement("FB-22")
def test_a_comment_is_neither_logged_nor_echoed(own, path, address):
    entry = {
        **ACCEPTED,
        "outcome": "overridden",
        "overrideReason": {"userComment": "canary Jane Doe"},
    }
    own.post(f"{address()}/feedback", {"feedback": [entry]})
    answer = own.post(f"{address()}/feedback", {"feedback": [entry, {"card": "canary", "x": 1}]})
    assert answer.status == 400
    assert b"canary" not in answer.body
    assert "canary" not in own.log.getvalue()
    assert stored(path, "select comment from feedback_comment") == [("canary Jane Doe",)]


@pytest.fixture(scope="module")
def storeless(tmp_path_factory):
    """An application whose database cannot be opened: a file stands where its folder should be."""
    var = tmp_path_factory.mktemp("storeless") / "var"
    var.write_text("in the way")
    return client_with(DATABASE_URL=f"sqlite:///{var}/cds.sqlite3")


@pytest.mark.requirement("FB-24", "DISC-15", "RESP-6")
def test_without_a_store_calls_are_answered_and_feedback_is_refused(storeless, address, message):
    assert storeless.post(address(), message()).status == 200
    refused = storeless.post(f"{address()}/feedback", {"feedback": [ACCEPTED]})
    assert (refused.status, refused.issue["code"]) == (503, "no-store")
    assert int(refused.headers["Retry-After"]) > 0
    assert storeless.get("/ready").status == 503
    assert storeless.get("/health").status == 200


def test_a_lost_decision_is_in_the_log(storeless, address, message):
    storeless.post(address(), message())
    storeless.app.extensions["store"].close(timeout_s=0.1)
    event = storeless.events[-1]
    assert event["event"] == "decisions lost"
    assert event["count"] >= 1


@pytest.mark.requirement("FB-13")
@pytest.mark.requirement("B5")
def test_a_thousand_entries_are_one_message(own, path, address):
    entries = [{**ACCEPTED, "card": str(number)} for number in range(1000)]
    assert own.post(f"{address()}/feedback", {"feedback": entries}).status == 200
    assert stored(path) == [(1000,)]


@pytest.mark.requirement("B5")
def test_awkward_content_is_stored_or_refused(own, address):
    comment = {"userComment": "a\x00b" + "x" * 1_000_000}
    for entry in (
        {**ACCEPTED, "card": "\x00\U0001f600"},
        {**ACCEPTED, "outcome": "overridden", "overrideReason": comment},
    ):
        body = json.dumps({"feedback": [entry]}).encode()
        assert own.post(f"{address()}/feedback", body).status == 200
    lone = b'{"feedback": [{"card": "\\ud800"}]}'
    assert own.post(f"{address()}/feedback", lone).status == 400

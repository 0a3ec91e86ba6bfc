"""Feedback of one tenant on cards of another: taken as on unknown ones, linked to nothing (B6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from client_keys import Token, claims, key, write_tenants
from contract.clients import client_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contract.clients import Answer, Client

AUDIENCE = "https://cds.example.org"
ISSUERS = {"a": "https://a.example.org", "b": "https://b.example.org"}
VIEW = "/cds-services/low-back-pain-patient-view"
FEEDBACK = f"{VIEW}/feedback"
FORMS = (
    "{card}", "{CARD}", " {card}", "urn:uuid:{card}", "{half}", "{card}%00", "' OR 1=1 --", "{new}",
)  # fmt: skip


@pytest.fixture
def app(tmp_path: Path) -> Client:
    write_tenants(tmp_path, AUDIENCE, ISSUERS, key("feedback"))
    return client_with(
        TENANTS=str(tmp_path / "tenants.toml"), DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3"
    )


def post(app: Client, tenant: str, path: str, body: dict[str, Any]) -> Answer:
    bearer = Token(key("feedback"), claims(AUDIENCE + path, ISSUERS[tenant])).text()
    headers = {"Authorization": f"Bearer {bearer}"}
    return app.open(
        "POST", path, data=json.dumps(body), content_type="application/json", headers=headers
    )


def overridden(card: str) -> dict[str, Any]:
    moment = "2026-06-01T12:00:00Z"
    return {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": moment}]}


def ids(card: str) -> list[str]:
    """200 ids: the card's own, look-alikes of it, and any other."""
    return [
        form.format(card=card, CARD=card.upper(), half=card[:18], new=uuid4())
        for form in FORMS
        for _ in range(25)
    ]


@pytest.mark.requirement("B6")
def test_what_another_tenant_says_of_a_card_counts_as_nothing(
    app: Client, message: Callable[..., Any]
) -> None:
    body = message("patient-view")
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "G83.4"}]},
    }
    body["prefetch"]["conditions"] = {"resourceType": "Bundle", "entry": [{"resource": condition}]}
    card = post(app, "a", VIEW, body).json["cards"][0]["uuid"]

    forged = [post(app, "b", FEEDBACK, overridden(name)) for name in ids(card)]

    assert {(answer.status, answer.body) for answer in forged} == {(200, b"")}
    store = app.app.extensions["store"]
    events = list(store.feedback())
    assert {event["tenant"] for event in events} == {"b"}
    assert all(event["unknown_card"] and not event["rules"] for event in events)

    post(app, "a", FEEDBACK, overridden(card))
    assert [event["rules"] for event in store.feedback() if event["tenant"] == "a"] == [["lbpR01"]]

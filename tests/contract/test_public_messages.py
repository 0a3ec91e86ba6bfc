"""Messages from public repositories, good and bad: an answer or a reason, never our fault."""

from __future__ import annotations

import json
from collections import Counter

import pytest

NOBODY = "http://127.0.0.1:9/fhir"
"""Stands in for the FHIR servers that the messages name: tests call nobody outside."""


def read(file):
    body = json.loads(file.read_text(encoding="utf-8"))
    return {**body, "fhirServer": NOBODY} if body.get("fhirServer") else body


@pytest.mark.requirement("REQ-12", "GEN-12")
@pytest.mark.parametrize("tail", ["", "/feedback"])
@pytest.mark.requirement("E1")
def test_hostile_json_is_refused_and_odd_json_is_read(client, address, shared_data, tail):
    files = sorted((shared_data / "json-hostile").glob("*.json"))
    assert len(files) == 318
    wrong = []
    for file in files:
        answer = client.post(address() + tail, file.read_bytes())
        is_invalid = answer.status == 400 and answer.code == "invalid-json"
        if file.name.startswith("n_") and not is_invalid:
            wrong.append(file.name)
        if file.name.startswith("y_") and (is_invalid or answer.status not in {200, 400}):
            wrong.append(file.name)
        if file.name.startswith("i_") and answer.status not in {200, 400}:
            wrong.append(file.name)
    assert wrong == []


@pytest.mark.requirement("VER-1", "VER-9", "REQ-12", "REQ-18", "REQ-20")
@pytest.mark.requirement("E8")
def test_public_requests_get_cards_or_a_reason(client, address, services, shared_data):
    files = sorted((shared_data / "cds-hooks" / "request").glob("*.json"))
    assert len(files) == 104
    seen: Counter[int] = Counter()
    for file in files:
        body = read(file)
        hook = body.get("hook")
        path = address(hook if hook in services else "patient-view")
        answer = client.post(path, body)
        seen[answer.status] += 1
        assert answer.status in {200, 400, 412}, file.name
        assert answer.status == 200 or len(answer.text) > 10, file.name
        context = body.get("context") or {}
        whole = body.get("hookInstance") and {"userId", "patientId"} <= set(context)
        if hook == "patient-view" and whole:
            assert answer.status in {200, 412}, f"{file.name}: {answer.text}"
    assert seen[412] > 0


@pytest.mark.requirement("REQ-12")
def test_each_public_request_survives_the_loss_of_any_member(
    client, address, services, shared_data
):
    """Every member of the envelope and of the context, made null, removed, or of another type."""
    files = sorted((shared_data / "cds-hooks" / "request").glob("*.json"))[::8]
    for file in files:
        body = read(file)
        if body.get("hook") not in services:
            continue
        for part in (body, body.get("context"), body.get("prefetch")):
            for name in list(part or ()):
                kept = part[name]
                for value in (None, 5, "", [], {}, [None], {"resourceType": 5}, True):
                    part[name] = value
                    answer = client.open("POST", address(hook_of(body, services)), json=body)
                    assert answer.status in {200, 400, 412}, (file.name, name, value)
                part[name] = kept


def hook_of(body, services):
    hook = body.get("hook")
    return hook if isinstance(hook, str) and hook in services else "patient-view"

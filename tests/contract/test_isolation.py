"""One patient's call leaves no mark on another's: at once, after errors, on two servers (I)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract.clients import REPOSITORY, client_with
from fhir_stub import FhirStub

REQUESTS = REPOSITORY / "examples" / "requests"
BROKEN = (b"", b"{", b'{"hook": "patient-view"}', b"\xff", b"[" * 1000)
ROUNDS = 3


def calls():
    """Every example request with the address of its service, by file name."""
    for file in sorted(REQUESTS.glob("*.json")):
        body = json.loads(file.read_text(encoding="utf-8"))
        if "hook" in body and "prefetch" in body:
            yield f"/cds-services/low-back-pain-{body['hook']}", file.read_bytes()


def said(answer):
    """Status and cards without what belongs to the one decision."""
    cards = answer.json.get("cards", [])
    for card in cards:
        for item in (card, *card.get("suggestions", ())):
            item.pop("uuid")
        card["extension"]["org.example.lbp"].pop("decision")
    return answer.status, json.dumps(cards, sort_keys=True)


@pytest.mark.slow
@pytest.mark.requirement("I1", "I3")
def test_calls_at_once_and_between_broken_ones_are_answered_as_alone(tmp_path):
    # A thread for each client: on a busy machine those that wait would be turned away.
    client = client_with(DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3", THREADS="8")
    alone = {body: said(client.post(path, body)) for path, body in calls()}
    assert len(set(alone.values())) > 5
    mixed = [*calls(), *((path, body) for path, _ in calls() for body in BROKEN)] * ROUNDS
    random.Random(7).shuffle(mixed)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: client.post(*call), mixed))

    for (_, body), answer in zip(mixed, answers, strict=True):
        assert body in BROKEN or said(answer) == alone[body]
        assert body not in BROKEN or answer.status == 400


@pytest.mark.requirement("I2", "PERF-4")
def test_the_same_ids_on_two_servers_are_two_patients(tmp_path, message, address):
    client = client_with(DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3", OPEN_FHIR_SERVERS="yes")
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    with FhirStub([patient]) as one, FhirStub() as other:
        for server, status in ((one, 200), (other, 412), (one, 200)):
            server.seen.clear()
            answer = client.post(address(), message(fhirServer=server.base, prefetch={}))
            assert (answer.status, bool(server.seen)) == (status, True)


@pytest.mark.slow
@pytest.mark.requirement("F6")
def test_the_order_of_hashes_changes_nothing(tmp_path):
    request = REQUESTS / "patient-view-cauda-equina.json"
    service = "low-back-pain-patient-view"
    found = set()
    for seed in ("1", "2", "3"):
        run = subprocess.run(
            [sys.executable, "-m", "cds_service", "explain", service, str(request)],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),
                "PYTHONHASHSEED": seed,
            },
            cwd=tmp_path,
            capture_output=True,
            check=True,
            timeout=60,
        )
        found.add(run.stdout)
    assert len(found) == 1
    assert found != {b""}

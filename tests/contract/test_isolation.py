"""One patient's call leaves no mark on another's: at once, after errors, on two servers (I)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from contract import interleaved
from contract.clients import REPOSITORY, client_with
from fhir_stub import FhirStub


@pytest.mark.slow
@pytest.mark.requirement("I1", "I3", "F6", "H4")
def test_calls_at_once_and_between_broken_ones_are_answered_as_alone(tmp_path):
    report = interleaved.run(tmp_path, calls=150, patient_count=40, threads=8)
    assert report.kinds > 15
    assert report.is_clean, report


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
    request = interleaved.REQUESTS / "patient-view-cauda-equina.json"
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

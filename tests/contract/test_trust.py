"""The service with tenants as it is started: several processes, beyond loopback."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from client_keys import Token, claims, key, write_tenants
from contract.clients import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.clients import Server

ISSUER = "https://ehr.example.org/fhir"
AUDIENCE = "https://cds.example.org"
VIEW = "/cds-services/low-back-pain-patient-view"


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("trusting")
    tenants = write_tenants(folder, AUDIENCE, {"hospital": ISSUER}, key())
    yield from serving(folder, TENANTS=str(tenants), HOST="0.0.0.0", WORKERS="4")


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {Token(key(), claims(AUDIENCE + VIEW, ISSUER)).text()}"}


@pytest.mark.requirement("C10", "J3")
def test_it_says_who_may_call(trusting: Server) -> None:
    said = "\n".join(trusting.said)

    assert "callers\n  hospital: issuers: https://ehr.example.org/fhir;" in said
    assert "keys: 1 static" in said
    assert trusting.open("GET", "/ready").json["callers"] == "verified"


@pytest.mark.requirement("J3", "H3")
def test_ready_names_no_tenant(trusting: Server) -> None:
    assert b"hospital" not in trusting.open("GET", "/ready").body


@pytest.mark.requirement("SEC-3", "SEC-5")
def test_a_call_needs_a_token(trusting: Server) -> None:
    assert trusting.open("POST", VIEW, json={}).status == 401
    assert trusting.open("POST", VIEW, json={}, headers=bearer()).status == 400


@pytest.mark.requirement("C8", "SEC-35")
def test_of_many_uses_of_a_token_over_four_processes_one_counts(trusting: Server) -> None:
    headers = bearer()

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: trusting.insist("POST", VIEW, json={}, headers=headers).status, range(50)
            )
        )

    assert Counter(answers) == {400: 1, 401: 49}


def test_without_tenants_it_says_that_nobody_is_verified(server: Server) -> None:
    assert "callers\n  not verified; loopback only" in "\n".join(server.said)
    assert server.open("GET", "/ready").json["callers"] == "not verified"

"""Every combination of what is prefetched, of the FHIR server, of the token and of the need.

Real sockets: the FHIR server of `fhir_stub` in each of its moods. What must come of it is in
`prefetch_table`, written from the decision table of the requirements (4.3) and not from the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract import prefetch_table, probe_guideline
from contract.clients import client_with
from contract.prefetch_moods import (
    DEADLINE_S,
    NEVER_DONE,
    SERVERS,
    VALUES,
    finding,
    request_of,
    set_mood,
)
from fhir_stub import FhirStub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contract.clients import Client


PATIENT_S = "30"  # for servers that answer: a busy machine is no late server


@pytest.fixture(scope="module")
def probes(tmp_path_factory) -> dict[tuple[str, str], Client]:
    """A service for each deadline, and for whether open FHIR servers are read."""
    return {
        (deadline, is_open): probing(tmp_path_factory.mktemp("probe"), deadline, is_open)
        for deadline in (DEADLINE_S, PATIENT_S)
        for is_open in ("no", "yes")
    }


def probing(folder: Path, deadline: str, are_open_servers_read: str) -> Client:
    return client_with(
        PLANS=str(probe_guideline.write(folder)),
        DATABASE_URL=f"sqlite:///{folder / 'cds.sqlite3'}",
        DEADLINE_S=deadline,
        OPEN_FHIR_SERVERS=are_open_servers_read,
    )


@pytest.fixture(scope="module")
def stub() -> Iterator[FhirStub]:
    with FhirStub([finding(1), finding(2)], page_size=1) as running:
        yield running


@pytest.mark.requirement(
    *("PF-3", "PF-4", "PF-5", "PF-6", "PF-7", "PF-8", "PF-9", "PF-10", "PF-11", "PF-12", "PF-13"),
    *("PF-15", "PF-17", "PF-18", "RESP-5", "REQ-21", "AUTHZ-12", "AUTHZ-16", "AUTHZ-17", "AMB-1"),
    *("VER-2", "VER-3", "VER-4", "A1", "A2", "A3", "E9"),
)
@pytest.mark.parametrize("token", prefetch_table.MAY_ASK)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("is_required", [True, False], ids=["required", "optional"])
def test_a_call_knows_what_the_decision_table_says(probes, stub, is_required, value, server, token):
    set_mood(stub, server)
    deadline = DEADLINE_S if server in NEVER_DONE else PATIENT_S
    is_open = "yes" if token == "no token, open servers allowed" else "no"
    client = probes[deadline, is_open]
    hook = "patient-view" if is_required else "encounter-start"
    name = "probe-required" if is_required else "probe-optional"
    message = request_of(value, server, token, stub, hook)

    answer = client.post(f"/cds-services/{name}", message)

    known = prefetch_table.knowledge(value, server, token)
    assert answer.status == prefetch_table.status(known, is_required=is_required)
    if answer.status == 200:
        assert [card["summary"] for card in answer.json["cards"]] == [known]
    else:
        assert "'items'" in answer.text
    if not prefetch_table.is_asked(value, server, token):
        assert stub.seen == []
    assert len(stub.seen) <= 2, "a failed read is asked once more at most"

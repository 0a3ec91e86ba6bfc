"""The access token of a call is nowhere in the process after the answer (D8)."""

from __future__ import annotations

import gc
import secrets
import threading
from http.client import HTTPMessage

import pytest
from contract.clients import client_with
from fhir_stub import FhirStub


def holders(needle):
    """The texts, other than the needle itself, in which it stands, of everything reachable.

    The collector does not list a dict or tuple that holds nothing but texts: such are walked too.
    """
    gc.collect()
    pending, found = gc.get_objects(), []
    while pending:
        for item in gc.get_referents(pending.pop()):
            if isinstance(item, dict | tuple) and not gc.is_tracked(item):
                pending.append(item)
            elif (isinstance(item, str) and needle in item and item is not needle) or (
                isinstance(item, bytes | bytearray) and needle.encode() in item
            ):
                found.append(type(item))
    return found


def wait_for_readers():
    """A thread that has handed over what it read may be about to end with it still in hand."""
    for thread in threading.enumerate():
        if thread.name.startswith("fhir-read"):
            thread.join(30)


def forget_what_the_stub_received():
    """The headers of requests that its open connections still hold; no client keeps such."""
    for item in gc.get_objects():
        if isinstance(item, HTTPMessage):
            del item["Authorization"]


@pytest.mark.slow
@pytest.mark.requirement("D8", "AUTHZ-11", "PERF-4")
def test_nothing_holds_the_token_after_the_answer(tmp_path, message, address):
    client = client_with(DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3", OPEN_FHIR_SERVERS="yes")
    token = secrets.token_hex(16)
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    with FhirStub([patient]) as stub:
        body = message(fhirServer=stub.base, prefetch={})
        body["fhirAuthorization"] = {"access_token": f"{token}.x", "token_type": "Bearer"}
        answer = client.post(address(), body)
        assert (answer.status, len(stub.seen) > 0) == (200, True)
        assert holders(token), "the body of this test still has it: the search works"
        body.clear()
        stub.seen.clear()
        forget_what_the_stub_received()
    wait_for_readers()
    del answer, body

    assert holders(token) == []

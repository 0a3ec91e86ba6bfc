"""The example clients do what they say against a running service; the collection has it all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from console import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path
from uuid import uuid4

EXAMPLES = REPOSITORY / "examples"
REQUEST = EXAMPLES / "requests" / "patient-view-cauda-equina.json"
CAUDA_EQUINA = "Possible cauda equina syndrome: same-day emergency assessment needed."
CLIENTS = {
    "cards.sh": ["bash"],
    "cards.py": [sys.executable],
    "cards.mjs": ["node"],
}


def run(client: str, request: Path, base: str) -> subprocess.CompletedProcess[str]:
    program = CLIENTS[client]
    if shutil.which(program[0]) is None:
        pytest.skip(f"there is no {program[0]} on this machine")
    command = [*program, str(EXAMPLES / "clients" / client), str(request), base]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def call(tmp_path) -> Path:
    """The call of a user whom the service has never seen: an overridden card is quiet for one."""
    message = json.loads(REQUEST.read_text())
    message["context"]["userId"] = f"Practitioner/{uuid4()}"
    (tmp_path / "call.json").write_text(json.dumps(message, indent=2))
    return tmp_path / "call.json"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_prints_the_cards_of_a_call(client, server, call):
    said = run(client, call, server.url)

    assert said.returncode == 0, said.stderr
    assert CAUDA_EQUINA in said.stdout


@pytest.mark.parametrize("client", ["cards.py", "cards.mjs"])
def test_a_client_sends_feedback_on_the_first_card(client, server, call):
    said = run(client, call, server.url)

    assert said.stdout.strip().split("\n")[-1].startswith("overridden: ")


@pytest.mark.parametrize("client", ["cards.py", "cards.mjs"])
def test_a_client_says_why_a_call_was_refused(client, server, call):
    message = json.loads(call.read_text())
    del message["context"]["patientId"]
    call.write_text(json.dumps(message))

    said = run(client, call, server.url)

    assert said.returncode == 1
    assert "400: context.patientId" in said.stderr


def test_the_collection_has_a_call_for_every_hook_and_profile():
    collection = json.loads((EXAMPLES / "collection.json").read_text())
    (hooks,) = (folder["item"] for folder in collection["item"] if folder["name"] == "CDS Hooks")
    paths = {"/".join(item["request"]["url"]["path"]) for item in hooks}
    services = {
        f"low-back-pain-{hook}"
        for hook in ("patient-view", "order-select", "order-sign", "encounter-start")
    }

    assert {f"cds-services/{name}" for name in services} <= paths
    assert {
        f"{profile}/cds-services/{name}"
        for profile in ("core", "nl", "de", "no")
        for name in services
    } <= paths

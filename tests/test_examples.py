"""The example clients do what they say against a running service; the collection has it all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
from click.testing import CliRunner
from conformance import small_service
from console import REPOSITORY
from fhir_stub import closed_port

from cds_service.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contract.clients import Answer, Client

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
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


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

    assert said.stdout.strip().split("\n")[-1] == "accepted: Refer to emergency care now"


@pytest.mark.parametrize("client", ["cards.py", "cards.mjs"])
def test_a_client_can_do_without_suggestions_and_reasons(client, call, monkeypatch):
    for member in ("suggestions", "selectionBehavior", "overrideReasons"):
        monkeypatch.delitem(small_service.CARD, member)

    with small_service.SmallService() as base:
        said = run(client, call, base)

    assert said.stdout.splitlines()[-1] == "overridden: the card asks for no reason", said.stderr


@pytest.mark.parametrize("client", ["cards.py", "cards.mjs"])
def test_a_client_that_is_run_twice_prints_the_card_again(client, server, call):
    run(client, call, server.url)

    assert CAUDA_EQUINA in run(client, call, server.url).stdout


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_says_that_no_service_answers(client, call):
    said = run(client, call, f"http://127.0.0.1:{closed_port()}")

    assert said.returncode != 0
    assert "Traceback" not in said.stderr
    assert re.search("no answer|connect", said.stderr)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_says_why_a_call_was_refused(client, server, call):
    message = json.loads(call.read_text())
    del message["context"]["patientId"]
    call.write_text(json.dumps(message))

    said = run(client, call, server.url)

    assert said.returncode == 1
    assert "context.patientId: required" in said.stderr


DAYS = {2: "2024-06-01", 3: "2026-06-01"}
"""By the column of the table: its day, or for "today" any one long after."""


def table() -> list[tuple[str, int, str, set[str]]]:
    """Of each file, column and profile that the table tells: the rules it says speak then."""
    found = []
    for line in (EXAMPLES / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) != 4 or not cells[0].startswith("`") or "-" not in cells[0]:
            continue
        for column in DAYS:
            cell = cells[2] if cells[column] == "same" else cells[column]
            for clause in cell.split(";"):
                profile = re.search("`(nl|de|no)`", clause)
                rules = set(re.findall(r"R\d\d", clause))
                found.append(
                    (cells[0].strip("`"), column, profile[1] if profile else "core", rules)
                )
    return found


@pytest.mark.parametrize(
    ("name", "column", "profile", "rules"),
    [row for row in table() if "missing-prefetch" not in row[0]],
)
def test_the_table_of_the_examples_says_which_rules_speak(name, column, profile, rules):
    hook = re.match(r"patient-view|order-sign|order-select|encounter-start", name)[0]
    request = str(EXAMPLES / "requests" / name)
    day = ["--now", DAYS[column], "--profile", profile]

    said = CliRunner().invoke(main, ["call", f"low-back-pain-{hook}", request, *day])

    cards = json.loads(said.stdout)["cards"]
    spoke = {rule for card in cards for rule in card["extension"]["org.example.lbp"]["rules"]}
    assert {rule.removeprefix("lbp") for rule in spoke} == rules


def requests_of(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The requests of a collection or of one of its folders, each with its name."""
    for each in item["item"]:
        if "item" in each:
            yield from requests_of(each)
        else:
            yield each


def sent(client: Client, request: dict[str, Any]) -> Answer:
    """What comes back when the request is sent as Bruno or Postman do it."""
    body = request.get("body", {"mode": "raw", "raw": ""})
    pairs = {pair["key"]: pair["value"] for pair in body.get("urlencoded", ())}
    return client.open(
        request["method"],
        request["url"]["raw"].removeprefix("{{base}}"),
        data=pairs if body["mode"] == "urlencoded" else body["raw"],
        headers={header["key"]: header["value"] for header in request["header"]},
    )


def test_every_request_of_the_collection_is_answered(client):
    """All but the call that leaves its data to a FHIR server: there is none here."""
    collection = json.loads((EXAMPLES / "collection.json").read_text())

    refused = {
        each["name"]: answer.status
        for each in requests_of(collection)
        if (answer := sent(client, each["request"])).status != 200
    }

    assert set(refused.values()) == {412}
    assert all("missing-prefetch" in name for name in refused)


def test_the_parts_of_an_address_in_the_collection_are_the_address():
    collection = json.loads((EXAMPLES / "collection.json").read_text())

    for each in requests_of(collection):
        url = each["request"]["url"]
        asked = "&".join(f"{pair['key']}={pair['value']}" for pair in url.get("query", ()))
        whole = "/".join([*url["host"], *url["path"]]) + (f"?{asked}" if asked else "")
        assert whole == unquote(url["raw"])


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

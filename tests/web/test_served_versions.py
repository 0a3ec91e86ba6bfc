"""Two versions of a plan over HTTP: which one is shown, which is tried, and both to be read."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from contract.clients import client_with
from plans import BASE, EXTENSIONS, plan

from cds_service.cli import main

RULE = f"{BASE}/PlanDefinition/rule"
CODE = {"coding": [{"system": f"{BASE}/CodeSystem/rules", "code": "rule"}]}
REQUEST = {
    "hook": "patient-view",
    "hookInstance": "4a1b7c9e-0000-4000-8000-000000000001",
    "context": {"userId": "Practitioner/1", "patientId": "p"},
}


def rule(version, status):
    card = {"id": "card", "title": f"Says {version}", "code": [CODE]}
    return plan("rule", card, id=f"rule-{version}", version=version, status=status)


def strategy(*named):
    root = {"id": "root", "groupingBehavior": "logical-group", "action": list(named)}
    root["trigger"] = [{"type": "named-event", "name": "patient-view"}]
    return plan("trial", root, description="D")


SHOWN = {"id": "R", "definitionCanonical": f"{RULE}|1.0.0"}
TRIED = {
    "id": "R-next",
    "extension": [{"url": f"{EXTENSIONS}/shadow", "valueBoolean": True}],
    "definitionCanonical": f"{RULE}|2.0.0",
}


@pytest.fixture
def database(tmp_path):
    return f"sqlite:///{tmp_path}/cds.sqlite3"


@pytest.fixture
def client(tmp_path, database):
    """The service with version 1.0.0 shown and the draft 2.0.0 in shadow."""
    folder = tmp_path / "guideline"
    folder.mkdir()
    for resource in (strategy(SHOWN, TRIED), rule("1.0.0", "active"), rule("2.0.0", "draft")):
        (folder / f"{resource['id']}.json").write_text(json.dumps(resource))
    made = client_with(PLANS=str(folder), DATABASE_URL=database)
    yield made
    made.app.extensions["store"].close()


def test_the_old_version_is_shown_while_the_new_one_is_tried(client):
    answer = client.post("/cds-services/trial", REQUEST)

    assert [card["summary"] for card in answer.json["cards"]] == ["Says 1.0.0"]


def test_the_decision_record_tells_the_two_versions_apart(client, database, monkeypatch):
    client.post("/cds-services/trial", REQUEST)
    client.app.extensions["store"].close()

    monkeypatch.setenv("CDS_DATABASE_URL", database)
    (line,) = CliRunner().invoke(main, ["decisions", "export"]).stdout.splitlines()

    tried = {tuple(card["plans"]): bool(card["is_shadow"]) for card in json.loads(line)["cards"]}
    assert tried == {(f"{RULE}|1.0.0",): False, (f"{RULE}|2.0.0",): True}


def fhir(client, path):
    return client.app.test_client().get(f"/fhir{path}")


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_each_version_can_be_read(client, version):
    assert fhir(client, f"/PlanDefinition/rule-{version}").json["version"] == version


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"url={RULE}", ["1.0.0", "2.0.0"]),
        (f"url={RULE}|2.0.0", ["2.0.0"]),
        (f"url={RULE}&version=1.0.0", ["1.0.0"]),
        (f"url={RULE}|3.0.0", []),
    ],
)
def test_a_search_by_url_finds_every_version_that_it_names(client, query, found):
    answer = fhir(client, f"/PlanDefinition?{query}").json

    assert [entry["resource"]["version"] for entry in answer.get("entry", [])] == found


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        (f"url={RULE}", "1.0.0"),
        (f"url={RULE}|2.0.0", "2.0.0"),
        (f"url={RULE}&version=2.0.0", "2.0.0"),
    ],
)
def test_apply_takes_the_version_that_is_named(client, asked, version):
    answer = fhir(client, f"/PlanDefinition/$apply?{asked}&subject=Patient/p").json

    group = answer["entry"][0]["resource"]
    assert group["instantiatesCanonical"] == [f"{RULE}|{version}"]


def test_apply_by_id_takes_that_file(client):
    answer = fhir(client, "/PlanDefinition/rule-2.0.0/$apply?subject=Patient/p").json

    assert answer["entry"][0]["resource"]["instantiatesCanonical"] == [f"{RULE}|2.0.0"]


def test_apply_of_a_version_that_is_not_loaded_names_those_that_are(client):
    answer = fhir(client, f"/PlanDefinition/$apply?url={RULE}|3.0.0&subject=Patient/p")

    assert answer.status_code == 404
    assert f"{RULE}|2.0.0 (draft)" in answer.json["issue"][0]["diagnostics"]

"""The workbench and the commands show which versions there are, and which one runs."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from contract.clients import client_with
from plans import BASE, plan

from cds_service.cli import main

HERE = {"base_url": "http://127.0.0.1:8080"}
RULE = f"{BASE}/PlanDefinition/rule"
REQUEST = {
    "hook": "patient-view",
    "hookInstance": "4a1b7c9e-0000-4000-8000-000000000001",
    "context": {"userId": "Practitioner/1", "patientId": "p"},
}


def rule(version, status):
    card = {"id": "card", "title": f"Says {version}"}
    return plan("rule", card, id=f"rule-{version}", version=version, status=status)


def strategy(version, status, *named):
    below = [{"id": f"a{n}", "definitionCanonical": name} for n, name in enumerate(named)]
    root = {"id": "root", "groupingBehavior": "logical-group", "action": below}
    root["trigger"] = [{"type": "named-event", "name": "patient-view"}]
    about = {"id": f"trial-{version}", "version": version, "status": status, "description": "D"}
    return plan("trial", root, **about)


@pytest.fixture
def folder(tmp_path):
    """Two versions of a rule and of its strategy, the older ones active."""
    folder = tmp_path / "guideline" / "rules"
    folder.mkdir(parents=True)
    for resource in (
        rule("1.0.0", "active"),
        rule("2.0.0", "draft"),
        strategy("1.0.0", "active", f"{RULE}|1.0.0"),
        strategy("2.0.0", "draft", f"{RULE}|2.0.0"),
    ):
        (folder / f"{resource['id']}.json").write_text(json.dumps(resource))
    return folder.parent


@pytest.fixture
def bench(folder, tmp_path):
    database = f"sqlite:///{tmp_path}/cds.sqlite3"
    client = client_with(PLANS=str(folder), DATABASE_URL=database, WORKBENCH="yes")
    yield client.app.test_client()
    client.app.extensions["store"].close()


def words(bench, path):
    """The page as text, without its tags."""
    page = re.sub(r"<[^>]+>", " ", bench.get(f"/workbench{path}", **HERE).text)
    return " ".join(page.split())


def test_the_page_of_a_plan_lists_its_versions_and_tells_which_one_runs(bench):
    page = words(bench, "/guidelines/rule-2.0.0")

    assert "2.0.0 · draft 1.0.0 · active · runs where no version is named" in page


def test_the_list_tells_the_versions_of_a_plan_apart(bench):
    page = words(bench, "/guidelines")

    assert "rule-1.0.0 1.0.0 · active" in page
    assert "rule-2.0.0 2.0.0 · draft" in page


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ("trial", "Says 1.0.0"),
        (f"{BASE}/PlanDefinition/trial", "Says 1.0.0"),
        (f"{BASE}/PlanDefinition/trial|2.0.0", "Says 2.0.0"),
    ],
)
def test_explain_takes_a_version_of_a_strategy(folder, tmp_path, service, says):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST))

    done = CliRunner().invoke(main, ["explain", service, str(request), "--plans", str(folder)])

    assert done.exit_code == 0, done.output
    assert says in done.stdout


def test_explain_of_a_rule_that_no_hook_triggers_says_so(folder, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST))

    done = CliRunner().invoke(main, ["explain", RULE, str(request), "--plans", str(folder)])

    assert "is no strategy" in done.output


def test_apply_takes_a_version(folder, tmp_path):
    chart = tmp_path / "chart.json"
    patient = {"resourceType": "Patient", "id": "p"}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    chart.write_text(json.dumps(bundle))
    asked = ["--subject", "Patient/p", "--data", str(chart), "--plans", str(folder)]

    done = CliRunner().invoke(main, ["apply", f"{RULE}|2.0.0", *asked])

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["entry"][0]["resource"]["instantiatesCanonical"] == [
        f"{RULE}|2.0.0"
    ]


def test_diff_compares_two_versions(folder):
    done = CliRunner().invoke(main, ["diff", f"{RULE}|1.0.0", f"{RULE}|2.0.0", "--in", str(folder)])

    assert "Says 2.0.0" in done.output
    assert done.output.rstrip().endswith("1 resource changed")


def test_diff_of_a_version_that_is_not_there_names_those_that_are(folder):
    done = CliRunner().invoke(main, ["diff", f"{RULE}|1.0.0", f"{RULE}|3.0.0", "--in", str(folder)])

    assert f"{RULE}|2.0.0 (draft)" in done.output

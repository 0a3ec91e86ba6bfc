"""Shadow over HTTP: what the guideline only tries is judged and logged, and nobody is shown it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from contract.clients import client_with
from plans import BASE, EXTENSIONS, apply_first, compile_all, condition, plan

from cds_service.cli import main
from cds_service.engine.outcome import Verdict
from cds_service.errors import ContentErrors

SHADOW = {"url": f"{EXTENSIONS}/shadow", "valueBoolean": True}
REQUEST = {
    "hook": "patient-view",
    "hookInstance": "4a1b7c9e-0000-4000-8000-000000000001",
    "context": {"userId": "Practitioner/1", "patientId": "p"},
}


def card(rule, **members):
    """An action that always has something to say."""
    code = [{"coding": [{"system": f"{BASE}/CodeSystem/rules", "code": rule}]}]
    return {"id": rule, "title": f"{rule} speaks", "code": code, **members}


def tried(rule, **members):
    return card(rule, extension=[SHADOW], **members)


def strategy(*actions, **members):
    trigger = [{"type": "named-event", "name": "patient-view"}]
    root = {"id": "root", "groupingBehavior": "logical-group", "trigger": trigger, **members}
    return plan("trial", {**root, "action": list(actions)}, description="D")


@pytest.fixture
def database(tmp_path):
    return f"sqlite:///{tmp_path}/cds.sqlite3"


@pytest.fixture
def ask(tmp_path, database):
    """Serves a guideline of these actions, calls it, and closes its store; the call's cards."""

    def call(*actions):
        folder = tmp_path / "guideline"
        folder.mkdir()
        (folder / "PlanDefinition.json").write_text(json.dumps(strategy(*actions)))
        client = client_with(PLANS=str(folder), DATABASE_URL=database)
        answer = client.post("/cds-services/trial", REQUEST)
        call.client = client
        call.metrics = client.app.test_client().get("/metrics").get_data(as_text=True)
        client.app.extensions["store"].close()
        return answer.json["cards"]

    return call


def told(monkeypatch, database, *arguments):
    """What a command of the store prints."""
    monkeypatch.setenv("CDS_DATABASE_URL", database)
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_card_in_shadow_is_not_sent(ask):
    assert [item["summary"] for item in ask(card("R1"), tried("R2"))] == ["R1 speaks"]


def test_an_expression_that_fails_in_shadow_makes_no_card(ask):
    failing = tried("R2", condition=[condition("(1 | 2) > 0")])

    assert [item["summary"] for item in ask(card("R1"), failing)] == ["R1 speaks"]


def test_a_card_in_shadow_is_in_the_decision_record(ask, database, monkeypatch):
    ask(card("R1"), tried("R2"))

    (decision,) = map(json.loads, told(monkeypatch, database, "decisions", "export").splitlines())

    assert {tuple(item["rules"]): bool(item["is_shadow"]) for item in decision["cards"]} == {
        ("R1",): False,
        ("R2",): True,
    }


def test_the_report_counts_what_is_tried(ask, database, monkeypatch):
    ask(tried("R2"))

    report = told(monkeypatch, database, "feedback", "report", "--format", "csv")

    (line,) = report.splitlines()[1:]
    assert line.startswith("R2,")
    assert line.endswith(",shadow,-,1")


def test_the_log_names_the_rules_in_shadow(ask):
    ask(card("R1"), tried("R2"))

    (event,) = [item for item in ask.client.events if "shadow" in item]
    assert (event["rules"], event["shadow"]) == (["R1"], ["R2"])


def test_the_metrics_count_the_verdict(ask):
    ask(tried("R2"))

    assert 'cds_verdicts_total{service="trial",verdict="shadow"} 1.0' in ask.metrics


def test_all_below_an_action_in_shadow_is_in_shadow():
    inner = plan("inner", {"id": "card", "title": "Do"})
    outer = plan("outer", {"id": "try", "extension": [SHADOW], "definitionCanonical": inner["url"]})

    assert {item.verdict for item in apply_first(outer, inner).walk()} == {Verdict.SHADOW}


def test_what_does_not_apply_keeps_its_verdict_in_shadow():
    silent = tried("R2", condition=[condition("false")])

    (found,) = apply_first(plan("p", silent)).walk()

    assert found.verdict is Verdict.NOT_MET


def test_an_alternative_in_shadow_does_not_take_the_place_of_the_next():
    behavior = "http://hl7.org/fhir/StructureDefinition/cqf-applicabilityBehavior"
    group = {
        "id": "first",
        "groupingBehavior": "logical-group",
        "extension": [{"url": behavior, "valueCode": "any"}],
        "action": [tried("R1"), card("R2"), card("R3")],
    }

    (found,) = apply_first(plan("p", group)).actions

    assert [item.verdict for item in found.children] == [
        Verdict.SHADOW,
        Verdict.FIRED,
        Verdict.NOT_MET,
    ]


def test_a_shadow_without_a_boolean_is_a_problem():
    wrong = card("R1", extension=[{"url": f"{EXTENSIONS}/shadow", "valueString": "true"}])

    with pytest.raises(ContentErrors) as raised:
        compile_all(plan("p", wrong))

    assert [item.code for item in raised.value.problems] == ["shadow"]

"""Quieting over HTTP: what a user overrode stays away as the rules say, and from nobody else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy
from click.testing import CliRunner
from contract.clients import client_with

from cds_service.cli import main

CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"
OVERRIDE = "https://lbp.example.org/fhir/CodeSystem/lbp-override"
LOW_BACK_PAIN, RETENTION_OF_URINE, FEVER = "279039007", "236648008", "386661006"
SCREENING, CAUDA_EQUINA, SPINAL_INFECTION = "lbpR34", "lbpR01", "lbpR06"
NOW = datetime.now(UTC)


def days_ago(days):
    return NOW - timedelta(days=days)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory):
    """The URL of one database for this module, of both kinds one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('quieting')}/cds.sqlite3"
    return request.getfixturevalue("postgresql_database")()


@pytest.fixture(scope="module")
def application(database):
    """The service, which gives its database time: a busy machine is no late database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cds_service.hooks.service.RECALL_WITHIN_S", 30.0)
        patch.setattr("cds_service.store._OWN_DECISIONS_WITHIN_S", 30.0)
        opened = client_with(DATABASE_URL=database)
        yield opened
        opened.app.extensions["store"].close()


_numbers = count(1)


@pytest.fixture
def patient():
    """A patient of each test's own, because the database is the module's."""
    return f"patient-{next(_numbers)}"


@pytest.fixture
def chart(message, patient):
    """Makes a request for a chart: back pain since 60 days, if not said otherwise."""

    def make(*, hook="patient-view", since=60, more=(), dated=True, **context):
        context = {"patientId": patient, **context}
        begun = {"onsetDateTime": days_ago(since).date().isoformat()} if dated else {}
        problems = [
            {
                "resourceType": "Condition",
                "id": f"c{code}",
                "subject": {"reference": f"Patient/{context['patientId']}"},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
                "clinicalStatus": {"coding": [{"system": CLINICAL_STATUS, "code": "active"}]},
                **(begun if code == LOW_BACK_PAIN else {}),
            }
            for code in (LOW_BACK_PAIN, *more)
        ]
        body = message(hook)
        body["context"] |= context
        body["prefetch"]["patient"] = {
            **body["prefetch"]["patient"],
            "id": body["context"]["patientId"],
        }
        body["prefetch"]["conditions"] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": problem, "search": {"mode": "match"}} for problem in problems],
        }
        return body

    return make


@pytest.fixture
def send(application, address):
    """Posts a request; gives the cards by rule."""

    def sending(body, profile=""):
        answer = application.post(f"{profile}{address(body['hook'])}", body)
        assert answer.status == 200
        return {
            rule: card
            for card in answer.json["cards"]
            for rule in card["extension"]["org.example.lbp"]["rules"]
        }

    return sending


@pytest.fixture
def override(application, address):
    """Overrides a card, for a reason or with a comment, at a time."""

    def overriding(card, code="OR-ELSE", *, at=NOW, comment=None, outcome="overridden"):
        reason = {"reason": {"code": code, "system": OVERRIDE}} if code else {}
        reason |= {"userComment": comment} if comment else {}
        item = {"card": card["uuid"], "outcome": outcome, "outcomeTimestamp": at.isoformat()}
        if outcome == "accepted":
            item["acceptedSuggestions"] = [{"id": card["suggestions"][0]["uuid"]}]
        elif reason:
            item["overrideReason"] = reason
        assert application.post(f"{address()}/feedback", {"feedback": [item]}).status == 200

    return overriding


@pytest.mark.parametrize("code", ["OR-ELSE", "OR-LATER", "NOT-OURS"])
def test_an_overridden_rule_is_quiet_in_the_next_call(send, chart, override, code):
    override(send(chart())[SCREENING], code)
    assert SCREENING not in send(chart())


def test_another_rule_is_still_shown(send, chart, override):
    shown = send(chart())
    override(shown[SCREENING])
    assert set(send(chart())) == set(shown) - {SCREENING}


def test_an_override_in_words_only_counts(send, chart, override):
    override(send(chart())[SCREENING], code=None, comment="was done on Monday")
    assert SCREENING not in send(chart())


def test_a_card_that_was_closed_without_a_reason_comes_again(send, chart, override):
    override(send(chart())[SCREENING], code=None)
    assert SCREENING in send(chart())


def test_a_card_that_was_accepted_comes_again(send, chart, override):
    override(send(chart())[SCREENING], outcome="accepted")
    assert SCREENING in send(chart())


def test_another_user_sees_the_card(send, chart, override):
    override(send(chart())[SCREENING])
    assert SCREENING in send(chart(userId="Practitioner/2"))


def test_the_card_of_another_patient_is_shown(send, chart, override, patient):
    override(send(chart())[SCREENING])
    assert SCREENING in send(chart(patientId=f"{patient}-2"))


def test_the_same_ids_on_another_fhir_server_are_somebody_else(send, chart, override):
    override(send(chart())[SCREENING])
    assert SCREENING in send(chart() | {"fhirServer": "https://other.example.org/fhir"})


def test_another_service_and_profile_know_of_it(send, chart, override):
    assert SCREENING in send(chart(hook="encounter-start"), profile="/nl")
    override(send(chart())[SCREENING])
    assert SCREENING not in send(chart(hook="encounter-start"), profile="/nl")


@pytest.mark.parametrize(("days", "is_quiet"), [(27, True), (28, False)])
def test_a_reminder_comes_on_the_28th_day(send, chart, override, days, is_quiet):
    override(send(chart())[SCREENING], "OR-LATER", at=days_ago(days))
    assert (SCREENING not in send(chart())) is is_quiet


def test_another_reason_lasts_as_long_as_the_complaint(send, chart, override):
    override(send(chart())[SCREENING], at=days_ago(59))
    assert SCREENING not in send(chart())


@pytest.mark.parametrize("code", ["OR-ELSE", "OR-LATER"])
def test_a_new_complaint_ends_it(send, chart, override, code):
    override(send(chart(since=60))[SCREENING], code, at=days_ago(25))
    assert SCREENING in send(chart(since=24))


@pytest.mark.parametrize(("code", "is_quiet"), [("OR-ELSE", False), ("OR-LATER", True)])
def test_with_an_undated_complaint_only_a_reminder_is_kept(send, chart, override, code, is_quiet):
    shown = send(chart(dated=False))
    rule = next(rule for rule, card in shown.items() if card["indicator"] == "info")
    override(shown[rule], code)
    assert (rule not in send(chart(dated=False))) is is_quiet


@pytest.mark.parametrize(
    ("finding", "rule"), [(RETENTION_OF_URINE, CAUDA_EQUINA), (FEVER, SPINAL_INFECTION)]
)
@pytest.mark.parametrize("code", ["OR-ELSE", "OR-LATER"])
@pytest.mark.parametrize(("encounter", "is_quiet"), [("e1", True), ("e2", False), (None, False)])
def test_an_urgent_card_is_quiet_in_its_encounter_only(
    send, chart, override, finding, rule, code, encounter, is_quiet
):
    here = {"more": [finding], "encounterId": "e1"}
    override(send(chart(**here))[rule], code)
    there = {"more": [finding], **({"encounterId": encounter} if encounter else {})}
    assert (rule not in send(chart(**there))) is is_quiet


def test_an_urgent_card_without_an_encounter_is_never_quiet(send, chart, override):
    override(send(chart(more=[RETENTION_OF_URINE]))[CAUDA_EQUINA])
    assert CAUDA_EQUINA in send(chart(more=[RETENTION_OF_URINE]))


def test_an_override_of_a_merged_card_is_one_of_all_its_rules(send, chart, override):
    here = {"more": [FEVER], "encounterId": "e1"}
    shown = send(chart(**here))
    assert shown[SPINAL_INFECTION]["uuid"] == shown["lbpR26"]["uuid"]
    override(shown[SPINAL_INFECTION])
    assert not {SPINAL_INFECTION, "lbpR26"} & set(send(chart(**here)))


def test_the_decision_says_which_card_was_quiet_and_why(
    application, database, send, chart, override
):
    override(send(chart())[SCREENING], "OR-LATER", at=days_ago(3))
    send(chart())
    assert application.app.extensions["store"].flush()
    decision = list(application.app.extensions["store"].decisions())[-1]
    (quiet,) = (card for card in decision["cards"] if card["quieted"])
    assert quiet["rules"] == [SCREENING]
    assert quiet["quieted"] == {
        "overridden": days_ago(3).date().isoformat(),
        "reason": "OR-LATER",
        "until": days_ago(-24).date().isoformat(),
    }
    assert decision["rule_verdicts"]["quiet"] == [SCREENING]


def test_the_log_tells_what_was_quiet(application, send, chart, override):
    override(send(chart())[SCREENING])
    send(chart())
    event = application.events[-1]
    assert (event["quiet"], event["recalled"]) == ([SCREENING], True)


def test_explain_says_what_is_quiet_and_how_to_see_it_again(
    send, chart, override, database, tmp_path, monkeypatch
):
    override(send(chart())[SCREENING], "OR-LATER", at=days_ago(3))
    request = tmp_path / "request.json"
    request.write_text(json.dumps(chart()))
    monkeypatch.setenv("CDS_DATABASE_URL", database)
    arguments = ["explain", "low-back-pain-patient-view", str(request), "--only", SCREENING]
    told = CliRunner().invoke(main, [*arguments, "--quieting"]).stdout
    assert f"quiet since {days_ago(3).date()}: this user overrode the rule" in told
    assert f"with OR-LATER; shown again after {days_ago(-24).date()}" in told


@pytest.mark.parametrize("command", ["call", "explain"])
def test_overrides_that_cannot_be_read_are_told_and_not_taken_for_none(
    command, chart, tmp_path, monkeypatch
):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(chart()))
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{request}/cds.sqlite3")
    arguments = [command, "low-back-pain-patient-view", str(request), "--quieting"]
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 2
    assert "database" in ended.stderr
    assert not ended.stdout


@pytest.mark.requirement("PHI-4")
def test_ids_are_nowhere_in_the_database(application, chart, send, override, database):
    names = {"patientId": "canary-patient", "userId": "Practitioner/canary-user"}
    body = chart(**names, encounterId="canary-encounter")
    override(send(body)[SCREENING])
    send(body)
    assert application.app.extensions["store"].flush()
    if database.startswith("sqlite"):
        path = Path(database.removeprefix("sqlite:///"))
        held = b"".join(file.read_bytes() for file in path.parent.iterdir())
    else:
        held = dumped(database)
    assert b"OR-ELSE" in held
    assert b"canary" not in held


def dumped(database):
    """Every value of every table of a PostgreSQL database, as text."""
    engine = sqlalchemy.create_engine(database)
    tables = sqlalchemy.MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        rows = [row for table in tables.sorted_tables for row in connection.execute(table.select())]
    engine.dispose()
    return "\n".join(map(str, rows)).encode()


def test_a_database_that_goes_away_costs_the_quiet_and_no_call(
    application, send, chart, override, database
):
    if not database.startswith("sqlite"):
        pytest.skip("a file can be moved away")
    override(send(chart())[SCREENING])
    path = Path(database.removeprefix("sqlite:///"))
    application.app.extensions["store"].flush()
    application.app.extensions["store"].database.close()
    aside = path.parent.rename(path.parent.with_name("aside"))
    path.parent.write_text("a file where the folder was")
    try:
        assert SCREENING in send(chart())
        assert application.events[-1]["recalled"] is False
    finally:
        path.parent.unlink()
        aside.rename(path.parent)
    assert SCREENING not in send(chart())

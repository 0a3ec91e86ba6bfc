"""A decision with its request can be taken again, and the same cards come of it (risk L2)."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from contract import probe_guideline
from contract.clients import REPOSITORY, client_with
from contract.prefetch_moods import DEADLINE_S, SERVERS, VALUES, finding, request_of, set_mood
from fhir_stub import FhirStub

from cds_service.authoring import cases
from cds_service.authoring.replay import replay
from cds_service.cli import main
from cds_service.data import plan_library
from cds_service.errors import CdsError
from cds_service.hooks.service import HookService
from cds_service.store import Store

UTC = ZoneInfo("UTC")
KEPT = {"KEEP_REQUESTS": "yes", "RETENTION_DAYS": "30"}


def kept_rows(client):
    store = client.app.extensions["store"]
    assert store.flush()
    return list(store.decisions(requests=True)), store


@pytest.fixture(scope="module")
def stub():
    with FhirStub([finding(1), finding(2)], page_size=1) as running:
        yield running


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Answers what it knows of one prefetch key, and keeps requests."""
    folder = tmp_path_factory.mktemp("kept")
    plans = probe_guideline.write(folder)
    client = client_with(
        PLANS=str(plans),
        DATABASE_URL=f"sqlite:///{folder / 'cds.sqlite3'}",
        DEADLINE_S=DEADLINE_S,
        **KEPT,
    )
    yield client, plan_library.load(plans)
    client.app.extensions["store"].close()


@pytest.mark.requirement("L2")
@pytest.mark.parametrize("server", SERVERS)
def test_whatever_was_read_or_failed_the_decision_comes_out_again(probe, stub, server):
    client, library = probe
    for value in VALUES:
        set_mood(stub, server)
        message = request_of(value, server, "a token", stub, "encounter-start")
        client.post("/cds-services/probe-optional", message)
    rows, store = kept_rows(client)
    set_mood(stub, "gives the data")

    again = list(replay(rows, library, store, UTC))

    assert (len(rows) > 0, len(again)) == (True, len(rows))
    assert [str(each) for each in again if not each.is_same] == []
    assert stub.seen == [], "no FHIR server is asked again"
    store.prune(cases.moment("2999-01-01", UTC))


def decisions_of_cases(hooks):
    """What the author's cases are answered with; one that expects a refusal has no decision."""
    for path in cases.case_files(REPOSITORY / "plan_definitions"):
        try:
            yield cases.answer_to(cases.read(path), hooks, UTC).decision
        except CdsError:
            continue


@pytest.mark.slow
@pytest.mark.requirement("L2")
def test_a_thousand_decisions_of_the_guideline_come_out_again(tmp_path):
    library = plan_library.load(REPOSITORY / "plan_definitions")
    hooks = HookService(library, keeps_requests=True)
    store = Store(f"sqlite:///{tmp_path}/cds.sqlite3")
    decisions = list(islice(decisions_of_cases(hooks), 1000))
    for decision in decisions:
        assert store.record(decision)
    assert store.flush()

    again = list(replay(store.decisions(requests=True), library, store, UTC))

    store.close()
    assert len(again) == 1000
    assert [str(each) for each in again if not each.is_same] == []


@pytest.fixture
def keeping(tmp_path, monkeypatch):
    """The service with its guidelines, that keeps requests; and the commands on its database."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    client = client_with(DATABASE_URL=url, **KEPT)
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("CDS_DATABASE_URL", url)

    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    yield client, run
    client.app.extensions["store"].close()


@pytest.fixture
def answered(keeping):
    """The cards that a request got, and the id of their decision."""
    client, _ = keeping
    request = json.loads((REPOSITORY / "examples/requests/order-sign-mri.json").read_text())
    request["fhirServer"] = "https://u:kanarie-password@ehr.example.org/fhir"
    request["fhirAuthorization"] = {"access_token": "kanarie-access-token"}
    request["extension"] = {"proxied": "Bearer kanarie-access-token"}
    answer = client.post("/nl/cds-services/low-back-pain-order-sign", request)
    (row,) = kept_rows(client)[0]
    return request, answer.json["cards"], row


def told(cards):
    return [(card["summary"], card["indicator"], card["detail"]) for card in cards]


@pytest.mark.requirement("L2")
def test_call_on_a_kept_request_says_the_same(keeping, answered, tmp_path):
    _, cards, row = answered
    run = keeping[1]
    printed = run("decisions", "request", row["decision_id"])
    (tmp_path / "kept.json").write_text(printed.stdout)
    assert printed.stderr.startswith("cds-service call low-back-pain-order-sign REQUEST.json ")
    command = printed.stderr.replace("REQUEST.json", str(tmp_path / "kept.json")).split()[1:]

    again = run(*command)

    assert again.exit_code == 0, again.output
    assert told(json.loads(again.stdout)["cards"]) == told(cards)
    explained = run("explain", *command[1:], "--only", "lbpR16")
    assert "lbpR16" in explained.stdout


@pytest.mark.requirement("L2")
def test_a_case_can_be_made_of_a_kept_request(keeping, answered, tmp_path):
    row = answered[2]
    run = keeping[1]
    printed = run("decisions", "request", row["decision_id"])
    (tmp_path / "kept.json").write_text(printed.stdout)

    made = run(
        *("case", "new", "--from", tmp_path / "kept.json", "--now", row["at"], "--profile", "nl")
    )

    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["hook"] == "order-sign"


@pytest.mark.requirement("L2", "AUTHZ-11", "D8")
def test_all_of_a_request_is_kept_but_what_opens_the_fhir_server(answered):
    sent, _, row = answered
    kept = row["request"]
    secret = {"fhirServer", "fhirAuthorization", "extension"}
    assert "fhirAuthorization" not in kept
    assert kept["fhirServer"] == "https://ehr.example.org/fhir"
    assert kept["extension"] == {"proxied": "Bearer removed"}
    for name in sent.keys() - secret:
        assert json.loads(json.dumps(kept[name], default=float)) == sent[name]


@pytest.mark.requirement("L2")
def test_replay_says_where_another_guideline_shows_other_cards(keeping, answered, tmp_path):
    _, run = keeping
    row = answered[2]
    assert run("decisions", "replay").exit_code == 0
    (tmp_path / "probe").mkdir()
    plans = probe_guideline.write(tmp_path / "probe")

    other = run("decisions", "replay", "--plans", plans)

    assert other.exit_code == 1
    assert f"{row['decision_id']}: there is no service" in other.stdout
    assert "1 decisions taken again, 1 not as they were" in other.stdout


def test_requests_are_exported_only_when_asked_for(keeping, answered):
    _, run = keeping
    assert "request" not in json.loads(run("decisions", "export").stdout)
    line = json.loads(run("decisions", "export", "--requests").stdout)
    assert (line["request"]["hook"], line["language"]) == ("order-sign", "nl")


def test_a_request_that_was_not_kept_is_told_as_such(keeping, monkeypatch, tmp_path):
    _, run = keeping
    client = client_with(DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3")
    request = (REPOSITORY / "examples/requests/order-sign-mri.json").read_bytes()
    client.post("/cds-services/low-back-pain-order-sign", request)
    ((row,), store) = kept_rows(client)
    store.close()
    missing = run("decisions", "request", row["decision_id"])
    unknown = run("decisions", "request", "d")
    assert (missing.exit_code, unknown.exit_code) == (2, 2)
    assert "its request was not kept" in missing.stderr
    assert "there is no such decision" in unknown.stderr


@pytest.mark.requirement("L2")
def test_overrides_count_in_a_decision_taken_again_as_they_did_then(keeping, answered):
    client, run = keeping
    request, (card, *_), _ = answered
    entry = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": datetime.now(UTC).isoformat(),
        "overrideReason": {"reason": card["overrideReasons"][0]},
    }
    address = "/nl/cds-services/low-back-pain-order-sign"
    assert client.post(f"{address}/feedback", {"feedback": [entry]}).status == 200

    client.post(address, request)

    rows, _ = kept_rows(client)
    assert [any(each["quieted"] for each in row["cards"]) for row in rows] == [False, True]
    replayed = run("decisions", "replay")
    assert replayed.stdout == "2 decisions taken again, 0 not as they were\n"

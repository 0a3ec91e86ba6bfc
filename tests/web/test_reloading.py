"""`serve --reload` and SIGHUP: new guidelines while serving, and never a broken one."""

from __future__ import annotations

import json
import shutil
import signal
import time
from contextlib import closing

import pytest
from client_keys import Token, claims, key, write_tenants
from contract.clients import REPOSITORY, serving

pytestmark = pytest.mark.slow

PLAN = "imaging/R07/PlanDefinition.json"
WITHIN_S = 30


@pytest.fixture
def plans(tmp_path):
    folder = tmp_path / "plans"
    shutil.copytree(REPOSITORY / "plan_definitions", folder)
    return folder


def start(tmp_path, plans, *arguments):
    return closing(serving(tmp_path, *arguments, WORKERS="1", PLANS=str(plans)))


def ready(server):
    return server.open("GET", "/ready").json


def until(condition, server):
    """The state of the service once it fits; at the latest when the patience is over."""
    end = time.monotonic() + WITHIN_S
    while not condition(state := ready(server)) and time.monotonic() < end:
        time.sleep(0.05)
    return state


def renamed(file):
    plan = json.loads(file.read_text())
    plan["action"][0]["title"] = "Another title."
    file.write_text(json.dumps(plan, indent=2))


def test_a_saved_plan_is_in_force_without_a_restart(tmp_path, plans):
    with start(tmp_path, plans, "--reload") as servers:
        server = next(servers)
        before = ready(server)["revision"]
        renamed(plans / PLAN)

        assert until(lambda state: state["revision"] != before, server)["ready"]
        shown = server.open("GET", "/fhir/PlanDefinition/lbpR07").json
        assert shown["action"][0]["title"] == "Another title."


def test_a_broken_plan_leaves_the_last_good_one_in_force_and_is_named(tmp_path, plans):
    with start(tmp_path, plans, "--reload") as servers:
        server = next(servers)
        before = ready(server)["revision"]
        good = (plans / PLAN).read_text()
        (plans / PLAN).write_text(good.replace("%rfINF", "%rfINX"))

        state = until(lambda state: "problems" in state, server)
        assert (state["ready"], state["revision"]) == (True, before)
        assert f"{PLAN}:" in state["problems"][0]

        (plans / PLAN).write_text(good)
        assert "problems" not in until(lambda state: "problems" not in state, server)


def test_the_workbench_shows_what_keeps_a_save_out_of_force(tmp_path, plans):
    running = serving(tmp_path, "--reload", WORKERS="1", PLANS=str(plans), WORKBENCH="yes")
    with closing(running) as servers:
        server = next(servers)
        (plans / PLAN).write_text("{")
        until(lambda state: "problems" in state, server)

        page = server.open("GET", "/workbench/guidelines").body.decode()
        assert "Saved, and not in force" in page
        assert f"{PLAN}:1:" in page


def test_a_hangup_puts_new_guidelines_in_force(tmp_path, plans):
    with start(tmp_path, plans) as servers:
        server = next(servers)
        before = ready(server)["revision"]
        renamed(plans / PLAN)
        assert ready(server)["revision"] == before
        server.process.send_signal(signal.SIGHUP)

        assert until(lambda state: state["revision"] != before, server)["ready"]


def test_a_hangup_with_broken_guidelines_changes_nothing(tmp_path, plans):
    with start(tmp_path, plans) as servers:
        server = next(servers)
        before = ready(server)["revision"]
        (plans / PLAN).write_text("{")
        server.process.send_signal(signal.SIGHUP)

        state = until(lambda state: "problems" in state, server)
        assert (state["ready"], state["revision"]) == (True, before)


@pytest.mark.requirement("C10")
@pytest.mark.requirement("SEC-18", "SEC-33", "C12")
def test_a_hangup_locks_out_a_client_that_was_taken_off_the_list(tmp_path, plans):
    issuers = {name: f"https://{name}.example.org" for name in ("hospital", "practice")}
    audience = "https://cds.example.org"
    tenants = write_tenants(tmp_path, audience, issuers, key())
    view = "/cds-services/low-back-pain-patient-view"

    def status(server, name):
        made = Token(key(), claims(audience + view, issuers[name])).text()
        bearer = {"Authorization": f"Bearer {made}"}
        return server.open("POST", view, json={}, headers=bearer).status

    running = serving(tmp_path, WORKERS="1", PLANS=str(plans), TENANTS=str(tenants))
    with closing(running) as servers:
        server = next(servers)
        assert [status(server, name) for name in issuers] == [400, 400]

        write_tenants(tmp_path, audience, {"hospital": issuers["hospital"]}, key())
        server.process.send_signal(signal.SIGHUP)

        end = time.monotonic() + WITHIN_S
        while status(server, "practice") != 401 and time.monotonic() < end:
            time.sleep(0.05)
        assert [status(server, name) for name in issuers] == [400, 401]
    said = "\n".join(server.said).partition("tenants changed, in force now:\n")[2]
    assert said.startswith("  hospital: issuers: https://hospital.example.org;")
    assert "practice" not in said


def test_a_hangup_with_a_broken_tenants_file_locks_nobody_out_and_lets_nobody_in(tmp_path, plans):
    tenants = tmp_path / "tenants.toml"
    tenants.write_text(
        '[tenants.hospital]\nissuers = ["https://ehr.example.org"]\n'
        'audience = "https://cds.example.org"\njwks_urls = ["https://ehr.example.org/keys"]\n'
    )
    running = serving(tmp_path, WORKERS="1", PLANS=str(plans), TENANTS=str(tenants))
    with closing(running) as servers:
        server = next(servers)
        tenants.write_text("[tenants.hospital]\n")
        server.process.send_signal(signal.SIGHUP)

        state = until(lambda state: "problems" in state, server)
        assert (state["ready"], state["callers"]) == (True, "verified")
        assert "hospital" not in json.dumps(state)
        assert server.open("POST", "/cds-services/x", json={}).status == 401

"""One broken guideline among many: the others answer, and nobody takes its silence for a no."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from contract.clients import REPOSITORY, serving

pytestmark = pytest.mark.slow

BROKEN = "urgent/R01/PlanDefinition.json"
EXAMPLES = REPOSITORY / "examples"
WITHIN_S = 30


def break_plan(folder, file=BROKEN):
    path = folder / file
    path.write_text(path.read_text().replace("%rfCES", "%rfCEX"))
    return folder


@pytest.fixture(scope="module")
def broken_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(REPOSITORY / "plan_definitions", folder / "plans")
    plans = break_plan(folder / "plans")
    yield from serving(folder, WORKERS="1", PLANS=str(plans))


def test_the_start_says_what_is_left_out(broken_server):
    said = "\n".join(broken_server.said)
    assert "guidelines with problems, left out" in said
    assert f"{BROKEN}:" in said


@pytest.mark.requirement("A12")
def test_ready_names_the_broken_one_with_file_and_reason(broken_server):
    state = broken_server.open("GET", "/ready").json
    assert (state["ready"], state["left_out"]) == (True, ["lbpR01"])
    assert f"{BROKEN}:" in state["problems"][0]
    assert "rfCEX" in state["problems"][0]


@pytest.mark.requirement("A12")
def test_the_broken_one_is_not_among_the_guidelines(broken_server):
    base = "https://lbp.example.org/fhir/PlanDefinition"
    found = {
        id_: broken_server.open("GET", f"/fhir/PlanDefinition?url={base}/{id_}").json["total"]
        for id_ in ("lbpR01", "lbpR02")
    }
    assert found == {"lbpR01": 0, "lbpR02": 1}


@pytest.mark.requirement("A12")
def test_the_others_answer_and_every_answer_says_that_one_could_not(
    broken_server, client, message, address
):
    whole = client.post(address(), message()).json["cards"]
    answer = broken_server.open("POST", address(), json=message())

    *others, notice = answer.json["cards"]
    assert others == whole
    assert notice["summary"] == "One recommendation could not be evaluated"
    assert "says nothing about this patient" in notice["detail"]
    assert "cauda equina" in notice["detail"].lower()
    assert notice["indicator"] == "info"


@pytest.mark.parametrize("language", ["de", "nl", "nb"])
def test_the_notice_is_in_the_readers_language(broken_server, address, message, language):
    english = broken_server.open("POST", address(), json=message()).json["cards"][-1]
    headers = {"Accept-Language": language}
    card = broken_server.open("POST", address(), json=message(), headers=headers).json["cards"][-1]
    assert card["summary"] != english["summary"]
    assert card["detail"].split("\n")[0] != english["detail"].split("\n")[0]


def test_a_service_that_does_not_use_it_says_nothing(tmp_path, message, address):
    folder = tmp_path / "plans"
    shutil.copytree(REPOSITORY / "plan_definitions", folder)
    path = folder / "strategies/low-back-pain-encounter-start/PlanDefinition.json"
    path.write_text(path.read_text().replace("%isPatientUser", "%isPatientUserX"))
    with closing(serving(tmp_path, WORKERS="1", PLANS=str(folder))) as servers:
        server = next(servers)
        assert server.open("POST", address(), json=message()).json == {"cards": []}
        listed = server.open("GET", "/cds-services").json["services"]
        assert "encounter-start" not in {service["hook"] for service in listed}
        answer = server.open("POST", address("encounter-start"), json=message("encounter-start"))
        assert (answer.status, "left out" in answer.text) == (404, True)


def test_explain_gives_the_broken_one_the_verdict_error(tmp_path):
    shutil.copytree(REPOSITORY / "plan_definitions", tmp_path / "plans")
    break_plan(tmp_path / "plans")
    request = EXAMPLES / "requests" / "patient-view-no-back-pain.json"
    said = command(tmp_path, "explain", "low-back-pain-patient-view", str(request))
    line = next(line for line in said.stdout.splitlines() if "neurological-emergency/R01" in line)
    assert line.split()[0] == "error"


def command(folder, *arguments, **environ):
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "CDS_PORT": "0",
        "CDS_PLANS": str(folder / "plans"),
        **environ,
    }
    return subprocess.run(
        [sys.executable, "-m", "cds_service", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.requirement("PD-9")
def test_where_it_is_to_be_refused_nothing_starts(tmp_path):
    shutil.copytree(REPOSITORY / "plan_definitions", tmp_path / "plans")
    break_plan(tmp_path / "plans")
    ended = command(tmp_path, "serve", CDS_BROKEN_GUIDELINES="refuse")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{BROKEN}:" in ended.stderr


@pytest.mark.requirement("A12")
def test_a_reload_never_replaces_whole_guidelines_by_broken_ones(tmp_path, message, address):
    folder = tmp_path / "plans"
    shutil.copytree(REPOSITORY / "plan_definitions", folder)
    with closing(serving(tmp_path, WORKERS="1", PLANS=str(folder))) as servers:
        server = next(servers)
        before = server.open("GET", "/ready").json["revision"]
        break_plan(folder)
        server.process.send_signal(signal.SIGHUP)

        end = time.monotonic() + WITHIN_S
        while "problems" not in (state := server.open("GET", "/ready").json):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert (state["revision"], "left_out" in state) == (before, False)
        assert server.open("POST", address(), json=message()).json == {"cards": []}

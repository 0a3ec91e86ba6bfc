"""`make sandbox`: everything comes up, is what it says, and is gone when it is stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from medplum import PATIENTS, REPOSITORY, medplum, need, seed

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 60

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that has said where it is."""

    process: subprocess.Popen[str]
    said: str
    service: str
    fhir: str


@contextmanager
def sandbox(folder: Path, port: str = "0", fhir_port: str = "0") -> Iterator[Sandbox]:
    """`python -m sandbox` with a database in `folder`; nothing of it is left afterwards."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", port, "--fhir-port", fhir_port],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(REPOSITORY), "CDS_WORKERS": "1", "CDS_DEADLINE_S": "30"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "/Patient/cauda-equina" in line:
            break
    try:
        yield Sandbox(
            process,
            said,
            re.search(r"workbench +(http://\S+)/workbench", said)[1],
            re.search(r"FHIR server +(http://\S+)", said)[1],
        )
    finally:
        process.terminate()
        process.wait(WAIT_S)
        process.stdout.close()


def port_of(url: str) -> str:
    return re.search(r":(\d+)", url)[1]


def wait_until_nobody_listens(url: str) -> None:
    """Returns when the port refuses connections; fails when it still takes them after a minute."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(port_of(url)))):
                return
        time.sleep(0.05)
    pytest.fail(f"{url} is still there")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    need()
    with sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


def test_every_address_that_it_prints_answers(running):
    printed = re.findall(r"http://\S+", running.said)

    assert len(printed) == 5
    pages = [url if url != running.fhir else f"{url}/metadata" for url in printed]
    assert {url: requests.get(url, timeout=WAIT_S).status_code for url in pages} == dict.fromkeys(
        pages, 200
    )


def test_the_workbench_offers_the_patients_of_its_fhir_server(running):
    page = requests.get(f"{running.service}/workbench", timeout=WAIT_S).text

    (listed,) = re.findall(r'<select id="fhir-patients".*?</select>', page, re.DOTALL)
    offered = set(re.findall(r'<option value="([a-z-]+)"', listed))
    assert f'value="{running.fhir}"' in page
    assert {path.stem for path in PATIENTS.glob("*.json")} == offered


def test_a_call_that_names_the_fhir_server_is_answered_from_it(running):
    message = json.loads(
        (REPOSITORY / "examples/requests/patient-view-missing-prefetch.json").read_text()
    )
    address = f"{running.service}/cds-services/low-back-pain-patient-view"
    answer = requests.post(address, json={**message, "fhirServer": running.fhir}, timeout=WAIT_S)

    assert answer.status_code == 200
    assert answer.json()["cards"][0]["indicator"] == "critical"


def test_ctrl_c_ends_all_of_it_and_a_second_start_works(tmp_path):
    need()
    with sandbox(tmp_path) as first:
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(WAIT_S) == 0
    for url in (first.service, first.fhir):
        wait_until_nobody_listens(url)

    with sandbox(tmp_path, port_of(first.service), port_of(first.fhir)) as second:
        assert (second.service, second.fhir) == (first.service, first.fhir)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_nothing_outlives_a_sandbox_that_is_killed(tmp_path):
    need()
    with sandbox(tmp_path) as started:
        started.process.kill()

    for url in (started.service, started.fhir):
        wait_until_nobody_listens(url)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_when_its_fhir_server_ends_all_of_it_ends_and_says_so(tmp_path, capfd):
    need()
    with sandbox(tmp_path) as started:
        children = Path(f"/proc/{started.process.pid}/task/{started.process.pid}/children")
        node = next(
            int(child)
            for child in children.read_text().split()
            if b"fhir_server.mjs" in Path(f"/proc/{child}/cmdline").read_bytes()
        )
        os.kill(node, signal.SIGKILL)
        assert started.process.wait(WAIT_S) == 1
    wait_until_nobody_listens(started.service)

    assert "the FHIR server ended with status -9" in capfd.readouterr().err


def test_a_taken_port_is_told(tmp_path, capfd):
    with medplum() as other:
        run = [sys.executable, "-m", "sandbox", "--fhir-port", port_of(other)]
        status = subprocess.run(run, cwd=REPOSITORY, timeout=WAIT_S, check=False).returncode

    assert status == 1
    told = capfd.readouterr().err
    assert f"port {port_of(other)} is in use" in told
    assert "make sandbox PORT=8180 FHIR_PORT=8181" in told


# --- what is missing ---


@pytest.fixture
def bare(tmp_path):
    """A copy of the sandbox without its packages, and a folder for programs on the path."""
    shutil.copytree(
        REPOSITORY / "sandbox", tmp_path / "sandbox", ignore=shutil.ignore_patterns("node_modules")
    )
    (tmp_path / "bin").mkdir()

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sandbox"],
            cwd=tmp_path,
            env={"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )

    return start


def put(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_npm_it_says_what_to_install(bare):
    run = bare()

    assert run.returncode == 1
    assert run.stderr.startswith("sandbox: npm is not on this machine: install Node.js")


def test_an_npm_that_fails_is_told(bare, tmp_path):
    put(tmp_path / "bin" / "npm", "exit 1")
    run = bare()

    assert run.returncode == 1
    assert "npm could not install what package-lock.json lists" in run.stderr


def test_a_node_that_is_too_old_is_told_with_its_version(bare, tmp_path):
    installed = tmp_path / "sandbox" / "node_modules"
    put(
        tmp_path / "bin" / "npm", f"/bin/mkdir {installed} && echo > {installed}/.package-lock.json"
    )
    put(tmp_path / "bin" / "node", "echo v20.20.2")
    run = bare()

    assert run.returncode == 1
    assert "needs Node.js 22.18 or newer" in run.stderr
    assert "this machine has 20.20" in run.stderr


# --- the loader, against a real server ---


def test_the_loader_fills_the_real_server_and_may_run_again():
    with medplum() as base:
        first, second = seed(base), seed(base)
        found = requests.get(f"{base}/Patient?_count=50", timeout=WAIT_S).json()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    ids = {entry["resource"]["id"] for entry in found["entry"]}
    assert ids == {path.stem for path in PATIENTS.glob("*.json")}


def test_the_loader_says_at_once_that_its_token_is_refused():
    with medplum("--token", "secret") as base:
        run = seed(base)

    assert run.returncode == 1
    assert "the FHIR server answered 401" in run.stderr


def test_the_loader_shows_its_token():
    with medplum("--token", "secret") as base:
        run = seed(base, FHIR_TOKEN="secret")

    assert run.returncode == 0, run.stderr

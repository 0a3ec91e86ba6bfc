"""Clients of the real application, in process and over HTTP, that check every answer."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from schemas import checker

from cds_service import config
from cds_service.web import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).parent.parent.parent
HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start")
PATIENCE_S = 60
"""Longer than any answer takes on a busy machine; only a test that fails waits for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whatever client got it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def issue(self) -> dict[str, Any]:
        (issue,) = self.json["issue"]
        return issue

    @property
    def code(self) -> str:
        return self.issue["details"]["coding"][0]["code"]

    @property
    def text(self) -> str:
        return self.issue["diagnostics"]


@dataclass
class Client:
    """Talks to an application in process; `open` checks every answer against the contract."""

    app: Any
    log: io.StringIO

    def open(self, method: str, path: str, **options: Any) -> Answer:
        response = self.app.test_client().open(path, method=method, **options)
        answer = Answer(response.status_code, dict(response.headers), response.get_data())
        response.close()
        checker.exchange(method, path, answer.status, answer.headers, answer.body)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        return self.open("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> Answer:
        """Post JSON, or bytes as they are; an answer to a hook call is held against its request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.open(
            "POST", path, data=data, **{"content_type": "application/json", **options}
        )
        if answer.status == 200 and answer.body:
            checker.answers(body if isinstance(body, dict) else json.loads(body), answer.json)
        return answer

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events logged so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def client_with(**environ: str) -> Client:
    """The service in this process; settings are named without `CDS_`.

    It waits long for FHIR servers, so that a busy machine fails no test; a test of servers that do
    not answer names its own DEADLINE_S.
    """
    log = io.StringIO()
    patient = {"DEADLINE_S": "30", **environ}
    settings = config.load({f"CDS_{name}": value for name, value in patient.items()})
    return Client(create_app(settings, log=log), log)


@dataclass
class Server:
    """The service as `cds-service serve` starts it."""

    process: subprocess.Popen[str]
    errors: Path
    url: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return urlsplit(self.url).netloc

    def open(self, method: str, path: str, **options: Any) -> Answer:
        got = requests.request(
            method, self.url + path, timeout=PATIENCE_S, allow_redirects=False, **options
        )
        answer = Answer(got.status_code, dict(got.headers), got.content)
        checker.exchange(method, path, answer.status, answer.headers, answer.body)
        return answer

    def insist(self, method: str, path: str, **options: Any) -> Answer:
        """As `open`; what the service had no room for is sent again when it says so."""
        while (answer := self.open(method, path, **options)).status == 503:
            time.sleep(int(answer.headers["Retry-After"]))
        return answer


def serving(
    folder: Path, *arguments: str, module: str = "cds_service", **environ: str
) -> Iterator[Server]:
    """Start the command in a folder of its own, wait until it says where it is, stop it after.

    Temporary files go into the folder as well. Settings are named without `CDS_`.
    """
    variables = {
        name if name.startswith("OTEL_") else f"CDS_{name}": value
        for name, value in environ.items()
    }
    errors = folder / "stderr"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "serve", *arguments],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),  # the tree that these tests belong to
                "TMPDIR": str(folder),
                "CDS_PORT": "0",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    server = Server(process, errors)
    for line in process.stdout:
        server.said.append(line.rstrip())
        if "answers at " in line:
            server.url = line.split("answers at ")[1].strip()
        if line.startswith("  CDS_LOG_LEVEL="):
            break
    assert server.url, errors.read_text()
    try:
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        server.said += [line.rstrip() for line in process.stdout]
        process.stdout.close()
        status = process.wait(timeout=PATIENCE_S)
    assert status == 0, errors.read_text()

"""The service as it is started: what it says, its limits on the wire, how it stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from contract import wire
from contract.clients import PATIENCE_S, serving
from schemas import checker

JSON = {"Content-Type": "application/json"}


def connect(server):
    return http.client.HTTPConnection(server.place, timeout=PATIENCE_S)


def test_it_says_where_to_look_and_what_is_in_force(server):
    said = "\n".join(server.said)
    assert f"cds_service answers at {server.url}" in said
    assert f"{server.url}/cds-services" in said
    assert "CDS_MAX_BODY_BYTES=100000" in said


@pytest.mark.requirement("DISC-1", "REQ-1")
@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/cds-services"])
def test_it_answers(server, path):
    assert server.open("GET", path).status == 200


def test_it_names_no_version(server):
    headers = server.open("GET", "/health").headers
    assert not any(character.isdigit() for character in headers.get("Server", ""))


def test_a_call_is_answered(server, address, message):
    answer = server.open("POST", address(), json=message())
    assert (answer.status, answer.json) == (200, {"cards": []})


def test_a_call_in_chunks_is_answered(server, address, message):
    body = json.dumps(message()).encode()
    chunks = iter([body[:100], body[100:]])
    answer = server.open("POST", address(), data=chunks, headers=JSON)
    assert answer.status == 200


@pytest.mark.requirement("REQ-14", "GEN-12")
@pytest.mark.parametrize("tail", ["", "/feedback"])
def test_a_body_over_the_limit_is_refused(server, address, tail):
    answer = server.open("POST", address() + tail, data=b" " * 100_001, headers=JSON)
    assert (answer.status, answer.issue["code"]) == (413, "too-long")


@pytest.mark.requirement("REQ-14", "GEN-12")
def test_a_body_over_the_limit_in_chunks_is_refused(server, address):
    chunks = (b" " * 10_000 for _ in range(12))
    answer = server.open("POST", address(), data=chunks, headers=JSON)
    assert answer.status == 413


@pytest.mark.requirement("E2")
def test_a_body_far_over_the_limit_is_refused_without_being_read(server, address):
    connection = connect(server)
    connection.putrequest("POST", address())
    for name, value in {**JSON, "Content-Length": str(10**12)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["resourceType"] == "OperationOutcome"
    connection.close()


@pytest.mark.requirement("E6")
def test_broken_chunks_are_the_clients_fault(server, address):
    host, port = server.place.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        head = f"POST {address()} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        wire.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode())
        assert b" 400 " in wire.recv(4096).split(b"\r\n")[0]


@pytest.mark.requirement("E6")
def test_what_follows_broken_chunks_is_not_taken_for_a_request(server, address):
    host, port = server.place.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        head = f"POST {address()} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        hidden = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        wire.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{hidden}".encode())
        said = b""
        while part := wire.recv(4096):
            said += part
    assert b'"up"' not in said


@pytest.mark.requirement("DISC-24")
def test_two_slashes_are_not_a_redirect(server):
    connection = connect(server)
    connection.request("GET", "//cds-services")
    answer = connection.getresponse()
    assert answer.status in {200, 404}
    assert answer.headers["Content-Type"] == "application/json"
    answer.read()
    connection.close()


@pytest.mark.requirement("CORS-2", "CORS-5")
def test_preflight_and_errors_carry_cors_on_the_wire(server, address):
    asked = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for answer in (
        server.open("OPTIONS", address(), headers=asked),
        server.open("POST", address(), data=b" " * 100_001, headers={**asked, **JSON}),
        server.open("GET", "/nothing", headers=asked),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
def test_other_methods_are_answered_by_the_book(server, method):
    answer = server.open(method, "/cds-services")
    assert answer.status == (200 if method in {"HEAD", "OPTIONS"} else 405)


def test_a_connection_is_kept_for_the_next_call(server, address, message):
    connection = connect(server)
    statuses = []
    for body in (json.dumps(message()), "{", json.dumps(message())):
        connection.request("POST", address(), body=body, headers=JSON)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [200, 400, 200]


@pytest.mark.slow
def test_calls_at_once_are_answered_alike(server, address, message):
    body = message()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.insist("POST", address(), json=body), range(200)))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"cards":[]}')}


@pytest.mark.slow
@pytest.mark.requirement("B4", "FB-21")
def test_feedback_at_once_is_stored_once(server, address):
    entry = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2024-06-01T00:00:00Z"}
    body = {"feedback": [entry]}

    path = f"{address()}/feedback"

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.insist("POST", path, json=body), range(50)))
    assert {answer.status for answer in answers} == {200}


@pytest.mark.slow
@pytest.mark.requirement("A8")
def test_it_stops_when_told_to(tmp_path):
    running = serving(tmp_path, WORKERS="1")
    assert next(running).open("GET", "/health").status == 200
    assert list(running) == []


@pytest.mark.requirement("E6", "RESP-9", "PHI-3", "H1")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /?patient=CANARY\r\n\r\n", 400),
        (b"CANARY\r\n\r\n", 400),
        (b"GET /CANARY HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET /CANARY HTTP/1.1\r\nHost: x\r\nBad Name: CANARY\r\n\r\n", 400),
        (b"GET /CANARY HTTP/1.1\r\nHost: x\r\n folded: CANARY\r\n\r\n", 400),
        (b"GET /" + b"CANARY" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nCANARY: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"POST /CANARY HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CANARY\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ],
)
def test_what_is_no_http_gets_an_outcome_and_leaves_no_trace(server, sent, status):
    host, port = server.place.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        wire.sendall(sent)
        said = b""
        with suppress(ConnectionResetError):
            while part := wire.recv(65536):
                said += part
    head, _, body = said.partition(b"\r\n\r\n")
    assert int(head.split(b" ")[1]) == status
    checker.operation_outcome(json.loads(body))
    assert b"CANARY" not in said
    assert "CANARY" not in server.errors.read_text()


@pytest.mark.requirement("G5")
def test_whatever_was_sent_every_line_of_the_log_is_an_event(server, address, message):
    wire.send(server, b"GET /\x1b[31m\nfake HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.send(server, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n")
    server.open("POST", address(), json=message(hookInstance="a\r\n\x1b[31mfake"))
    lines = [json.loads(line) for line in server.errors.read_text().splitlines()]
    assert {"server", "call"} <= {line["event"] for line in lines}
    assert all({"level", "timestamp"} <= line.keys() for line in lines)


@pytest.mark.slow
def test_a_worker_that_ends_takes_nothing_from_the_others(tmp_path):
    for server in serving(tmp_path, WORKERS="2"):
        server.open("GET", "/ready")
        parent = server.process.pid
        first, *_ = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        with suppress(ProcessLookupError):
            while True:  # one that has only just begun may not hear the first one
                os.kill(int(first), signal.SIGTERM)
                time.sleep(0.05)
        assert [server.open("GET", "/ready").status for _ in range(4)] == [200] * 4

"""Clients that send slowly wait by themselves: they hold no thread, and not for long."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import ExitStack, closing

import pytest
from contract.clients import PATIENCE_S, serving
from gunicorn.http.errors import NoMoreData

from cds_service.web.gathering import MOST_BYTES, Gathering, InTime

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("received", "is_whole"),
    [
        (b"", False),
        (HEAD, False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (HEAD + b"Content-Length: 3\r\n\r\n", False),
        (HEAD + b"Content-Length: 3\r\n\r\nab", False),
        (HEAD + b"Content-Length: 3\r\n\r\nabc", True),
        (HEAD + b"content-length:3\r\n\r\nabc", True),
        (HEAD + b"Content-Length: 500000\r\n\r\n", False),
        (HEAD + b"Content-Length: 500000\r\n\r\n" + b"x" * MOST_BYTES, True),
        (HEAD + b"Content-Length: 500001\r\n\r\n", True),
        (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", True),
        (HEAD + b"Content-Length: x\r\n\r\n", True),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", True),
        (HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", True),
        (HEAD + b"X: " + b"x" * 70_000, True),
    ],
)
def test_a_thread_is_needed_once_nothing_more_is_to_come(received, is_whole):
    gathering = Gathering(None, 0.0, 500_000, bytearray(received))
    assert gathering.is_whole() is is_whole


CALL = b"POST /cds-services/x HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.requirement("A6")
@pytest.mark.parametrize(
    ("received", "may_be"),
    [
        (CALL + b"Content-Length: 3\r\n\r\nabc", True),
        (b"GET /cds-services HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET /healthy HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"GET /ready?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (CALL + b"Content-Length: 3\r\n\r\nabcGET / HTTP/1.1", False),
        (CALL + b"Content-Length: 3\r\n\r\nab", False),
        (CALL + b"Transfer-Encoding: chunked\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", False),
        (b"\x16\x03\x01\r\n\r\n", False),
    ],
)
def test_the_event_loop_refuses_whole_plain_requests_and_no_probe(received, may_be):
    gathering = Gathering(None, 0.0, 500_000, bytearray(received))
    assert gathering.may_be_refused() is may_be


@pytest.mark.parametrize(
    ("header", "keeps"),
    [(b"", True), (b"Connection: keep-alive\r\n", True), (b"connection: Close\r\n", False)],
)
def test_a_refused_client_keeps_its_connection_unless_it_said_otherwise(header, keeps):
    gathering = Gathering(None, 0.0, 500_000, bytearray(CALL + header + b"\r\n"))
    assert gathering.keeps_connection() is keeps


@pytest.mark.slow
@pytest.mark.requirement("A6")
def test_a_full_process_refuses_at_once_answers_probes_and_goes_on(tmp_path, message, address):
    """All on one connection, while a body in chunks that does not end holds the only place."""
    body = json.dumps(message()).encode()
    chunked = CALL + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{"
    with (
        closing(serving(tmp_path, WORKERS="1", THREADS="1", QUEUE="0")) as servers,
        closing(http.client.HTTPConnection(next(servers).place, timeout=PATIENCE_S)) as client,
    ):

        def ask(method, path, content=b""):
            client.request(method, path, content, {"Content-Type": "application/json"})
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()

        with socket.create_connection((client.host, client.port), timeout=PATIENCE_S) as wire:
            wire.sendall(chunked)
            while ask("GET", "/cds-services")[0] == 200:
                pass
            used = client.sock
            status, headers, told = ask("POST", address(), body)
            assert (status, headers["Retry-After"]) == (503, "1")
            assert json.loads(told)["issue"][0]["details"]["coding"][0]["code"] == "overloaded"
            assert ask("GET", "/health")[0] == 200
            counted = ask("GET", "/metrics")[2].decode()
        while (status := ask("POST", address(), body)[0]) == 503:
            pass
        assert status == 200
        assert client.sock is used
    assert "cds_requests_refused_total 2.0" in counted


@pytest.mark.slow
@pytest.mark.requirement("A7")
@pytest.mark.parametrize("sent", [b"GET / HT", HEAD + b"Content-Length: 100\r\n\r\n{"])
def test_many_slow_clients_keep_nobody_waiting(tmp_path, message, address, sent):
    """More connections than threads and queue: without gathering, none would be left."""
    body = message()
    with (
        ExitStack() as slow,
        closing(serving(tmp_path, WORKERS="1", THREADS="1", QUEUE="1")) as servers,
    ):
        server = next(servers)
        host, port = server.place.split(":")
        for _ in range(50):
            wire = slow.enter_context(
                socket.create_connection((host, int(port)), timeout=PATIENCE_S)
            )
            wire.sendall(sent)
        for _ in range(5):
            assert server.open("POST", address(), json=body).status == 200
        slow.close()


@pytest.mark.slow
@pytest.mark.requirement("A7")
def test_a_request_in_pieces_is_answered(server, message, address):
    content = json.dumps(message()).encode()
    head = (
        f"POST {address()} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode()
    whole = head + content
    host, port = server.place.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), 37):
            wire.sendall(whole[start : start + 37])
        said = b""
        while part := wire.recv(4096):
            said += part
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.endswith(b'{"cards":[]}')


@pytest.mark.requirement("A7")
def test_a_thread_reads_no_longer_than_it_has_time_for():
    """However often something comes: it is what holds the thread."""
    times = iter([0.0, 9.0, 18.0, 20.0])
    client, ours = socket.socketpair()
    with client, ours:
        reading = InTime(ours, lambda: next(times))
        reading.until = 20.0
        for _ in range(3):
            client.sendall(b"x")
            assert reading.chunk() == b"x"
        client.sendall(b"x")
        with pytest.raises(NoMoreData):
            reading.chunk()


def test_two_requests_in_one_go_are_both_answered(server):
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    host, port = server.place.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        wire.sendall(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        said = b""
        while part := wire.recv(4096):
            said += part
    assert said.count(b'{"status":"up"}') == 2

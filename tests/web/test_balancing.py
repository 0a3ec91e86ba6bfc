"""Connections are shared evenly between processes, and none waits for one that hangs."""

from __future__ import annotations

import http.client
import os
import selectors
import signal
import socket
import threading
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from contract.clients import serving
from gunicorn.config import Config

from cds_service.web.balancing import Connections
from cds_service.web.gathering import GatheringWorker


@pytest.mark.parametrize(
    ("counts", "is_ahead"),
    [((0, 0), False), ((2, 0), False), ((3, 0), True), ((9, 8), False), ((0, 9), False)],
)
def test_a_process_is_ahead_when_another_has_clearly_fewer(counts, is_ahead):
    connections = Connections(2)
    first, second = connections.seat(), connections.seat()
    connections.tell(first, counts[0])
    connections.tell(second, counts[1])
    assert connections.is_ahead(first) is is_ahead


def test_nothing_is_left_to_a_process_that_accepts_no_more():
    connections = Connections(2)
    first, second, third = (connections.seat() for _ in range(3))
    connections.tell(first, 9)
    connections.tell(second, 0)
    connections.tell(third, 0)
    assert connections.is_ahead(first)
    connections.tell(second, None)
    connections.give_back(third)
    assert not connections.is_ahead(first)


def test_more_processes_than_seats_go_without():
    connections = Connections(1)
    assert None not in {connections.seat() for _ in range(4)}
    assert connections.seat() is None


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def worker(listener):
    """The event loop of a process that accepts, beside another one that has no connection."""
    connections = Connections(2)
    app = SimpleNamespace(connections=connections, largest_body=1000, admission=None)
    worker = GatheringWorker(1, os.getpid(), [listener], app, 30, Config(), None)
    worker.seat = connections.seat()
    connections.tell(connections.seat(), 0)
    with closing(worker.tmp), selectors.DefaultSelector() as poller:
        worker.poller = poller
        worker.set_accept_enabled(True)
        yield worker
        for gathering in worker._gathering:
            gathering.connection.close()


def come(worker, listener, count, clients):
    """So many clients connect; the connections that the process has then."""
    for _ in range(count):
        client = socket.create_connection(listener.getsockname(), timeout=10)
        clients.callback(client.close)
        worker.wait_for_and_dispatch_events(1.0)
    return worker.nr_conns


@pytest.mark.requirement("A5")
def test_a_process_leaves_connections_to_one_that_has_fewer(worker, listener):
    with ExitStack() as clients:
        assert come(worker, listener, 10, clients) == 3


@pytest.mark.requirement("A5")
def test_what_the_other_does_not_take_in_time_is_taken_after_all(worker, listener):
    with ExitStack() as clients:
        come(worker, listener, 4, clients)
        while worker.nr_conns < 4:
            worker.wait_for_and_dispatch_events(1.0)
            worker.set_accept_enabled(True)


def test_a_process_that_stops_leaves_nothing_to_others(worker, listener):
    worker.alive = False
    with ExitStack() as clients:
        assert come(worker, listener, 10, clients) == 10


@pytest.mark.slow
@pytest.mark.requirement("A5")
def test_connections_are_not_left_to_a_process_that_hangs(tmp_path):
    with closing(serving(tmp_path, WORKERS="2")) as servers:
        server = next(servers)
        while len(children := processes(server)) < 2:
            threading.Event().wait(0.01)
        with stopped(children[0]), ExitStack() as stack:
            clients = [http.client.HTTPConnection(server.place, timeout=30) for _ in range(20)]
            for client in clients:
                stack.callback(client.close)
                client.request("GET", "/health")
            assert [client.getresponse().status for client in clients] == [200] * 20


def processes(server):
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

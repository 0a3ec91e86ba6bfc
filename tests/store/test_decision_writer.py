"""Decisions are written behind the calls: none is waited for, none is lost unsaid."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy

from cds_service.errors import StoreUnavailable
from cds_service.store import Decision, KeptRequest, Store
from cds_service.store.decision_writer import DecisionWriter

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)


def decision(number=0, **members):
    about = {"service": "s", "hook": "h", "profile": "core", "plan_revision": "r"}
    about |= {"hook_instance": "i", "cards": (), "verdicts": {}, "milliseconds": 1.0}
    return Decision(**{"decision_id": f"d{number}", "at": NOW, **about, **members})


@pytest.fixture
def locked(either_store, database_url):
    """A store whose tables another writer holds, and a way to let go."""
    either_store.prepare()
    engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.NullPool)
    connection = engine.connect()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("lock table decision")
    else:
        connection.exec_driver_sql("begin immediate")
    yield either_store, connection.close
    connection.close()


@pytest.mark.requirement("FB-24", "B3")
def test_a_locked_database_delays_no_decision_and_loses_none(locked, rows_of):
    store, let_go = locked
    assert all(store.record(decision(number)) for number in range(10))
    let_go()
    assert store.flush()
    assert rows_of("select count(*) from decision") == [(10,)]


@pytest.mark.requirement("L2", "B3")
def test_requests_that_wait_take_so_much_memory_and_the_decisions_are_kept(
    locked, rows_of, monkeypatch
):
    monkeypatch.setattr("cds_service.store.DECISION_PATIENCE_MS", 60_000)  # 40 MB in one batch
    store, let_go = locked
    request = KeptRequest(b'"%s"' % (b"x" * 20_000_000), "nl")
    assert all(store.record(decision(number, request=request)) for number in range(4))
    let_go()
    assert store.flush()
    assert rows_of("select count(*) from decision") == [(4,)]
    assert rows_of("select count(*) from decision_request") == [(2,)]


@pytest.mark.requirement("B3")
def test_when_too_many_wait_the_next_is_refused(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    store = Store(f"sqlite:///{tmp_path}/var/cds.sqlite3", most_waiting=3)
    assert [store.record(decision(number)) for number in range(5)] == [True] * 3 + [False] * 2
    store.close(timeout_s=0)


@pytest.mark.requirement("B3")
def test_what_cannot_be_written_before_the_end_is_counted_as_lost(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    lost = []
    store = Store(f"sqlite:///{tmp_path}/var/cds.sqlite3", on_lost=lost.append)
    for number in range(3):
        store.record(decision(number))
    store.close(timeout_s=0.1)
    assert lost == [3]


def test_one_that_cannot_be_written_does_not_hold_up_the_others(open_store, rows_of, database_url):
    lost = []
    store = Store(database_url, on_lost=lost.append)
    for item in (decision(1), decision(1, service="repeated"), decision(2)):
        store.record(item)
    assert store.flush()
    store.close()
    assert rows_of("select decision_id, service from decision order by 1") == [
        ("d1", "s"),
        ("d2", "s"),
    ]
    assert lost == [1]


def test_those_that_come_soon_after_a_batch_are_written_together(monkeypatch):
    monkeypatch.setattr("cds_service.store.decision_writer._APART_S", 60)  # until the flush
    batches, first = [], threading.Event()

    def write(batch):
        batches.append(len(batch))
        first.set()

    writer = DecisionWriter(write)
    writer.offer(decision())
    assert first.wait(20)
    for number in range(1, 6):
        writer.offer(decision(number))
    assert writer.flush(60)
    writer.close()
    assert batches == [1, 5]


EXIT = """
import sys
from cds_service.store import Store
sys.path.insert(0, sys.argv[2])
from test_decision_writer import decision
store = Store(sys.argv[1])
store.prepare()
for number in range(300):
    store.record(decision(number))
"""


@pytest.mark.requirement("B3")
def test_a_batch_that_takes_the_database_too_long_is_written_in_parts():
    """A statement that is cancelled after its time looks as if the database were away."""
    written = []

    def write(batch):
        if len(batch) > 5:
            cancelled = sqlalchemy.exc.OperationalError("insert", {}, Exception("timeout"))
            raise StoreUnavailable("took too long") from cancelled
        written.extend(batch)

    writer = DecisionWriter(write)
    decisions = [decision(number) for number in range(12)]
    assert all(map(writer.offer, decisions))
    assert writer.flush(60)
    writer.close()
    assert written == decisions


@pytest.mark.slow
def test_a_process_that_ends_writes_what_waits(database_url, rows_of):
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", EXIT, database_url, here], check=True, timeout=60)
    assert rows_of("select count(*) from decision") == [(300,)]


@pytest.mark.slow
def test_a_forked_process_writes_its_own(either_store, rows_of):
    either_store.prepare()
    child = os.fork()
    if child == 0:
        either_store.record(decision(1))
        os._exit(0 if either_store.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
    either_store.record(decision(2))
    assert either_store.flush()
    assert rows_of("select decision_id from decision order by 1") == [("d1",), ("d2",)]

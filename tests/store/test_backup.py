"""A copy of the database that was made while the service writes can be put back."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from cds_service.store import FeedbackItem, Sender, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def add(store):
    item = FeedbackItem(card=str(uuid4()), outcome="accepted", at=NOW)
    assert store.add_feedback(Sender("s", ""), [item], received=NOW) == 1
    return item.card


@pytest.fixture
def busy(tmp_path):
    """A store with one feedback, and others that come as long as the test runs."""
    path = tmp_path / "cds.sqlite3"
    stop = threading.Event()
    with closing(Store(f"sqlite:///{path}")) as store:
        first = add(store)

        def write():
            while not stop.is_set():
                add(store)

        writer = threading.Thread(target=write)
        writer.start()
        yield path, first
        stop.set()
        writer.join()


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="the program sqlite3 is not installed")
@pytest.mark.parametrize("command", [".backup {copy}", "VACUUM INTO '{copy}'"])
def test_a_copy_made_while_feedback_comes_is_whole_and_goes_on(busy, tmp_path, command):
    path, first = busy
    copy = tmp_path / "copy.sqlite3"
    subprocess.run(
        ["sqlite3", "-cmd", ".timeout 10000", path, command.format(copy=copy)],
        check=True,
        timeout=60,
    )
    with closing(Store(f"sqlite:///{copy}")) as restored:
        assert first in {event["card"] for event in restored.feedback()}
        assert add(restored) in {event["card"] for event in restored.feedback()}


@pytest.mark.skipif(not shutil.which("pg_dump"), reason="the program pg_dump is not installed")
def test_a_dump_of_postgresql_goes_into_an_empty_database(postgresql_database):
    plain = [postgresql_database().replace("+psycopg", "") for _ in range(2)]
    with closing(Store(plain[0].replace("://", "+psycopg://"))) as store:
        first = add(store)
        dump = subprocess.run(
            ["pg_dump", "--no-owner", plain[0]], check=True, capture_output=True, timeout=60
        )
    subprocess.run(
        ["psql", "--quiet", "--set", "ON_ERROR_STOP=1", plain[1]],
        input=dump.stdout,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    with closing(Store(plain[1].replace("://", "+psycopg://"))) as restored:
        assert [event["card"] for event in restored.feedback()] == [first]

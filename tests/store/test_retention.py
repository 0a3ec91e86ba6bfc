"""Deletion by age, as the site sets it: once a day, by one process, a part at a time."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import event

from cds_service.store import CardRecord, Decision, FeedbackItem, KeptRequest, Sender, Store
from cds_service.store.database import Database
from cds_service.store.retention import MOST_AT_ONCE, Pruner, Retention

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
SERVICE = "low-back-pain-order-sign"
KEPT_DAYS = 30


def decision(days):
    """One that was taken so many days before NOW."""
    return Decision(
        decision_id=f"decision-{days}",
        at=NOW - timedelta(days=days),
        service=SERVICE,
        hook="order-sign",
        profile="nl",
        plan_revision="r",
        hook_instance="i",
        cards=(CardRecord(f"card-{days}", ("lbpR16",)),),
        verdicts={},
        milliseconds=1.0,
    )


@pytest.fixture
def add(either_store):
    """Adds a decision and feedback on its card, so many days before NOW."""

    def adding(days):
        at = NOW - timedelta(days=days)
        assert either_store.record(decision(days))
        assert either_store.flush()
        item = FeedbackItem(f"card-{days}", "overridden", at, comment="a comment")
        either_store.add_feedback(Sender(SERVICE), [item], received=at)

    return adding


@pytest.fixture
def kept(either_store):
    """The ids of the decisions that are there, and the cards that there is feedback on."""

    def found():
        decisions = {row["decision_id"] for row in either_store.decisions()}
        return decisions, {row["card"] for row in either_store.feedback()}

    return found


def prune(store, now=NOW):
    """Let a process look; ends when its deleting has ended."""
    Pruner(store.database, Retention(KEPT_DAYS, lambda: now)).look().join()


def test_what_is_older_is_deleted_and_the_rest_is_kept(either_store, add, kept):
    for days in (400, 200, 31, 30, 1):
        add(days)
    prune(either_store)
    assert kept() == ({"decision-30", "decision-1"}, {"card-30", "card-1"})


def test_no_transaction_deletes_more_than_a_part(either_store, rows_of):
    """Others that write wait behind it, and a server gives a statement only so long."""
    early = NOW - timedelta(days=400)
    for number in range(2 * MOST_AT_ONCE + 1):
        at = early + timedelta(seconds=number)
        assert either_store.record(replace(decision(number), at=at, cards=()))
        if number % MOST_AT_ONCE == 0:  # before too many wait
            assert either_store.flush()
    left = []

    def count(connection):
        left.append(connection.exec_driver_sql("select count(*) from decision").scalar())

    event.listen(either_store.database.engine, "commit", count)
    prune(either_store)

    kept = sorted(set(left), reverse=True)
    assert [before - after for before, after in pairwise(kept)] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]


@pytest.mark.requirement("L2")
def test_a_kept_request_goes_with_its_decision(either_store, rows_of):
    for days in (31, 1):
        kept = KeptRequest(b'{"hook":"order-sign"}', "nl")
        assert either_store.record(replace(decision(days), request=kept))
    assert either_store.flush()
    prune(either_store)
    assert rows_of("select decision_id from decision_request") == [("decision-1",)]


@pytest.mark.requirement("B7")
@pytest.mark.parametrize(
    "command", [prune, lambda store: store.prune(NOW)], ids=["daily", "by hand"]
)
def test_what_was_deleted_is_in_no_file_of_the_database(tmp_path, command):
    store = Store(f"sqlite:///{tmp_path}/cds.sqlite3")
    old = NOW - timedelta(days=400)
    for comment in ("canary", "canary" * 5000):
        item = FeedbackItem(f"card-{len(comment)}", "overridden", old, comment=comment)
        store.add_feedback(Sender(SERVICE), [item], received=old)
    with sqlite3.connect(tmp_path / "cds.sqlite3") as other:  # a process that goes on
        other.execute("select count(*) from feedback").fetchall()
        assert any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())

        command(store)

        assert [file.name for file in tmp_path.iterdir() if b"canary" in file.read_bytes()] == []
    other.close()
    store.close()


def test_a_second_process_deletes_nothing_on_the_same_day(open_store, add, kept, either_store):
    prune(either_store)
    add(400)
    prune(open_store(), NOW + timedelta(hours=23))
    assert kept()[0] == {"decision-400"}


def test_the_next_day_it_is_done_again(open_store, add, kept, either_store):
    prune(either_store)
    add(400)
    prune(open_store(), NOW + timedelta(days=1))
    assert kept()[0] == set()


def test_a_process_looks_at_most_once_an_hour(either_store):
    either_store.prepare()
    times = iter([NOW, NOW + timedelta(minutes=59), NOW + timedelta(minutes=60)])
    pruner = Pruner(either_store.database, Retention(KEPT_DAYS, lambda: next(times)))
    looks = [pruner.look() for _ in range(3)]
    assert [look is not None for look in looks] == [True, False, True]
    for look in looks:
        if look is not None:
            look.join()


def test_a_database_that_is_away_stops_nothing(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    away = Database(f"sqlite:///{tmp_path}/var/cds.sqlite3")
    Pruner(away, Retention(KEPT_DAYS, lambda: NOW)).look().join()


def test_a_store_looks_after_it_has_written(database_url):
    asked = threading.Event()

    def clock():
        asked.set()
        return NOW

    store = Store(database_url, keep=Retention(KEPT_DAYS, clock))
    store.record(decision(1))
    assert asked.wait(30)
    store.close()

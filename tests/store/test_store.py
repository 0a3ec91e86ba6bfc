"""The decision log and the feedback: durable before acknowledged, once each, no patient data."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy

from cds_service.errors import StoreUnavailable
from cds_service.store import CardRecord, Decision, FeedbackItem, Sender, Store

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
SERVICE = "low-back-pain-patient-view"
SENDER = Sender(SERVICE)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "cds.sqlite3"


@pytest.fixture
def store(path):
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


def rows(path, query):
    with sqlite3.connect(path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def decision(decision_id="d1", **members):
    return Decision(
        **{
            "decision_id": decision_id,
            "at": NOW,
            "service": SERVICE,
            "hook": "patient-view",
            "profile": "core",
            "plan_revision": "abc",
            "hook_instance": "i1",
            "cards": (CardRecord("card-1", ("lbpR01",), ("s1", "s2")),),
            "verdicts": {"fired": 1, "not met": 3},
            "milliseconds": 12.5,
            **members,
        }
    )


def overridden(card="card-1", **members):
    return FeedbackItem(**{"card": card, "outcome": "overridden", "at": NOW, **members})


def test_a_decision_is_kept_with_its_cards(store, path):
    assert store.record(decision()) is True
    assert store.flush()
    assert rows(path, "select decision_id, service, milliseconds from decision") == [
        ("d1", SERVICE, 12.5)
    ]
    assert rows(path, "select card, rules, suggestions from decision_card") == [
        ("card-1", '["lbpR01"]', '["s1","s2"]')
    ]


def test_times_are_kept_in_utc(store, path):
    at = NOW.astimezone(timezone(timedelta(hours=5)))
    store.record(decision(at=at))
    assert store.flush()
    assert rows(path, "select at from decision") == [("2024-06-01 12:00:00.000000",)]


@pytest.mark.requirement("PHI-4")
def test_persons_are_kept_as_keyed_hashes_only(store, path):
    store.prepare()
    columns = {row[1] for row in rows(path, "pragma table_info(decision)")}
    about = {name for name in columns if "patient" in name or "user" in name}
    assert about == {"patient_key", "user_key"}


@pytest.mark.requirement("FB-21")
def test_a_repeat_of_one_event_is_kept_once(store, path):
    first = store.add_feedback(SENDER, [overridden()], received=NOW)
    later = NOW + timedelta(minutes=1)
    again = store.add_feedback(SENDER, [overridden(), overridden()], received=later)
    assert (first, again) == (1, 0)
    assert rows(path, "select count(*) from feedback") == [(1,)]


@pytest.mark.requirement("FB-13", "FB-21")
@pytest.mark.parametrize(
    "other",
    [
        overridden(at=NOW + timedelta(microseconds=1)),
        overridden("card-2"),
        FeedbackItem("card-1", "accepted", NOW, ("s1",)),
        FeedbackItem("card-1", "overridden", NOW, ("s1",)),
    ],
    ids=["time", "card", "outcome", "suggestions"],
)
def test_every_distinct_event_is_kept(store, path, other):
    assert store.add_feedback(SENDER, [overridden(), other], received=NOW) == 2


@pytest.mark.requirement("B4")
def test_the_order_of_suggestions_does_not_make_another_event(store):
    events = [FeedbackItem("c", "accepted", NOW, ids) for ids in (("a", "b"), ("b", "a"))]
    assert store.add_feedback(SENDER, events, received=NOW) == 1


@pytest.mark.requirement("FB-18")
def test_a_card_that_this_service_never_sent_is_kept_and_flagged(store, path):
    store.record(decision())
    assert store.flush()
    store.add_feedback(SENDER, [overridden(), overridden("123456")], received=NOW)
    store.add_feedback(Sender("another-service"), [overridden()], received=NOW)
    flags = rows(path, "select service, card, unknown_card from feedback order by rowid")
    assert flags == [
        (SERVICE, "card-1", 0),
        (SERVICE, "123456", 1),
        ("another-service", "card-1", 1),
    ]


@pytest.mark.requirement("FB-22")
def test_comments_stay_apart_and_out_of_reprs(store, path):
    item = overridden(comment="Jane Doe fell again", reason_code="r", reason_system="s")
    store.add_feedback(SENDER, [item], received=NOW)
    assert "Jane" not in repr(item)
    assert rows(path, "select comment from feedback_comment") == [("Jane Doe fell again",)]
    assert "Jane" not in str(rows(path, "select * from feedback"))


def test_the_database_file_is_its_owners_only(store, path):
    store.prepare()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_awkward_text_is_kept(store, path):
    item = overridden(card="a\x00b😀", comment="x" * 1_000_000 + "\x00", reason_code="\x00")
    assert store.add_feedback(SENDER, [item], received=NOW) == 1
    assert rows(path, "select card, reason_code from feedback") == [("a\ufffdb😀", "\ufffd")]


def test_a_batch_of_thousands_is_kept(store, path):
    items = [overridden(f"card-{number}") for number in range(3000)]
    assert store.add_feedback(SENDER, items, received=NOW) == 3000


def test_every_connection_is_durable(store):
    store.prepare()
    with store.database.engine.connect() as connection:
        journal = connection.exec_driver_sql("pragma journal_mode").scalar()
        synchronous = connection.exec_driver_sql("pragma synchronous").scalar()
    assert (journal, synchronous) == ("wal", 2)


def test_preparing_leaves_no_connection_for_a_fork(store):
    store.prepare()
    assert store.database.engine.pool.checkedin() == 0


WRITE = """
import sys
from datetime import UTC, datetime
from cds_service.errors import StoreUnavailable
from cds_service.store import Decision, FeedbackItem, Sender, Store

def acknowledged(item):  # sent again, as the hint says, while the disk keeps others waiting
    for _ in range(30):
        try:
            return store.add_feedback(Sender("s"), [item], received=at)
        except StoreUnavailable as error:
            refused = error
    raise refused

store, worker, at = Store(sys.argv[1]), sys.argv[2], datetime(2024, 6, 1, tzinfo=UTC)
new = recorded = 0
for number in range(40):
    item = FeedbackItem(f"card-{number}", "overridden", at)
    new += acknowledged(item)
    decision = Decision(f"{worker}-{number}", at, "s", "h", "core", "r", "i", (), {}, 1.0)
    recorded += store.record(decision)
assert store.flush()
store.close()
print(new, recorded)
"""


@pytest.mark.slow
def test_processes_that_write_at_once_lose_and_double_nothing(path):
    command = [sys.executable, "-c", WRITE, f"sqlite:///{path}"]
    workers = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(8)
    ]
    told = [worker.communicate()[0].split() for worker in workers]
    assert sum(int(new) for new, _ in told) == 40
    recorded = sum(int(recorded) for _, recorded in told)
    assert rows(path, "select count(*) from feedback") == [(40,)]
    assert rows(path, "select count(*) from decision") == [(recorded,)]
    assert rows(path, "pragma integrity_check") == [("ok",)]


def test_threads_share_one_store(store, path):
    with ThreadPoolExecutor(16) as pool:
        events = pool.map(
            lambda number: store.add_feedback(
                SENDER, [overridden(f"c{number % 20}")], received=NOW
            ),
            range(100),
        )
        assert sum(events) == 20


ACKNOWLEDGE = """
import sys
from datetime import UTC, datetime
from cds_service.store import FeedbackItem, Sender, Store
store, number = Store(sys.argv[1]), 0
while True:
    at = datetime(2024, 6, 1, tzinfo=UTC)
    store.add_feedback(Sender("s"), [FeedbackItem(f"card-{number}", "overridden", at)], received=at)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(path):
    url = f"sqlite:///{path}"
    with subprocess.Popen(
        [sys.executable, "-c", ACKNOWLEDGE, url], stdout=subprocess.PIPE, text=True
    ) as writer:
        acknowledged = [writer.stdout.readline() for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    kept = {row[0] for row in rows(path, "select card from feedback")}
    assert {f"card-{int(line)}" for line in acknowledged if line.strip()} <= kept
    assert rows(path, "pragma integrity_check") == [("ok",)]


class Blocked:
    """Another writer that holds the database until told to let go."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.connection.execute("begin immediate")

    def let_go(self):
        self.connection.execute("rollback")
        self.connection.close()


def test_feedback_waits_for_another_writer(store, path):
    store.prepare()
    blocked = Blocked(path)
    timer = threading.Timer(0.5, blocked.let_go)
    timer.start()
    assert store.add_feedback(SENDER, [overridden()], received=NOW) == 1
    timer.join()


def test_feedback_that_cannot_be_written_is_refused_whole(store, path, monkeypatch):
    monkeypatch.setattr("cds_service.store.FEEDBACK_PATIENCE_MS", 50)
    store.prepare()
    blocked = Blocked(path)
    with pytest.raises(StoreUnavailable) as refused:
        store.add_feedback(SENDER, [overridden()], received=NOW)
    blocked.let_go()
    assert str(path) not in str(refused.value)
    assert rows(path, "select count(*) from feedback") == [(0,)]


def test_all_items_of_a_message_or_none(store, path):
    bad = FeedbackItem("card-2", "overridden", at=None)  # what no schema lets through
    with pytest.raises((StoreUnavailable, AttributeError)):
        store.add_feedback(SENDER, [overridden(), bad], received=NOW)
    assert rows(path, "select count(*) from feedback") == [(0,)]


def test_a_store_that_was_away_is_used_when_it_comes_back(tmp_path):
    folder = tmp_path / "var"
    folder.write_text("a file where the folder should be")
    store = Store(f"sqlite:///{folder}/cds.sqlite3")
    assert store.record(decision()) is True
    assert store.flush(0.2) is False
    assert store.problem()
    with pytest.raises(StoreUnavailable):
        store.add_feedback(SENDER, [overridden()], received=NOW)
    folder.unlink()
    assert store.problem() is None
    assert store.flush()


def test_a_deleted_database_is_made_again(store, path):
    store.prepare()
    store.database.close()
    for file in path.parent.iterdir():
        file.unlink()
    store.record(decision())
    assert store.flush()
    assert rows(path, "select decision_id from decision") == [("d1",)]


@pytest.mark.requirement("B1", "B3")
@pytest.mark.parametrize("name", [None, "moved"], ids=["deleted", "moved"])
def test_what_is_acknowledged_is_in_the_file_that_is_in_place(store, path, name):
    store.add_feedback(SENDER, [overridden("before")], received=NOW)
    for file in list(path.parent.iterdir()):  # while a connection to it is open
        if name is None:
            file.unlink()
        else:
            file.rename(path.parent / file.name.replace("cds", name))

    assert store.add_feedback(SENDER, [overridden("after")], received=NOW) == 1

    assert rows(path, "select card from feedback") == [("after",)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.requirement("B1", "B3")
def test_what_went_into_a_file_that_is_gone_is_not_acknowledged(store, path):
    def write_and_lose():
        with store.database.writing(1000) as connection:
            connection.exec_driver_sql("delete from feedback")
            path.unlink()

    with pytest.raises(StoreUnavailable, match="moved or deleted"):
        write_and_lose()


def test_an_unreachable_server_is_told_without_its_password():
    store = Store("postgresql+psycopg://cds:secret@127.0.0.1:1/cds")
    with pytest.raises(StoreUnavailable) as problem:
        store.prepare()
    assert "secret" not in str(problem.value)
    assert store.problem()


def test_postgresql_keeps_the_same(postgresql_database):
    stores = [Store(url) for url in [postgresql_database()] * 4]
    store = stores[0]
    assert store.problem() is None
    assert store.record(decision()) is True
    assert store.flush()
    item = overridden(card="a\x00b", comment="\x00")
    assert store.add_feedback(SENDER, [overridden(), item], received=NOW) == 2
    with ThreadPoolExecutor(4) as pool:
        again = pool.map(lambda s: s.add_feedback(SENDER, [item], received=NOW), stores)
        assert sum(again) == 0
    with store.database.engine.connect() as connection:
        query = sqlalchemy.text("select card, unknown_card, at from feedback order by card")
        assert connection.execute(query).all() == [
            ("a\ufffdb", True, NOW),
            ("card-1", False, NOW),
        ]
    for used in stores:
        used.close()

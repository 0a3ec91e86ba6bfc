"""A token is used once: by one process of many, also after a restart."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from cds_service.errors import StoreUnavailable
from cds_service.store import Store
from cds_service.store.seen_tokens import PATIENCE_MS
from cds_service.store.tables import seen_token

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
HOUR = timedelta(hours=1)


@pytest.mark.requirement("SEC-35", "C8")
def test_a_token_is_used_once(either_store):
    claims = [either_store.seen_tokens.claim("h", "iss", SOON, now=NOW) for _ in range(3)]
    assert claims == [True, False, False]


@pytest.mark.requirement("SEC-35")
@pytest.mark.parametrize("other", [("h2", "iss"), ("h", "iss2")], ids=["jti", "issuer"])
def test_another_jti_or_issuer_is_another_token(either_store, other):
    assert either_store.seen_tokens.claim("h", "iss", SOON, now=NOW)
    assert either_store.seen_tokens.claim(*other, SOON, now=NOW)


@pytest.mark.requirement("SEC-35", "C8")
def test_a_restart_forgets_nothing(open_store):
    before = open_store()
    assert before.seen_tokens.claim("h", "iss", SOON, now=NOW)
    before.close()
    assert not open_store().seen_tokens.claim("h", "iss", SOON, now=NOW)


def told(store, jti_hash):
    """The answer to a claim; one that stood behind other writers for too long is made again."""
    for _ in range(100):
        with suppress(StoreUnavailable):
            return store.seen_tokens.claim(jti_hash, "iss", SOON, now=NOW)
    raise AssertionError("the store was never free")


@pytest.mark.requirement("C8")
def test_of_many_threads_and_stores_one_gets_the_token(open_store):
    stores = [open_store() for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        claims = pool.map(
            lambda number: told(stores[number % 4], "h"),
            range(48),
        )
        assert sum(claims) == 1


CLAIM = """
import sys
sys.path[:0] = sys.argv[2:]
from cds_service.store import Store
from test_seen_tokens import told
store = Store(sys.argv[1])
print(sum(told(store, str(number)) for number in range(50)))
"""


@pytest.mark.slow
@pytest.mark.requirement("C8")
def test_processes_share_out_the_tokens(database_url):
    command = [sys.executable, "-c", CLAIM, database_url, str(Path(__file__).parent)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert sum(int(worker.communicate(timeout=60)[0]) for worker in workers) == 50


@pytest.mark.requirement("C8")
def test_tokens_that_expired_long_ago_are_forgotten(either_store, rows_of):
    for number in range(100):
        either_store.seen_tokens.claim(str(number), "iss", SOON, now=NOW)
    either_store.seen_tokens.claim("new", "iss", NOW + timedelta(days=1), now=NOW)
    either_store.seen_tokens.claim("last", "iss", NOW, now=SOON + timedelta(hours=1))
    kept = {name for (name,) in rows_of("select jti_hash from seen_token")}
    assert kept - {"last"} == {"new"}


@pytest.mark.requirement("C8")
def test_no_claim_forgets_more_than_a_call_can_wait_for(either_store, rows_of):
    """After a night without calls a million may have expired: a minute and a half at once."""
    with either_store.database.writing(PATIENCE_MS) as connection:
        old = [{"issuer": "iss", "jti_hash": str(n), "expires_at": SOON} for n in range(450)]
        connection.execute(seen_token.insert(), old)
    left = []
    for name in "abc":
        either_store.seen_tokens.claim(name, "iss", NOW + timedelta(days=1), now=SOON + HOUR)
        left.append(len(rows_of("select jti_hash from seen_token")) - len(left) - 1)
    assert left == [250, 50, 0]


@pytest.mark.requirement("C8")
def test_a_token_that_has_just_expired_is_still_known(either_store):
    either_store.seen_tokens.claim("h", "iss", SOON, now=NOW)
    later = SOON + timedelta(minutes=2)
    assert not either_store.seen_tokens.claim("h", "iss", SOON, now=later)


@pytest.mark.requirement("C8")
def test_without_a_database_nobody_is_told_that_a_token_is_new(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    store = Store(f"sqlite:///{tmp_path}/var/cds.sqlite3")
    with pytest.raises(StoreUnavailable):
        store.seen_tokens.claim("h", "iss", SOON, now=NOW)


@pytest.mark.requirement("B3", "C8")
def test_no_claim_waits_longer_for_a_locked_file_than_it_has_patience(tmp_path):
    """Also the second one, which looks first whether the file is still the one it was."""
    path = tmp_path / "cds.sqlite3"
    store = Store(f"sqlite:///{path}")
    store.prepare()
    said = []
    event.listen(
        store.database.engine, "connect", lambda made, _: made.set_trace_callback(said.append)
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(2):
            with pytest.raises(StoreUnavailable):
                store.seen_tokens.claim(str(number), "iss", SOON, now=NOW)
    waits = {int(text.rpartition("=")[2]) for text in said if "busy_timeout" in text}
    assert waits == {PATIENCE_MS}
    store.close()

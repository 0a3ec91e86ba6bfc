"""What a process remembers of used tokens: so many at most, and never instead of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from flask import Flask, g

from cds_service.errors import NotTrusted
from cds_service.store import Store
from cds_service.tenants import Tenant
from cds_service.web.auth.replay import Replay
from cds_service.web.auth.tokens import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
TENANT = Tenant(id="a", issuers=("https://ehr.example.org",), audience="https://cds.example.org")


@pytest.fixture(autouse=True)
def request_facts() -> Iterator[None]:
    with Flask("x").app_context():
        g.facts = {}
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/cds.sqlite3")
    yield made
    made.close()


@pytest.fixture
def away(tmp_path: Path) -> Store:
    """A store whose folder is a file."""
    (tmp_path / "var").write_text("")
    return Store(f"sqlite:///{tmp_path}/var/cds.sqlite3")


def is_let_in(replay: Replay, jti: str, now: datetime = NOW, until: datetime = SOON) -> bool:
    try:
        replay.claim(Caller(TENANT, TENANT.issuers[0], jti, until), now)
    except NotTrusted:
        return False
    return True


@pytest.mark.requirement("C8")
def test_more_tokens_than_a_process_remembers_are_let_in_once_each(store: Store) -> None:
    replay = Replay(store.seen_tokens, most=3)

    assert [is_let_in(replay, str(number)) for number in range(10)] == [True] * 10
    assert [is_let_in(replay, str(number)) for number in range(10)] == [False] * 10


@pytest.mark.requirement("C8", "C10")
def test_without_the_store_only_so_many_are_let_in_as_can_be_remembered(away: Store) -> None:
    replay = Replay(away.seen_tokens, most=3)

    assert [is_let_in(replay, str(number)) for number in range(5)] == [True] * 3 + [False] * 2


@pytest.mark.requirement("C8")
def test_what_has_expired_makes_room(away: Store) -> None:
    replay = Replay(away.seen_tokens, most=2)
    is_let_in(replay, "short", until=NOW + timedelta(minutes=1))
    is_let_in(replay, "long")
    later = NOW + timedelta(minutes=2)

    assert not is_let_in(replay, "too many")
    assert is_let_in(replay, "new", later)
    assert not is_let_in(replay, "long", later)
    assert not is_let_in(replay, "again too many", later)

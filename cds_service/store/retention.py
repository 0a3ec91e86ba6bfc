"""How long things are kept: deletes what is older than the site wants, and nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.errors import StoreUnavailable
from cds_service.store import tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from cds_service.store.database import Database

_EVERY = timedelta(days=1)
_LOOK_EVERY = timedelta(hours=1)
MOST_AT_ONCE = 500
"""Decisions, and feedback, that one transaction deletes: others that write wait behind it."""
_LEAST = timedelta(seconds=1)  # of the time that a part covers, however many rows are of it
_PAUSE_S = 0.1  # from one part to the next, for the others
_PATIENCE_MS = 60_000
_FORGET_WITHIN_MS = 500  # the log of a SQLite file waits so long for its readers, writers with it
_TASK = "prune"


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days things are kept, and the clock that tells their age."""

    days: int
    clock: Callable[[], datetime]


class Pruner:
    """Deletes by age, at most once a day over all processes of one database.

    `look` is called whenever a process has written something; what there is to do is done in a
    thread of its own, part by part. What fails is tried again the next day.
    """

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._looked_at: datetime | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def look(self) -> threading.Thread | None:
        """Start deleting if that is due; the thread that does, None when nothing is to do now."""
        now = self._retention.clock()
        if self._looked_at is not None and now - self._looked_at < _LOOK_EVERY:
            return None
        self._looked_at = now
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, args=(now,), name="prune", daemon=True)
        self._thread.start()
        return self._thread

    def close(self, timeout_s: float) -> None:
        """Stop what is under way, waiting so long at most; another day goes on with the rest."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, now: datetime) -> None:
        limit = now - timedelta(days=self._retention.days)
        try:
            with self._database.writing(_PATIENCE_MS) as connection:
                is_ours = _claim(connection, now)
            if is_ours:
                prune(self._database, limit, patience_ms=_PATIENCE_MS, stopped=self._stopped)
        except StoreUnavailable:  # the database is away; another day will do
            return


def _claim(connection: Connection, now: datetime) -> bool:
    """Whether this process is the one that does it today; the others get False."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    table = tables.upkeep
    insert = dialect.insert(table).values(task=_TASK, at=now)
    claim = insert.on_conflict_do_update(
        index_elements=[table.c.task], set_={"at": now}, where=table.c.at <= now - _EVERY
    )
    return connection.execute(claim.returning(table.c.task)).scalar() is not None


def prune(
    database: Database,
    before: datetime,
    *,
    patience_ms: int,
    stopped: threading.Event | None = None,
) -> dict[str, int]:
    """Delete decisions taken and feedback received before this moment; how many of each.

    A part at a time, so that nobody waits long behind it, until `stopped`. Raises StoreUnavailable.
    """
    pause = stopped or threading.Event()
    deleted = {"decisions": 0, "feedback": 0}
    while not pause.is_set():
        with database.writing(patience_ms) as connection:
            until = _part(connection, before)
            if until is None:
                break
            for name, count in _delete(connection, until).items():
                deleted[name] += count
        pause.wait(_PAUSE_S)
    database.forget_deleted(_FORGET_WITHIN_MS)
    return deleted


def _part(connection: Connection, before: datetime) -> datetime | None:
    """Until when a part reaches: so many rows of each kind, or a second; None when all is done."""
    ends = []
    for column in (tables.decision.c.at, tables.feedback.c.received):
        older = select(column).where(column < before).order_by(column)
        oldest = connection.execute(older.limit(1)).scalar()
        if oldest is not None:
            behind = connection.execute(older.offset(MOST_AT_ONCE).limit(1)).scalar()
            ends.append(max(behind or before, oldest + _LEAST))
    return min(*ends, before) if ends else None


def _delete(connection: Connection, before: datetime) -> dict[str, int]:
    decision, feedback = tables.decision, tables.feedback
    old_decisions = select(decision.c.decision_id).where(decision.c.at < before)
    old_events = select(feedback.c.event).where(feedback.c.received < before)
    for table in (tables.card, tables.request):
        connection.execute(table.delete().where(table.c.decision_id.in_(old_decisions)))
    connection.execute(tables.comment.delete().where(tables.comment.c.event.in_(old_events)))
    return {
        "decisions": connection.execute(decision.delete().where(decision.c.at < before)).rowcount,
        "feedback": connection.execute(
            feedback.delete().where(feedback.c.received < before)
        ).rowcount,
    }

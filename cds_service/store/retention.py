"""How long things are kept: deletes what is older than the site wants, and nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select
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
_PART = timedelta(days=1)  # what one transaction deletes, so that nobody waits long behind it
_PATIENCE_MS = 60_000
FORGET_WITHIN_MS = 500
"""How long the log of a SQLite file waits for its readers to be emptied; writers wait meanwhile."""
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

    def look(self) -> threading.Thread | None:
        """Start deleting if that is due; the thread that does, None when nothing is to do now."""
        now = self._retention.clock()
        if self._looked_at is not None and now - self._looked_at < _LOOK_EVERY:
            return None
        self._looked_at = now
        self._thread = threading.Thread(target=self._run, args=(now,), name="prune", daemon=True)
        self._thread.start()
        return self._thread

    def close(self, timeout_s: float) -> None:
        """Wait for what is under way, for so long at most; another day goes on with the rest."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, now: datetime) -> None:
        limit = now - timedelta(days=self._retention.days)
        try:
            with self._database.writing(_PATIENCE_MS) as connection:
                is_ours = _claim(connection, now)
            while is_ours:
                with self._database.writing(_PATIENCE_MS) as connection:
                    oldest = _oldest(connection)
                    if oldest is None or oldest >= limit:
                        break
                    prune(connection, min(oldest + _PART, limit))
            if is_ours:
                self._database.forget_deleted(FORGET_WITHIN_MS)
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


def _oldest(connection: Connection) -> datetime | None:
    """When the oldest decision was taken or the oldest feedback received."""
    queries = (func.min(tables.decision.c.at), func.min(tables.feedback.c.received))
    found = [connection.execute(select(query)).scalar() for query in queries]
    return min((item for item in found if item is not None), default=None)


def prune(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete decisions taken and feedback received before this moment; how many of each."""
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

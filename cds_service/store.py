"""What was decided and what people said about it: the decision log and the feedback.

Append-only, SQLAlchemy Core, and its only user. SQLite by default, PostgreSQL by URL.
No patient data enters the decision log: ids of ours, rules, counts and times. A user's comment may
hold some, so comments have a table of their own, which can be granted, exported and emptied apart
from the rest; the SQLite file is readable by its owner only. Nothing here is ever logged or echoed.

A decision that cannot be written is lost and reported as such (`record` answers False), because a
hook call does not wait for storage. Feedback is acknowledged only after it is durable, or refused
(`StoreUnavailable`). Sources: rows PHI-3, PHI-4, FB-13, FB-18, FB-21, FB-22, FB-24.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping  # noqa: TC003  dataclass fields are part of the interface
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from cds_service.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, Connection, Dialect, Engine

FEEDBACK_PATIENCE_MS = 5000
"""How long a feedback message waits for another writer."""
DECISION_PATIENCE_MS = 500
"""How long a decision waits for another writer; a hook call is waiting behind it."""
CONNECT_PATIENCE_S = 2

_CARDS_PER_QUERY = 500
_MAKING_TABLES = 0x6C6270  # any number that is ours
_LONGEST_HOOK_INSTANCE = 200  # a UUID needs 36 characters; what is longer is kept in part


@dataclass(frozen=True, slots=True)
class CardRecord:
    """One card of an answer: its uuid, the rules it came from, the uuids of its suggestions."""

    card: str
    rules: tuple[str, ...]
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one hook call was answered with. Holds no patient data and no user.

    Attributes:
        at: when, aware.
        plan_revision: the revision of the guideline content that answered.
        verdicts: how many actions got each verdict, for example `{"fired": 2, "not met": 40}`.
        milliseconds: how long the answer took.
    """

    decision_id: str
    at: datetime
    service: str
    hook: str
    profile: str
    plan_revision: str
    hook_instance: str
    cards: tuple[CardRecord, ...]
    verdicts: Mapping[str, int]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """What a user did with one card: accepted suggestions of it, or overrode it.

    Attributes:
        outcome: `accepted` or `overridden`.
        at: when the user did it, aware and in UTC.
        suggestions: uuids of the accepted suggestions.
        comment: free text of the user; may hold patient data, so it never shows in a repr.
    """

    card: str
    outcome: str
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    reason_display: str | None = None
    comment: str | None = field(default=None, repr=False)


class _Utc(TypeDecorator[datetime]):
    """An instant: kept in UTC, given back aware, also where the database knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


_metadata = MetaData()

_decision = Table(
    "decision",
    _metadata,
    Column("decision_id", Text, primary_key=True),
    Column("at", _Utc, nullable=False, index=True),
    *(
        Column(name, Text, nullable=False)
        for name in ("service", "hook", "profile", "plan_revision", "hook_instance")
    ),
    Column("verdicts", JSON, nullable=False),
    Column("milliseconds", Float, nullable=False),
)

_card = Table(
    "decision_card",
    _metadata,
    Column("card", Text, primary_key=True),
    Column("decision_id", ForeignKey("decision.decision_id"), nullable=False, index=True),
    Column("service", Text, nullable=False),
    Column("rules", JSON, nullable=False),
    Column("suggestions", JSON, nullable=False),
)

_feedback = Table(
    "feedback",
    _metadata,
    Column("event", Text, primary_key=True),
    Column("received", _Utc, nullable=False, index=True),
    Column("service", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("unknown_card", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("at", _Utc, nullable=False),
    Column("suggestions", JSON, nullable=False),
    *(Column(name, Text) for name in ("reason_system", "reason_code", "reason_display")),
)

_comment = Table(
    "feedback_comment",
    _metadata,
    Column("event", ForeignKey("feedback.event"), primary_key=True),
    Column("comment", Text, nullable=False),
)


class Store:
    """The decision log and the feedback of one database. Safe for threads and for processes.

    Making one opens nothing. Tables are made by `prepare`, or by the first write that reaches the
    database, so that a database which is late or away for a while does not stop the service.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._engine = _engine(self._url)
        self._preparing = threading.Lock()
        self._prepared = False

    def prepare(self) -> None:
        """Make what is missing: folder, file and tables. Harmless when repeated.

        Leaves no connection open: a process may fork afterwards, and none is shared.

        Raises:
            StoreUnavailable: the database cannot be opened or written.
        """
        with self._preparing:
            if self._prepared:
                return
            try:
                _make_file(self._url)
                _make_tables(self._engine)
                self.close()
            except (SQLAlchemyError, OSError) as error:
                raise StoreUnavailable(
                    f"the database {self._url.render_as_string()} cannot be opened or written",
                    hint="CDS_DATABASE_URL names it; look at its folder, its rights and the disk",
                ) from error
            self._prepared = True

    def close(self) -> None:
        """Close the idle connections; the store opens new ones when it is used again."""
        self._engine.dispose()

    def problem(self) -> str | None:
        """Why nothing can be written now, as a sentence, or None when writing works."""
        try:
            self.prepare()
            with self._engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    _wait_at_most(connection, DECISION_PATIENCE_MS)
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    connection.exec_driver_sql("ROLLBACK")
                else:
                    connection.execute(select(1))
        except (StoreUnavailable, SQLAlchemyError):
            return "the database does not take writes; feedback is refused until it does"
        return None

    def record(self, decision: Decision) -> bool:
        """Write one decision. False when it could not be written; the caller's answer stands."""
        row = {column.name: getattr(decision, column.name) for column in _decision.columns} | {
            "hook_instance": _text(decision.hook_instance[:_LONGEST_HOOK_INSTANCE]),
            "verdicts": dict(decision.verdicts),
        }
        cards = [
            {
                "card": card.card,
                "decision_id": decision.decision_id,
                "service": decision.service,
                "rules": list(card.rules),
                "suggestions": list(card.suggestions),
            }
            for card in decision.cards
        ]
        try:
            self.prepare()
            with self._engine.begin() as connection:
                _wait_at_most(connection, DECISION_PATIENCE_MS)
                connection.execute(_decision.insert(), row)
                if cards:
                    connection.execute(_card.insert(), cards)
        except (StoreUnavailable, SQLAlchemyError):
            self._prepared = False
            return False
        return True

    def add_feedback(
        self, service: str, items: Sequence[FeedbackItem], *, received: datetime
    ) -> int:
        """Write all items of one message, or none, and answer how many were new.

        An event is new when its service, card, outcome, timestamp and set of suggestions were not
        seen together before (FB-21). Returns after the commit; with `synchronous=FULL` that is
        after the disk has it. A card that this service never sent is kept and flagged (FB-18).

        Raises:
            StoreUnavailable: nothing was written; the client should send the message again.
        """
        try:
            self.prepare()
            known = self._cards_sent(service, {item.card for item in items})
            events: dict[str, FeedbackItem] = {}
            for item in items:
                events.setdefault(_event_key(service, item), item)
            rows = [
                _feedback_row(key, item)
                | {"service": service, "received": received, "unknown_card": item.card not in known}
                for key, item in events.items()
            ]
            with self._engine.begin() as connection:
                _wait_at_most(connection, FEEDBACK_PATIENCE_MS)
                new = _add(connection, rows) if rows else set()
                comments = [
                    {"event": key, "comment": _text(events[key].comment or "")}
                    for key in new
                    if events[key].comment
                ]
                if comments:
                    connection.execute(_comment.insert(), comments)
            return len(new)
        except (StoreUnavailable, SQLAlchemyError) as error:
            self._prepared = False
            raise StoreUnavailable(
                "the feedback could not be stored, so nothing of this message was kept",
                hint="send the whole message again later; repeats are recognised",
            ) from error

    def _cards_sent(self, service: str, cards: set[str]) -> set[str]:
        """Those of `cards` that this service sent.

        Read before the writing transaction, not in it: SQLite cannot turn a reader into a writer
        while another one writes.
        """
        sent: set[str] = set()
        ordered = sorted(cards)
        with self._engine.connect() as connection:
            for start in range(0, len(ordered), _CARDS_PER_QUERY):
                some = [_text(card) for card in ordered[start : start + _CARDS_PER_QUERY]]
                query = select(_card.c.card).where(
                    _card.c.service == service, _card.c.card.in_(some)
                )
                sent.update(connection.execute(query).scalars())
        return sent


def _add(connection: Connection, rows: list[dict[str, Any]]) -> set[str]:
    """Insert the feedback events that are not there yet, and answer which those were."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_feedback).on_conflict_do_nothing().returning(_feedback.c.event)
    return set(connection.execute(insert, rows).scalars())


def _feedback_row(key: str, item: FeedbackItem) -> dict[str, Any]:
    return {
        "event": key,
        "card": _text(item.card),
        "outcome": item.outcome,
        "at": item.at,
        "suggestions": [_text(suggestion) for suggestion in item.suggestions],
        "reason_system": item.reason_system and _text(item.reason_system),
        "reason_code": item.reason_code and _text(item.reason_code),
        "reason_display": item.reason_display and _text(item.reason_display),
    }


def _event_key(service: str, item: FeedbackItem) -> str:
    """The same for a repeat of one event, different for every other event."""
    at = item.at.astimezone(UTC).isoformat()
    parts = [service, item.card, item.outcome, at, sorted(set(item.suggestions))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _text(value: str) -> str:
    """Text that every database takes: PostgreSQL refuses the character NUL."""
    return value.replace("\x00", "\ufffd")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url,
            max_overflow=-1,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_PATIENCE_S},
        )
    patience = {"timeout": FEEDBACK_PATIENCE_MS / 1000}
    engine = create_engine(url, max_overflow=-1, connect_args=patience)
    event.listen(engine, "connect", _make_durable)
    return engine


def _make_durable(connection: Any, _record: object) -> None:
    """Readers do not wait for the writer (WAL), and a commit is on the disk (FULL)."""
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {FEEDBACK_PATIENCE_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _wait_at_most(connection: Connection, milliseconds: int) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
    else:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")


def _make_file(url: URL) -> None:
    """The SQLite file and its folder, readable by the owner only; nothing for other databases."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _make_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # two "if not exists" at once do collide there
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING_TABLES})")
        for table in _metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))

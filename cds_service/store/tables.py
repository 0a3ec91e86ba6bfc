"""The tables, as the last migration leaves them; a test holds the two against each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class Utc(TypeDecorator[datetime]):
    """An instant: kept in UTC, given back aware, also where the database knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """What is stored for an aware value."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The stored value, aware."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData()

decision = Table(
    "decision",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    *(
        Column(name, Text, nullable=False)
        for name in ("service", "hook", "profile", "plan_revision", "hook_instance")
    ),
    Column("verdicts", JSON, nullable=False),
    Column("milliseconds", Float, nullable=False),
    Column("tenant", Text, nullable=False, server_default=""),
    *(Column(name, Text) for name in ("patient_key", "user_key", "encounter_key")),
    Column("rule_verdicts", JSON(none_as_null=True)),
    Index("ix_decision_patient_key", "patient_key", "user_key"),
)

card = Table(
    "decision_card",
    metadata,
    Column("card", Text, primary_key=True),
    Column("decision_id", ForeignKey("decision.decision_id"), nullable=False, index=True),
    Column("service", Text, nullable=False),
    Column("rules", JSON, nullable=False),
    Column("suggestions", JSON, nullable=False),
    Column("plans", JSON(none_as_null=True)),
    Column("quieted", JSON(none_as_null=True)),
    Column("is_shadow", Boolean, nullable=False, server_default=false()),
)

request = Table(
    "decision_request",
    metadata,
    Column("decision_id", ForeignKey("decision.decision_id"), primary_key=True),
    Column("request", JSON, nullable=False),
)
"""What was asked and what was read for it: patient data, kept only where the site wants it."""

feedback = Table(
    "feedback",
    metadata,
    Column("event", Text, primary_key=True),
    Column("received", Utc, nullable=False, index=True),
    Column("service", Text, nullable=False),
    Column("card", Text, nullable=False, index=True),
    Column("unknown_card", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("suggestions", JSON, nullable=False),
    *(Column(name, Text) for name in ("reason_system", "reason_code", "reason_display")),
    Column("tenant", Text, nullable=False, server_default=""),
    *(Column(name, Text) for name in ("patient_key", "user_key")),
    Index("ix_feedback_patient_key", "patient_key", "user_key"),
)

comment = Table(
    "feedback_comment",
    metadata,
    Column("event", ForeignKey("feedback.event"), primary_key=True),
    Column("comment", Text, nullable=False),
)

seen_token = Table(
    "seen_token",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("jti_hash", Text, primary_key=True),
    Column("expires_at", Utc, nullable=False, index=True),
)
"""Tokens that were used once, until they expire; the `jti` itself is not kept."""

pseudonym_key = Table(
    "pseudonym_key",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
)
"""The one key of a server's database whose site has set none (`pseudonyms`)."""


upkeep = Table(
    "upkeep",
    metadata,
    Column("task", Text, primary_key=True),
    Column("at", Utc, nullable=False),
)
"""When a task of all processes together was done last."""


def text(value: str) -> str:
    """Text that every database takes: PostgreSQL refuses the character NUL."""
    return value.replace("\x00", "\ufffd")

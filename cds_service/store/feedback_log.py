"""What users did with cards: every distinct event once, comments in a table of their own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.store import tables
from cds_service.store.tables import card, decision, feedback, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from cds_service.store.records import FeedbackItem

_CARDS_PER_QUERY = 500
_SENT = (
    select(
        card.c.card,
        card.c.service,
        decision.c.tenant,
        decision.c.patient_key,
        decision.c.user_key,
    )
    .join(decision, decision.c.decision_id == card.c.decision_id)
    .where(
        card.c.card.in_(bindparam("cards", expanding=True)),
        card.c.quieted.is_(None),  # it was not shown
        card.c.is_shadow.is_(False),
    )
)
"""The cards of these uuids that were shown, each with whom it was shown to and about."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a feedback message: to which service, and the tenant, empty where there are none."""

    service: str
    tenant: str = ""


def add(
    connection: Connection, sender: Sender, items: Sequence[FeedbackItem], received: datetime
) -> int:
    """Add the events that are not there yet, and answer how many those were (FB-21).

    A card that this service never sent to this tenant is kept and flagged (FB-18, B6).
    """
    events: dict[str, FeedbackItem] = {}
    for item in items:
        events.setdefault(_event_key(sender, item), item)
    sent = _cards_sent(connection, sender, {text(item.card) for item in items})
    about = {"service": sender.service, "tenant": sender.tenant, "received": received}
    rows = [
        _row(key, item) | about | _whom(sent.get(text(item.card))) for key, item in events.items()
    ]
    new = _insert(connection, rows) if rows else set()
    comments = [
        {"event": key, "comment": text(events[key].comment or "")}
        for key in new
        if events[key].comment
    ]
    if comments:
        connection.execute(tables.comment.insert(), comments)
    return len(new)


def recognise(connection: Connection, cards: Sequence[str]) -> None:
    """Tell feedback that came before the decision behind its card was written whom it is about."""
    early = select(feedback.c.card).where(feedback.c.card.in_(cards), feedback.c.unknown_card)
    for name in set(connection.execute(early).scalars()):
        for sent in connection.execute(_SENT, {"cards": [name]}):
            connection.execute(
                feedback.update()
                .where(
                    feedback.c.card == sent.card,
                    feedback.c.service == sent.service,
                    feedback.c.tenant == sent.tenant,
                )
                .values(_whom((sent.patient_key, sent.user_key)))
            )


def _whom(persons: tuple[str | None, str | None] | None) -> dict[str, Any]:
    """Patient and user of a card that was sent, as hashes; of no card of this sender, a flag."""
    patient, user = persons or (None, None)
    return {"unknown_card": persons is None, "patient_key": patient, "user_key": user}


def _cards_sent(
    connection: Connection, sender: Sender, cards: set[str]
) -> dict[str, tuple[str | None, str | None]]:
    """Those of `cards` that this service sent to this tenant, with whom they were about."""
    ordered = sorted(cards)
    by_sender = _SENT.where(card.c.service == sender.service, decision.c.tenant == sender.tenant)
    return {
        row.card: (row.patient_key, row.user_key)
        for start in range(0, len(ordered), _CARDS_PER_QUERY)
        for row in connection.execute(
            by_sender, {"cards": ordered[start : start + _CARDS_PER_QUERY]}
        )
    }


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> set[str]:
    """Insert the events that are not there yet, and answer which those were."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(feedback).on_conflict_do_nothing()
    return set(connection.execute(insert.returning(feedback.c.event), rows).scalars())


def _row(key: str, item: FeedbackItem) -> dict[str, Any]:
    return {
        "event": key,
        "card": text(item.card),
        "outcome": item.outcome,
        "at": item.at,
        "suggestions": [text(suggestion) for suggestion in item.suggestions],
        "reason_system": item.reason_system and text(item.reason_system),
        "reason_code": item.reason_code and text(item.reason_code),
        "reason_display": item.reason_display and text(item.reason_display),
    }


def _event_key(sender: Sender, item: FeedbackItem) -> str:
    """The same for a repeat of one event, different for every other event."""
    at = item.at.astimezone(UTC).isoformat()
    parts = [sender.service, item.card, item.outcome, at, sorted(set(item.suggestions))]
    if sender.tenant:
        parts.append(sender.tenant)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

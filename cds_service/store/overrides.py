"""What a user overrode for a patient before: read from the feedback, by keyed hashes.

Only an override with a reason counts, coded or in the user's words, on a card that was shown to
this user for this patient. Source: conventions of the rules, Suppress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, or_, select
from sqlalchemy.dialects import sqlite

from cds_service.store.records import Override
from cds_service.store.tables import card, comment, decision, feedback

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cds_service.store.database import Database
    from cds_service.store.records import Persons

MOST = 500
"""Overrides of one user for one patient that are looked at, the newest of them."""

# Made once: making it anew for each call costs more than the database takes to answer it.
_PAST = (
    select(
        card.c.rules,
        feedback.c.at,
        feedback.c.received,
        feedback.c.reason_system,
        feedback.c.reason_code,
        decision.c.encounter_key,
    )
    .select_from(
        feedback.join(card, card.c.card == feedback.c.card)
        .join(decision, decision.c.decision_id == card.c.decision_id)
        .outerjoin(comment, comment.c.event == feedback.c.event)
    )
    .where(
        feedback.c.patient_key == bindparam("patient"),
        feedback.c.user_key == bindparam("user"),
        feedback.c.tenant == bindparam("tenant"),
        feedback.c.outcome == "overridden",
        or_(feedback.c.reason_code.is_not(None), comment.c.event.is_not(None)),
    )
    .order_by(feedback.c.at.desc())
    .limit(MOST)
)

_ANY = str(
    select(feedback.c.event)
    .where(feedback.c.patient_key == bindparam("patient"), feedback.c.user_key == bindparam("user"))
    .compile(dialect=sqlite.dialect())
)


def are_none(database: Database, persons: Persons, patience_ms: int) -> bool:
    """Whether a file at hand says that this user never gave feedback on this patient.

    That is so in most calls, and costs a tenth of `past`, nearly all of which is SQLAlchemy.
    """
    return not database.finds(_ANY, (persons.patient, persons.user), patience_ms)


def past(
    connection: Connection, tenant: str, persons: Persons, *, until: datetime | None = None
) -> tuple[Override, ...]:
    """The overrides of this user for this patient, newest first; those received by then."""
    query = _PAST if until is None else _PAST.where(feedback.c.received <= until)
    asked = {"patient": persons.patient, "user": persons.user, "tenant": tenant}
    return tuple(
        Override(
            rules=tuple(row.rules),
            at=min(row.at, row.received),  # a client's clock may be ahead
            reason=(row.reason_system or "", row.reason_code) if row.reason_code else None,
            encounter=row.encounter_key,
        )
        for row in connection.execute(query, asked)
    )

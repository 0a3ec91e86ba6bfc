"""How long things are kept: deletes what is older than the site wants, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cds_service.store import tables

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


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

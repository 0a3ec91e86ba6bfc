"""The decisions that were taken: written once, never changed. No patient data, no user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.store import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cds_service.store.records import Decision

_LONGEST_HOOK_INSTANCE = 200  # a UUID needs 36 characters; what is longer is kept in part


def insert(connection: Connection, decision: Decision) -> None:
    """Add one decision with its cards."""
    row = {column.name: getattr(decision, column.name) for column in tables.decision.columns} | {
        "hook_instance": tables.text(decision.hook_instance[:_LONGEST_HOOK_INSTANCE]),
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
    connection.execute(tables.decision.insert(), row)
    if cards:
        connection.execute(tables.card.insert(), cards)

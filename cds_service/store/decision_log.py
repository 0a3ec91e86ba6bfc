"""The decisions that were taken: written once, never changed. No patient data, no user.

Only what was asked, where the site keeps that, is patient data; it has a table of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.store import feedback_log, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from cds_service.store.records import CardRecord, Decision, KeptRequest, Quieted

_LONGEST_HOOK_INSTANCE = 200  # a UUID needs 36 characters; what is longer is kept in part


def insert(connection: Connection, decisions: Sequence[Decision]) -> None:
    """Add decisions with their cards, and with what was asked where that is kept."""
    connection.execute(tables.decision.insert(), [_row(decision) for decision in decisions])
    cards = [_card(decision, card) for decision in decisions for card in decision.cards]
    if cards:
        connection.execute(tables.card.insert(), cards)
        feedback_log.recognise(connection, [row["card"] for row in cards])
    requests = [
        {"decision_id": decision.decision_id, "request": _request(decision.request)}
        for decision in decisions
        if decision.request is not None
    ]
    if requests:
        connection.execute(tables.request.insert(), requests)


def _row(decision: Decision) -> dict[str, Any]:
    persons = decision.persons
    return {
        "decision_id": decision.decision_id,
        "at": decision.at,
        "service": decision.service,
        "hook": decision.hook,
        "profile": decision.profile,
        "plan_revision": decision.plan_revision,
        "hook_instance": tables.text(decision.hook_instance[:_LONGEST_HOOK_INSTANCE]),
        "verdicts": dict(decision.verdicts),
        "milliseconds": decision.milliseconds,
        "tenant": decision.tenant,
        "patient_key": persons and persons.patient,
        "user_key": persons and persons.user,
        "encounter_key": persons and persons.encounter,
        "rule_verdicts": {key: list(rules) for key, rules in decision.rule_verdicts.items()},
    }


def _request(request: KeptRequest) -> dict[str, Any]:
    return {"language": request.language, "message": fhir_json.verbatim(request.message)}


def _card(decision: Decision, card: CardRecord) -> dict[str, Any]:
    return {
        "card": card.card,
        "decision_id": decision.decision_id,
        "service": decision.service,
        "rules": list(card.rules),
        "suggestions": list(card.suggestions),
        "plans": list(card.plans),
        "quieted": card.quieted and _quieted(card.quieted),
        "is_shadow": card.is_shadow,
    }


def _quieted(quieted: Quieted) -> dict[str, Any]:
    return {
        "overridden": quieted.overridden.isoformat(),
        "reason": quieted.reason and tables.text(quieted.reason),
        "until": quieted.until and quieted.until.isoformat(),
    }

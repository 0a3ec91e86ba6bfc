"""The suggestions of a card: what the clinician can accept, as actions an EHR can apply.

Pure. Sources: CDS Hooks 2.0.1, Suggestion and Action; rules C.5 (an update keeps every field of
the draft, a removal names it, nothing is pre-selected unless the plan says so).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cds_service import fhir_json
from cds_service.engine.wording import with_words
from cds_service.hooks import languages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.engine.outcome import ActionOutcome

_TYPE_OF = {"create": "create", "update": "update", "remove": "delete"}


def suggestions_of(
    card: ActionOutcome, decision_id: UUID, language: str
) -> Iterator[dict[str, Any]]:
    """The suggestions below a card's action, in order, without those that have nothing to do."""
    for child in card.fired:
        if child.action.grouping == "sentence-group":
            continue
        if child.action.grouping == "logical-group":
            yield from suggestions_of(child, decision_id, language)
            continue
        suggestion = _suggestion(child, decision_id, language)
        if suggestion is not None:
            yield suggestion


def _suggestion(outcome: ActionOutcome, decision_id: UUID, language: str) -> dict[str, Any] | None:
    title, facts = languages.said(outcome, "title")
    if title is None:
        return None
    suggestion: dict[str, Any] = {
        "label": languages.plain_text(title, language, facts),
        "uuid": str(uuid5(decision_id, f"suggestion:{outcome.path}")),
    }
    if outcome.member("precheckBehavior") == "yes":
        suggestion["isRecommended"] = True
    steps = [outcome] if outcome.resource is not None else list(outcome.fired)
    steps = [step for step in steps if step.resource is not None]
    if not all(_can_be_applied(step) for step in steps):
        return None
    if steps:
        suggestion["actions"] = [_action(step, language) for step in steps]
    return suggestion if steps or not outcome.action.actions else None


def _can_be_applied(outcome: ActionOutcome) -> bool:
    """Whether a client can find what is to be changed, by a FHIR id (ACT-6, ACT-9)."""
    if _kind(outcome) == "create":
        return True
    identifier = (outcome.resource or {}).get("id")
    return isinstance(identifier, str) and fhir_json.ID.fullmatch(identifier) is not None


def _kind(outcome: ActionOutcome) -> str:
    return _TYPE_OF.get(outcome.action.type_code or "create", "create")


def _action(outcome: ActionOutcome, language: str) -> dict[str, Any]:
    resource = dict(outcome.resource or {})
    text, facts = languages.sentence(outcome)
    kind = _kind(outcome)
    written: dict[str, Any] = {
        "type": kind,
        "description": languages.plain_text(text, language, facts)
        if text
        else f"{kind} {resource['resourceType']}",
    }
    if kind == "delete":
        written["resourceId"] = f"{resource['resourceType']}/{resource.get('id')}"
        return written
    if kind == "create":
        resource.pop("id", None)
    written["resource"] = with_words(resource, language)
    return written

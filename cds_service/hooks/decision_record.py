"""What of an answer goes into the decision log: its cards, those not shown, and its verdicts.

Pure, and without patient data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.engine import LeftOut
from cds_service.engine.outcome import Verdict
from cds_service.hooks import cards
from cds_service.store import CardRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from cds_service.engine import ActionOutcome, Outcome
    from cds_service.hooks.quieting import QuietCard


def rule_verdicts(
    judged: Mapping[Verdict, Sequence[ActionOutcome]], shown: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """The rules that cards carry; of the others those not shown or not judged; by verdict."""
    found = {str(Verdict.FIRED): shown}
    for verdict in (Verdict.QUIET, Verdict.SHADOW, Verdict.CANNOT_TELL, Verdict.ERROR):
        rules = map(_rule, judged[verdict])
        found[str(verdict)] = tuple(
            dict.fromkeys(rule for rule in rules if rule is not None and rule not in shown)
        )
    return {verdict: rules for verdict, rules in found.items() if rules}


def _rule(item: ActionOutcome) -> str | None:
    """The rule that an action belongs to; one that was left out is known by its own code."""
    definition = item.action.definition
    topic = definition.topic if isinstance(definition, LeftOut) else item.plan.topic
    return topic.code if topic is not None else None


def shown_card(card: Mapping[str, Any]) -> CardRecord:
    """The record of a card as it was sent."""
    return CardRecord(
        card=card["uuid"],
        rules=cards.rules_of(card),
        plans=tuple(card["extension"][cards.EXTENSION].get("plans", ())),
        suggestions=tuple(item["uuid"] for item in card.get("suggestions", ())),
    )


def quiet_card(card: QuietCard, decision_id: UUID) -> CardRecord:
    """The record of a card that was not sent, under the uuid that it would have had."""
    action = card.action
    return CardRecord(
        card=cards.uuid_of(action.path, decision_id),
        rules=(card.rule,),
        plans=(action.plan.versioned,),
        quieted=card.why,
    )


def shadow_cards(outcome: Outcome, decision_id: UUID) -> Iterator[CardRecord]:
    """The records of the cards that the guideline only tries, under the uuids they would have."""
    for action in _in_shadow(outcome.actions):
        topic = action.action.code or action.plan.topic
        yield CardRecord(
            card=cards.uuid_of(action.path, decision_id),
            rules=(topic.code,) if topic else (),
            plans=(action.plan.versioned,),
            is_shadow=True,
        )


def _in_shadow(outcomes: Iterable[ActionOutcome]) -> Iterator[ActionOutcome]:
    """The cards in shadow: what stands inside a card is none of its own."""
    for outcome in outcomes:
        if outcome.verdict is Verdict.SHADOW and outcome.is_card:
            yield outcome
        else:
            yield from _in_shadow(outcome.children)

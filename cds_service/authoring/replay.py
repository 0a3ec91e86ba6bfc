"""A kept decision taken again from its kept request, and whether the same cards come of it (L2).

The same moment, profile, language and decision id, so that equal cards have equal uuids; the
overrides that were known then; no FHIR server. The guidelines are those that are loaded now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cds_service.errors import CdsError
from cds_service.hooks.service import HookService
from cds_service.store import NOTHING_RECALLED, Persons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.hooks.service import Answer
    from cds_service.store import CardRecord, Store

_Card = tuple[str, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one decision taken again.

    Attributes:
        is_other_content: whether other guidelines are loaded than those that answered then.
        lost: rules of the cards that were there then, and not now.
        gained: rules of the cards that are there now, and were not then.
        problem: why it could not be taken at all.
    """

    decision_id: str
    is_other_content: bool
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def is_same(self) -> bool:
        """Whether exactly the cards of then came out, shown, quiet and in shadow alike."""
        return not (self.lost or self.gained or self.problem)

    def __str__(self) -> str:
        """What differs, for people; no patient data."""
        told = [self.problem] if self.problem else []
        told += [f"without {', '.join(self.lost)}"] if self.lost else []
        told += [f"with {', '.join(self.gained)} besides"] if self.gained else []
        told += ["other guidelines are loaded than answered then"] if self.is_other_content else []
        return f"{self.decision_id}: {'; '.join(told) or 'the same cards'}"


def replay(
    rows: Iterable[Mapping[str, Any]], library: PlanLibrary, store: Store, zone: ZoneInfo
) -> Iterator[Replayed]:
    """Take again each exported decision that has its request, in their order."""
    hooks = HookService(library)
    for row in rows:
        if "request" not in row:
            continue
        found = Replayed(
            row["decision_id"], is_other_content=row["plan_revision"] != library.revision
        )
        then = [_of_row(card) for card in row["cards"]]
        try:
            now = [_of_record(card) for card in _again(hooks, store, row, zone).decision.cards]
        except CdsError as error:  # of this request or service; the others can still be judged
            yield replace(found, problem=error.message)
        else:
            lost, gained = _rules(then, without=now), _rules(now, without=then)
            yield replace(found, lost=lost, gained=gained)


def _again(hooks: HookService, store: Store, row: Mapping[str, Any], zone: ZoneInfo) -> Answer:
    at = datetime.fromisoformat(row["at"])
    question = hooks.question(
        row["service"],
        row["request"],
        now=at.astimezone(zone),
        decision_id=UUID(row["decision_id"]),
        profile=row["profile"],
        accept_language=row["language"],
    )
    remembered = NOTHING_RECALLED
    if "patient_key" in row and "user_key" in row:
        persons = Persons(row["patient_key"], row["user_key"], row.get("encounter_key"))
        remembered = store.recall_then(row["tenant"], persons, at)
    return hooks.answer(question, remembered)


def _of_row(row: Mapping[str, Any]) -> _Card:
    kind = "shadow" if row["is_shadow"] else "shown" if row["quieted"] is None else "quiet"
    return row["card"], tuple(row["rules"]), kind


def _of_record(card: CardRecord) -> _Card:
    kind = "shadow" if card.is_shadow else "shown" if card.is_shown else "quiet"
    return card.card, card.rules, kind


def _rules(cards: list[_Card], *, without: list[_Card]) -> tuple[str, ...]:
    """The rules of the cards that are not among the others, with their kind unless shown.

    A card that carries no rule is named by its uuid.
    """
    return tuple(
        rule if kind == "shown" else f"{rule} ({kind})"
        for card, rules, kind in cards
        if (card, rules, kind) not in without
        for rule in rules or (f"card {card}",)
    )

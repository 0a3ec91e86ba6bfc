"""Which cards stay away because their user overrode the same rule for the same patient before.

Pure: outcome, past overrides and clock in, the outcome with quiet actions out. How long an override
quiets is data of the guideline (`engine.quieting`). What is not known never quiets. Source:
conventions of the rules, Suppress; ruling 18.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cds_service.engine.outcome import Verdict
from cds_service.store import Quieted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from cds_service.engine import Outcome
    from cds_service.engine.outcome import ActionOutcome
    from cds_service.engine.plan_definition import Quieting
    from cds_service.store import Override, Recalled


@dataclass(frozen=True, slots=True)
class QuietCard:
    """A card that is not shown: its action, its rule, and why."""

    action: ActionOutcome
    rule: str
    why: Quieted


def quieted(
    outcome: Outcome, recalled: Recalled, *, now: datetime
) -> tuple[Outcome, tuple[QuietCard, ...]]:
    """The outcome in which overridden cards have the verdict *quiet*, and those cards.

    Args:
        outcome: what `apply` found.
        recalled: what the user overrode for the patient, and whom the call is for.
        now: the moment of the call, aware and in the site's time zone.
    """
    quieting = outcome.plan.quieting
    known = tuple(item for item in recalled.overrides if item.at <= now)
    if quieting is None or not known:
        return outcome, ()
    encounter = recalled.persons.encounter if recalled.persons else None
    filtering = _Filter(quieting, known, now, encounter, outcome.since)
    found: list[QuietCard] = []
    actions = tuple(filtering.over(item, found) for item in outcome.actions)
    return replace(outcome, actions=actions), tuple(found)


@dataclass(frozen=True, slots=True)
class _Filter:
    quieting: Quieting
    overrides: tuple[Override, ...]
    now: datetime
    encounter: str | None
    since: date | None

    def over(self, outcome: ActionOutcome, found: list[QuietCard]) -> ActionOutcome:
        """This action with the cards at and below it judged."""
        if outcome.verdict is not Verdict.FIRED or outcome.action.grouping == "sentence-group":
            return outcome
        if not outcome.is_card:
            children = tuple(self.over(child, found) for child in outcome.children)
            return outcome._replace(children=children)
        topic = outcome.action.code or outcome.plan.topic
        why = self._why(outcome, topic.code) if topic else None
        if topic is None or why is None:
            return outcome
        found.append(QuietCard(outcome, topic.code, why))
        note = _sentence(why, is_for_encounter=self._is_for_encounter(outcome))
        return outcome._replace(verdict=Verdict.QUIET, note=note)

    def _why(self, outcome: ActionOutcome, rule: str) -> Quieted | None:
        """The newest override that quiets this card; None when it is to be shown."""
        for override in self._that_hold(rule, is_for_encounter=self._is_for_encounter(outcome)):
            day = self._day(override)
            offered = {(item.system, item.code) for item in outcome.action.override_reasons}
            return Quieted(
                overridden=day,
                reason=override.reason[1] if override.reason in offered else None,
                until=self._last_day(day) if self._asks_later(override) else None,
            )
        return None

    def _that_hold(self, rule: str, *, is_for_encounter: bool) -> Iterator[Override]:
        for override in self.overrides:
            if rule not in override.rules:
                continue
            is_here = self.encounter is not None and override.encounter == self.encounter
            if (is_here or not is_for_encounter) and self._holds(override):
                yield override

    def _holds(self, override: Override) -> bool:
        """Whether it is of the present complaint and not over; a reminder also if that is open."""
        day = self._day(override)
        if self._asks_later(override):
            is_older = self.since is not None and day < self.since
            return not is_older and self.now.date() <= self._last_day(day)
        return self.since is not None and day >= self.since

    def _is_for_encounter(self, outcome: ActionOutcome) -> bool:
        """Whether this card is urgent: its rule is, or the card itself by its priority."""
        is_urgent = outcome.member("priority") in self.quieting.encounter_only
        return outcome.plan.is_quiet_for_encounter or is_urgent

    def _asks_later(self, override: Override) -> bool:
        return override.reason == self.quieting.later

    def _day(self, override: Override) -> date:
        """The day of the override at the site."""
        return override.at.astimezone(self.now.tzinfo).date()

    def _last_day(self, day: date) -> date:
        """The last quiet day; the day of the override is the first."""
        return day + timedelta(days=self.quieting.later_days - 1)


def _sentence(why: Quieted, *, is_for_encounter: bool) -> str:
    """Since when and why a card is quiet, and how to see it again; no patient data."""
    reason = f" with {why.reason}" if why.reason else ""
    end = "at a new complaint"
    if is_for_encounter:
        end = "at the next encounter"
    if why.until is not None:
        end = f"after {why.until.isoformat()}, and {end}"
    return (
        f"quiet since {why.overridden.isoformat()}: this user overrode the rule for this patient"
        f"{reason}; shown again {end}, and to any other user"
    )

"""Counts of what was judged: cards of each rule, hook and month, and the alert burden."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.hooks.cards import INDICATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cds_service.simulation.evaluation import Call, Judgement, Shown


@dataclass(frozen=True, slots=True)
class RuleLine:
    """How often a rule was on a card: in calls, visits and patients.

    `cannot_tell` is the number of calls in which it could not be judged for lack of data.
    """

    rule: str
    calls: int
    visits: int
    patients: int
    per_100_visits: float
    cannot_tell: int


@dataclass(frozen=True, slots=True)
class HookLine:
    """What the calls of a hook brought; `per_100_calls` counts cards."""

    hook: str
    calls: int
    calls_with_cards: int
    cards: int
    per_100_calls: float


@dataclass(frozen=True, slots=True)
class MonthLine:
    """The alert burden of a month; `per_100_visits` counts cards."""

    month: str
    visits: int
    calls: int
    cards: int
    per_100_visits: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything counted for one revision.

    `indicators` counts cards by how urgent they are. `problems` counts calls that were refused, by
    the error's code, and rules that failed, as `failed <rule>`.
    """

    patients: int
    patients_seen: int
    patients_with_cards: int
    visits: int
    calls: int
    cards: int
    cards_per_100_visits: float
    indicators: tuple[tuple[str, int], ...]
    rules: tuple[RuleLine, ...]
    hooks: tuple[HookLine, ...]
    months: tuple[MonthLine, ...]
    problems: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Answered:
    """A call with the answer of the revision that is counted."""

    call: Call
    shown: Shown

    @property
    def visit(self) -> tuple[str, int]:
        return self.call.patient, self.call.visit


def of_newer(judged: Sequence[Judgement]) -> Tally:
    """The counts of the revision in question."""
    return _tally(judged, [_Answered(call, call.shown) for call in _calls(judged)])


def of_older(judged: Sequence[Judgement]) -> Tally:
    """The counts of the revision that it is held against."""
    before = [(call, call.before) for call in _calls(judged)]
    return _tally(judged, [_Answered(call, shown) for call, shown in before if shown is not None])


def _calls(judged: Iterable[Judgement]) -> list[Call]:
    return [call for each in judged for call in each.calls]


def _tally(judged: Sequence[Judgement], answered: Sequence[_Answered]) -> Tally:
    visits = len({item.visit for item in answered})
    cards = sum(len(item.shown.cards) for item in answered)
    indicators = Counter(card.indicator for item in answered for card in item.shown.cards)
    return Tally(
        patients=len(judged),
        patients_seen=len({item.call.patient for item in answered}),
        patients_with_cards=len({item.call.patient for item in answered if item.shown.cards}),
        visits=visits,
        calls=len(answered),
        cards=cards,
        cards_per_100_visits=rate(cards, visits),
        indicators=tuple((name, indicators[name]) for name in INDICATORS),
        rules=_rules(answered, visits),
        hooks=_hooks(answered),
        months=_months(answered),
        problems=_problems(answered),
    )


def rate(count: int, of: int) -> float:
    """How many for every 100, to two decimals; 0 of nothing."""
    return round(100 * count / of, 2) if of else 0.0


def _rules(answered: Iterable[_Answered], visits: int) -> tuple[RuleLine, ...]:
    having: defaultdict[str, list[_Answered]] = defaultdict(list)
    unknown: Counter[str] = Counter()
    for item in answered:
        unknown.update(set(item.shown.cannot_tell))
        for rule in item.shown.rules:
            having[rule].append(item)
    lines = []
    for rule in sorted({*having, *unknown}):
        found = having[rule]
        seen = len({item.visit for item in found})
        people = len({item.call.patient for item in found})
        lines.append(RuleLine(rule, len(found), seen, people, rate(seen, visits), unknown[rule]))
    return tuple(lines)


def _hooks(answered: Iterable[_Answered]) -> tuple[HookLine, ...]:
    by_hook: defaultdict[str, list[_Answered]] = defaultdict(list)
    for item in answered:
        by_hook[item.call.hook].append(item)
    return tuple(
        HookLine(
            hook,
            len(found),
            sum(bool(item.shown.cards) for item in found),
            cards := sum(len(item.shown.cards) for item in found),
            rate(cards, len(found)),
        )
        for hook, found in sorted(by_hook.items())
    )


def _months(answered: Iterable[_Answered]) -> tuple[MonthLine, ...]:
    by_month: defaultdict[str, list[_Answered]] = defaultdict(list)
    for item in answered:
        by_month[item.call.at[:7]].append(item)
    lines = []
    for month, found in sorted(by_month.items()):
        visits = len({item.visit for item in found})
        cards = sum(len(item.shown.cards) for item in found)
        lines.append(MonthLine(month, visits, len(found), cards, rate(cards, visits)))
    return tuple(lines)


def _problems(answered: Iterable[_Answered]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for item in answered:
        found.update(f"failed {rule}" for rule in item.shown.failed)
        if item.shown.problem:
            found[item.shown.problem] += 1
    return tuple(sorted(found.items()))

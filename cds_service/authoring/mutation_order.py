"""What a change of an expression can touch: which actions, and which cases in which order.

A case can notice a change only if one of the expressions that it evaluated holds it, or leads to
it by definitions and messages. Cases beside the touched plans come first, from each in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from cds_service.authoring.expressions import mentions, reach
from cds_service.engine.outcome import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cds_service.authoring.cases import Case
    from cds_service.authoring.expressions import Place
    from cds_service.engine import Content, Outcome
    from cds_service.engine.outcome import ActionOutcome
    from cds_service.engine.plan_definition import Action, ActionKey, Expression
    from cds_service.messages import Text

_WHOLLY_EVALUATED = frozenset({Verdict.FIRED, Verdict.SHADOW, Verdict.ERROR})
_EVERY = -1
"""Stands for the number of conditions where all expressions of an action were evaluated."""

PlaceKey = tuple[str, tuple[str | int, ...]]
"""File and steps of an expression."""


def key_of(place: Place) -> PlaceKey:
    """What tells expressions apart, hashable."""
    return place.file, place.element.steps


@dataclass(frozen=True, slots=True)
class Dependence:
    """What each action reads, what each case evaluated, and where the cases stand.

    `reads` are the definitions that an action's expressions lead to, by action; `judged` the cases
    that judged an action; `read` the definitions that a case may have evaluated.
    """

    reads: Mapping[ActionKey, frozenset[str]]
    judged: Mapping[ActionKey, frozenset[int]]
    read: Mapping[int, frozenset[str]]
    beside: Mapping[str, Sequence[int]]

    @classmethod
    def of(
        cls,
        content: Content,
        found: Sequence[Place],
        outcomes: Mapping[int, tuple[Case, Outcome]],
        directory: Path,
    ) -> Dependence:
        """The dependence of this content and of what the cases came to, by number."""
        reading = Reading.of(content, found)
        judged: dict[ActionKey, set[int]] = {}
        read: dict[int, frozenset[str]] = {}
        for number, (_, outcome) in outcomes.items():
            footprint = reading.footprint(outcome)
            read[number] = footprint.names
            for key in footprint.actions:
                judged.setdefault(key, set()).add(number)
        return cls(
            reading.by_action(content),
            {key: frozenset(numbers) for key, numbers in judged.items()},
            read,
            _beside({number: case for number, (case, _) in outcomes.items()}, directory),
        )

    def stale(self, place: Place) -> frozenset[ActionKey]:
        """The actions that mean something else when the expression at this place is changed."""
        return stale(place, self.reads)

    def cases(self, place: Place) -> list[int]:
        """The numbers of the cases that may notice a change there, the likeliest first."""
        actions = self.stale(place)
        may = set().union(*(self.judged.get(key, ()) for key in actions))
        if place.kind == "definition":
            may = {number for number in may if place.name in self.read[number]}
        folders = dict.fromkeys(str(file).rpartition("/")[0] for file, _ in actions)
        turns = zip_longest(*(self.beside.get(folder, ()) for folder in folders))
        near = [number for number in chain.from_iterable(turns) if number in may]
        return list(dict.fromkeys([*near, *sorted(may)]))


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a case evaluated: the actions it judged, and the definitions it may have read."""

    actions: frozenset[ActionKey]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reading:
    """The definitions and messages that the text of an expression leads to, each text once.

    `evaluated` holds the same of the expressions that judging an action evaluated, by the action's
    identity and the number of its conditions that were asked; it keeps the action alive.
    """

    mentioned: Mapping[str, frozenset[str]]
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    evaluated: dict[tuple[int, int], tuple[Action, frozenset[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Content, found: Iterable[Place]) -> Reading:
        """What expressions of this content lead to, by its definitions in `found`."""
        return cls(_mentioned(found, content.messages))

    def names(self, expression: Expression) -> frozenset[str]:
        """The definitions and messages that an expression leads to."""
        text = expression.text
        if text not in self.known:
            self.known[text] = reach(_names_and_texts(text), self.mentioned)
        return self.known[text]

    def by_action(self, content: Content) -> dict[ActionKey, frozenset[str]]:
        """The definitions that each action's own expressions lead to."""
        return {
            action.key_in_files: frozenset().union(*map(self.names, action.expressions()))
            for plan in content.plans.values()
            for action in plan.walk()
        }

    def footprint(self, outcome: Outcome) -> Footprint:
        """What was evaluated for this outcome."""
        actions, names = set(), set[str]()
        for item in outcome.walk():
            actions.add(item.action.key_in_files)
            names |= self._evaluated(item)
        if outcome.plan.budget is not None:
            names.update(*map(self.names, outcome.plan.budget.overflow.expressions()))
        return Footprint(frozenset(actions), frozenset(names))

    def _evaluated(self, item: ActionOutcome) -> frozenset[str]:
        """The definitions and messages that judging an action may have read."""
        asked = _EVERY if item.verdict in _WHOLLY_EVALUATED else len(item.conditions)
        key = id(item.action), asked
        if key not in self.evaluated:
            names = frozenset[str]().union(*map(self.names, _evaluated(item)))
            self.evaluated[key] = item.action, names
        return self.evaluated[key][1]


def stale(place: Place, reads: Mapping[ActionKey, frozenset[str]]) -> frozenset[ActionKey]:
    """The actions that mean something else when the expression at this place is changed."""
    if place.kind != "definition":
        return frozenset() if place.action is None else frozenset({place.action})
    return frozenset(
        key
        for key, names in reads.items()
        if place.name in names and (_is_shared(place) or key[0] == place.file)
    )


def _mentioned(
    found: Iterable[Place], messages: Mapping[str, Text]
) -> Mapping[str, frozenset[str]]:
    """What each definition mentions, and each message; a text in an expression may be its code."""
    mentioned: dict[str, frozenset[str]] = {
        code: text.placeholders for code, text in messages.items()
    }
    for place in found:
        if place.kind == "definition":
            known = mentioned.get(place.name, frozenset())
            mentioned[place.name] = known | _names_and_texts(place.text)
    return mentioned


def _names_and_texts(expression: str) -> frozenset[str]:
    found = mentions(expression)
    return found.names | found.texts


def _evaluated(item: ActionOutcome) -> Iterator[Expression]:
    """The expressions of an action that were evaluated for this outcome."""
    action = item.action
    if item.verdict in _WHOLLY_EVALUATED:
        yield from action.expressions()
        return
    if action.for_each is not None:
        yield action.for_each.expression
    for condition in item.conditions:
        if condition.condition.expression is not None:
            yield condition.condition.expression


def _beside(cases: Mapping[int, Case], directory: Path) -> dict[str, list[int]]:
    """The numbers of the cases in each plan's folder."""
    folders: dict[str, list[int]] = {}
    for number, case in cases.items():
        folder = case.path.parent.parent.resolve().relative_to(directory.resolve())
        folders.setdefault(str(folder), []).append(number)
    return folders


def _is_shared(place: Place) -> bool:
    return "/Library-" in f"/{place.file}"

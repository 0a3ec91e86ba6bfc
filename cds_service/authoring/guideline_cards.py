"""The cards of a rule's plan, and the rule itself, as the guideline document reads them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

from cds_service.authoring import expressions
from cds_service.authoring.guideline_profiles import Profile
from cds_service.engine.canonicals import CONFLICT
from cds_service.hooks.cards import INDICATORS
from cds_service.hooks.service import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Action, Plan

HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign")


@dataclass(frozen=True, slots=True)
class Card:
    """An action that becomes a card, and the groups around it from the outermost in."""

    action: Action
    groups: tuple[Action, ...]

    @property
    def lines(self) -> tuple[Action, ...]:
        """The lines of its detail."""
        return tuple(
            line
            for group in self.action.actions
            if group.grouping == "sentence-group"
            for line in group.actions
        )

    @property
    def suggestions(self) -> tuple[Action, ...]:
        """What it offers to do."""
        return tuple(item for item in self.action.actions if item.grouping is None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One recommendation: its plan, the folder of its topic, its hooks and its cards.

    `definitions` are the named expressions that its plan can use: name → expression.
    """

    plan: Plan
    file: PurePath
    hooks: tuple[str, ...]
    cards: tuple[Card, ...]
    definitions: Mapping[str, str]

    @property
    def number(self) -> str:
        """`R16` of the plan `lbpR16`."""
        return self.plan.id.removeprefix("lbp")

    @property
    def topic(self) -> str:
        """The folder it lies in."""
        return self.file.parts[0]

    @property
    def conflicts(self) -> list[str]:
        """The numbers of the conflicts between sources that it touches."""
        return [
            str(extension["valueCoding"]["code"])
            for extension in self.plan.json.get("extension", ())
            if extension.get("url") == CONFLICT
        ]

    def indicators(self, profile: str) -> list[str]:
        """The indicators that its cards can have in a profile; none where it has no card."""
        reading = Profile(profile, self.definitions)
        found = {
            indicator
            for card in self.cards
            if _is_open(card, reading)
            for indicator in reading.indicators(card.action)
        }
        return [indicator for indicator in INDICATORS if indicator in found]

    def indicators_of(self, card: Card) -> list[str]:
        """The indicators that one of its cards can have, in any profile."""
        found = {
            indicator
            for name in PROFILES
            for indicator in Profile(name, self.definitions).indicators(card.action)
        }
        return [indicator for indicator in INDICATORS if indicator in found]

    def profiles_of(self, card: Card) -> list[str]:
        """The profiles in which one of its cards can appear."""
        return [name for name in PROFILES if _is_open(card, Profile(name, self.definitions))]


def rules_of(library: PlanLibrary) -> list[Rule]:
    """Every plan that a service shows, in the order of its id."""
    files = {source.versioned: PurePath(source.file) for source in library.content.sources}
    plans = {plan.versioned: plan for plan in library.content.plans.values()}
    hooks: dict[str, list[str]] = {}
    for service in library.services.values():
        _strategy, *reached = service.plan.reached_plans()
        for plan in reached:
            hooks.setdefault(plan.versioned, []).append(service.hook)
    shared = _shared_definitions(library)
    return [
        Rule(
            plan=plans[canonical],
            file=files[canonical],
            hooks=tuple(sorted(found, key=HOOKS.index)),
            cards=cards_of(plans[canonical]),
            definitions=shared | _own_definitions(library, canonical),
        )
        for canonical, found in sorted(hooks.items())
    ]


def cards_of(plan: Plan) -> tuple[Card, ...]:
    """The actions of a plan that become cards, in its order."""
    return tuple(_cards(plan.actions, ()))


def definitions_of(plan: Plan, library: PlanLibrary) -> dict[str, str]:
    """The named expressions that a plan can use: those of all Libraries, then its own."""
    return _shared_definitions(library) | _own_definitions(library, plan.versioned)


def _cards(actions: tuple[Action, ...], groups: tuple[Action, ...]) -> Iterator[Card]:
    for action in actions:
        if action.grouping is None and action.title is not None:
            yield Card(action, groups)
        else:
            yield from _cards(action.actions, (*groups, action))


def _is_open(card: Card, profile: Profile) -> bool:
    """Whether the profile lets the card appear: its conditions, and no sibling that always wins."""
    chain = (*card.groups, card.action)
    if not all(profile.allows(action) for action in chain):
        return False
    for group, chosen in pairwise(chain):
        earlier = group.actions[: group.actions.index(chosen)] if group.first_match else ()
        if any(profile.demands(action) for action in earlier):
            return False
    return True


def _shared_definitions(library: PlanLibrary) -> dict[str, str]:
    content = library.content
    sources = [
        item for item in content.sources if _type(item) == "Library" and content.is_in_force(item)
    ]
    return {item.name: item.text for item in expressions.places(sources)}


def _own_definitions(library: PlanLibrary, canonical: str) -> dict[str, str]:
    sources = [item for item in library.content.sources if item.versioned == canonical]
    found = expressions.places(sources)
    return {item.name: item.text for item in found if item.kind == "definition"}


def _type(source: object) -> str:
    return str(source.resource.get("resourceType"))  # type: ignore[attr-defined]

"""Which definitions and value sets stand behind a rule, followed through the definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.authoring import expressions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cds_service.authoring.expressions import Place
    from cds_service.authoring.guideline_cards import Rule
    from cds_service.data.plan_library import PlanLibrary


@dataclass(frozen=True, slots=True)
class Names:
    """The definitions of the Libraries by name, all expressions by plan, the value set names.

    `uses` has the names that a definition mentions, `asks` the texts in quotes in it.
    """

    libraries: Mapping[str, Place]
    plans: Mapping[str, Sequence[Place]]
    uses: Mapping[str, frozenset[str]]
    asks: Mapping[str, frozenset[str]]
    known_value_sets: frozenset[str]

    def own(self, rule: Rule) -> list[Place]:
        """The definitions that the rule's plan writes itself, each name once."""
        found = {item.name: item for item in self.plans[rule.plan.id] if item.kind == "definition"}
        return list(found.values())

    def shared(self, rule: Rule) -> list[Place]:
        """The shared definitions that the rule's own expressions name, by name."""
        mentioned = self._mentioned(rule)
        return [self.libraries[name] for name in sorted(mentioned & self.libraries.keys())]

    def value_sets(self, rule: Rule) -> list[str]:
        """The value sets that the rule asks for, through all definitions it uses."""
        plan = self.plans[rule.plan.id]
        own = {text for item in plan for text in expressions.mentions(item.text).texts}
        reached = expressions.reach(self._mentioned(rule), self.uses)
        return sorted(self.known_value_sets & own.union(*(self.asks[name] for name in reached)))

    def _mentioned(self, rule: Rule) -> set[str]:
        return {
            name
            for item in self.plans[rule.plan.id]
            for name in expressions.mentions(item.text).names
        }


def names_of(library: PlanLibrary) -> Names:
    """The names of a whole guideline."""
    places = expressions.places(library.content.sources)
    libraries = {
        str(source.resource.get("id"))
        for source in library.content.sources
        if source.resource.get("resourceType") == "Library"
    }
    plans: dict[str, list[Place]] = {}
    for item in places:
        if item.owner not in libraries:
            plans.setdefault(item.owner, []).append(item)
    shared = {item.name: item for item in places if item.owner in libraries}
    return Names(
        libraries=shared,
        plans=plans,
        uses=expressions.uses(shared.values()),
        asks={name: expressions.mentions(item.text).texts for name, item in shared.items()},
        known_value_sets=frozenset(library.content.value_sets.names),
    )

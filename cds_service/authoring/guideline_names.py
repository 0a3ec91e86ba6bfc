"""Which definitions and value sets stand behind a rule, followed through the definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.authoring import expressions
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.syntax import Literal, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
        own = {text for item in self.plans[rule.plan.id] for text in _literals(item.text)}
        reached = expressions.reach(self._mentioned(rule), self.uses)
        return sorted(self.known_value_sets & own.union(*(self.asks[name] for name in reached)))

    def _mentioned(self, rule: Rule) -> set[str]:
        return {
            name
            for item in self.plans[rule.plan.id]
            for name in expressions.names_in(parse(item.text))
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
        asks={name: frozenset(_literals(item.text)) for name, item in shared.items()},
        known_value_sets=frozenset(library.content.value_sets.names),
    )


def _literals(expression: str) -> Iterator[str]:
    """The texts in quotes in an expression."""
    for node in walk(parse(expression)):
        if isinstance(node, Literal) and node.values and isinstance(node.values[0], str):
            yield node.values[0]

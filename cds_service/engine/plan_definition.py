"""Compiled guideline content: what PlanDefinition, ActivityDefinition and Library JSON become.

Everything here is frozen and shared by all requests. Building it is `content.py`'s work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cds_service import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.errors import Where
    from cds_service.fhirpath import Program
    from cds_service.messages import Text

ActionKey: TypeAlias = tuple[str | None, str | None]
"""File and FHIR path of an action."""

Need = Literal["must", "should", "may"]
Grouping = Literal["logical-group", "visual-group", "sentence-group"]


HOOK_NAME = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
"""What a hook can be called: noun-verb, reverse-domain before it where it is an own one."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A FHIRPath expression: its text and the compiled program."""

    text: str
    program: Program


@dataclass(frozen=True, slots=True)
class Condition:
    """An applicability condition: its text, and the author's words for what it asks, if any.

    `unsupported` says why it cannot be evaluated at all. `program` is that of the expression, where
    nothing is traced: nearly always it gives one boolean.
    """

    text: str
    expression: Expression | None
    description: str | None = None
    unsupported: str | None = None
    program: Program | None = field(init=False)

    def __post_init__(self) -> None:
        program = None if self.expression is None else self.expression.program
        is_plain = program is not None and not program.traced
        object.__setattr__(self, "program", program if is_plain else None)


@dataclass(frozen=True, slots=True)
class Named:
    """An expression with the name that its value is bound to (`for-each`)."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class DynamicValue:
    """A value computed for a path of the request action or of its resource.

    `unsupported` says why it cannot be computed at all.
    """

    path: str
    expression: Expression | None
    unsupported: str | None = None


@dataclass(frozen=True, slots=True)
class Documentation:
    """A citation on an action: the text shown, and the address behind it."""

    display: Text | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Coded:
    """A coding with display texts (topic, override reason)."""

    system: str
    code: str
    display: Text | None


@dataclass(frozen=True, slots=True)
class DataRequirement:
    """One prefetch key: the query that fills it, the type it brings, and how much it is needed."""

    key: str
    query: str
    resource_type: str | None
    need: Need


@dataclass(frozen=True, slots=True)
class Activity:
    """An ActivityDefinition: the JSON to instantiate and its dynamic values.

    `canonical` is `url|version`, where it has a version.
    """

    canonical: str
    json: Mapping[str, Any]
    dynamic_values: tuple[DynamicValue, ...]


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """A Questionnaire that an action asks for: its JSON, as it is."""

    json: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a plan, compiled. `key` is unique among its siblings; `json` is the source.

    `reads_itself` says that an expression of its own reads `%action`; most do not, and are then
    evaluated in the scope around it. `is_silent` says that it words and proposes nothing itself:
    it has conditions and what is below it. One that `is_shadow` is judged and never shown.
    `is_plain` ones are judged once, in the scope around them, and shown; `are_plain` says it of all
    directly below, of which any number may apply.
    """

    key: str
    json: Mapping[str, Any]
    where: Where
    title: Text | None
    description: Text | None
    conditions: tuple[Condition, ...]
    first_match: bool
    grouping: Grouping | None
    for_each: Named | None
    resource: Expression | None
    dynamic_values: tuple[DynamicValue, ...]
    placeholders: Mapping[str, Expression]
    documentation: tuple[Documentation, ...]
    code: Coded | None
    override_reasons: tuple[Coded, ...]
    definition: Definition | None
    actions: tuple[Action, ...]
    is_shadow: bool = False
    reads_itself: bool = field(init=False)
    is_silent: bool = field(init=False)
    is_plain: bool = field(init=False)
    has_children: bool = field(init=False)
    are_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        reads = any("action" in item.program.reads for item in self.expressions())
        object.__setattr__(self, "reads_itself", reads)
        own = (self.placeholders, self.resource, self.dynamic_values)
        proposes = isinstance(self.definition, Activity | Questionnaire | LeftOut)
        object.__setattr__(self, "is_silent", not any(own) and not proposes)
        is_plain = self.for_each is None and not reads and not self.is_shadow
        object.__setattr__(self, "is_plain", is_plain)
        below = bool(self.actions) or isinstance(self.definition, Plan)
        object.__setattr__(self, "has_children", below)
        are_plain = not self.first_match and all(action.is_plain for action in self.actions)
        object.__setattr__(self, "are_plain", are_plain)

    @property
    def key_in_files(self) -> ActionKey:
        """What tells it apart from all other actions: file and path."""
        return self.where.file, self.where.path

    def expressions(self) -> Iterator[Expression]:
        """Every expression that is evaluated with this action as `%action`."""
        yield from self.placeholders.values()
        if self.for_each is not None:
            yield self.for_each.expression
        if self.resource is not None:
            yield self.resource
        values = self.dynamic_values
        if isinstance(self.definition, Activity):
            values += self.definition.dynamic_values
        found = [item.expression for item in self.conditions] + [item.expression for item in values]
        yield from (expression for expression in found if expression is not None)

    def walk(self) -> Iterator[Action]:
        """This action and all that are written below it, in document order."""
        yield self
        for child in self.actions:
            yield from child.walk()

    @property
    def type_code(self) -> str | None:
        """`create`, `update` or `remove` (action-type), or None."""
        for coding in self.json.get("type", {}).get("coding", ()):
            return str(coding.get("code"))
        return None


@dataclass(frozen=True, slots=True)
class CardBudget:
    """How many non-critical cards a strategy shows, and the action that holds the rest."""

    non_critical: int
    overflow: Action


@dataclass(frozen=True, slots=True)
class CardFrame:
    """What stands on every card of a strategy: a banner once content has expired, and an end.

    `expired` may name `{validUntil}`, the last day of the content's effective period.
    """

    expired: Text
    closing: Text


@dataclass(frozen=True, slots=True)
class Quieting:
    """How long a strategy's cards stay away from a user who overrode them, for that patient.

    Attributes:
        since: gives the day on which the present complaint began at the latest; an override before
            that day quiets nothing.
        later: system and code of the reason that asks to be reminded.
        later_days: days that this reason quiets for; any other reason does for the whole complaint.
        encounter_only: priorities of cards that no override quiets beyond its encounter.
    """

    since: Expression
    later: tuple[str, str]
    later_days: int
    encounter_only: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """A PlanDefinition, compiled.

    `quieting` is a strategy's; `is_quiet_for_encounter` says of a rule that no override quiets its
    cards beyond the encounter. `are_plain` says of its actions what it says of those of an action.
    """

    id: str
    canonical: str
    version: str | None
    title: Text
    publisher: Text | None
    topic: Coded | None
    json: Mapping[str, Any]
    actions: tuple[Action, ...]
    budget: CardBudget | None
    frame: CardFrame | None
    quieting: Quieting | None = None
    is_quiet_for_encounter: bool = False
    are_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        are_plain = all(action.is_plain for action in self.actions)
        object.__setattr__(self, "are_plain", are_plain)

    def walk(self) -> Iterator[Action]:
        """Every action that is written in this plan, in document order; last that of its budget."""
        for action in self.actions:
            yield from action.walk()
        if self.budget is not None:
            yield from self.budget.overflow.walk()

    def reached(self) -> Iterator[Action]:
        """Every action that applying this plan can come to, those of the plans it names included.

        A plan that is named twice is walked twice.
        """
        for action in self.walk():
            yield action
            if isinstance(action.definition, Plan):
                yield from action.definition.reached()

    def reached_plans(self) -> tuple[Plan, ...]:
        """This plan, then those that applying it can come to, each once, in document order."""
        named = (action.definition for action in self.reached())
        plans = (self, *(plan for plan in named if isinstance(plan, Plan)))
        return tuple({plan.versioned: plan for plan in plans}.values())

    @property
    def valid_until(self) -> str | None:
        """The last day of `effectivePeriod` as written, in full or as a year or month."""
        end = self.json.get("effectivePeriod", {}).get("end")
        return end[:10] if isinstance(end, str) else None

    @property
    def versioned(self) -> str:
        """`url|version`, or the url alone; of a contained plan its canonical, which has both."""
        if "#" in self.canonical:
            return self.canonical
        return versions.joined(self.canonical, self.version)


@dataclass(frozen=True, slots=True)
class Service:
    """A CDS service: a strategy and the hook that triggers it.

    `translation_notes` say, by language and in it, what is to be known of that translation.
    """

    id: str
    hook: str
    title: Text
    description: Text
    usage: Text | None
    plan: Plan
    requirements: tuple[DataRequirement, ...]
    translation_notes: Mapping[str, str]

    @property
    def prefetch(self) -> dict[str, str]:
        """The prefetch templates by key, as discovery publishes them."""
        return {item.key: item.query for item in self.requirements}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A definition with problems, which is not used: what leads to it cannot be judged.

    `id`, `url`, `version` and `status` are those of the resource, as far as they are known;
    `reason` names file and problem.
    """

    id: str
    url: str
    version: str | None
    status: str
    title: Text
    topic: Coded | None
    reason: str


Definition: TypeAlias = Plan | Activity | Questionnaire | LeftOut
"""What an action's definitionCanonical can lead to."""

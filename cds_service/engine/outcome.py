"""What `$apply` found: a verdict for every action, with the values behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from cds_service.engine.plan_definition import Action, Condition, Plan
    from cds_service.fhirpath import Trace


_NONE: Mapping[str, Any] = MappingProxyType({})


class Verdict(StrEnum):
    """Why an action did or did not apply. Only `FIRED` shows anything; the others are not equal.

    `NOT_MET` is a known no, `CANNOT_TELL` is missing knowledge, `ERROR` is a failed expression.
    `QUIET` applies, and is not shown because its user overrode it before; `apply` never gives it.
    `SHADOW` applies, and is not shown because the guideline only tries it.
    """

    FIRED = "fired"
    NOT_MET = "not met"
    CANNOT_TELL = "cannot tell"
    ERROR = "error"
    QUIET = "quiet"
    SHADOW = "shadow"


_FIRED = Verdict.FIRED  # looked up once: a member of an enumeration is no plain attribute
IN_SHADOW = "in shadow: it applies, is logged and is not shown"
EARLIER_APPLIES = "an earlier alternative applies"
NOTHING_TO_REPEAT = "nothing to repeat for: "


class ConditionOutcome(NamedTuple):
    """One condition and its verdict; with its trace when the content was compiled traced.

    A named tuple, as ActionOutcome is: each request makes hundreds, and a frozen dataclass takes
    four times as long to make.
    """

    condition: Condition
    verdict: Verdict
    error: str | None = None
    trace: Trace | None = None


class ActionOutcome(NamedTuple):
    """One action of the plan as it came out for this request.

    `path` is stable for the same content and request; ids are made from it. `values` holds what
    the texts' placeholders came to, `changes` the members of RequestGroup.action that dynamic
    values set, `resource` the request resource that the action proposes, edits or removes.
    """

    action: Action
    plan: Plan
    path: str
    verdict: Verdict
    conditions: tuple[ConditionOutcome, ...] = ()
    note: str | None = None
    values: Mapping[str, list[Any]] = _NONE
    changes: Mapping[str, Any] = _NONE
    resource: Mapping[str, Any] | None = None
    children: tuple[ActionOutcome, ...] = ()

    def walk(self) -> Iterator[ActionOutcome]:
        """This outcome and all below it, in document order."""
        return _in_document_order((self,))

    def in_shadow(self) -> ActionOutcome:
        """The same where nothing may be shown: what applies at and below it is `SHADOW`."""
        children = tuple(child.in_shadow() for child in self.children)
        if self.verdict is not Verdict.FIRED:
            return self._replace(children=children)
        return self._replace(verdict=Verdict.SHADOW, note=IN_SHADOW, children=children)

    @property
    def is_card(self) -> bool:
        """Whether this action is a card of its own, and not a group."""
        has_title = self.action.title is not None or "title" in self.changes
        return self.action.grouping is None and has_title

    def member(self, name: str) -> Any:
        """A member of the request action: as a dynamic value set it, else as the plan has it."""
        return self.changes.get(name, self.action.json.get(name))

    @property
    def fired(self) -> tuple[ActionOutcome, ...]:
        """The children that apply."""
        return tuple([child for child in self.children if child.verdict is _FIRED])


def judged_condition(condition: Condition, verdict: Verdict) -> ConditionOutcome:
    """A condition that was judged without ado; most are, so it is made as a tuple is."""
    return tuple.__new__(ConditionOutcome, (condition, verdict, None, None))


def judged_action(
    action: Action,
    plan: Plan,
    path: str,
    verdict: Verdict,
    conditions: tuple[ConditionOutcome, ...],
    children: tuple[ActionOutcome, ...] = (),
) -> ActionOutcome:
    """An action that words and proposes nothing itself; most are, so it is made as a tuple is."""
    members = (
        action, plan, path, verdict, conditions, None, _NONE, _NONE, None, children,
    )  # fmt: skip
    return tuple.__new__(ActionOutcome, members)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one plan for one subject.

    `since` is the day on which the present complaint began at the latest, as the plan's quieting
    asks; None when that is not known.
    """

    plan: Plan
    subject: str
    actions: tuple[ActionOutcome, ...]
    since: date | None = None

    def walk(self) -> Iterator[ActionOutcome]:
        """Every action outcome, in document order."""
        return _in_document_order(self.actions)

    @property
    def fired(self) -> tuple[ActionOutcome, ...]:
        """The top-level actions that apply."""
        return tuple([item for item in self.actions if item.verdict is _FIRED])

    def by_verdict(self) -> dict[Verdict, list[ActionOutcome]]:
        """Every action outcome under its verdict, in document order; each verdict is there."""
        found: dict[Verdict, list[ActionOutcome]] = {verdict: [] for verdict in Verdict}
        for item in self.walk():
            found[item.verdict].append(item)
        return found

    def counts(self) -> dict[str, int]:
        """How many actions came to each verdict."""
        return {verdict.value: len(found) for verdict, found in self.by_verdict().items()}


def _in_document_order(actions: tuple[ActionOutcome, ...]) -> Iterator[ActionOutcome]:
    pending = list(reversed(actions))
    while pending:
        action = pending.pop()
        yield action
        if action.children:
            pending.extend(reversed(action.children))

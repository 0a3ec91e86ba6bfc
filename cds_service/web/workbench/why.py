"""Why each recommendation did or did not speak, as rows for a page: verdict, reason, conditions.

Made of the `Outcome` of the call itself; nothing is evaluated here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.engine import explanation
from cds_service.engine.outcome import EARLIER_APPLIES, IN_SHADOW, NOTHING_TO_REPEAT, Verdict
from cds_service.hooks import languages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cds_service.engine.outcome import ActionOutcome, ConditionOutcome
    from cds_service.fhirpath import Trace
    from cds_service.hooks.service import Answer
    from cds_service.messages import Text
    from cds_service.store import CardRecord, Quieted
    from cds_service.web.workbench.condition_words import ConditionWords

CLASS_OF = {
    Verdict.FIRED: "fired",
    Verdict.NOT_MET: "not-met",
    Verdict.CANNOT_TELL: "cannot-tell",
    Verdict.ERROR: "error",
    Verdict.QUIET: "quiet",
    Verdict.SHADOW: "shadow",
}
"""What a verdict is called in addresses, words and style sheets."""


_NOTES = {EARLIER_APPLIES: "earlier", IN_SHADOW: "shadow"}
"""The notes that are the same for every action, by their key in the words of the page."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an expression with its value; `above` is the number of the part that says it."""

    number: int
    text: str
    value: str
    state: str
    references: tuple[str, ...]
    parts: tuple[Part, ...]
    above: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One condition: its words and their language, its verdict, its parts, what was not known."""

    text: str
    language: str
    expression: str
    verdict: str
    error: str | None
    causes: tuple[str, ...]
    keys: tuple[str, ...]
    part: Part | None


@dataclass(frozen=True, slots=True)
class Row:
    """One action: a recommendation, or below one a line of its card or a suggestion.

    `group` says how its children go together where it has no words of its own; `quieted` why it is
    quiet, where it is.
    """

    path: str
    plan: str
    rule: str
    title: str
    verdict: str
    note: str | None
    group: str | None
    quieted: Quieted | None
    conditions: tuple[Asked, ...]
    rows: tuple[Row, ...]

    @property
    def rank(self) -> int:
        """What is read first: what spoke, what could not be told, errors, then the rest."""
        return ("fired", "quiet", "shadow", "error", "cannot-tell", "not-met").index(self.verdict)

    @property
    def note_key(self) -> str | None:
        """Which words of the page say its note; None for a note in its own words."""
        return "nothing" if self.repeats is not None else _NOTES.get(self.note or "")

    @property
    def repeats(self) -> str | None:
        """The expression that found nothing to repeat the action for, if that is its note."""
        note = self.note or ""
        return note.removeprefix(NOTHING_TO_REPEAT) if note.startswith(NOTHING_TO_REPEAT) else None

    @property
    def reason(self) -> Asked | None:
        """The first condition that did not hold."""
        return next((item for item in self.conditions if item.verdict != "fired"), None)


@dataclass(slots=True)
class Explained:
    """The rows of one outcome, how many there are of each verdict, and the resources named."""

    rows: list[Row]
    counts: Mapping[str, int]
    resources: dict[str, Any] = field(default_factory=dict)


def explained(answer: Answer, *, said: ConditionWords, keys: Collection[str]) -> Explained:
    """The outcome in the language of `said`; `keys` are the prefetch keys of the service."""
    writer = _Writer(said, keys, answer.decision.cards)
    rows = [row for action in answer.outcome.actions for row in writer.rows(action)]
    counts = {name: sum(row.verdict == name for row in rows) for name in CLASS_OF.values()}
    return Explained(rows, counts, writer.resources)


class _Writer:
    """Makes the rows of one outcome; numbers the parts and remembers which it has opened."""

    def __init__(
        self, said: ConditionWords, keys: Collection[str], cards: Iterable[CardRecord]
    ) -> None:
        self.said = said
        self.quieted = {rule: card.quieted for card in cards for rule in card.rules}
        self.keys = keys
        self.resources: dict[str, Any] = {}
        self.opened: dict[tuple[str, str], int] = {}
        self.numbered = 0

    def rows(self, outcome: ActionOutcome) -> Iterator[Row]:
        """The recommendations at and below an action; groups show only where they stop one."""
        if outcome.is_card or not outcome.children or outcome.verdict is not Verdict.FIRED:
            yield self._row(outcome, named=outcome.plan.title)
        else:
            for child in outcome.children:
                yield from self.rows(child)

    def _row(self, outcome: ActionOutcome, *, named: Text | None = None) -> Row:
        """`named` is its name when it has no words of its own, as a group of actions."""
        action, plan = outcome.action, outcome.plan
        text = action.title or action.description or named
        topic = action.code or plan.topic
        rule, language = topic.code if topic else action.key, self.said.language
        is_quiet = outcome.verdict is Verdict.QUIET
        return Row(
            path=outcome.path,
            plan=plan.id,
            rule=rule,
            title=languages.plain_text(text, language, outcome.values) if text else action.key,
            verdict=CLASS_OF[outcome.verdict],
            note=outcome.note,
            group=None if text else action.grouping,
            quieted=self.quieted.get(rule) if is_quiet else None,
            conditions=tuple(self._asked(item) for item in outcome.conditions),
            rows=tuple(self._row(child) for child in outcome.children if _says_something(child)),
        )

    def _asked(self, outcome: ConditionOutcome) -> Asked:
        condition = outcome.condition
        causes: tuple[str, ...] = ()
        if outcome.trace is not None and outcome.verdict is Verdict.CANNOT_TELL:
            causes = tuple(dict.fromkeys(explanation.causes(outcome.trace)))
        return Asked(
            text=self.said(condition.description or ""),
            language=self.said.language_of(condition.description or ""),
            expression=condition.text,
            verdict=CLASS_OF[outcome.verdict],
            error=outcome.error,
            causes=causes,
            keys=tuple(cause[1:] for cause in causes if cause[1:] in self.keys),
            part=self._part(outcome.trace) if outcome.trace is not None else None,
        )

    def _part(self, trace: Trace) -> Part:
        value = explanation.value_text(trace)
        self.numbered += 1
        number = self.numbered
        below = [part for part in explanation.parts_of(trace) if not explanation.is_raw_data(part)]
        above = self.opened.setdefault((trace.text, value), number) if below else number
        if trace.value not in ([], [False]):
            for resource in trace.resources:
                self.resources[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
        return Part(
            number=number,
            text=trace.text,
            value=value,
            state=_state(trace),
            references=_named(trace),
            parts=tuple(self._part(part) for part in below) if above == number else (),
            above=above if above != number else None,
        )


def _says_something(outcome: ActionOutcome) -> bool:
    action = outcome.action
    return bool(outcome.conditions or outcome.children or action.title or action.description)


def _named(trace: Trace) -> tuple[str, ...]:
    """The resources behind an answer that says something."""
    if trace.value in ([], [False]):
        return ()
    return tuple(dict.fromkeys(explanation.references(trace)))


def _state(trace: Trace) -> str:
    """How a value is coloured: true, false, unknown, empty, or a plain value."""
    if trace.unknown and not trace.value:
        return "unknown"
    if not trace.value:
        return "empty"
    return {"[True]": "true", "[False]": "false"}.get(str(trace.value), "value")

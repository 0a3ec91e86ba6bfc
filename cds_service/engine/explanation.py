"""An outcome as text or JSON: each action's verdict, and the values and resources behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.engine.outcome import Verdict
from cds_service.engine.wording import in_english, worded
from cds_service.fhirpath import Message, Quantity, Temporal
from cds_service.messages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cds_service.engine.outcome import ActionOutcome, ConditionOutcome, Outcome
    from cds_service.fhirpath import Trace

INDENT = "  "
LONGEST = 110
"""Characters of an expression or a value shown on one line of text."""
LEVELS = 2
"""Levels of sub-expressions shown below a condition, if not said otherwise."""


def as_text(
    outcome: Outcome,
    *,
    only: str = "",
    levels: int = LEVELS,
    language: str = DEFAULT_LANGUAGE,
) -> str:
    """The outcome as an indented tree; the first column is the verdict or the value.

    `only` keeps the branches that lead to an action whose path holds this text. Below a condition
    `levels` levels of sub-expressions are shown; each part is opened once and then "as above".
    A title is worded in `language`; one that has no translation says that it is English.
    """
    return "\n".join(_Writer(only, levels, language).lines(outcome))


def as_json(outcome: Outcome, only: str = "") -> dict[str, Any]:
    """The same as JSON: `{plan, subject, actions: [{path, verdict, conditions, actions}]}`."""
    return {
        "plan": outcome.plan.versioned,
        "subject": outcome.subject,
        "actions": [_action_json(item, only) for item in outcome.actions if leads_to(item, only)],
    }


def leads_to(outcome: ActionOutcome, only: str) -> bool:
    """Whether the path of this action, or of one below it, holds the text, in any case."""
    wanted = only.lower()
    return not wanted or any(wanted in item.path.lower() for item in outcome.walk())


# -- text -----------------------------------------------------------------------------------


class _Writer:
    """Writes one outcome; remembers which sub-expressions it has opened."""

    def __init__(self, only: str, levels: int, language: str) -> None:
        self.only = only
        self.language = language
        self.levels = levels
        self.opened: set[str] = set()

    def lines(self, outcome: Outcome) -> Iterator[str]:
        yield f"{outcome.plan.versioned} for {outcome.subject}"
        for action in outcome.actions:
            yield from self._action(action, 0)

    def _action(self, outcome: ActionOutcome, depth: int) -> Iterator[str]:
        if not leads_to(outcome, self.only):
            return
        pad = INDENT * depth
        yield f"{pad}{outcome.verdict:<12}{_label(outcome)}{self._title(outcome)}"
        if outcome.note:
            yield f"{pad}{INDENT}({outcome.note})"
        for condition in outcome.conditions:
            yield from self._condition(condition, depth + 1)
        for child in outcome.children:
            yield from self._action(child, depth + 1)

    def _title(self, outcome: ActionOutcome) -> str:
        """The title with its facts, once they are known; the pattern before that."""
        title = outcome.action.title
        if title is None:
            return ""
        shown = title.in_language(self.language)
        if outcome.verdict is Verdict.FIRED:
            shown = worded(title, self.language, outcome.values)
        is_english = self.language not in (DEFAULT_LANGUAGE, *title.translations)
        return f"  {shown}" + (f"  (not translated to {self.language})" if is_english else "")

    def _condition(self, outcome: ConditionOutcome, depth: int) -> Iterator[str]:
        pad, condition = INDENT * depth, outcome.condition
        asked = f"if {condition.description}: " if condition.description else "if "
        if outcome.trace is None:
            error = f": {outcome.error}" if outcome.error else ""
            yield f"{pad}{asked}{shortened(condition.text)} → {outcome.verdict}{error}"
            return
        yield from self._trace(outcome.trace, depth, self.levels, asked)
        if outcome.verdict is Verdict.CANNOT_TELL:
            why = ", ".join(dict.fromkeys(causes(outcome.trace)))
            yield f"{pad}{INDENT}cannot tell because of: {why or 'an empty result'}"

    def _trace(self, trace: Trace, depth: int, levels: int, prefix: str = "") -> Iterator[str]:
        pad = INDENT * depth
        parts = [part for part in parts_of(trace) if not is_raw_data(part)]
        is_known = bool(parts) and trace.text in self.opened
        above = " (as above)" if is_known else ""
        yield f"{pad}{prefix}{shortened(trace.text)} → {value_text(trace)}{above}"
        if trace.resources and trace.value not in ([], [False]) and not shows_resources(trace):
            yield f"{pad}{INDENT}from {', '.join(references(trace))}"
        if levels > 0 and not is_known:
            self.opened.add(trace.text)
            for part in parts:
                yield from self._trace(part, depth + 1, levels - 1)


def parts_of(trace: Trace) -> Sequence[Trace]:
    """The sub-expressions; those of the only part when that is the whole said again."""
    if len(trace.children) == 1 and trace.children[0].text == trace.text:
        return parts_of(trace.children[0])
    return trace.children


def is_raw_data(trace: Trace) -> bool:
    """Whether this is just the chart as it came in, known and not judged yet."""
    return not trace.unknown and not trace.children and shows_resources(trace)


def shows_resources(trace: Trace) -> bool:
    """Whether the answer is nothing but resources."""
    return all(isinstance(item, dict) for item in trace.value)


def _label(outcome: ActionOutcome) -> str:
    """The last two steps of the path: enough to find the action, short enough to read."""
    return "/".join(outcome.path.split("/")[-2:])


def shortened(text: str) -> str:
    """The text on one line, cut at `LONGEST`."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"


def value_text(trace: Trace) -> str:
    """The answer on one line; *unknown* and *empty* are said in words."""
    if trace.unknown and not trace.value:
        return "unknown"
    if not trace.value:
        return "empty"
    known = ", ".join(_shown(item) for item in trace.value[:3])
    more = f" and {len(trace.value) - 3} more" if len(trace.value) > 3 else ""
    return shortened(f"{known}{more}") + (" (incomplete)" if trace.unknown else "")


def _shown(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, dict):
        return f"{item['resourceType']}/{item.get('id')}" if "resourceType" in item else "{…}"
    return in_english(item) if isinstance(item, Message) else str(item)


def references(trace: Trace) -> list[str]:
    """The resources that the answer was taken from, as `Type/id`."""
    return [f"{item.get('resourceType')}/{item.get('id')}" for item in trace.resources]


def causes(trace: Trace) -> Iterator[str]:
    """The innermost expressions whose value was unknown."""
    inner = [cause for child in trace.children for cause in causes(child)]
    if inner:
        yield from inner
    elif trace.unknown:
        yield shortened(trace.text)


# -- JSON -----------------------------------------------------------------------------------


def _action_json(outcome: ActionOutcome, only: str) -> dict[str, Any]:
    json: dict[str, Any] = {"path": outcome.path, "verdict": str(outcome.verdict)}
    if outcome.action.title:
        json["title"] = outcome.action.title.default
    if outcome.note:
        json["note"] = outcome.note
    if outcome.conditions:
        json["conditions"] = [_condition_json(item) for item in outcome.conditions]
    if outcome.children:
        below = [item for item in outcome.children if leads_to(item, only)]
        json["actions"] = [_action_json(item, only) for item in below]
    return json


def _condition_json(outcome: ConditionOutcome) -> dict[str, Any]:
    json: dict[str, Any] = {
        "expression": outcome.condition.text,
        "verdict": str(outcome.verdict),
    }
    if outcome.condition.description:
        json["description"] = outcome.condition.description
    if outcome.error:
        json["error"] = outcome.error
    if outcome.trace is not None:
        json["trace"] = _trace_json(outcome.trace)
        if outcome.verdict is Verdict.CANNOT_TELL:
            json["unknown"] = list(dict.fromkeys(causes(outcome.trace)))
    return json


def _trace_json(trace: Trace) -> dict[str, Any]:
    json: dict[str, Any] = {
        "expression": trace.text,
        "value": [_value_json(item) for item in trace.value if not isinstance(item, dict)],
    }
    if trace.unknown:
        json["unknown"] = True
    if trace.resources:
        json["resources"] = references(trace)
    if trace.children:
        json["parts"] = [_trace_json(child) for child in trace.children]
    return json


def _value_json(value: Any) -> Any:
    """A value for its reader: dates as text, and of a quantity what was written, without its code.

    What stands in requests is FHIR, made by `typed_value`.
    """
    if isinstance(value, Quantity):
        return {"value": value.value, "unit": value.unit}
    if isinstance(value, Message):
        return in_english(value)
    return str(value).removeprefix("T") if isinstance(value, Temporal) else value

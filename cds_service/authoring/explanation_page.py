"""An explanation as one page: each action with its verdict, and the values and resources behind it.

Self-contained, so that it can be kept and sent; it shows facts of the patient's chart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.authoring import page
from cds_service.engine import explanation
from cds_service.engine.outcome import Verdict
from cds_service.engine.wording import worded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cds_service.engine import Outcome
    from cds_service.engine.outcome import ActionOutcome, ConditionOutcome
    from cds_service.fhirpath import Trace
    from cds_service.messages import Text

_TONES: Mapping[Verdict, str] = {
    Verdict.FIRED: "good",
    Verdict.NOT_MET: "quiet",
    Verdict.CANNOT_TELL: "bad",
    Verdict.ERROR: "bad",
    Verdict.QUIET: "quiet",
    Verdict.SHADOW: "quiet",
}


def html(outcome: Outcome, *, language: str, keys: Collection[str], only: str = "") -> str:
    """The page; `keys` are the prefetch keys of the service, so that it can say which would tell.

    `only` keeps the branches that lead to an action whose path holds this text.
    """
    counts = ", ".join(f"{count} {verdict}" for verdict, count in outcome.counts().items() if count)
    writer = _Page(language, keys, only)
    shown = f"{outcome.plan.versioned} for {outcome.subject}: {counts}."
    return page.page("Why each action applies or not", shown, writer.actions(outcome.actions))


class _Page:
    """Writes the tree of one outcome as nested, foldable sections."""

    def __init__(self, language: str, keys: Collection[str], only: str) -> None:
        self.language = language
        self.keys = keys
        self.only = only

    def actions(self, outcomes: Iterable[ActionOutcome]) -> Iterator[str]:
        for outcome in outcomes:
            if explanation.leads_to(outcome, self.only):
                yield self._action(outcome)

    def _action(self, outcome: ActionOutcome) -> str:
        title = self._title(outcome.action.title, outcome)
        note = f"<p>{page.text(outcome.note)}</p>" if outcome.note else ""
        conditions = "".join(self._condition(item) for item in outcome.conditions)
        body = f"<ul>{conditions}</ul>" if conditions else ""
        inner = "\n".join(self.actions(outcome.children))
        head = page.mark(outcome.verdict, _TONES[outcome.verdict])
        label = f"{head} <strong>{page.text(outcome.path)}</strong> {page.text(title)}"
        return _folded(label, note + body + inner, is_open=outcome.verdict is not Verdict.NOT_MET)

    def _title(self, title: Text | None, outcome: ActionOutcome) -> str:
        """The title with its facts, once they are known; the pattern before that."""
        if title is None:
            return ""
        if outcome.verdict is Verdict.FIRED:
            return worded(title, self.language, outcome.values)
        return title.in_language(self.language)

    def _condition(self, outcome: ConditionOutcome) -> str:
        condition, tone = outcome.condition, _TONES[outcome.verdict]
        words = f"{page.text(condition.description)}: " if condition.description else ""
        verdict = page.mark(outcome.verdict, tone)
        if outcome.trace is None:
            error = f": {page.text(outcome.error)}" if outcome.error else ""
            return f"<li>{verdict} {words}{page.code(condition.text)}{error}</li>"
        told = self._trace(outcome.trace)
        missing = self._missing(outcome) if outcome.verdict is Verdict.CANNOT_TELL else ""
        return f"<li>{verdict} {words}{missing}<ul>{told}</ul></li>"

    def _missing(self, outcome: ConditionOutcome) -> str:
        """What was unknown, and the prefetch keys that would have told."""
        if outcome.trace is None:
            return ""
        causes = list(dict.fromkeys(explanation.causes(outcome.trace)))
        keys = [name for cause in causes if (name := cause.removeprefix("%")) in self.keys]
        unknown = ", ".join(page.code(cause) for cause in causes) or "an empty result"
        told = ""
        if keys:
            named = ", ".join(page.code(key) for key in keys)
            told = f" The prefetch key that would have told: {named}."
        return f"<p>Unknown: {unknown}.{told}</p>"

    def _trace(self, trace: Trace) -> str:
        parts = [part for part in explanation.parts_of(trace) if not explanation.is_raw_data(part)]
        value = page.text(explanation.value_text(trace))
        tone = "bad" if trace.unknown else "quiet" if trace.value in ([], [False]) else "good"
        line = f'{page.code(trace.text)} → <span class="{tone}">{value}</span>'
        came_from = ""
        if trace.resources and trace.value not in ([], [False]):
            items = "".join(f"<li>{_resource(item)}</li>" for item in trace.resources)
            came_from = f"<p>from</p><ul>{items}</ul>"
        inner = "".join(self._trace(part) for part in parts)
        below = came_from + (f"<ul>{inner}</ul>" if inner else "")
        if not below:
            return f"<li>{line}</li>"
        return f"<li>{_folded(line, below, is_open=False)}</li>"


def _folded(label: str, body: str, *, is_open: bool) -> str:
    """A part that can be folded; a line alone where there is nothing in it."""
    if not body:
        return f"<p>{label}</p>"
    state = " open" if is_open else ""
    return f'<details{state}><summary>{label}</summary>\n<div class="in">{body}</div></details>'


def _resource(resource: Mapping[str, Any]) -> str:
    """Type and id of a resource, with the codes it carries."""
    name = f"{resource.get('resourceType')}/{resource.get('id')}"
    concepts = ("code", "medicationCodeableConcept", "vaccineCode", "type", "category")
    codings = next(
        (found for member in concepts if (found := list(fhir_json.codings(resource.get(member))))),
        [],
    )
    told = "; ".join(_coding(coding) for coding in codings)
    return page.text(f"{name}: {told}" if told else name)


def _coding(coding: Mapping[str, Any]) -> str:
    display = f" {coding['display']}" if coding.get("display") else ""
    return f"{coding.get('system', 'no system')} {coding.get('code', 'no code')}{display}"

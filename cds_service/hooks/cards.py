"""Outcome → cards: what each fired action shows, merged, ordered and kept within the budget.

Pure: the same outcome, decision id and language give the same cards. Sources: CDS Hooks 2.0.1,
CDS Service Response; `docs/architecture.md`, From action to card.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cds_service.fhirpath.temporal import parse_date
from cds_service.hooks import languages, unjudged
from cds_service.hooks.suggestions import suggestions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from cds_service.engine.outcome import ActionOutcome, Outcome
    from cds_service.engine.plan_definition import CardFrame, Coded, Plan

EXTENSION = "org.example.lbp"
"""The member of `extension` that is ours (CDS Hooks 2.0.1, Extensions: reverse domain)."""

SUMMARY_LIMIT = 139
INDICATORS = ("critical", "warning", "info")
_INDICATOR_OF = {"routine": "info", "urgent": "warning", "asap": "warning", "stat": "critical"}
_AT_MOST_ONE = {"at-most-one", "exactly-one"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A card in the making. `rules` and `plans` name everything that speaks through it."""

    path: str
    indicator: str
    summary: str
    detail: tuple[str, ...]
    source: Mapping[str, Any]
    rules: tuple[str, ...]
    plans: tuple[str, ...]
    suggestions: tuple[Mapping[str, Any], ...] = ()
    is_at_most_one: bool = True
    override_reasons: tuple[Mapping[str, str], ...] = ()
    links: tuple[Mapping[str, str], ...] = ()
    valid_until: tuple[str, ...] = ()
    untranslated: int = 0

    @property
    def rank(self) -> int:
        """0 for critical, 1 for warning, 2 for info."""
        return INDICATORS.index(self.indicator)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who the cards are for: the decision they belong to, the language, the profile in force.

    `today` is the day at the site: content whose effective period is over says so.
    """

    decision_id: UUID
    language: str
    profile: str
    today: date


def from_outcome(outcome: Outcome, reader: Reader) -> list[dict[str, Any]]:
    """The cards of this outcome, most urgent first, inside a level in the plan's order."""
    drafts = sorted(_collect(outcome.fired, reader), key=lambda draft: draft.rank)
    shown = [*_within_budget(drafts, outcome.plan, reader), *_unjudged(outcome, reader)]
    frame = outcome.plan.frame
    if frame is not None:
        shown = [_framed(draft, frame, reader) for draft in shown]
    return [_card(draft, reader) for draft in shown]


def indicator_of(priority: object) -> str:
    """The indicator of the card of an action with this request-priority; info where it has none."""
    return _INDICATOR_OF.get(str(priority), "info")


def _framed(draft: Draft, frame: CardFrame, reader: Reader) -> Draft:
    """The card with the strategy's banner, if any of its content has expired, and its end.

    Source: `card-frame` of the strategy (safety F.1, F.5). A year or month holds to its last day.
    """
    today = reader.today.isoformat()
    over = min((end for end in draft.valid_until if today[: len(end)] > end), default=None)
    facts = {"validUntil": [parse_date(over)]} if over else {}
    banner = (languages.markdown(frame.expired, reader.language, facts),) if over else ()
    closing = languages.markdown(frame.closing, reader.language, {})
    return replace(draft, detail=(*banner, *draft.detail, closing))


def _collect(outcomes: Iterable[ActionOutcome], reader: Reader) -> Iterator[Draft]:
    for outcome in outcomes:
        grouping = outcome.action.grouping
        if grouping == "visual-group":
            drafts = list(_collect(outcome.fired, reader))
            yield from [_merged(drafts, outcome)] if drafts else []
        elif grouping == "logical-group" or languages.said(outcome, "title")[0] is None:
            yield from _collect(outcome.fired, reader)
        elif grouping is None:
            yield _draft(outcome, reader)


def _draft(outcome: ActionOutcome, reader: Reader) -> Draft:
    action, plan = outcome.action, outcome.plan
    title, title_facts = languages.said(outcome, "title")
    description, facts = languages.said(outcome, "description")
    topic = action.code or plan.topic
    full = languages.plain_text(title or plan.title, reader.language, title_facts)
    summary = shortened(full)
    detail: tuple[str, ...] = (full,) if summary != full else ()
    if description is not None:
        detail += (languages.markdown(description, reader.language, facts),)
    return Draft(
        path=outcome.path,
        indicator=indicator_of(outcome.member("priority")),
        summary=summary,
        detail=detail + _lines(outcome, reader),
        source=_source(outcome, topic, reader),
        rules=(topic.code,) if topic else (),
        plans=(plan.versioned,),
        suggestions=tuple(suggestions_of(outcome, reader.decision_id, reader.language)),
        is_at_most_one=outcome.member("selectionBehavior") in _AT_MOST_ONE,
        override_reasons=tuple(_coding(reason, reader) for reason in action.override_reasons),
        links=tuple(_links(outcome, reader)),
        valid_until=(plan.valid_until,) if plan.valid_until else (),
        untranslated=languages.untranslated(outcome, reader.language),
    )


def _lines(outcome: ActionOutcome, reader: Reader) -> tuple[str, ...]:
    """The lines of the card's sentence-groups; one paragraph of bullets for each group.

    A line that names a fact which is not there is left out.
    """
    paragraphs = []
    for group in outcome.fired:
        if group.action.grouping != "sentence-group":
            continue
        lines = []
        for line in _sentences(group):
            text, facts = languages.sentence(line)
            if text is not None and text.is_complete(facts):
                lines.append(f"- {languages.markdown(text, reader.language, facts)}")
        if lines:
            heading, facts = languages.said(group, "title")
            head = [languages.markdown(heading, reader.language, facts)] if heading else []
            paragraphs.append("\n".join([*head, *lines] if not head else [*head, "", *lines]))
    return tuple(paragraphs)


def _sentences(group: ActionOutcome) -> Iterator[ActionOutcome]:
    """The applicable lines of a sentence-group, through nested plans and groups."""
    for child in group.fired:
        if languages.sentence(child)[0] is None:
            yield from _sentences(child)
        else:
            yield child


def _source(outcome: ActionOutcome, topic: Coded | None, reader: Reader) -> dict[str, Any]:
    plan = outcome.plan
    cited = next((item for item in outcome.action.documentation if item.display), None)
    if cited is not None and cited.display is not None:
        label, url = languages.plain_text(cited.display, reader.language, {}), cited.url
    else:
        label, url = _name_of(plan, reader), plan.canonical
    source: dict[str, Any] = {"label": label}
    if url and url.startswith("https://"):
        source["url"] = url
    if topic is not None:
        source["topic"] = _coding(topic, reader)
    return source


def _name_of(plan: Plan, reader: Reader) -> str:
    """Who speaks where no document is cited: the publisher of the plan, else the plan."""
    return languages.plain_text(plan.publisher or plan.title, reader.language, {})


def _coding(coded: Coded, reader: Reader) -> dict[str, str]:
    coding = {"system": coded.system, "code": coded.code}
    if coded.display is not None:
        coding["display"] = languages.plain_text(coded.display, reader.language, {})
    return coding


def _links(outcome: ActionOutcome, reader: Reader) -> Iterator[dict[str, str]]:
    """The further citations that have an https address; never anything from the chart (CARD-28)."""
    for item in outcome.action.documentation[1:]:
        if item.display is not None and item.url and item.url.startswith("https://"):
            label = languages.plain_text(item.display, reader.language, {})
            yield {"label": label, "url": item.url, "type": "absolute"}


def _merged(drafts: list[Draft], group: ActionOutcome) -> Draft:
    """One card for several: the most urgent speaks, the others follow in its detail."""
    if len(drafts) == 1:
        return drafts[0]
    ordered = sorted(drafts, key=lambda draft: draft.rank)
    first = ordered[0]
    detail: list[str] = []
    for draft in ordered:
        detail += [f"**{languages.escape(draft.summary)}**", *draft.detail]
    return replace(
        first,
        path=group.path,
        detail=tuple(detail),
        rules=_once(rule for draft in ordered for rule in draft.rules),
        plans=_once(plan for draft in ordered for plan in draft.plans),
        suggestions=without_twins(item for draft in ordered for item in draft.suggestions),
        is_at_most_one=all(draft.is_at_most_one for draft in ordered if draft.suggestions),
        override_reasons=_without_repetition(
            reason for draft in ordered for reason in draft.override_reasons
        ),
        links=_without_repetition(link for draft in ordered for link in draft.links),
        valid_until=_once(end for draft in ordered for end in draft.valid_until),
        untranslated=sum(draft.untranslated for draft in ordered),
    )


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _without_repetition(items: Iterable[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    return tuple({tuple(sorted(item.items())): item for item in items}.values())


def without_twins(suggestions: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The suggestions that do something new: of two that do the same, the first stays."""
    seen: list[list[Any]] = []
    kept = []
    for suggestion in suggestions:
        does = [_essence(action) for action in suggestion.get("actions", ())]
        if not does or does not in seen:
            seen.append(does)
            kept.append(suggestion)
    return tuple(kept)


def _essence(action: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an action comes to, whatever it is called: its type and what is ordered or removed."""
    if action["type"] == "create":
        resource = action["resource"]
        code = resource.get("code") or resource.get("medicationCodeableConcept")
        return ("create", resource["resourceType"], code)
    return (action["type"], action.get("resourceId"), action.get("resource"))


def _within_budget(drafts: list[Draft], plan: Plan, reader: Reader) -> list[Draft]:
    """All critical and warning cards; info cards up to the budget, the rest as lines of one card.

    Source: `card-budget` of the strategy (rules C.4).
    """
    budget = plan.budget
    if budget is None or budget.overflow.title is None:
        return drafts
    urgent = [draft for draft in drafts if draft.indicator != "info"]
    info = [draft for draft in drafts if draft.indicator == "info"]
    warnings = sum(draft.indicator == "warning" for draft in urgent)
    places = max(budget.non_critical - warnings, 0)
    if len(info) <= places:
        return drafts
    shown, rest = info[: max(places - 1, 0)], info[max(places - 1, 0) :]
    action = budget.overflow
    values: dict[str, list[Any]] = {"n": [len(rest)]}
    detail = [
        "\n".join(
            f"- {languages.escape(draft.summary)}"
            f" ({languages.escape('; '.join((draft.source['label'], *draft.rules)))})"
            for draft in rest
        )
    ]
    if action.description is not None:
        detail.insert(0, languages.markdown(action.description, reader.language, values))
    more = Draft(
        path=f"{plan.id}/{action.key}",
        indicator="info",
        summary=shortened(languages.plain_text(budget.overflow.title, reader.language, values)),
        detail=tuple(detail),
        source={"label": _name_of(plan, reader)},
        rules=_once(rule for draft in rest for rule in draft.rules),
        plans=_once(name for draft in rest for name in draft.plans),
        valid_until=_once(end for draft in rest for end in draft.valid_until),
    )
    return [*urgent, *shown, more]


def _unjudged(outcome: Outcome, reader: Reader) -> Iterator[Draft]:
    """The card about what was left out or failed, outside the budget; none when nothing was."""
    errors = unjudged.errors_in(outcome)
    if not errors:
        return
    parts = (
        (unjudged.LEFT_OUT, [item.title for item in unjudged.left_out_of(errors)]),
        (unjudged.FAILED, [plan.title for plan in unjudged.failed_of(errors)]),
    )
    count = sum(len(titles) for _, titles in parts)
    detail: list[str] = []
    for words, titles in parts:
        if titles:
            names = [languages.plain_text(title, reader.language, {}) for title in titles]
            detail.append(languages.markdown(words, reader.language, {}))
            detail.append("\n".join(f"- {languages.escape(name)}" for name in names))
    yield Draft(
        path=f"{outcome.plan.id}/unjudged",
        indicator="info",
        summary=languages.plain_text(unjudged.SUMMARY, reader.language, {"n": [count]}),
        detail=tuple(detail),
        source={"label": _name_of(outcome.plan, reader)},
        rules=(),
        plans=(outcome.plan.versioned,),
    )


def _card(draft: Draft, reader: Reader) -> dict[str, Any]:
    card: dict[str, Any] = {
        "uuid": uuid_of(draft.path, reader.decision_id),
        "summary": draft.summary,
        "detail": "\n\n".join(draft.detail),
        "indicator": draft.indicator,
        "source": dict(draft.source),
    }
    if draft.suggestions:
        card["suggestions"] = [dict(item) for item in draft.suggestions]
        card["selectionBehavior"] = "at-most-one" if draft.is_at_most_one else "any"
    if draft.override_reasons:
        card["overrideReasons"] = [dict(item) for item in draft.override_reasons]
    if draft.links:
        card["links"] = [dict(item) for item in draft.links]
    card["extension"] = {
        EXTENSION: {
            "decision": str(reader.decision_id),
            "profile": reader.profile,
            **({"rules": list(draft.rules)} if draft.rules else {}),
            "plans": list(draft.plans),
            **({"untranslated": draft.untranslated} if draft.untranslated else {}),
        }
    }
    return {key: value for key, value in card.items() if value not in ("", [], {})}


def uuid_of(path: str, decision_id: UUID) -> str:
    """The uuid of the card that the action at this path makes."""
    return str(uuid5(decision_id, f"card:{path}"))


def shortened(text: str) -> str:
    """`text` within a summary's length, cut at a word with an ellipsis when it is longer."""
    if len(text) <= SUMMARY_LIMIT:
        return text
    return text[: SUMMARY_LIMIT - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def rules_shown(cards: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The rule ids that the cards carry, merged ones included, each once."""
    return _once(rule for card in cards for rule in rules_of(card))


def rules_of(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The rule ids that one card carries; none when neither its action nor its plan has a code."""
    return tuple(card["extension"][EXTENSION].get("rules", ()))

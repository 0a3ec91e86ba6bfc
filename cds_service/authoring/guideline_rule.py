"""One rule in words: its statement, sources, profiles and hooks, when it speaks, and its cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.authoring import cases
from cds_service.authoring.guideline_text import anchor, code, link, one_line, wording
from cds_service.engine.canonicals import QUALITY_OF_EVIDENCE, STRENGTH_OF_RECOMMENDATION
from cds_service.engine.plan_definition import Activity
from cds_service.hooks.cards import indicator_of
from cds_service.hooks.service import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cds_service.authoring.guideline_cards import Card, Rule
    from cds_service.authoring.guideline_names import Names
    from cds_service.engine import Action

ACTION_WORDS = {"create": "order", "update": "change", "remove": "remove"}


def section(rule: Rule, folder: Path, names: Names) -> Iterator[str]:
    """The rule as lines of Markdown. `folder` holds its plan and cases."""
    json = rule.plan.json
    yield f"### {rule.number} {wording(rule.plan.title)}"
    yield ""
    yield anchor("rule", rule.number) + f"{json.get('description', '')} {json.get('purpose', '')}"
    yield ""
    yield from _facts(rule)
    yield ""
    yield from _logic(rule)
    yield from _cards(rule)
    yield from _named(rule, names)
    yield from _cases(folder)


def _facts(rule: Rule) -> Iterator[str]:
    json = rule.plan.json
    for artifact in json.get("relatedArtifact", ()):
        kind = str(artifact.get("display", "")).removeprefix(str(artifact["citation"]))
        kind = f" {kind[kind.rindex('(') :]}" if kind.endswith(")") else ""
        yield f"- Source: {one_line(artifact['citation'])}{kind}"
    yield f"- Strength: {_grade(json, STRENGTH_OF_RECOMMENDATION)}"
    yield f"- Evidence: {_grade(json, QUALITY_OF_EVIDENCE)}"
    speaks = [
        f"{name} ({', '.join(rule.indicators(name))})" for name in PROFILES if rule.indicators(name)
    ]
    yield f"- Profiles: {', '.join(speaks)}"
    yield f"- Hooks: {', '.join(rule.hooks)}"
    if rule.conflicts:
        yield f"- Sources differ: {', '.join(link('conflict', item) for item in rule.conflicts)}"
    approved = f"approved {json['approvalDate']}" if "approvalDate" in json else "not approved"
    yield (
        f"- Version {rule.plan.version}, {json.get('status')}, {approved}; last reviewed "
        f"{json.get('lastReviewDate')}, in force until {rule.plan.valid_until}"
    )


def _grade(json: Any, url: str) -> str:
    for extension in json.get("extension", ()):
        if extension.get("url") == url:
            return str(extension["valueCodeableConcept"]["text"])
    return "not stated"


def _logic(rule: Rule) -> Iterator[str]:
    yield "**When it speaks**"
    yield ""
    shared = _common_groups(rule.cards)
    for group in shared:
        yield from _conditions(group)
    if len(rule.cards) > 1:
        is_first = any(group.first_match for group in shared)
        yield f"- then {'the first' if is_first else 'each'} of its cards that applies"
    yield ""


def _common_groups(cards: Sequence[Card]) -> tuple[Action, ...]:
    """The groups that stand around every card; for a single card its own action as well."""
    if len(cards) == 1:
        return (*cards[0].groups, cards[0].action)
    return tuple(group for group in cards[0].groups if all(group in card.groups for card in cards))


def _conditions(action: Action) -> Iterator[str]:
    if action.for_each is not None:
        name, expression = action.for_each.name, action.for_each.expression.text
        yield f"- for each `%{name}` of {code(expression)}"
    for condition in action.conditions:
        words = condition.description or "when"
        yield f"- {one_line(words)}: {code(condition.text)}"


def _cards(rule: Rule) -> Iterator[str]:
    shared = _common_groups(rule.cards)
    common_lines = _in_all([list(map(_line, card.lines)) for card in rule.cards])
    common_offers = _in_all([list(map(_offer, card.suggestions)) for card in rule.cards])
    common_words = _in_all([_words(card) for card in rule.cards])
    for card in rule.cards:
        yield f"**Card [{_indicator(card)}]** {wording(card.action.title)}"
        yield ""
        yield from _when(rule, card, shared)
        for words in _words(card):
            if words not in common_words:
                yield from (words, "")
        yield from _bullets("Lines", [_line(item) for item in card.lines], common_lines)
        yield from _bullets("Offers", [_offer(item) for item in card.suggestions], common_offers)
    if len(rule.cards) > 1:
        if common_words:
            yield from ("On all of these cards:", "")
            for words in common_words:
                yield from (words, "")
        yield from _bullets("Lines on all of these cards", common_lines, [])
        yield from _bullets("Offers on all of these cards", common_offers, [])


def _when(rule: Rule, card: Card, shared: Sequence[Action]) -> Iterator[str]:
    """What holds for this card beyond what holds for all cards of the rule."""
    if len(rule.cards) == 1:
        return
    own = [group for group in (*card.groups, card.action) if group not in shared]
    lines = [line for action in own for line in _conditions(action)]
    places = rule.profiles_of(card)
    if len(places) < len(PROFILES):
        lines.append(f"- in the profiles: {', '.join(places)}")
    if lines:
        yield from lines
        yield ""


def _indicator(card: Card) -> str:
    written = indicator_of(card.action.json.get("priority"))
    changes = [
        code(value.expression.text)
        for value in card.action.dynamic_values
        if value.path == "action.priority" and value.expression is not None
    ]
    return f"{written}, or by {changes[0]}" if changes else written


def _words(card: Card) -> list[str]:
    """Why, who says it, and the reasons to override: each a paragraph."""
    cited = [wording(item.display) for item in card.action.documentation if item.display]
    reasons = [wording(item.display) or item.code for item in card.action.override_reasons]
    return [
        wording(card.action.description),
        f"Shown as source: {cited[0] if cited else 'the publisher'}",
        f"Reasons to override: {'; '.join(reasons) or 'none'}.",
    ]


def _line(action: Action) -> str:
    conditions = [item.description or code(item.text) for item in action.conditions]
    when = f" (when {'; '.join(conditions)})" if conditions else ""
    return f"{wording(action.description)}{when}"


def _offer(action: Action) -> str:
    steps = action.actions or (action,)
    done = "; ".join(_step(item) for item in steps)
    conditions = [item.description or code(item.text) for item in action.conditions]
    when = f" (when {'; '.join(conditions)})" if conditions else ""
    return f"*{wording(action.title)}*: {done}{when}"


def _step(action: Action) -> str:
    verb = ACTION_WORDS.get(action.type_code or "", "do")
    if isinstance(action.definition, Activity):
        return f"{verb} {_ordered(action.definition)}"
    return f"{verb} ({wording(action.description)})" if action.description else verb


def _ordered(activity: Activity) -> str:
    """What an ActivityDefinition orders, with the code that goes into the order."""
    for member in ("code", "productCodeableConcept"):
        for coding in activity.json.get(member, {}).get("coding", ()):
            return f"{activity.json.get('title', activity.canonical)} ({coding['code']})"
    return str(activity.json.get("title", activity.canonical))


def _in_all(lists: list[list[str]]) -> list[str]:
    """What stands in every list, in the order of the first; nothing where there is one list."""
    if len(lists) < 2:
        return []
    return [item for item in lists[0] if all(item in other for other in lists[1:])]


def _bullets(heading: str, items: Iterable[str], elsewhere: Iterable[str]) -> Iterator[str]:
    skipped = set(elsewhere)
    shown = [item for item in items if item not in skipped]
    if shown:
        yield f"{heading}:"
        yield ""
        yield from (f"- {item}" for item in shown)
        yield ""


def _named(rule: Rule, names: Names) -> Iterator[str]:
    """The definitions and value sets behind the rule; its own definitions in full."""
    own = names.own(rule)
    if own:
        yield "Its own definitions:"
        yield ""
        yield from (f"- `{item.label}`: {item.description or ''} {code(item.text)}" for item in own)
        yield ""
    shared = names.shared(rule)
    if shared:
        links = ", ".join(link("name", item.name, f"`{item.label}`") for item in shared)
        yield f"Shared definitions: {links}"
        yield ""
    value_sets = names.value_sets(rule)
    if value_sets:
        yield f"Value sets: {', '.join(link('codes', item) for item in value_sets)}"
        yield ""


def _cases(folder: Path) -> Iterator[str]:
    told = [cases.read(path).name for path in cases.case_files(folder)]
    if told:
        yield f"Cases ({len(told)}):"
        yield ""
        yield from (f"- {one_line(name)}" for name in told)
        yield ""

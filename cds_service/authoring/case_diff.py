"""What a case expects against what is shown, card by card, as lines that are read like a diff.

What the case does not state stands there without a mark, as it is shown.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cds_service.authoring import cases as case_running
from cds_service.errors import counted
from cds_service.hooks.cards import rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cds_service.authoring.cases import CaseResult

EXPECTED, SHOWN, ALIKE = "- ", "+ ", "  "
"""The marks: expected and not shown, shown and not expected, context."""


def lines(result: CaseResult) -> list[str]:
    """The difference of a case that failed; the sentences of what has no cards to compare."""
    if result.answer is None or result.case.json["expect"].get("status", 200) != 200:
        return list(result.failures)
    expect = result.case.json["expect"]
    return [
        *_of_cards(expect, result.answer.response["cards"]),
        *case_running.differences_in_shadow(expect, result.shadow),
    ]


def _of_cards(expect: Mapping[str, Any], cards: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for expected in expect.get("cards", ()):
        yield from _of_card(expected, cards)
    wanted = {card["rule"] for card in expect.get("cards", ())}
    for card in cards:
        rules = set(rules_of(card))
        unwanted = rules & set(expect.get("absent", ()))
        if unwanted:
            yield f"{SHOWN}{_title(card)}"
            yield f"{ALIKE}  must not be shown: {', '.join(sorted(unwanted))}"
        elif expect.get("only") and not wanted & rules:
            yield f"{SHOWN}{_title(card)}"
            yield f"{ALIKE}  no other card is expected"
    if not cards:
        yield f"{ALIKE}no card is shown"


def _title(card: Mapping[str, Any]) -> str:
    return f"{', '.join(rules_of(card))} [{card['indicator']}] {card['summary']}"


def _of_card(expected: Mapping[str, Any], cards: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rule = expected["rule"]
    found = [card for card in cards if rule in rules_of(card)]
    if not found:
        stated = expected.get("indicator")
        mark = f" [{stated}]" if stated else ""
        yield f"{EXPECTED}{rule}{mark} {expected.get('summary', '')}".rstrip()
        return
    if len(found) != expected.get("count", len(found)):
        yield f"{EXPECTED}{rule} on {counted(expected['count'], 'card')}"
        yield from (f"{SHOWN}{_title(card)}" for card in found)
        return
    nearest = min(found, key=lambda card: len(case_running.differences(expected, card)))
    if case_running.differences(expected, nearest):
        yield f"{ALIKE}{rule}"
        for line in _members(expected, nearest):
            yield f"{line[:2]}  {line[2:]}"


def _members(expected: Mapping[str, Any], card: Mapping[str, Any]) -> Iterator[str]:
    """Indicator, summary, detail and suggestions of a card that is not as expected."""
    urgency, summary = str(expected.get("indicator", card["indicator"])), expected.get("summary")
    lacking = [] if urgency == card["indicator"] else [urgency]
    yield from _member("indicator", lacking, [card["indicator"]])
    lacking = [] if not summary or summary in card["summary"] else [summary]
    yield from _member("summary", lacking, [card["summary"]])
    detail = str(card.get("detail", ""))
    missing = [text for text in case_running.as_list(expected.get("detail")) if text not in detail]
    near = [line for text in missing for line in _nearest(text, detail)]
    yield from _member("detail", missing, list(dict.fromkeys(near)))
    suggestions = card.get("suggestions", ())
    labels = [item["label"] for item in suggestions]
    done = [
        str(part.get("description", "")) for item in suggestions for part in item.get("actions", ())
    ]
    yield from _offers("suggestion", case_running.as_list(expected.get("suggestions")), labels)
    yield from _offers("action", case_running.as_list(expected.get("actions")), done)
    for text in case_running.as_list(expected.get("lacks")):
        for shown in (card["summary"], *detail.split("\n"), *labels, *done):
            if text in shown:
                yield f"{SHOWN}{shown}"
                yield f"{ALIKE}must not be there: {text}"


def _offers(name: str, wanted: Sequence[str], offered: Sequence[str]) -> Iterator[str]:
    """What is asked for and not offered, against all that is offered; nothing if all is."""
    missing = [text for text in wanted if not any(text in item for item in offered)]
    yield from _member(name, missing, offered if missing else [])


def _member(name: str, missing: Sequence[str], shown: Sequence[str]) -> Iterator[str]:
    """What the card lacks of this member against what it has; context when it lacks nothing."""
    yield from (f"{EXPECTED}{name}: {text}" for text in missing)
    yield from (f"{SHOWN if missing else ALIKE}{name}: {text}" for text in shown)


def _nearest(text: str, detail: str) -> list[str]:
    """The line of the detail that is most like the text, or all of it where none is."""
    every = [line for line in detail.split("\n") if line.strip()]
    return get_close_matches(text, every, n=1, cutoff=0.4) or every

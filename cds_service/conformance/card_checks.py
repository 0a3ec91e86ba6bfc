"""Checks of cards: their members, suggestions, actions, links, override reasons."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from cds_service.conformance import shape
from cds_service.conformance.checking import Level, NotSeen, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.conformance.observation import Observed

Placed = list[tuple[str, dict[str, Any]]]

_RAW_HTML = re.compile(r"(?<![\\`])<[A-Za-z/!][^<]*>")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")
_TOPIC = re.compile(r"[A-Za-z0-9]{1,100}")


@check("CARD-3")
def summaries_are_short(seen: Observed) -> Iterator[str]:
    """Each card has a summary of fewer than 140 characters."""
    for place, card in _cards(seen):
        yield from shape.text(place, card, "summary")
        if isinstance(card.get("summary"), str) and len(card["summary"]) >= 140:
            yield f"{place}.summary has {len(card['summary'])} characters"


@check("CARD-8")
def indicators_are_known(seen: Observed) -> Iterator[str]:
    """Each card's indicator is info, warning or critical."""
    for place, card in _cards(seen):
        yield from shape.one_of(place, card, "indicator", {"info", "warning", "critical"})


@check("CARD-9", "CARD-11", "CARD-12", "CARD-14", "CARD-16", "CARD-17")
def sources_are_named(seen: Observed) -> Iterator[str]:
    """Each card has a source with a label; its url and icon are absolute, its topic is a Coding."""
    for place, card in _cards(seen):
        source = card.get("source")
        if not isinstance(source, dict):
            yield f"{place}.source must be an object"
            continue
        yield from shape.text(f"{place}.source", source, "label")
        yield from shape.url(f"{place}.source", source, "url")
        yield from shape.url(f"{place}.source", source, "icon")
        if "topic" in source:
            yield from shape.coding(f"{place}.source.topic", source["topic"])


@check("CARD-18", "CARD-21", "CARD-24", "SUG-6")
def lists_hold_objects(seen: Observed) -> Iterator[str]:
    """Where present, suggestions, overrideReasons, links and actions are arrays of objects."""
    for place, card in _cards(seen):
        for member in ("suggestions", "overrideReasons", "links"):
            yield from shape.array_of_objects(place, card, member)
        for where, suggestion in shape.objects(place, card, "suggestions"):
            yield from shape.array_of_objects(where, suggestion, "actions")


@check("CARD-1", "CARD-5", "SUG-2", "SUG-4")
def optional_members_have_their_type(seen: Observed) -> Iterator[str]:
    """Where present, uuid and detail are strings, and isRecommended is a boolean."""
    for place, card in _cards(seen):
        for member in ("uuid", "detail"):
            yield from shape.text(place, card, member, needed=False)
        for where, suggestion in shape.objects(place, card, "suggestions"):
            yield from shape.text(where, suggestion, "uuid", needed=False)
            if not isinstance(suggestion.get("isRecommended", True), bool):
                yield f"{where}.isRecommended must be true or false"


@check("CARD-2", "SUG-3", level=Level.ADVICE)
def ids_make_feedback_possible(seen: Observed) -> Iterator[str]:
    """Cards and suggestions carry a uuid, unique in the answer: without it there is no feedback."""
    for call in seen.calls:
        items = [
            item
            for place, card in shape.objects("$", {"cards": call.cards}, "cards")
            for item in (card, *(found for _, found in shape.objects(place, card, "suggestions")))
        ]
        ids = Counter(item.get("uuid") for item in items)
        if None in ids:
            yield f"{call.place}: {ids[None]} cards or suggestions have no uuid"
        repeated = [name for name, count in ids.items() if count > 1 and name is not None]
        if repeated:
            yield f"{call.place}: {repeated[0]} occurs more than once"
    _cards(seen)


@check("CARD-7", level=Level.ADVICE)
def details_hold_no_html(seen: Observed) -> Iterator[str]:
    """Summary and detail hold no raw HTML, which clients may drop or run."""
    for place, card in _cards(seen):
        for member in ("summary", "detail"):
            found = _RAW_HTML.search(str(card.get(member, "")))
            if found:
                yield f"{place}.{member} holds {found[0]!r:.60}"


@check("CARD-26", level=Level.ADVICE)
def topics_are_stable_names(seen: Observed) -> Iterator[str]:
    """source.topic.code is alphanumeric and at most 100 long: some clients keep overrides by it."""
    for place, card in _cards(seen):
        source = card.get("source")
        topic = source.get("topic") if isinstance(source, dict) else None
        code = topic.get("code") if isinstance(topic, dict) else None
        if not isinstance(code, str) or not _TOPIC.fullmatch(code):
            yield f"{place}.source.topic.code is {code!r:.60}"


@check("CARD-19", "CARD-20")
def suggestions_say_how_many_may_be_chosen(seen: Observed) -> Iterator[str]:
    """A card with suggestions has selectionBehavior at-most-one or any."""
    for place, card in _cards(seen):
        if "suggestions" in card:
            yield from shape.one_of(place, card, "selectionBehavior", {"at-most-one", "any"})


@check("SUG-1", "SUG-6")
def suggestions_have_a_label(seen: Observed) -> Iterator[str]:
    """Each suggestion has a label, and its actions, if present, are an array that is not empty."""
    for place, suggestion in _suggestions(seen):
        yield from shape.text(place, suggestion, "label")
        actions = suggestion.get("actions", ["none"])
        if not isinstance(actions, list) or not actions:
            yield f"{place}.actions must be an array with something in it"


@check("SUG-5")
def at_most_one_recommends_at_most_one(seen: Observed) -> Iterator[str]:
    """With at-most-one, at most one suggestion is recommended."""
    _suggestions(seen)
    for place, card in _cards(seen):
        found = shape.objects(place, card, "suggestions")
        recommended = sum(item.get("isRecommended") is True for _, item in found)
        if card.get("selectionBehavior") == "at-most-one" and recommended > 1:
            yield f"{place} recommends {recommended} suggestions"


@check("CARD-21", "CARD-22")
def override_reasons_are_codings(seen: Observed) -> Iterator[str]:
    """Override reasons are Codings with code, system and display."""
    found = [pair for place, card in _cards(seen) for pair in _reasons(place, card)]
    if not found:
        raise NotSeen("no card has override reasons")
    for place, reason in found:
        yield from shape.coding(place, reason, display=True)


@check("LINK-1", "LINK-2", "LINK-3", "LINK-5", "LINK-6")
def links_can_be_followed(seen: Observed) -> Iterator[str]:
    """Links have label, absolute url and type; only those of type smart have appContext."""
    found = [pair for place, card in _cards(seen) for pair in shape.objects(place, card, "links")]
    if not found:
        raise NotSeen("no card has links")
    for place, link in found:
        yield from shape.text(place, link, "label")
        yield from shape.text(place, link, "url")
        yield from shape.url(place, link, "url")
        yield from shape.one_of(place, link, "type", {"absolute", "smart"})
        if link.get("type") == "absolute" and "appContext" in link:
            yield f"{place} is absolute and has an appContext"
        if not isinstance(link.get("autolaunchable", False), bool):
            yield f"{place}.autolaunchable must be true or false"


@check("ACT-1", "ACT-2", "ACT-4", "ACT-5", "GEN-7")
def actions_carry_what_they_do(seen: Observed) -> Iterator[str]:
    """Actions have a type and a description; create and update hold a whole FHIR resource."""
    for place, action in _actions(seen):
        yield from shape.one_of(place, action, "type", {"create", "update", "delete"})
        yield from shape.text(place, action, "description")
        resource = action.get("resource")
        if action.get("type") in {"create", "update"} and not (
            isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)
        ):
            yield f"{place}.resource must be a FHIR resource"


@check("ACT-6", "ACT-7", level=Level.SHOULD)
def removals_name_what_goes(seen: Observed) -> Iterator[str]:
    """A delete names a relative reference in resourceId and holds no resource."""
    found = [(place, item) for place, item in _actions(seen) if item.get("type") == "delete"]
    if not found:
        raise NotSeen("no action deletes")
    for place, action in found:
        if not _REFERENCE.fullmatch(str(action.get("resourceId"))):
            yield f"{place}.resourceId must be Type/id, not {action.get('resourceId')!r:.60}"
        if "resource" in action:
            yield f"{place} deletes and has a resource"


def _cards(seen: Observed) -> Placed:
    found = list(seen.cards)
    if not found:
        raise NotSeen("no call was answered with a card; give requests with --request")
    return found


def _suggestions(seen: Observed) -> Placed:
    return _members(_cards(seen), "suggestions", "no card has suggestions")


def _actions(seen: Observed) -> Placed:
    return _members(_suggestions(seen), "actions", "no suggestion has actions")


def _members(holders: Placed, member: str, missing: str) -> Placed:
    """The objects of this list member of all holders; raises NotSeen where there are none."""
    found = [item for place, holder in holders for item in shape.objects(place, holder, member)]
    if not found:
        raise NotSeen(f"{missing}; give requests with --request")
    return found


def _reasons(place: str, card: dict[str, Any]) -> list[tuple[str, Any]]:
    reasons = card.get("overrideReasons")
    return [
        (f"{place}.overrideReasons[{number}]", item)
        for number, item in enumerate(reasons if isinstance(reasons, list) else ())
    ]

"""Checks of answers as a whole: their status, their JSON, what may not be in them, their time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.conformance import shape
from cds_service.conformance.checking import Level, NotSeen, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.conformance.observation import Call, Observed

_SLOW_S = 0.5


@check("RESP-1", "RESP-2", "REQ-1")
def a_call_is_answered_with_cards(seen: Observed) -> Iterator[str]:
    """A hook call with prefetch is answered with 200 and an object that holds an array of cards."""
    for call in _calls(seen):
        body = call.answer.json
        if call.answer.status == 412:
            continue
        if call.answer.status != 200:
            yield f"{call.place}, not 200"
        elif not isinstance(body, dict) or not isinstance(body.get("cards"), list):
            yield f"{call.place}: no JSON object with an array 'cards'"
        else:
            yield from shape.array_of_objects(f"{call.service} ({call.name})", body, "cards")
    if seen.calls and all(call.answer.status == 412 for call in seen.calls):
        raise NotSeen("every call was refused for want of data (412); give requests with --request")


@check("GEN-3", "GEN-4", "GEN-5")
def nothing_is_null_or_empty(seen: Observed) -> Iterator[str]:
    """No member of an answer is null or empty, but for the lists of cards and of services."""
    for where, body in _bodies(seen):
        for place in shape.empties(body):
            yield f"{where}: {place}"


@check("GEN-8")
def extensions_are_objects(seen: Observed) -> Iterator[str]:
    """A member named extension is a JSON object, but within FHIR resources."""
    for where, body in _bodies(seen):
        for place in shape.odd_extensions(body):
            yield f"{where}: {place}"


@check("GEN-11", "GEN-1")
def answers_are_json(seen: Observed) -> Iterator[str]:
    """Discovery and cards are JSON in UTF-8 (RFC 8259), and come as application/json."""
    for answer in (seen.discovery, *(call.answer for call in seen.calls)):
        if answer.status != 200:
            continue
        kind = answer.headers.get("content-type", "")
        if kind.partition(";")[0].strip() != "application/json":
            yield f"{answer}: Content-Type is {kind!r}"
        if answer.not_json:
            yield f"{answer}: {answer.not_json}"


@check("SYS-2", "ACT-3", level=Level.ADVICE)
def nothing_happens_unasked(seen: Observed) -> Iterator[str]:
    """There are no systemActions unless they were agreed on."""
    for call in _calls(seen):
        if isinstance(call.answer.json, dict) and "systemActions" in call.answer.json:
            yield f"{call.place} has systemActions"


@check("PERF-1", level=Level.SHOULD)
def answers_are_fast(seen: Observed) -> Iterator[str]:
    """A call with prefetch is answered within about 500 ms."""
    for call in _calls(seen):
        if call.answer.failure is not None:
            yield call.place
        elif call.answer.seconds > _SLOW_S:
            yield f"{call.place} took {call.answer.seconds * 1000:.0f} ms"


def _calls(seen: Observed) -> list[Call]:
    if not seen.calls:
        raise NotSeen(seen.why_not_asked)
    return seen.calls


def _bodies(seen: Observed) -> Iterator[tuple[str, Any]]:
    """The bodies of discovery and of answered calls that are JSON, each with where it was seen."""
    if seen.discovery.json is not None:
        yield "discovery", seen.discovery.json
    for call in (*seen.calls, *seen.awkward):
        if call.answer.status == 200 and call.answer.json is not None:
            yield f"{call.service} ({call.name})", call.answer.json

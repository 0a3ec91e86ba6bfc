"""Lint rule for extensions: what of them nothing reads, because of a slip.

FHIR lets every extension pass, so a misspelt one is sound FHIR: a rule with `shaddow` is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from cds_service.engine import canonicals
from cds_service.errors import did_you_mean
from cds_service.terminology import ALTERNATE_URI, PREFIX_HIERARCHY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.engine import Content
    from cds_service.engine.source import Element
    from cds_service.errors import ContentError

_CLOSE = 0.93
"""How alike two URLs of extensions are of which one is the other misspelt."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The elements on which an extension is read, and the value or the parts that are read."""

    places: tuple[str, ...]
    value: str | None = None
    parts: tuple[str, ...] = ()


_PLAN, _ACTION = ("PlanDefinition",), ("PlanDefinition.action",)
_ROOTS = ("CodeSystem", "PlanDefinition", "ActivityDefinition", "Library", "Questionnaire")
_INPUTS = ("Library.dataRequirement", "PlanDefinition.action.input")

_OURS: Mapping[str, _Meaning] = {
    canonicals.ACTION_RESOURCE: _Meaning(_ACTION, "valueExpression"),
    canonicals.CARD_BUDGET: _Meaning(_PLAN, parts=("nonCritical", "overflow")),
    canonicals.CARD_FRAME: _Meaning(_PLAN, parts=("expired", "closing")),
    canonicals.CONFLICT: _Meaning(_PLAN, "valueCoding"),
    canonicals.DEFINITION_PARAMETERS: _Meaning(("*.valueExpression",), parts=("name",)),
    canonicals.FOR_EACH: _Meaning(_ACTION, "valueExpression"),
    canonicals.MESSAGE_SYSTEM: _Meaning(("CodeSystem",), "valueBoolean"),
    canonicals.NEED: _Meaning(_INPUTS, "valueCode"),
    canonicals.OVERRIDE_REASONS: _Meaning(_ACTION, "valueCanonical"),
    canonicals.QUIETING: _Meaning(_PLAN, parts=("since", "later", "laterDays", "encounterOnly")),
    canonicals.QUIET_FOR: _Meaning(_PLAN, "valueCode"),
    canonicals.SAME_IN_TRANSLATION: _Meaning(_ROOTS, "valueString"),
    canonicals.SHADOW: _Meaning(_ACTION, "valueBoolean"),
    canonicals.TRANSLATION_REVIEW: _Meaning(_PLAN, parts=("lang", "status", "note")),
    ALTERNATE_URI: _Meaning(("CodeSystem",), "valueUri"),
    PREFIX_HIERARCHY: _Meaning(("CodeSystem",), "valueBoolean"),
}
_OF_HL7 = (
    canonicals.ALTERNATIVE_EXPRESSION,
    canonicals.APPLICABILITY_BEHAVIOR,
    canonicals.QUALITY_OF_EVIDENCE,
    canonicals.QUERY_PATTERN,
    canonicals.STRENGTH_OF_RECOMMENDATION,
    canonicals.TRANSLATION,
    canonicals.VARIABLE,
)


def findings(content: Content) -> Iterator[ContentError]:
    """Extensions that are misspelt, stand where nothing reads them, or hold something else."""
    for source in content.sources:
        yield from _below(source.root, str(source.resource["resourceType"]))


def _below(element: Element, place: str) -> Iterator[ContentError]:
    """What is wrong in the extensions of an element and of all below it.

    `place` is its path without indexes, in which actions below actions count as one.
    """
    for extension in element.elements("extension"):
        yield from _judged(extension, place)
    for member in element.json:
        child = element.element(member)
        for below in (child,) if child else element.elements(member):
            yield from _below(below, _place(below, member, place))


def _place(element: Element, member: str, outer: str) -> str:
    if member == "contained":
        return str(element.json.get("resourceType"))
    return outer if member == "action" and outer in _ACTION else f"{outer}.{member}"


def _judged(extension: Element, place: str) -> Iterator[ContentError]:
    url = extension.string("url") or ""
    meaning = _OURS.get(url)
    if meaning is None:
        if hint := _meant(url):
            message = f"nothing reads the extension '{url}'"
            yield extension.problem(message, "url", code="extension", hint=hint)
        return
    name = _name(url)
    if not any(fnmatchcase(place, pattern) for pattern in meaning.places):
        yield extension.problem(
            f"nothing reads the extension '{name}' on {place}",
            "url",
            code="extension",
            hint=f"it belongs on {' or '.join(meaning.places)}",
        )
    elif meaning.value is not None and meaning.value not in extension.json:
        message = f"the extension '{name}' has no {meaning.value}"
        hint = f"its value stands in {meaning.value}"
        yield extension.problem(message, "url", code="extension", hint=hint)
    yield from _parts(extension, name, meaning.parts)


def _parts(extension: Element, name: str, known: tuple[str, ...]) -> Iterator[ContentError]:
    for part in extension.elements("extension"):
        url = part.string("url") or ""
        if known and url not in known:
            yield part.problem(
                f"the extension '{name}' has no part '{url}'",
                "url",
                code="extension",
                hint=did_you_mean(url, known) or f"its parts are: {', '.join(known)}",
            )


@cache
def _meant(url: str) -> str | None:
    """Which extension a URL that is none of ours may mean; None for somebody else's."""
    known = (*_OURS, *_OF_HL7)
    if url in known:
        return None
    if not url.startswith(f"{canonicals.BASE}/"):
        close = get_close_matches(url, known, n=1, cutoff=_CLOSE)
        return f"did you mean '{close[0]}'?" if close else None
    names = [_name(item) for item in _OURS]
    return did_you_mean(_name(url), names) or f"those of this project are: {', '.join(names)}"


def _name(url: str) -> str:
    return url.rsplit("/", 1)[-1]
